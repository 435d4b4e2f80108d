//! Hot spots of operations: slow ones by shape in an interval, and all of them by collection beside it.

use super::lab::{admin, open, shop, url};
use godwit::advice::dialect::Dialect;
use godwit::advice::hotspots::fingerprint::Operations;
use godwit::advice::ownership::Ownership;
use godwit::engine::watch::sampling::Sampling;
use godwit::engine::watch::statements::read;
use godwit::engine::watch::tally::Tally;
use godwit::model::ids::ServiceId;
use godwit::model::statement::StatementSource;
use mongodb::Database;
use mongodb::bson::doc;

/// Slower than the 100 ms after which the log has it.
async fn slow(database: &Database, n: i32) {
    let filter = doc! { "a": n, "$where": "sleep(2) || true" };
    database.run_command(doc! { "find": "orders", "filter": filter, "batchSize": 200 }).await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn slow_operations_of_the_interval_belong_to_their_service() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let store = open(&url().replace("/?", &format!("/{}?", database.name())));
    let service = ServiceId::from("orders");
    let map = Ownership::default().table(&format!("{}.orders", database.name()), "orders.orders", Some(&service));
    let operations = Operations::default();
    let (mut tally, sampling) = (Tally::new(Dialect::MongoDb, &map, &operations), Sampling::default());
    let stats = store.statements().unwrap();
    slow(&database, 1).await;
    slow(&database, 2).await;
    let first = read(stats, &mut tally, &sampling, 0).await.unwrap().value;
    slow(&database, 3).await;
    let second = read(stats, &mut tally, &sampling, 1).await.unwrap().value;
    assert_eq!(second.spots.source, StatementSource::SlowLog);
    let of =
        |spots: &[godwit::model::hotspot::HotSpot]| spots.iter().find(|spot| spot.tables == ["orders.orders"]).cloned();
    let (before, after) = (of(&first.spots.spots).unwrap(), of(&second.spots.spots).unwrap());
    assert_eq!((before.calls, after.calls), (2, 1), "{after:?}");
    assert_eq!((before.fingerprint, &after.services), (after.fingerprint.clone(), &vec![service]));
    assert!(!after.text.contains("sleep("), "{after:?}");
    let beside = second.beside.unwrap();
    assert_eq!((beside.source, beside.unparsed), (StatementSource::LatencyStats, 0));
    assert!(beside.spots.iter().any(|spot| spot.percentiles.is_some_and(|p| p.p95_us.is_some())), "{beside:#?}");
    database.drop().await.unwrap();
}
