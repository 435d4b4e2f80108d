//! Every state in which something cannot be seen has its sentence, and its statement helps.

use super::lab::{Client, Place, Product, each_product, look_until, pairs};
use crate::lab::Lab;
use godwit::model::observation::Missing;
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::{IndexStats, Replicas, Sessions, StatementStats};

async fn missing(store: &MysqlStore) -> Vec<Missing> {
    let mut all = store.activity().await.unwrap().missing;
    all.extend(store.replication().await.unwrap().missing);
    all.extend(store.statements().await.unwrap().missing);
    all.extend(store.indexes().await.unwrap().missing);
    all
}

fn ids(missing: &[Missing]) -> Vec<&str> {
    missing.iter().map(|missing| missing.id.as_str()).collect()
}

each_product!(an_account_without_any_right_is_told_what_each_right_shows);
async fn an_account_without_any_right_is_told_what_each_right_shows(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place.with_orders().await;
    place.sql.run("CREATE USER 'godwit_watch'@'%' IDENTIFIED BY 'x'").await;
    let lacking = missing(&place.store_as("godwit_watch", "x")).await;
    let expected = [
        "mariadb.locks.metadata",
        "mariadb.sessions.process",
        "mariadb.sessions.right",
        "mariadb.replication.binary_logs",
        "mariadb.replication.status",
        "mariadb.statements.right",
        "mariadb.statements.slow_log",
        "mariadb.indexes.catalogue",
        "mariadb.indexes.sizes",
        "mariadb.indexes.use",
    ];
    assert_eq!(ids(&lacking), product.ids(&expected));
    for missing in &lacking {
        assert!(!missing.what.is_empty() && !missing.why.is_empty() && !missing.price.is_empty(), "{missing:?}");
    }
    // Each statement is carried out as it is printed; then a new session lacks nothing.
    for statement in lacking.iter().filter_map(|missing| missing.enable.as_deref()) {
        let mut admin = Client::connect(&place.url, "").await;
        for part in statement.split("; ") {
            admin.run(part).await;
        }
    }
    assert_eq!(missing(&place.store_as("godwit_watch", "x")).await, []);
}

each_product!(a_server_as_it_comes_lacks_what_is_off);
async fn a_server_as_it_comes_lacks_what_is_off(product: Product) {
    let lab = Lab::private(&[product.server(2)]);
    let mut place = Place::on(product, &lab, 2).await;
    place.with_orders().await;
    let store = place.store();
    let lacking = missing(&store).await;
    assert_eq!(
        ids(&lacking),
        product.ids(&[
            "mariadb.locks.metadata",
            "mariadb.sessions.performance_schema",
            "mariadb.statements.performance_schema",
            "mariadb.statements.slow_log",
            "mariadb.indexes.use",
        ])
    );
    for statement in lacking.iter().filter_map(|missing| missing.enable.as_deref()).filter(|s| !s.contains("restart")) {
        let mut admin = Client::connect(&place.url, "").await;
        for part in statement.split("; ").filter(|part| !part.starts_with("GRANT")) {
            admin.run(part).await;
        }
    }
    let left = missing(&place.store()).await;
    // What only a restart can turn on.
    let restart = ["mariadb.sessions.performance_schema", "mariadb.statements.performance_schema"];
    let of_mysql = [&["mariadb.locks.metadata"], &restart[..], &["mariadb.indexes.use"]].concat();
    assert_eq!(ids(&left), product.ids(&product.either(restart.to_vec(), of_mysql)));
}

each_product!(the_consumer_of_digests_can_be_off);
async fn the_consumer_of_digests_can_be_off(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place
        .sql
        .run("UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'")
        .await;
    let store = place.store();
    let lacking = store.statements().await.unwrap();
    assert_eq!(ids(&lacking.missing), product.ids(&["mariadb.statements.consumer", "mariadb.statements.slow_log"]));
    place.sql.run(lacking.missing[0].enable.as_deref().unwrap()).await;
    assert!(store.statements().await.unwrap().value.is_some());
}

each_product!(waits_without_the_right_are_not_hidden);
async fn waits_without_the_right_are_not_hidden(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place.with_orders().await;
    place.sql.run("CREATE USER 'app'@'%' IDENTIFIED BY 'x'").await;
    let grant = format!("GRANT SELECT ON {}.* TO 'app'@'%'", place.database);
    place.sql.run(&grant).await;
    let store = place.store_as("app", "x");
    let (_, rest) = place.url.split_once('@').unwrap();
    let url = format!("{}://app:x@{rest}", product.word());
    let mut holder = place.client().await;
    holder.run("LOCK TABLES orders WRITE").await;
    let waiter = Client::connect(&url, &place.database).await.runs("SELECT * FROM orders");
    // Its own session is shown waiting, and the blocker is unknown, not left out.
    let seen = look_until(&store, "its own wait", |a| !pairs(a, &[&waiter.id]).is_empty()).await;
    assert_eq!(pairs(&seen, &[&waiter.id])[0].1, "unknown");
    holder.run("UNLOCK TABLES").await;
    let (waiter, _) = waiter.ended().await;
    // Nor is a wait for a row, whose holder it may not ask for.
    place.sql.run(&format!("GRANT UPDATE ON {}.* TO 'app'@'%'", place.database)).await;
    drop(waiter);
    holder.run("BEGIN; UPDATE orders SET c = 9 WHERE id = 1").await;
    let waiter = Client::connect(&url, &place.database).await.runs("UPDATE orders SET c = 8 WHERE id = 1");
    crate::lab::wait_until(super::lab::PATIENCE, || async {
        let read = place.store_as("app", "x").activity().await.unwrap();
        read.missing.iter().any(|missing| missing.id == product.ids(&["mariadb.locks.row_waits"])[0])
    })
    .await;
    holder.run("ROLLBACK").await;
    let _ = waiter.ended().await;
}
