use super::*;
use crate::model::session::SessionKind;
use crate::stores::mysql::line::recorded;
use crate::stores::mysql::sessions::{session, transaction};

fn waiting(id: &str, wait: &str, statement: &str) -> Session {
    Session {
        key: SessionKey { id: id.to_owned(), born: String::new() },
        kind: SessionKind::Client,
        login: "app".to_owned(),
        database: "shop".to_owned(),
        application: String::new(),
        client: "local".to_owned(),
        state: SessionState::Waiting,
        wait: wait.to_owned(),
        connected_at: None,
        transaction_since: None,
        statement_since: None,
        state_since: None,
        statement: statement.to_owned(),
        holds_back: None,
    }
}

const FOR_A_TABLE: &str = "Waiting for table metadata lock";

fn held(session: u64, table: &str, mode: &str) -> MetadataLock {
    MetadataLock {
        session,
        granted: true,
        kind: Kind::Table,
        schema: "shop".to_owned(),
        name: table.to_owned(),
        mode: mode.to_owned(),
    }
}

fn seen(edges: &[LockEdge]) -> Vec<(&str, &str, Blocking)> {
    let id = |party: &Party| -> String {
        match party {
            Party::Session(key) => key.id.clone(),
            _ => "unknown".to_owned(),
        }
    };
    edges.iter().map(|e| (id(&e.waiter).leak() as &str, id(&e.blocker).leak() as &str, e.how)).collect()
}

#[test]
fn mysql_8_requests_are_in_the_list() {
    let transactions: Vec<_> = recorded::lines("mysql-8.0-activity", "innodb_trx").iter().map(transaction).collect();
    let rows = recorded::lines("mysql-8.0-activity", "processlist");
    let sessions: Vec<_> = rows.iter().map(|row| session(row, &transactions, 0, String::new())).collect();
    let locks: Vec<_> = recorded::lines("mysql-8.0-activity", "metadata_locks")
        .iter()
        .filter_map(MetadataLock::of_performance_schema)
        .collect();
    let edges = edges(&locks, &sessions);
    assert_eq!(
        seen(&edges),
        [
            ("14", "11", Blocking::Holds),
            ("14", "12", Blocking::Holds),
            ("14", "13", Blocking::Holds),
            ("15", "14", Blocking::QueuedAhead),
        ]
    );
    assert_eq!(edges[0].object, "table shop.orders");
    assert_eq!((edges[0].wanted.as_str(), edges[0].held.as_str()), ("EXCLUSIVE", "SHARED WRITE"));
}

#[test]
fn the_plugins_holders_and_the_statements_make_a_queue() {
    let locks =
        [held(1, "orders", "SHARED_READ"), held(2, "orders", "SHARED_UPGRADABLE"), held(9, "other", "SHARED_WRITE")];
    let sessions = [
        waiting("2", FOR_A_TABLE, "ALTER TABLE `orders` ADD COLUMN z int"),
        waiting("3", FOR_A_TABLE, "insert into shop.orders values (1, 'other')"),
        waiting("4", FOR_A_TABLE, "select * from orders"),
    ];
    assert_eq!(
        seen(&edges(&locks, &sessions)),
        [("2", "1", Blocking::Holds), ("3", "2", Blocking::QueuedAhead), ("4", "2", Blocking::QueuedAhead),]
    );
}

#[test]
fn readers_do_not_block_writers_and_nobody_is_accused() {
    let locks = [held(1, "orders", "SHARED_READ")];
    let sessions = [waiting("3", FOR_A_TABLE, "insert into orders values (1)")];
    assert_eq!(seen(&edges(&locks, &sessions)), [("3", "unknown", Blocking::Holds)]);
}

#[test]
fn the_same_name_in_another_database_is_another_table() {
    let locks = [held(1, "orders", "EXCLUSIVE")];
    let sessions = [waiting("3", FOR_A_TABLE, "select * from archive.orders")];
    assert_eq!(seen(&edges(&locks, &sessions)), [("3", "unknown", Blocking::Holds)]);
}

#[test]
fn without_any_source_the_queue_is_still_seen() {
    let sessions =
        [waiting("2", FOR_A_TABLE, "drop table if exists orders"), waiting("3", FOR_A_TABLE, "select * from orders")];
    assert_eq!(seen(&edges(&[], &sessions)), [("2", "unknown", Blocking::Holds), ("3", "2", Blocking::QueuedAhead)]);
}

#[test]
fn a_read_lock_on_the_server_and_a_user_lock() {
    let backup =
        MetadataLock { kind: Kind::Global, schema: String::new(), name: String::new(), ..held(1, "", "BACKUP_FTWRL2") };
    let name = MetadataLock { kind: Kind::User, schema: String::new(), ..held(1, "nightly", "SHARED_NO_WRITE") };
    let sessions = [
        waiting("2", "Waiting for backup lock", "create table t (a int)"),
        waiting("3", "User lock", "select get_lock('nightly', 60)"),
        waiting("4", "User lock", "select get_lock('daily', 60)"),
    ];
    let edges = edges(&[backup, name], &sessions);
    assert_eq!(
        seen(&edges),
        [("2", "1", Blocking::Holds), ("3", "1", Blocking::Holds), ("4", "unknown", Blocking::Holds)]
    );
    assert_eq!(edges[1].object, "user lock nightly");
}

#[test]
fn states_that_are_waits_for_locks() {
    for state in
        [FOR_A_TABLE, "Waiting for global read lock", "Waiting for backup lock", "User lock", "Waiting for table flush"]
    {
        assert!(is_wait(state), "{state}");
    }
    for state in ["", "Sending data", "Waiting for master to send event", "Waiting for work from SQL thread"] {
        assert!(!is_wait(state), "{state}");
    }
}
