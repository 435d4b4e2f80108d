//! Each test takes a sound pair of ledger and databases, spoils one thing, and must see it found.

use super::*;
use crate::cli::demo::layout::Files;
use crate::cli::demo::ledger;
use crate::cli::demo::operation::OrderLine;
use crate::cli::demo::routing::Routing;
use crate::cli::demo::shop::{self, SERVICES, ShopSize};
use crate::cli::demo::writer::{Shared, Writer};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

struct Shop {
    files: Files,
    _dir: tempfile::TempDir,
}

impl Shop {
    /// A small shop on the monolith, after a dozen acknowledged writes.
    async fn after_some_writes() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files = Files { dir: dir.path().to_owned() };
        shop::make(&files.monolith(), ShopSize::SMALL).await.unwrap();
        shop::make(&files.reference(), ShopSize::SMALL).await.unwrap();
        Routing::first(&SERVICES, &files.monolith()).write(&files.routing()).unwrap();
        let shared = Arc::new(Shared::new(files.clone(), CancellationToken::new()).unwrap());
        let mut orders = Writer::new("order1", &shared).unwrap();
        let mut others = Writer::new("payment1", &shared).unwrap();
        for number in 0..3 {
            let lines = vec![
                OrderLine { product_id: 1, quantity: 2, price_cents: 100 },
                OrderLine { product_id: 2 + number, quantity: 1, price_cents: 50 },
            ];
            let placed_at = "2026-01-02 03:04:05.000".to_owned();
            let order =
                orders.perform(Operation::PlaceOrder { customer_id: 1, lines, placed_at }).await.unwrap().unwrap();
            let pay = Operation::Pay {
                order_id: order.key,
                amount_cents: 250,
                method: "card".to_owned(),
                paid_at: "2026-01-02 03:05:05.000".to_owned(),
            };
            others.perform(pay).await.unwrap().unwrap();
            others.perform(Operation::MarkPaid { order_id: order.key }).await.unwrap().unwrap();
            let city = format!("city {number}");
            others.perform(Operation::ChangeCustomer { customer_id: 7, city: city.clone() }).await.unwrap().unwrap();
            let register = Operation::RegisterCustomer {
                name: "N".to_owned(),
                email: "e".to_owned(),
                city,
                registered_at: "2026-01-02 00:00:00.000".to_owned(),
            };
            others.perform(register).await.unwrap().unwrap();
        }
        shared.record(&Record::Ended { reads: 0 }).unwrap();
        orders.close().await;
        others.close().await;
        Self { files, _dir: dir }
    }

    async fn spoil(&self, sql: &'static str) {
        let mut connection = drift::open(&self.files.monolith()).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn audit(&self) -> Audit {
        let records = ledger::read(&self.files.ledger()).unwrap();
        self.audit_with(&records).await
    }

    async fn audit_with(&self, records: &[Record]) -> Audit {
        let monolith = self.files.monolith();
        let serving = Serving { customers: &monolith, orders: &monolith, payments: &monolith };
        audit(records, serving, &self.files.reference()).await.unwrap()
    }
}

#[tokio::test]
async fn a_sound_shop_has_nothing_to_find() {
    let shop = Shop::after_some_writes().await;
    let audit = shop.audit().await;
    assert_eq!((audit.acknowledged, audit.lost, audit.duplicated, audit.given_up), (15, 0, 0, 0), "{audit:#?}");
    assert!(audit.notes.is_empty(), "{audit:#?}");
}

#[tokio::test]
async fn every_kind_of_loss_is_found() {
    for (what, sql) in [
        ("order", "DELETE FROM orders WHERE ref = 'order1-000002'"),
        ("order of the first data", "DELETE FROM orders WHERE id = 5"),
        ("line", "DELETE FROM order_lines WHERE order_id = 81 AND line = 2"),
        ("line of the first data", "UPDATE order_lines SET quantity = quantity + 1 WHERE order_id = 5 AND line = 1"),
        ("payment", "DELETE FROM payments WHERE ref = 'payment1-000001'"),
        ("payment's amount", "UPDATE payments SET amount_cents = 1 WHERE ref = 'payment1-000001'"),
        ("payment of the first data", "UPDATE payments SET method = 'cash' WHERE id = 3"),
        ("payment mark", "UPDATE orders SET status = 'placed', status_ref = NULL WHERE ref = 'order1-000001'"),
        (
            "last change",
            "UPDATE customers SET city = 'city 1', change_ref = 'payment1-000009', changes = 2 WHERE id = 7",
        ),
        ("customer", "DELETE FROM customers WHERE ref = 'payment1-000004'"),
        ("customer of the first data", "UPDATE customers SET name = 'Nobody' WHERE id = 9"),
        ("decrement", "UPDATE stock SET level = level + 2, moves = moves - 1 WHERE product_id = 1"),
        ("stock row", "DELETE FROM stock WHERE product_id = 3"),
        ("key", "UPDATE payments SET id = id + 1000 WHERE ref = 'payment1-000001'"),
    ] {
        let shop = Shop::after_some_writes().await;
        shop.spoil(sql).await;
        let audit = shop.audit().await;
        assert_eq!((audit.lost, audit.duplicated), (1, 0), "{what}: {audit:#?}");
    }
}

#[tokio::test]
async fn every_kind_of_double_is_found() {
    for (what, sql) in [
        (
            "order under a new key",
            "CREATE TABLE o AS SELECT * FROM orders; DROP TABLE orders; ALTER TABLE o RENAME TO orders;
             INSERT INTO orders SELECT 9000, ref, customer_id, status, status_ref, total_cents, placed_at FROM orders
             WHERE ref = 'seed-o4'",
        ),
        (
            "payment that nobody made",
            "INSERT INTO payments (ref, order_id, amount_cents, method, paid_at) VALUES ('payment1-000099', 1, 1, 'card', '')",
        ),
        ("line that nobody ordered", "INSERT INTO order_lines VALUES (9999, 1, 1, 1, 1)"),
        ("decrement", "UPDATE stock SET level = level - 2, moves = moves + 1 WHERE product_id = 1"),
        ("decrement without its count", "UPDATE stock SET level = level - 2 WHERE product_id = 1"),
        ("change", "UPDATE customers SET changes = changes + 1 WHERE id = 7"),
        ("payment mark that nobody set", "UPDATE orders SET status_ref = 'payment1-000098' WHERE ref = 'seed-o4'"),
    ] {
        let shop = Shop::after_some_writes().await;
        shop.spoil(sql).await;
        let audit = shop.audit().await;
        assert_ne!(audit.lost + audit.duplicated, 0, "{what}: {audit:#?}");
    }
}

#[tokio::test]
async fn a_killed_workload_may_have_one_write_in_flight_and_no_second_one() {
    let shop = Shop::after_some_writes().await;
    let mut records = ledger::read(&shop.files.ledger()).unwrap();
    // As if the workload had been killed between the commit and the ledger: the last order and its effects are not in the ledger.
    records.retain(|record| match record {
        Record::Ended { .. } => false,
        Record::Acknowledged(write) => write.op != "order1-000003",
        _ => true,
    });
    let paid = |record: &Record| matches!(record, Record::Acknowledged(w) if w.operation == Operation::MarkPaid { order_id: 83 });
    records.retain(|record| !paid(record));
    shop.spoil("UPDATE orders SET status = 'placed', status_ref = NULL WHERE id = 83").await;
    let audit = shop.audit_with(&records).await;
    assert_eq!((audit.lost, audit.duplicated), (0, 0), "{audit:#?}");
    // Two in flight from one writer are one too many.
    records.retain(|record| !matches!(record, Record::Acknowledged(w) if w.op == "order1-000002"));
    let audit = shop.audit_with(&records).await;
    assert_ne!(audit.duplicated, 0, "{audit:#?}");
}

#[tokio::test]
async fn writes_that_were_given_up_and_stale_reads_are_counted() {
    let shop = Shop::after_some_writes().await;
    let mut records = ledger::read(&shop.files.ledger()).unwrap();
    let operation = Operation::MarkPaid { order_id: 1 };
    records.push(Record::GivenUp { op: "payment1-000090".to_owned(), operation, why: "locked".to_owned() });
    records.push(Record::StaleRead { op: "order1-000001".to_owned(), epoch: 1, at_ms: 0 });
    let audit = shop.audit_with(&records).await;
    assert_eq!((audit.given_up, audit.stale_reads, audit.notes.len()), (1, 1, 2), "{audit:#?}");
}
