//! The migration's own scans of a table are not the application's: IX-SCAN accuses only what others read from end to end.

use crate::driver::{Client, Engine, PATIENCE, PHASES};
use crate::migration::shop::Shop;
use crate::shown::{Watcher, repeat};
use godwit::model::command::Action;
use godwit::model::finding::Verdict;
use godwit::model::ids::StoreId;
use godwit::model::index_order::FindingName;
use godwit::model::pipeline::Traffic;
use godwit::model::view::{View, ViewKind};
use sqlx::Executor;

/// Rows that move: more than a table has for which a scan is as good as an index.
const LARGE: &str = "INSERT INTO orders(customer_id, name, note)
    SELECT 1 + i % 300, 'large-' || i, repeat('note ', 60) FROM generate_series(1, 40000) i";

/// As large, on the side that they move to, and none of the migration's.
const REPORTS: &str = "CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats;
    CREATE TABLE reports(id bigint PRIMARY KEY, note text);
    INSERT INTO reports SELECT i, repeat('note ', 60) FROM generate_series(1, 40000) i; ANALYZE";

/// Tables of the target that a fresh look accuses.
async fn accused(client: &mut Client, watcher: &mut Watcher) -> Vec<String> {
    let before = chrono::Utc::now();
    // Whoever decides on an advice has the indexes read again; there is nothing of this name to decide on.
    let finding = FindingName::parse("IX-SCAN:target:nothing", |word| word == "target").unwrap();
    client.act(Action::TakeIndex { phase: "watch".into(), finding }).await.unwrap_err();
    watcher
        .until("a fresh look", |view| {
            let View::Indexes(now) = view else { panic!("{view:?}") };
            let audit = now.get(&StoreId::from("target"))?.latest.as_ref().filter(|seen| seen.at > before)?;
            let failing = audit.value.findings.iter().filter(|f| f.rule == "IX-SCAN" && f.verdict == Verdict::Fail);
            Some(failing.map(|finding| finding.subject.clone()).collect())
        })
        .await
}

/// Waits until just this table is accused: the statements that make it an accusation are read at their own pace.
async fn until_accused(client: &mut Client, watcher: &mut Watcher, table: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let now = accused(client, watcher).await;
        if !now.is_empty() || tokio::time::Instant::now() > deadline {
            assert_eq!(now, [table]);
            return;
        }
    }
}

/// Whole scans of the target's `orders`.
async fn scans(shop: &Shop) -> u64 {
    let sql = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'orders'";
    shop.column(Traffic::Target, sql).await[0].parse().unwrap()
}

/// What an application does: rows by their keys, and some whole scans.
async fn application(shop: &Shop, lookups: &[&str], scans: &'static str) {
    let mut session = shop.session(Traffic::Target).await;
    for statement in lookups {
        repeat(&mut session, statement, 20).await;
    }
    session.execute("SET max_parallel_workers_per_gather = 0").await.unwrap();
    for _ in 0..3 {
        session.execute(scans).await.unwrap();
    }
    // What a session has counted is told when it ends.
    sqlx::Connection::close(session).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn what_the_migration_reads_is_not_held_against_the_application() {
    let shop = Shop::new().await;
    shop.sql(Traffic::Source, LARGE).await;
    shop.sql(Traffic::Target, REPORTS).await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let mut watcher = Watcher::open(&shop, ViewKind::Indexes).await;
    assert_eq!(accused(&mut client, &mut watcher).await, [""; 0], "nobody has read anything");
    for phase in &PHASES[..5] {
        client.run(phase).await;
    }
    shop.sql(Traffic::Target, "ANALYZE").await;
    assert!(scans(&shop).await > 0, "filled and compared without a scan: nothing is shown here");
    let lookups = ["SELECT note FROM orders WHERE id = $1", "SELECT note FROM reports WHERE id = $1"];
    application(&shop, &lookups, "SELECT count(note) FROM reports").await;
    until_accused(&mut client, &mut watcher, "public.reports").await;
    engine.down(&mut client).await;

    // An index that it builds is a scan as well.
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let mut watcher = Watcher::open(&shop, ViewKind::Indexes).await;
    shop.sql(Traffic::Source, "CREATE INDEX orders_by_total ON orders(total)").await;
    let lost = FindingName::parse("IX-LOST:target:public.orders (total)", |word| word == "target").unwrap();
    let before = scans(&shop).await;
    client.act(Action::TakeIndex { phase: "tune".into(), finding: lost }).await.unwrap();
    client.run("tune").await;
    application(&shop, &lookups, "SELECT count(note) FROM reports").await;
    until_accused(&mut client, &mut watcher, "public.reports").await;
    assert!(scans(&shop).await > before, "built without a scan: nothing is shown here");
    engine.down(&mut client).await;

    // Where the migration is done with it, the same table is accused like any other.
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let mut watcher = Watcher::open(&shop, ViewKind::Indexes).await;
    assert_eq!(accused(&mut client, &mut watcher).await, [""; 0], "nobody has read anything since");
    application(&shop, &lookups, "SELECT count(note) FROM orders").await;
    until_accused(&mut client, &mut watcher, "public.orders").await;
    engine.down(&mut client).await;
}
