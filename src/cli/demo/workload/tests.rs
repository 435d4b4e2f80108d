//! The applications against plain SQLite files, with a switch made by hand: fence triggers on the monolith, copied services,
//! a new routing file.

use super::*;
use crate::cli::demo::drift;
use crate::cli::demo::ledger;
use crate::cli::demo::routing::{Address, Routing, Serves};
use crate::cli::demo::shop::{SERVICES, ShopSize, TABLES};
use crate::cli::demo::verdict::{self, Sides};
use sqlx::{AssertSqlSafe, Connection};

/// Waits until the ledger holds enough acknowledged writes of every service under an epoch.
async fn wait_for_writes(files: &Files, epoch: u64, enough: usize) {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..1_000 {
        beat.tick().await;
        let Ok(records) = ledger::read(&files.ledger()) else { continue };
        let acknowledged = |service: &str| {
            records
                .iter()
                .filter(|r| matches!(r, Record::Acknowledged(w) if w.epoch == epoch && w.service == service))
                .count()
        };
        if SERVICES.iter().all(|service| acknowledged(service) >= enough) {
            return;
        }
    }
    panic!("too few writes under epoch {epoch}: {:?}", ledger::read(&files.ledger()).map(|r| r.len()));
}

async fn begin(files: &Files) -> (CancellationToken, tokio::task::JoinHandle<io::Result<()>>) {
    shop::make(&files.monolith(), ShopSize::SMALL).await.unwrap();
    Routing::first(&SERVICES, &files.monolith()).write(&files.routing()).unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(run(files.clone(), stop.clone()));
    (stop, running)
}

/// Copies the monolith's tables into the services' databases and fences the old ones, all while the writers wait.
async fn cut_over(files: &Files) {
    let mut connection = shop::open(&files.monolith(), Duration::from_secs(10)).await.unwrap();
    for service in SERVICES {
        let path = files.service(service);
        shop::make_empty(&path).await.unwrap();
        let attach = format!("ATTACH '{}' AS {service}", path.display());
        sqlx::raw_sql(AssertSqlSafe(attach)).execute(&mut connection).await.unwrap();
    }
    let mut frozen = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for table in TABLES {
        let definition: String = sqlx::query_scalar("SELECT sql FROM main.sqlite_master WHERE name = ?")
            .bind(table.name)
            .fetch_one(&mut *frozen)
            .await
            .unwrap();
        let definition = definition
            .replace("REFERENCES customers (id)", "")
            .replace(" REFERENCES orders (id)", if table.service == "orders" { " REFERENCES orders (id)" } else { "" })
            .replace("CREATE TABLE ", &format!("CREATE TABLE {}.", table.service));
        let name = table.name;
        let copy = format!("{definition}; INSERT INTO {}.{name} SELECT * FROM main.{name}", table.service);
        sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut *frozen).await.unwrap();
        for event in ["INSERT", "UPDATE", "DELETE"] {
            let fence = format!(
                "CREATE TRIGGER main.fence_{name}_{event} BEFORE {event} ON {name}
                 BEGIN SELECT RAISE(ABORT, 'this table has moved'); END"
            );
            sqlx::raw_sql(AssertSqlSafe(fence)).execute(&mut *frozen).await.unwrap();
        }
    }
    frozen.commit().await.unwrap();
    connection.close().await.unwrap();
    let services = SERVICES
        .iter()
        .map(|service| {
            let address = Address {
                store: format!("{service}-db"),
                engine: "sqlite".to_owned(),
                address: files.service(service),
            };
            ((*service).to_owned(), address)
        })
        .collect();
    Routing { version: 1, epoch: 1, serves: Serves::Target, services }.write(&files.routing()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_follow_a_switch_without_losing_or_doubling_anything() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { dir: dir.path().to_owned() };
    let (stop, running) = begin(&files).await;
    wait_for_writes(&files, 0, 10).await;
    cut_over(&files).await;
    wait_for_writes(&files, 1, 10).await;
    stop.cancel();
    running.await.unwrap().unwrap();

    let verdict = verdict::reach(&files, ShopSize::SMALL, Sides::NotCompared).await.unwrap();
    assert!(verdict.is_ok(), "{verdict}\n{:#?}", verdict.notes);
    assert_eq!((verdict.cutovers, verdict.rollbacks), (1, 0));
    assert!(verdict.acknowledged >= 60, "{verdict}");

    // Nothing flowed back, so the sides differ by what was written after the switch: the comparison must say so.
    let verdict = verdict::reach(&files, ShopSize::SMALL, Sides::Compared).await.unwrap();
    assert!(verdict.drift.is_some_and(|rows| rows > 10) && !verdict.is_ok(), "{verdict}");

    // A row lost on the side that serves must be found.
    let mut connection = drift::open(&files.service("payments")).await.unwrap();
    sqlx::raw_sql("DELETE FROM payments WHERE id = (SELECT max(id) FROM payments)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let verdict = verdict::reach(&files, ShopSize::SMALL, Sides::NotCompared).await.unwrap();
    assert_eq!((verdict.lost, verdict.duplicated), (1, 0), "{verdict}\n{:#?}", verdict.notes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_wait_while_the_lock_is_held_and_the_wait_is_in_the_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { dir: dir.path().to_owned() };
    let (stop, running) = begin(&files).await;
    wait_for_writes(&files, 0, 5).await;
    let mut connection = shop::open(&files.monolith(), Duration::from_secs(10)).await.unwrap();
    let held = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let before = ledger::read(&files.ledger()).unwrap().len();
    // What is measured here is a wait of the applications, so this test holds the lock for a known time.
    let hold = tokio::time::Instant::now() + Duration::from_millis(300);
    tokio::time::sleep_until(hold).await;
    let during = ledger::read(&files.ledger()).unwrap().len() - before;
    held.rollback().await.unwrap();
    connection.close().await.unwrap();
    wait_for_writes(&files, 0, 40).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    // Commits that were entered just after the lock was taken.
    assert!(during <= WRITERS.len(), "{during} writes were acknowledged while the lock was held");
    let verdict = verdict::reach(&files, ShopSize::SMALL, Sides::NotCompared).await.unwrap();
    assert!(verdict.is_ok(), "{verdict}\n{:#?}", verdict.notes);
    assert!(verdict.longest_wait_ms >= 250, "{verdict}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_is_tried_again_happens_once() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files { dir: dir.path().to_owned() };
    shop::make(&files.monolith(), ShopSize::SMALL).await.unwrap();
    let mut connection = shop::open(&files.monolith(), Duration::from_secs(1)).await.unwrap();
    let operations = [
        Operation::PlaceOrder {
            customer_id: 1,
            lines: vec![OrderLine { product_id: 1, quantity: 2, price_cents: 5 }],
            placed_at: now_text(),
        },
        Operation::ChangeCustomer { customer_id: 2, city: "Oslo".to_owned() },
        Operation::Pay { order_id: 1, amount_cents: 5, method: "card".to_owned(), paid_at: now_text() },
    ];
    for (number, operation) in operations.iter().enumerate() {
        let op = format!("order1-{number}");
        let first = operation.carry_out(&op, &mut connection).await.unwrap();
        let second = operation.carry_out(&op, &mut connection).await.unwrap();
        assert_eq!(first, second);
    }
    let counts: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM orders WHERE ref LIKE 'order1-%'), (SELECT moves FROM stock WHERE product_id = 1),
                (SELECT changes FROM customers WHERE id = 2), (SELECT count(*) FROM payments WHERE ref LIKE 'order1-%')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(counts, (1, 1, 1, 1));
    connection.close().await.unwrap();
}
