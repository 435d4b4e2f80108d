//! Hot spots of digests: an interval, with what was examined for nothing.

use super::lab::{Place, Product, each_product};
use godwit::advice::dialect::Dialect;
use godwit::advice::hotspots::fingerprint::Operations;
use godwit::advice::ownership::Ownership;
use godwit::engine::watch::sampling::Sampling;
use godwit::engine::watch::statements::read;
use godwit::engine::watch::tally::Tally;
use godwit::model::hotspot::{HotSpot, StoreHotSpots};
use godwit::model::ids::ServiceId;
use godwit::model::statement::StatementSource;

fn find(told: &StoreHotSpots) -> Option<&HotSpot> {
    told.spots.spots.iter().find(|spot| spot.canonical == "select note from orders.orders where c = ?")
}

each_product!(digests_of_the_interval_are_told_under_the_logical_name);
async fn digests_of_the_interval_are_told_under_the_logical_name(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    let service = ServiceId::from("orders");
    let map = Ownership::default().table(&format!("{}.orders", place.database), "orders.orders", Some(&service));
    let operations = Operations::default();
    let (mut tally, sampling) =
        (Tally::new(product.either(Dialect::MariaDb, Dialect::MySql), &map, &operations), Sampling::default());
    for id in 0..5 {
        place.sql.run(&format!("SELECT note FROM orders WHERE c = {id}")).await;
    }
    let first = read(&store, &mut tally, &sampling, 0).await.unwrap().value;
    assert_eq!(first.spots.source, StatementSource::PerformanceSchema);
    assert_eq!(find(&first).map(|spot| spot.calls), Some(5), "{:#?}", first.spots.spots);
    for id in 0..3 {
        place.sql.run(&format!("select o.note from orders as o where o.c = {id}")).await;
    }
    let second = read(&store, &mut tally, &sampling, 1).await.unwrap().value;
    let spot = find(&second).unwrap();
    assert_eq!((spot.calls, spot.examined, spot.without_index), (3, Some(12), Some(3)));
    assert_eq!((spot.services.as_slice(), second.spots.from), ([service].as_slice(), first.spots.to));
    place.finish().await;
}
