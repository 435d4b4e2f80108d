//! Gates over what is known of real stores: a planted finding turns the cutover's gate red, and mending it turns it green.

use crate::driver::{Client, Engine, Home, PATIENCE, PHASES, poll};
use crate::lab::Lab;
use crate::migration::shop::Shop;
use crate::shown::Watcher;
use godwit::model::access::drift::GrantChange;
use godwit::model::finding::{Audit, Finding, Verdict};
use godwit::model::ids::StoreId;
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::Traffic;
use godwit::model::view::{View, ViewKind};
use std::process::Stdio;

/// The profile with other gates of the cutover, and with more sections.
fn declare(shop: &Shop, gates: &str, more: &str) {
    let text = std::fs::read_to_string(shop.profile()).unwrap();
    let text = text.replace("gates = { lag", &format!("gates = {{ {gates}, lag"));
    std::fs::write(shop.profile(), format!("{text}\n{more}")).unwrap();
}

async fn before_the_cutover(client: &mut Client) {
    for phase in &PHASES[..7] {
        client.run(phase).await;
    }
}

/// Why the cutover does not begin; empty: it was begun.
async fn refusal(client: &mut Client) -> String {
    client.begin("cutover").await.err().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_planted_critical_finding_is_red_and_mended_it_is_green() {
    let shop = Shop::new().await;
    declare(&shop, "access = \"no critical\"", "");
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    before_the_cutover(&mut client).await;
    // Everybody may run it, and it runs as a superuser.
    shop.sql(Traffic::Target, "CREATE FUNCTION peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'").await;
    let why = refusal(&mut client).await;
    assert!(why.contains("access: critical PG-12 on target"), "{why}");
    // The board of the clients shows it without being asked.
    let gate = |m: &godwit::model::fold::Migration| format!("{:?}", m.phase(&"cutover".into()).unwrap().status);
    client.until("the block is journaled", |m| gate(m).contains("PG-12")).await;
    shop.sql(Traffic::Target, "REVOKE EXECUTE ON FUNCTION peek() FROM PUBLIC").await;
    client.run("cutover").await;
    engine.down(&mut client).await;
}

/// Asks for the cutover, which its gate refuses, so that the gate has the rights read again.
async fn read_again(client: &mut Client) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let why = refusal(client).await;
        if why.contains("critical PG-12") {
            return;
        }
        // The board that shows the gates may have judged the phase in the same moment.
        assert!(why.contains("changed meanwhile") && tokio::time::Instant::now() < deadline, "{why}");
    }
}

/// What a service's login may do on the source and not on the target is a finding of the target, and granting it is seen as drift.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn own_25_a_right_that_did_not_come_along_is_found_and_granting_it_is_told() {
    let shop = Shop::new().await;
    let text = std::fs::read_to_string(shop.profile()).unwrap();
    std::fs::write(shop.profile(), text.replace("owns = [", "accounts = [\"drift_app\"]\nowns = [")).unwrap();
    // The lab is thrown away with its roles.
    let role = "DO $$ BEGIN CREATE ROLE drift_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;";
    shop.sql(Traffic::Source, &format!("{role} GRANT SELECT, UPDATE ON customers TO drift_app")).await;
    // It keeps the gate red, so that each question for the cutover has the rights read again.
    let red = "CREATE FUNCTION peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'";
    shop.sql(Traffic::Target, &format!("{role} {red}")).await;
    declare(&shop, "access = \"no critical\"", "");
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    before_the_cutover(&mut client).await;
    read_again(&mut client).await;
    let mut watcher = Watcher::open(&shop, ViewKind::Access).await;
    let told = async |watcher: &mut Watcher, appeared: bool| {
        let fits = |change: &&GrantChange| change.login == "drift_app" && change.appeared == appeared;
        let find = |view: &View| audit(view)?.changes.iter().find(|change| fits(change)).cloned();
        watcher.until("the drift", find).await
    };
    let lacking = |view: &View| -> Option<Vec<Finding>> {
        let findings = &audit(view)?.findings;
        let lacks = |f: &&Finding| f.rule == "OWN-25" && f.verdict == Verdict::Fail;
        Some(findings.iter().filter(lacks).cloned().collect())
    };
    // The phase `secure` brought the rights along; somebody takes them away after it.
    watcher.until("nothing lacks", |view| lacking(view).filter(Vec::is_empty)).await;
    shop.sql(Traffic::Target, "REVOKE SELECT, UPDATE ON customers FROM drift_app").await;
    read_again(&mut client).await;
    let change = told(&mut watcher, false).await;
    assert!(change.since < change.at && change.sentence.contains("public.customers"), "{change:?}");
    let found = watcher.until("OWN-25", |view| lacking(view).filter(|found| !found.is_empty())).await;
    let [found] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(found.subject, "drift_app on public.customers");
    let statement = found.statement.clone().unwrap();
    assert!(statement.contains("SELECT") && statement.contains("UPDATE"), "{statement}");

    shop.sql(Traffic::Target, &statement).await;
    read_again(&mut client).await;
    watcher.until("nothing lacks any more", |view| lacking(view).filter(Vec::is_empty)).await;
    let change = told(&mut watcher, true).await;
    assert!(change.since < change.at && change.sentence.contains("public.customers"), "{change:?}");
    engine.down(&mut client).await;
}

/// The target's audit.
fn audit(view: &View) -> Option<&Audit> {
    let View::Access(stores) = view else { panic!("{view:?}") };
    Some(&stores.get(&StoreId::from("target"))?.latest.as_ref()?.value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_index_that_did_not_come_along_is_red_until_it_is_there() {
    let shop = Shop::new().await;
    declare(&shop, "indexes = \"none missing\"", "");
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    before_the_cutover(&mut client).await;
    shop.sql(Traffic::Source, "CREATE INDEX orders_by_total ON orders(total)").await;
    let why = refusal(&mut client).await;
    assert!(why.contains("indexes: IX-LOST on target: public.orders lacks the index (total)"), "{why}");
    shop.sql(Traffic::Target, "CREATE INDEX by_hand ON orders(total)").await;
    client.run("cutover").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_time_that_was_not_watched_is_unknown_and_a_foreign_writer_is_red() {
    let shop = Shop::new().await;
    let text = std::fs::read_to_string(shop.profile()).unwrap();
    std::fs::write(shop.profile(), text.replace("owns = [", "accounts = [\"gates_app\"]\nowns = [")).unwrap();
    // The lab is thrown away with its roles.
    shop.sql(
        Traffic::Target,
        "DO $$ BEGIN CREATE ROLE gates_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    .await;
    declare(&shop, "no_foreign_writer = \"24h\"", "[access]\nmigration = [\"nobody\"]\n");
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    before_the_cutover(&mut client).await;
    let why = refusal(&mut client).await;
    assert!(why.contains("no_foreign_writer: not known: source is watched without a gap for"), "{why}");
    // A login that no service declares writes, and its transaction is open at a look.
    let mut foreign = shop.session(Traffic::Source).await;
    sqlx::raw_sql("SET application_name = 'nightly'; BEGIN; UPDATE orders SET note = 'secret-4711' WHERE id = 1")
        .execute(&mut foreign)
        .await
        .unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let why = loop {
        let why = refusal(&mut client).await;
        if why.contains("wrote public.orders") {
            break why;
        }
        assert!(tokio::time::Instant::now() < deadline, "{why}");
    };
    assert!(why.contains("of no declared service (nightly") && !why.contains("secret-4711"), "{why}");
    engine.down(&mut client).await;
}

/// Megabytes that are written at most: all of it is kept by the reader of the log.
const MOST_WRITTEN: u32 = 256;

/// Log that others need on a store of the pipeline counts as the pipeline's own does: Godwit has no slot on the target before the cutover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn log_that_others_need_is_red_while_it_does_not_last() {
    let lab = Lab::private(&["pg1", "pg2"]);
    let shop = Shop::on(&lab).await;
    declare(&shop, "runway = \"1m\"", "");
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    before_the_cutover(&mut client).await;
    shop.sql(Traffic::Target, "SELECT pg_create_physical_replication_slot('others', true)").await;
    poll("a slot that nobody reads is red", async || {
        let why = refusal(&mut client).await;
        let told = why.contains("others of target: nobody reads it, and the server keeps all log since");
        told.then_some(()).ok_or(why)
    })
    .await;

    // Somebody reads it and keeps up. What the server keeps would last no minute at the speed at which it is written.
    shop.sql(Traffic::Target, "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'").await;
    shop.sql(Traffic::Target, "SELECT pg_reload_conf()").await;
    let files = tempfile::tempdir().unwrap();
    let mut reader = tokio::process::Command::new("pg_receivewal");
    reader.args(["--slot", "others", "--synchronous", "--no-loop", "--dbname", &lab.postgres(2), "--directory"]);
    let reader = reader.arg(files.path()).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
    let mut reader = reader.expect("pg_receivewal is a part of PostgreSQL");
    let mut written = 0;
    let told = "s left, at least 60 s wanted";
    poll("a log that lasts no minute is red", async || {
        let behind = "SELECT active AND pg_current_wal_flush_lsn() - restart_lsn < 16777216 FROM pg_replication_slots";
        if written < MOST_WRITTEN && shop.column(Traffic::Target, behind).await == ["true"] {
            let write =
                "SELECT pg_logical_emit_message(false, 'load', repeat('x', 1 << 20)) FROM generate_series(1, 8)";
            shop.sql(Traffic::Target, write).await;
            written += 8;
        }
        let why = refusal(&mut client).await;
        assert!(!why.is_empty(), "the cutover was begun");
        (why.contains("others of target: ") && why.contains(told)).then_some(()).ok_or(why)
    })
    .await;

    // Without a limit it lasts for ever, as fast as it may be written.
    shop.sql(Traffic::Target, "ALTER SYSTEM RESET max_slot_wal_keep_size").await;
    shop.sql(Traffic::Target, "SELECT pg_reload_conf()").await;
    poll("a log without a limit is green", async || client.begin("cutover").await.map(|_| ())).await;
    client.ended("cutover").await;
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded);
    reader.kill().await.unwrap();
    engine.down(&mut client).await;
}
