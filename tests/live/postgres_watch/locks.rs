//! The lock tree on scripted cases: it names who really blocks, over what, in which mode, and accuses nobody else (observability 7.1).

use crate::postgres_control::lab::{Lab, SERVER_1, waits_for_a_lock};
use godwit::model::lock::tree;
use godwit::model::session::{Activity, Blocking, Party};
use godwit::stores::observe::Sessions;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::task::JoinHandle;

/// A client that holds what it took, and clients that wait.
struct Case {
    lab: Lab,
    holders: Vec<PgConnection>,
    waiting: Vec<JoinHandle<()>>,
}

impl Case {
    async fn new() -> Self {
        let mut lab = Lab::create(SERVER_1).await;
        lab.run("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1), (2, 2); CREATE TABLE u (id int PRIMARY KEY REFERENCES t)").await;
        Self { lab, holders: Vec::new(), waiting: Vec::new() }
    }

    /// Runs statements and keeps their transaction open.
    async fn hold(&mut self, who: &str, sql: &str) {
        let mut client = self.lab.client(who).await;
        client.execute(AssertSqlSafe(format!("BEGIN; {sql}"))).await.unwrap();
        self.holders.push(client);
    }

    /// Runs a statement that waits for a lock; returns once it does.
    async fn wait(&mut self, who: &str, sql: &str) {
        let mut client = self.lab.client(who).await;
        let sql = sql.to_owned();
        self.waiting.push(tokio::spawn(async move {
            // It ends when the test ends its session.
            let _ = client.execute(AssertSqlSafe(sql)).await;
        }));
        waits_for_a_lock(&mut self.lab, who).await;
    }

    async fn activity(&self) -> Activity {
        self.lab.store.activity().await.unwrap().value
    }

    /// Every edge as `waiter -> blocker: object, wanted/held`, by application name.
    async fn edges(&self) -> Vec<String> {
        let activity = self.activity().await;
        let name = |party: &Party| match party {
            Party::Session(key) => {
                let session = activity.sessions.iter().find(|s| s.key == *key);
                session.map_or_else(|| format!("unknown {key}"), |s| s.application.clone())
            }
            Party::Prepared(gid) => format!("prepared {gid}"),
            Party::Unknown => "unknown".to_owned(),
        };
        // Other tests wait on the same server: only who waits in this database is of this case.
        let here = |party: &Party| match party {
            Party::Session(key) => activity.sessions.iter().any(|s| s.key == *key && s.database == self.lab.name),
            Party::Prepared(_) | Party::Unknown => true,
        };
        let mut edges: Vec<String> = activity
            .waits
            .iter()
            .filter(|edge| here(&edge.waiter))
            .map(|e| {
                let how = if e.how == Blocking::QueuedAhead { "queued " } else { "" };
                format!("{} -> {}: {}, {}/{how}{}", name(&e.waiter), name(&e.blocker), e.object, e.wanted, e.held)
            })
            .collect();
        edges.sort();
        edges
    }

    async fn finish(self) {
        for client in self.holders {
            client.close().await.unwrap();
        }
        self.lab.finish().await;
        for task in self.waiting {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_row_is_waited_for_by_its_table() {
    let mut case = Case::new().await;
    case.hold("writer", "UPDATE t SET v = 0 WHERE id = 1").await;
    case.wait("second", "UPDATE t SET v = 9 WHERE id = 1").await;
    assert_eq!(case.edges().await, ["second -> writer: a row of public.t, SHARE/EXCLUSIVE"]);
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_third_writer_of_a_row_waits_behind_the_second() {
    let mut case = Case::new().await;
    case.hold("writer", "UPDATE t SET v = 0 WHERE id = 1").await;
    case.wait("second", "UPDATE t SET v = 9 WHERE id = 1").await;
    case.wait("third", "UPDATE t SET v = 8 WHERE id = 1").await;
    let edges = case.edges().await;
    assert_eq!(edges[0], "second -> writer: a row of public.t, SHARE/EXCLUSIVE");
    assert!(edges[1].starts_with("third -> second: row (0,1) of public.t"), "{edges:?}");
    assert_eq!(edges.len(), 2, "{edges:?}");
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_reader_that_blocks_nobody_is_not_accused() {
    let mut case = Case::new().await;
    case.hold("reader", "SELECT * FROM t").await;
    case.hold("writer", "UPDATE t SET v = 0 WHERE id = 1").await;
    case.wait("second", "UPDATE t SET v = 9 WHERE id = 1").await;
    assert!(case.edges().await.iter().all(|edge| !edge.contains("reader")));
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_queued_ddl_blocks_an_insert_that_no_holder_blocks() {
    // The case that other tools get wrong: the reader does not stand in the insert's way, the queued index does.
    let mut case = Case::new().await;
    case.hold("writer", "UPDATE t SET v = 0 WHERE id = 1").await;
    case.wait("ddl", "ALTER TABLE t ADD COLUMN w int").await;
    case.wait("insert", "INSERT INTO t VALUES (3, 3)").await;
    assert_eq!(
        case.edges().await,
        [
            "ddl -> writer: table public.t, ACCESS EXCLUSIVE/ROW EXCLUSIVE",
            "insert -> ddl: table public.t, ROW EXCLUSIVE/queued ACCESS EXCLUSIVE",
        ]
    );
    let activity = case.activity().await;
    let lines: Vec<(usize, usize)> = tree(&activity.waits).iter().map(|n| (n.depth, n.blocks)).collect();
    assert_eq!(lines, [(0, 2), (1, 1), (2, 0)]);
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_select_behind_a_queued_ddl_is_shown_with_the_ddl() {
    let mut case = Case::new().await;
    case.hold("reader", "SELECT * FROM t").await;
    case.wait("ddl", "DROP TABLE t CASCADE").await;
    case.wait("select", "SELECT count(*) FROM t").await;
    assert_eq!(
        case.edges().await,
        [
            "ddl -> reader: table public.t, ACCESS EXCLUSIVE/ACCESS SHARE",
            "select -> ddl: table public.t, ACCESS SHARE/queued ACCESS EXCLUSIVE",
        ]
    );
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn two_holders_are_both_named() {
    let mut case = Case::new().await;
    case.hold("one", "LOCK TABLE t IN SHARE MODE").await;
    case.hold("two", "LOCK TABLE t IN SHARE MODE").await;
    case.wait("writer", "UPDATE t SET v = 0").await;
    assert_eq!(
        case.edges().await,
        ["writer -> one: table public.t, ROW EXCLUSIVE/SHARE", "writer -> two: table public.t, ROW EXCLUSIVE/SHARE",]
    );
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_idle_session_in_a_transaction_is_a_root() {
    let mut case = Case::new().await;
    case.hold("idle one", "DELETE FROM t WHERE id = 2").await;
    case.wait("child", "INSERT INTO u VALUES (2)").await;
    assert_eq!(case.edges().await, ["child -> idle one: a row of public.t, SHARE/EXCLUSIVE"]);
    let activity = case.activity().await;
    let root = activity.sessions.iter().find(|s| s.application == "idle one").unwrap();
    assert_eq!(root.state.word(), "idle in transaction");
    assert!(root.transaction_since.is_some());
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_index_built_concurrently_waits_for_the_end_of_a_transaction() {
    let mut case = Case::new().await;
    case.hold("old snapshot", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; UPDATE t SET v = 0 WHERE id = 1").await;
    case.wait("index", "CREATE INDEX CONCURRENTLY t_v ON t (v)").await;
    let edges = case.edges().await;
    assert_eq!(edges, ["index -> old snapshot: the end of its transaction, SHARE/EXCLUSIVE"]);
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn advisory_locks_show_their_keys() {
    let mut case = Case::new().await;
    case.hold("holder", "SELECT pg_advisory_xact_lock(4711), pg_advisory_xact_lock(1, 2)").await;
    case.wait("big", "SELECT pg_advisory_lock(4711)").await;
    case.wait("pair", "SELECT pg_advisory_lock(1, 2)").await;
    assert_eq!(
        case.edges().await,
        [
            "big -> holder: advisory lock 4711, EXCLUSIVE/EXCLUSIVE",
            "pair -> holder: advisory lock (1, 2), EXCLUSIVE/EXCLUSIVE",
        ]
    );
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_prepared_transaction_is_named_by_its_id() {
    let mut case = Case::new().await;
    if case.lab.text("SELECT current_setting('max_prepared_transactions')").await == "0" {
        // The lab's servers allow prepared transactions; a server of somebody else may not.
        panic!("the lab's server must allow prepared transactions");
    }
    let gid = format!("late {}", case.lab.name);
    case.lab.run(&format!("BEGIN; UPDATE t SET v = 0 WHERE id = 1; PREPARE TRANSACTION '{gid}'")).await;
    case.wait("second", "UPDATE t SET v = 9 WHERE id = 1").await;
    case.wait("ddl", "ALTER TABLE t ADD COLUMN w int").await;
    let edges = case.edges().await;
    assert!(edges.contains(&format!("second -> prepared {gid}: a row of public.t, SHARE/EXCLUSIVE")), "{edges:?}");
    assert!(edges.iter().any(|e| e.starts_with(&format!("ddl -> prepared {gid}: table public.t"))), "{edges:?}");
    case.lab.run(&format!("ROLLBACK PREPARED '{gid}'")).await;
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_truncate_waits_for_its_readers() {
    let mut case = Case::new().await;
    case.hold("reader", "SELECT * FROM u").await;
    case.wait("truncate", "TRUNCATE u").await;
    assert_eq!(case.edges().await, ["truncate -> reader: table public.u, ACCESS EXCLUSIVE/ACCESS SHARE"]);
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn names_are_quoted_as_the_server_does() {
    let mut case = Case::new().await;
    case.lab.run("CREATE SCHEMA \"Weird\"; CREATE TABLE \"Weird\".\"주문 a\" (id int)").await;
    case.hold("holder", "LOCK TABLE \"Weird\".\"주문 a\"").await;
    case.wait("reader", "SELECT * FROM \"Weird\".\"주문 a\"").await;
    assert_eq!(case.edges().await, ["reader -> holder: table \"Weird\".\"주문 a\", ACCESS SHARE/ACCESS EXCLUSIVE"]);
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn nobody_waits_where_nobody_waits() {
    let mut case = Case::new().await;
    case.hold("one", "UPDATE t SET v = 0 WHERE id = 1").await;
    case.hold("two", "UPDATE t SET v = 0 WHERE id = 2").await;
    assert!(case.edges().await.is_empty());
    case.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_parallel_query_stands_for_itself_once() {
    let mut case = Case::new().await;
    case.lab.run("CREATE TABLE big AS SELECT g AS id FROM generate_series(1, 200000) g; ANALYZE big; CREATE TABLE gate (id int)").await;
    case.hold("holder", "LOCK TABLE gate").await;
    let sql = "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; \
               SELECT count(*) FROM big WHERE id > 0 AND (SELECT count(*) FROM gate) >= 0";
    case.wait("query", sql).await;
    let edges = case.edges().await;
    assert_eq!(edges, ["query -> holder: table public.gate, ACCESS SHARE/ACCESS EXCLUSIVE"]);
    case.finish().await;
}
