//! The two sides of each move: how the moved tables' statements did on the source while it served, and how they do on the target.
//!
//! Both sides seldom serve at once, so the comparison is of before and after: the source's last interval is kept when traffic goes.

use crate::advice::hotspots::compare::compare;
use crate::engine::watch::heaviest::keep_spots;
use crate::engine::watch::kept_sides::KeptSides;
use crate::model::hotspot::{HotSpot, HotSpots, SidesCompared};
use crate::model::ids::{PipelineId, StoreId};
use crate::model::pipeline::Traffic;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};

/// By which share a mean may grow before it is called slower.
const TOLERANCE: f64 = 0.1;

/// Statements of each list of a comparison that are kept.
const LISTED: usize = 100;

/// Statements of one side that are kept by each order.
const KEPT: usize = 500;

/// An interval this long is not given up for a much shorter one.
const LONG: TimeDelta = TimeDelta::minutes(5);

/// What is known of the sides of the pipelines.
#[derive(Debug, Default)]
pub struct Sides {
    pairs: BTreeMap<PipelineId, Pair>,
    /// Moves whose source's side is on disk as it is here.
    saved: BTreeSet<PipelineId>,
}

#[derive(Debug, Default)]
struct Pair {
    source: Option<HotSpots>,
    target: Option<HotSpots>,
}

impl Sides {
    /// Takes an interval of one side in: only statements on the pipeline's tables.
    pub fn take(&mut self, pipeline: &PipelineId, side: Traffic, spots: HotSpots) {
        if side == Traffic::Source {
            self.saved.remove(pipeline);
        }
        let pair = self.pairs.entry(pipeline.clone()).or_default();
        let kept = match side {
            Traffic::Source => &mut pair.source,
            Traffic::Target => &mut pair.target,
        };
        // Just after a reset there is next to nothing; what was measured before it tells more.
        let tells_more = |known: &HotSpots| {
            side == Traffic::Source
                && known.to - known.from >= LONG
                && (spots.to - spots.from) * 5 < known.to - known.from
        };
        if !kept.as_ref().is_some_and(tells_more) {
            *kept = Some(spots);
        }
    }

    /// Takes in what an earlier engine kept of the sources.
    pub fn remember(&mut self, kept: KeptSides) {
        for (pipeline, spots) in kept {
            self.saved.insert(pipeline.clone());
            self.pairs.entry(pipeline).or_default().source = Some(spots);
        }
    }

    /// All sources' sides, when that of this move, from which traffic has gone, is not on disk yet. They count as saved from then on.
    pub fn to_save(&mut self, pipeline: &PipelineId) -> Option<KeptSides> {
        if self.saved.contains(pipeline) || self.pairs.get(pipeline)?.source.is_none() {
            return None;
        }
        let sources = self.pairs.iter().filter_map(|(id, pair)| Some((id.clone(), pair.source.clone()?)));
        let sources: KeptSides = sources.collect();
        self.saved.insert(pipeline.clone());
        Some(sources)
    }

    /// Forgets the target's side: traffic has just gone there, and what ran before was not it.
    pub fn begin_target(&mut self, pipeline: &PipelineId) {
        if let Some(pair) = self.pairs.get_mut(pipeline) {
            pair.target = None;
        }
    }

    /// A pipeline's sides against each other; `None` until both were read.
    pub fn compared(&self, pipeline: &PipelineId, source: &StoreId, target: &StoreId) -> Option<SidesCompared> {
        let pair = self.pairs.get(pipeline)?;
        let (before, after) = (pair.source.as_ref()?, pair.target.as_ref()?);
        let mut comparison = compare(before, after, TOLERANCE);
        comparison.both.truncate(LISTED);
        comparison.new.truncate(LISTED);
        comparison.disappeared.truncate(LISTED);
        Some(SidesCompared {
            pipeline: pipeline.clone(),
            source: source.clone(),
            target: target.clone(),
            source_interval: (before.from, before.to),
            target_interval: (after.from, after.to),
            comparison,
        })
    }
}

/// The statements on `tables` (logical names), without those that only the migration's own logins ran.
pub fn of_tables(spots: &HotSpots, tables: &[String], own_logins: &[String]) -> HotSpots {
    let is_own = |spot: &HotSpot| !spot.logins.is_empty() && spot.logins.iter().all(|login| own_logins.contains(login));
    let touches = |spot: &HotSpot| spot.tables.iter().any(|table| tables.contains(table));
    // In a language without tables only what is declared to be the same operation can be told to belong here.
    let is_declared = |spot: &HotSpot| spot.tables.is_empty() && spot.operation.is_some();
    let of_move = |spot: &&HotSpot| (touches(spot) || is_declared(spot)) && !is_own(spot);
    let mut side = HotSpots { spots: spots.spots.iter().filter(of_move).cloned().collect(), ..without_spots(spots) };
    keep_spots(&mut side, KEPT);
    side
}

fn without_spots(spots: &HotSpots) -> HotSpots {
    HotSpots { coverage: spots.coverage.clone(), spots: Vec::new(), ..*spots }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::heaviest::tests::{minute, spot};
    use crate::model::hotspot::Comparability;
    use chrono::DateTime;

    fn side(calls: u64, mean_us: f64) -> HotSpots {
        let total = calls as f64 * mean_us;
        minute(vec![HotSpot {
            squares_us2: Some(0.01 * mean_us * mean_us * calls as f64),
            ..spot("find", calls, total)
        }])
    }

    fn compared(sides: &Sides) -> Option<SidesCompared> {
        sides.compared(&"orders".into(), &"legacy".into(), &"orders-db".into())
    }

    #[test]
    fn before_is_held_against_after() {
        let (mut sides, pipeline) = (Sides::default(), PipelineId::from("orders"));
        sides.take(&pipeline, Traffic::Source, side(1_000, 100.0));
        assert!(compared(&sides).is_none(), "there is no second side yet");
        sides.take(&pipeline, Traffic::Target, side(1_000, 300.0));
        let told = compared(&sides).unwrap();
        assert_eq!(told.comparison.both[0].verdict, Comparability::Slower);
        assert_eq!(told.source_interval.0, DateTime::UNIX_EPOCH);
        sides.begin_target(&pipeline);
        assert!(compared(&sides).is_none(), "what ran before the switch is not compared");
    }

    #[test]
    fn a_long_interval_of_the_source_is_not_given_up_for_a_moment() {
        let (mut sides, pipeline) = (Sides::default(), PipelineId::from("orders"));
        let long = |minutes| {
            let mut spots = side(1_000, 100.0);
            spots.from = spots.to - TimeDelta::minutes(minutes);
            spots
        };
        sides.take(&pipeline, Traffic::Target, side(1_000, 100.0));
        sides.take(&pipeline, Traffic::Source, long(10));
        sides.take(&pipeline, Traffic::Source, side(3, 100.0));
        assert_eq!(compared(&sides).unwrap().comparison.both[0].source.calls, 1_000);
        sides.take(&pipeline, Traffic::Source, long(4));
        let (from, to) = compared(&sides).unwrap().source_interval;
        assert_eq!(to - from, TimeDelta::minutes(4));
    }

    #[test]
    fn the_source_is_saved_once_when_traffic_has_gone() {
        let (mut sides, pipeline) = (Sides::default(), PipelineId::from("orders"));
        assert_eq!(sides.to_save(&pipeline), None, "there is nothing to save");
        sides.take(&pipeline, Traffic::Source, side(1_000, 100.0));
        let kept = sides.to_save(&pipeline).unwrap();
        assert_eq!((kept.len(), sides.to_save(&pipeline)), (1, None));
        let mut next = Sides::default();
        next.remember(kept);
        assert_eq!(next.to_save(&pipeline), None, "it is there already");
        next.take(&pipeline, Traffic::Target, side(1_000, 100.0));
        assert_eq!(compared(&next).unwrap().comparison.both[0].source.calls, 1_000);
        // After a way back the source serves again, and is saved again when traffic goes.
        next.take(&pipeline, Traffic::Source, side(500, 100.0));
        assert!(next.to_save(&pipeline).is_some());
    }

    #[test]
    fn only_the_moved_tables_count_and_not_the_migrations_own_work() {
        let mut spots = minute(vec![spot("app", 5, 1.0), spot("copier", 5, 1.0), spot("elsewhere", 5, 1.0)]);
        spots.spots[1].logins = vec!["godwit".to_owned()];
        spots.spots[2].tables = vec!["stock.items".to_owned()];
        let of = of_tables(&spots, &["orders.orders".to_owned()], &["godwit".to_owned()]);
        assert_eq!(of.spots.iter().map(|spot| spot.fingerprint.0.as_str()).collect::<Vec<_>>(), ["app"]);
    }
}
