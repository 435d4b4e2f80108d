//! The whole ladder, with a roll back of the cutover in between.

use crate::harness::{Engine, Home, PHASES, Shop};
use godwit::model::phase::PhaseStatus;
use sqlx::Executor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_goes_up_the_ladder_back_over_the_cutover_and_up_again() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    for phase in &PHASES[..7] {
        client.run(phase).await;
    }
    shop.assert_equal().await;
    let mut old = shop.open("monolith").await;
    old.execute("INSERT INTO customers(name) VALUES ('late'); UPDATE orders SET note = 'changed' WHERE id = 5; DELETE FROM order_lines WHERE order_id = 6").await.unwrap();
    client.run("cutover").await;
    shop.assert_equal().await;

    // The old side says where to go, the new side takes writes, and the numbers go on.
    let refused = old.execute("INSERT INTO customers(name) VALUES ('too late')").await.unwrap_err().to_string();
    assert!(refused.contains("moved"), "{refused}");
    let mut new = shop.open("customers").await;
    new.execute("INSERT INTO customers(name) VALUES ('first on the new side')").await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT max(id) FROM customers").fetch_one(&mut new).await.unwrap();
    assert_eq!(id, 302);
    let route = std::fs::read_to_string(shop.path().join("route.json")).unwrap();
    assert!(route.contains("\"serves\": \"target\""), "{route}");

    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    shop.assert_equal().await;
    let refused = new.execute("INSERT INTO customers(name) VALUES ('too late')").await.unwrap_err().to_string();
    assert!(refused.contains("moved"), "{refused}");
    old.execute("INSERT INTO customers(name) VALUES ('back on the old side')").await.unwrap();

    client.run("cutover").await;
    shop.assert_equal().await;
    client.run("watch").await;
    client.run("retire").await;
    shop.assert_equal().await;
    engine.down(&mut client).await;
}
