//! Which statements are sent to clients: the heaviest by each order that a client may ask for.

use crate::advice::hotspots::ranking::sort;
use crate::model::hotspot::{Fingerprint, HotOrder, HotSpots, StoreHotSpots};
use std::collections::BTreeSet;

/// Statements of one store that are kept by each order.
pub const EACH: usize = 200;

/// Statements across services that are kept.
const CROSSING: usize = 100;

/// Leaves the heaviest statements of a store, and says how many there were.
pub fn keep(store: &mut StoreHotSpots, each: usize) {
    keep_spots(&mut store.spots, each);
    if let Some(beside) = &mut store.beside {
        keep_spots(beside, each);
    }
    store.crossing.truncate(CROSSING.min(each));
}

/// Leaves the statements that are among the `each` heaviest by any order, in the order of their time.
pub fn keep_spots(spots: &mut HotSpots, each: usize) {
    let all = spots.spots.len();
    if all <= each {
        return;
    }
    let mut kept: BTreeSet<Fingerprint> = BTreeSet::new();
    for order in [HotOrder::Mean, HotOrder::Calls, HotOrder::Total] {
        sort(&mut spots.spots, order);
        kept.extend(spots.spots.iter().take(each).map(|spot| spot.fingerprint.clone()));
    }
    spots.spots.retain(|spot| kept.contains(&spot.fingerprint));
    if spots.spots.len() == all {
        return;
    }
    let sentence = format!("the {} heaviest of {all} statements are listed", spots.spots.len());
    let note = &mut spots.coverage.note;
    *note = Some(match note.take() {
        Some(before) => format!("{before}; {sentence}"),
        None => sentence,
    });
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::hotspot::{HotSpot, StatementKind};
    use crate::model::statement::{Coverage, StatementSource};
    use chrono::{DateTime, TimeDelta};

    /// A statement of `calls` executions that took `total_us` in all.
    pub fn spot(name: &str, calls: u64, total_us: f64) -> HotSpot {
        HotSpot {
            fingerprint: Fingerprint(name.to_owned()),
            operation: None,
            canonical: format!("select {name}"),
            text: format!("SELECT {name}"),
            database: "shop".to_owned(),
            parsed: true,
            kind: StatementKind::Read,
            tables: vec!["orders.orders".to_owned()],
            services: Vec::new(),
            logins: vec!["app".to_owned()],
            ids: vec![name.to_owned()],
            calls,
            total_us,
            squares_us2: None,
            rows: None,
            examined: None,
            errors: None,
            without_index: None,
            blocks_read: None,
            percentiles: None,
            share: 0.0,
            is_new: false,
        }
    }

    /// A minute of these statements.
    pub fn minute(spots: Vec<HotSpot>) -> HotSpots {
        HotSpots {
            source: StatementSource::PgStatStatements,
            from: DateTime::UNIX_EPOCH,
            to: DateTime::UNIX_EPOCH + TimeDelta::minutes(1),
            coverage: Coverage { evicted: None, unlisted_share: None, note: None },
            restarted: 0,
            vanished: 0,
            unparsed: 0,
            spots,
        }
    }

    #[test]
    fn the_heaviest_of_each_order_stay() {
        let mut spots = minute(vec![
            spot("often", 10_000, 50.0),
            spot("slow", 1, 900.0),
            spot("heavy", 100, 5_000.0),
            spot("light", 10, 10.0),
        ]);
        keep_spots(&mut spots, 1);
        let names: Vec<&str> = spots.spots.iter().map(|spot| spot.fingerprint.0.as_str()).collect();
        assert_eq!(names, ["heavy", "slow", "often"]);
        assert_eq!(spots.coverage.note.as_deref(), Some("the 3 heaviest of 4 statements are listed"));
    }

    #[test]
    fn a_short_list_stays_as_it_is() {
        let mut spots = minute(vec![spot("a", 1, 1.0), spot("b", 1, 2.0)]);
        let before = spots.clone();
        keep_spots(&mut spots, 2);
        assert_eq!(spots, before);
    }
}
