//! The whole ladder under a writer: up, back over the cutover, up again, and retired.

use crate::driver::{Engine, Home};
use crate::migration::shop::{Settings, Shop, climb};
use crate::migration::writer::{Writer, assert_sound};
use crate::pooler::Pooler;
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::Traffic;
use godwit::stores::postgres::address::Address;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn by_a_routing_file_every_acknowledged_write_comes_along() {
    let shop = Shop::new().await;
    let writer = Writer::by_file(&shop);
    up_back_up_and_retired(&shop, &writer, true).await;
    // Who stayed on the side that was left was refused, and came back by the route.
    assert!(writer.hold().await.failed > 0);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PgBouncer: run tests/run"]
async fn by_a_pgbouncer_no_write_fails() {
    let shop = Shop::new().await;
    let pooler = Pooler::start(&Address::parse(shop.source.url()).unwrap(), "transaction").await;
    shop.declare(Settings { route: shop.pooler_route(&pooler, "3s"), ..shop.settings() });
    let writer = Writer::by_pooler(&pooler);
    up_back_up_and_retired(&shop, &writer, false).await;
    assert_eq!(writer.hold().await.failed, 0, "clients are held, and never refused");
    writer.stop().await;
}

async fn up_back_up_and_retired(shop: &Shop, writer: &Writer, by_file: bool) {
    let routed = |serves| assert!(!by_file || shop.routed() == serves, "{}", shop.path().display());
    let engine = Engine::start(shop);
    let mut client = engine.client().await;
    // Changes are captured and applied while the copy runs, and rows move while they are compared.
    climb(&mut client).await;
    assert_sound(shop, Traffic::Source, writer, "before the cutover").await;
    writer.acknowledges(10).await;

    client.run("cutover").await;
    routed(Traffic::Target);
    assert_sound(shop, Traffic::Target, writer, "after the cutover").await;
    writer.acknowledges(20).await;

    client.roll_back("cutover").await.unwrap();
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    routed(Traffic::Source);
    assert_sound(shop, Traffic::Source, writer, "after the roll back").await;
    writer.acknowledges(20).await;

    client.run("cutover").await;
    routed(Traffic::Target);
    assert_sound(shop, Traffic::Target, writer, "after the second cutover").await;
    writer.acknowledges(10).await;

    client.run("watch").await;
    assert_sound(shop, Traffic::Target, writer, "before the end").await;
    client.run("retire").await;
    writer.acknowledges(10).await;
    for side in [Traffic::Source, Traffic::Target] {
        let left = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()
                    UNION ALL SELECT pubname FROM pg_publication";
        assert_eq!(shop.column(side, left).await, Vec::<String>::new(), "left on the {}", side.word());
    }
    engine.down(&mut client).await;
}
