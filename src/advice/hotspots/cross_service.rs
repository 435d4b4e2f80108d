//! Statements that touch tables of two services: what breaks when the services no longer share a store.

use crate::advice::ownership::Ownership;
use crate::model::hotspot::{CrossService, HotSpots};

/// Lists them, heaviest first. Tables that nobody owns make no statement cross a border.
pub fn list(spots: &HotSpots, ownership: &Ownership) -> Vec<CrossService> {
    let crossing = spots.spots.iter().filter(|spot| spot.services.len() > 1);
    let mut found: Vec<CrossService> = crossing
        .map(|spot| CrossService {
            spot: spot.clone(),
            tables: spot.tables.iter().filter_map(|name| Some((name.clone(), ownership.of(name).service?))).collect(),
        })
        .collect();
    found.sort_by(|a, b| {
        b.spot.total_us.total_cmp(&a.spot.total_us).then_with(|| a.spot.fingerprint.cmp(&b.spot.fingerprint))
    });
    found
}
