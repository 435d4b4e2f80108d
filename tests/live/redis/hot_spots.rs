//! Hot spots of commands: an interval, not everything since the server began.

use super::lab::{Server, on_redis_and_valkey, send};
use godwit::advice::dialect::Dialect;
use godwit::advice::hotspots::fingerprint::Operations;
use godwit::advice::ownership::Ownership;
use godwit::engine::watch::sampling::Sampling;
use godwit::engine::watch::statements::read;
use godwit::engine::watch::tally::Tally;
use godwit::model::hotspot::{HotSpot, StoreHotSpots};
use godwit::model::statement::StatementSource;

fn command<'a>(told: &'a StoreHotSpots, id: &str) -> Option<&'a HotSpot> {
    told.spots.spots.iter().find(|spot| spot.ids == [id])
}

async fn commands_of_the_interval_are_told_with_their_percentiles(server: Server) {
    let mut client = server.client(1).await;
    let store = server.open(&server.url(1));
    let (map, operations) = (Ownership::default(), Operations::default());
    let (mut tally, sampling) = (Tally::new(Dialect::Redis, &map, &operations), Sampling::default());
    let stats = store.statements().unwrap();
    for _ in 0..5 {
        send(&mut client, "GETRANGE cart:7 0 1").await.unwrap();
    }
    let first = read(stats, &mut tally, &sampling, 0).await.unwrap().value;
    assert_eq!(first.spots.source, StatementSource::CommandStats);
    assert!(command(&first, "getrange").is_some_and(|spot| spot.calls >= 5), "everything since the server began");
    assert!(first.beside.is_some_and(|beside| beside.source == StatementSource::SlowLog), "slow commands beside it");
    for _ in 0..10 {
        send(&mut client, "GETRANGE cart:7 0 1").await.unwrap();
    }
    let second = read(stats, &mut tally, &sampling, 1).await.unwrap().value;
    let spot = command(&second, "getrange").unwrap();
    assert_eq!((spot.calls, spot.parsed), (10, true));
    assert!(spot.percentiles.is_some_and(|percentiles| percentiles.p50_us.is_some()));
    assert!(second.spots.from > first.spots.from && second.spots.from == first.spots.to);
    assert!(second.beside.is_some(), "the last one is kept between two looks at it");
}

on_redis_and_valkey!(commands_of_the_interval_are_told_with_their_percentiles);
