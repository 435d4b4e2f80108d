//! Pre-flight checks: what is wrong is named with its fix, and the fix mends it.

use super::lab::{Lab, SERVER_1, public};
use godwit::model::check::{Check, Verdict};
use godwit::model::table::TableName;
use godwit::stores::postgres::store::PostgresStore;
use godwit::stores::{OpenOptions, Preflight, Side};
use std::time::Duration;

fn find<'a>(checks: &'a [Check], id: &str, subject: &str) -> &'a Check {
    let found = checks.iter().find(|c| c.id == id && c.subject == subject);
    found.unwrap_or_else(|| panic!("no {id} of {subject:?} in {checks:#?}"))
}

async fn checks(store: &PostgresStore, side: Side, tables: &[TableName]) -> Vec<Check> {
    let checks = store.checks(side, tables).await;
    for check in &checks {
        assert!(check.id.starts_with("pg."), "{check:?}");
        assert!(!check.evidence.is_empty(), "{check:?}");
        assert_eq!(check.fix.is_empty(), check.verdict == Verdict::Pass, "{check:?}");
    }
    checks
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_sound_source_and_target_pass() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE orders (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)").await;
    for side in [Side::Source, Side::Target] {
        let checks = checks(&lab.store, side, &[public("orders")]).await;
        let failed: Vec<&Check> = checks.iter().filter(|c| c.verdict == Verdict::Fail).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        // The disk is seen only by who may read the server's directory.
        let unknown: Vec<&str> =
            checks.iter().filter(|c| c.verdict == Verdict::NotCheckable).map(|c| c.id.as_str()).collect();
        assert!(unknown.is_empty() || unknown == ["pg.disk"], "{checks:#?}");
        for id in [
            "pg.connection",
            "pg.version",
            "pg.wal_level",
            "pg.replication_slots",
            "pg.wal_senders",
            "pg.encoding",
            "pg.clock",
            "pg.right_replica_role",
            "pg.right_origins",
            "pg.output_plugin",
        ] {
            find(&checks, id, "");
        }
        for id in ["pg.table", "pg.replica_identity", "pg.types", "pg.row_security", "pg.right_table", "pg.right_owner"]
        {
            find(&checks, id, "public.orders");
        }
    }
    let target = checks(&lab.store, Side::Target, &[public("not_yet")]).await;
    assert_eq!(find(&target, "pg.table", "public.not_yet").verdict, Verdict::Pass);
    let source = checks(&lab.store, Side::Source, &[public("not_yet")]).await;
    assert_eq!(find(&source, "pg.table", "public.not_yet").verdict, Verdict::Fail);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn tables_that_cannot_be_moved_are_named_with_the_fix() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run(
        "CREATE TABLE no_key (x int); CREATE TABLE full_row (x int); ALTER TABLE full_row REPLICA IDENTITY FULL;
         CREATE TABLE key_and_full (x int PRIMARY KEY); ALTER TABLE key_and_full REPLICA IDENTITY FULL;
         CREATE TABLE nothing (x int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;
         CREATE UNLOGGED TABLE fleeting (x int PRIMARY KEY); CREATE TABLE parent (x int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (x)) INHERITS (parent);
         CREATE TABLE pointers (x int PRIMARY KEY, file oid, t regclass); CREATE EXTENSION citext; CREATE TABLE mails (m citext PRIMARY KEY);
         CREATE TABLE filled (x int PRIMARY KEY); INSERT INTO filled VALUES (1); SELECT lo_create(0);
         CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION et()",
    )
    .await;
    let names =
        ["no_key", "full_row", "key_and_full", "nothing", "fleeting", "parent", "child", "pointers", "mails", "filled"];
    let tables: Vec<TableName> = names.iter().map(|n| public(n)).collect();
    let source = checks(&lab.store, Side::Source, &tables).await;
    for (id, subject, verdict) in [
        ("pg.replica_identity", "public.no_key", Verdict::Fail),
        ("pg.replica_identity", "public.full_row", Verdict::Warn),
        ("pg.replica_identity", "public.key_and_full", Verdict::Warn),
        ("pg.replica_identity", "public.nothing", Verdict::Fail),
        ("pg.table", "public.fleeting", Verdict::Fail),
        ("pg.table", "public.parent", Verdict::Fail),
        ("pg.table", "public.child", Verdict::Fail),
        ("pg.types", "public.pointers", Verdict::Warn),
        ("pg.extensions", "public.mails", Verdict::Warn),
        ("pg.large_objects", "", Verdict::Warn),
        ("pg.event_triggers", "", Verdict::Warn),
    ] {
        assert_eq!(find(&source, id, subject).verdict, verdict, "{:?}", find(&source, id, subject));
    }
    assert!(find(&source, "pg.types", "public.pointers").evidence.contains("file oid, t regclass"));
    // The fix mends it.
    let fix = find(&source, "pg.replica_identity", "public.nothing").fix.clone();
    lab.run(&fix).await;
    let mended = checks(&lab.store, Side::Source, &tables).await;
    assert_eq!(find(&mended, "pg.replica_identity", "public.nothing").verdict, Verdict::Pass);
    let target = checks(&lab.store, Side::Target, &tables).await;
    assert_eq!(find(&target, "pg.target_empty", "public.filled").verdict, Verdict::Fail);
    assert_eq!(find(&target, "pg.target_empty", "public.no_key").verdict, Verdict::Pass);
    assert!(find(&target, "pg.extensions", "").evidence.contains("citext"));
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_poor_login_learns_every_right_that_it_lacks_and_the_fixes_give_them() {
    let mut lab = Lab::create(SERVER_1).await;
    let role = format!("{}_poor", lab.name);
    lab.run(&format!(
        "CREATE ROLE {role} LOGIN; ALTER ROLE {role} SET idle_in_transaction_session_timeout = '5s'; ALTER ROLE {role} SET tcp_user_timeout = '7s';
         CREATE SCHEMA sales; CREATE TABLE sales.orders (id int PRIMARY KEY); ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY"
    ))
    .await;
    let tables = [TableName::in_schema("sales", "orders")];
    let before = checks(&lab.store_as(&role), Side::Source, &tables).await;
    for (id, subject) in [
        ("pg.right_replication", ""),
        ("pg.right_create", ""),
        ("pg.right_replica_role", ""),
        ("pg.right_origins", ""),
        ("pg.right_table", "sales.orders"),
        ("pg.right_owner", "sales.orders"),
        ("pg.row_security", "sales.orders"),
    ] {
        assert_eq!(find(&before, id, subject).verdict, Verdict::Fail, "{:?}", find(&before, id, subject));
    }
    assert_eq!(find(&before, "pg.right_statistics", "").verdict, Verdict::Warn);
    assert_eq!(find(&before, "pg.idle_in_transaction_session_timeout", "").verdict, Verdict::Pass);
    assert!(find(&before, "pg.idle_in_transaction_session_timeout", "").evidence.contains("5000ms by"));
    assert_eq!(find(&before, "pg.tcp_user_timeout", "").verdict, Verdict::Warn);

    // Every fix can be run as it stands (by a superuser), until nothing fails.
    let mut rounds = 0;
    loop {
        let now = checks(&lab.store_as(&role), Side::Source, &tables).await;
        let fixes: Vec<String> =
            now.iter().filter(|c| c.verdict == Verdict::Fail).map(|c| c.fix.replace("CURRENT_USER", &role)).collect();
        if fixes.is_empty() {
            break;
        }
        rounds += 1;
        assert!(rounds < 5, "{now:#?}");
        for fix in fixes {
            lab.run(&fix).await;
        }
    }
    lab.run(&format!("REVOKE postgres FROM {role}; DROP OWNED BY {role}; DROP ROLE {role}")).await;
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_unreachable_server_is_one_failing_check() {
    let options = OpenOptions {
        id: "gone".into(),
        statement_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_millis(500),
    };
    let store = PostgresStore::open(options, "postgres://me:secret@127.0.0.1:1/none").unwrap();
    let checks = store.checks(Side::Source, &[]).await;
    assert_eq!(checks.len(), 1);
    assert_eq!((checks[0].id.as_str(), checks[0].verdict), ("pg.connection", Verdict::Fail));
    assert!(checks[0].evidence.contains("refused"), "{:?}", checks[0]);
    assert!(!format!("{checks:?}").contains("secret"));
}
