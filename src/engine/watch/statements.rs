//! One look at a store's statements, and what follows from it: the hot spots, and the sides of the moves that the store takes part in.

use crate::advice::ownership::Ownership;
use crate::engine::core::CoreRef;
use crate::engine::watch::heaviest::{self, EACH};
use crate::engine::watch::kept_sides::{self, KeptSides};
use crate::engine::watch::naming;
use crate::engine::watch::sampling::Sampling;
use crate::engine::watch::sides::of_tables;
use crate::engine::watch::tally::Tally;
use crate::model::hotspot::{HotSpots, StoreHotSpots};
use crate::model::observation::{Cost, Missing, Observation};
use crate::model::pipeline::Traffic;
use crate::stores::StoreRef;
use crate::stores::error::StoreError;
use crate::stores::observe::StatementStats;
use crate::wire::place::Place;
use chrono::Utc;

/// The second list is asked for at every so manieth reading: on MongoDB it is a question for each collection.
const BESIDE_EVERY: u64 = 6;

/// Reads the statements; where the server keeps none, those that were sampled take their place, so labelled, and what is missing says
/// how to have them counted. All statements are in the answer, whatever their number.
///
/// # Errors
/// The store's. A second list that cannot be read hides the first one for nobody: it is missing, with the reason.
pub async fn read(
    stats: &dyn StatementStats,
    tally: &mut Tally<'_>,
    sampling: &Sampling,
    nth: u64,
) -> Result<Observation<StoreHotSpots>, StoreError> {
    let Observation { value, at, mut missing, mut cost } = stats.statements().await?;
    if nth.is_multiple_of(BESIDE_EVERY) {
        match stats.beside().await {
            Ok(beside) => {
                add(&mut cost, beside.cost);
                tally.take_beside(beside).await;
            }
            Err(error) => tally.lacks_beside(Missing {
                id: "godwit.statements.beside".to_owned(),
                what: "the second list of statements".to_owned(),
                why: error.to_string(),
                enable: None,
                price: String::new(),
            }),
        }
    }
    missing.extend_from_slice(tally.missing_beside());
    let statements = value.unwrap_or_else(|| sampling.statements(at));
    let told = tally.take(Observation::whole(statements, at)).await;
    Ok(Observation { value: told, at, missing, cost })
}

/// Hands the store's part of each move to the views, and leaves of its statements what clients are shown.
pub async fn publish(
    core: &CoreRef,
    store: &StoreRef,
    map: &Ownership,
    tally: &mut Tally<'_>,
    spots: &mut StoreHotSpots,
) {
    for pipeline in core.profile.pipelines.iter().filter(|p| p.from == *store.id() || p.to == *store.id()) {
        let target_serves = core.record(&pipeline.id).traffic == Traffic::Target;
        let moved_at = core.views.moved_at(&pipeline.id, target_serves, Utc::now());
        if target_serves && let Some(kept) = core.views.sides_to_save(&pipeline.id) {
            keep(&core.place, &kept);
        }
        let tables = naming::moved_tables(map, pipeline, store.id());
        let side = |spots: &HotSpots| of_tables(spots, &tables, &core.profile.access.migration);
        // Once the target serves, the source's side stays what it was.
        if pipeline.from == *store.id() && !target_serves {
            core.views.take_side(&pipeline.id, Traffic::Source, side(&spots.spots));
        }
        if pipeline.to == *store.id() {
            match moved_at {
                None => core.views.take_side(&pipeline.id, Traffic::Target, side(&spots.spots)),
                Some(begin) if spots.spots.from >= begin => {
                    core.views.take_side(&pipeline.id, Traffic::Target, side(&spots.spots));
                }
                Some(begin) => match tally.since(begin).await {
                    Some(since) => core.views.take_side(&pipeline.id, Traffic::Target, side(&since)),
                    None => core.views.begin_target(&pipeline.id),
                },
            }
        }
        core.views.compare_sides(pipeline);
    }
    heaviest::keep(spots, EACH);
}

/// The numbers from before a switch go to disk once. The comparison works on without it, until the engine ends.
fn keep(place: &Place, kept: &KeptSides) {
    if let Err(error) = kept_sides::save(place, kept) {
        tracing::warn!(%error, "the numbers from before the switch are not on disk: a restart will lose them");
    }
}

fn add(cost: &mut Cost, more: Cost) {
    cost.elapsed_us += more.elapsed_us;
    cost.statements += more.statements;
    cost.server_us = cost.server_us.zip(more.server_us).map(|(one, other)| one + other);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::dialect::Dialect;
    use crate::advice::hotspots::fingerprint::Operations;
    use crate::model::observation::Window;
    use crate::model::statement::{Coverage, StatementSource, Statements};
    use crate::stores::error::{ErrorKind, Operation};
    use async_trait::async_trait;

    /// Counts commands, and refuses its second list.
    struct HalfBlind;

    #[async_trait]
    impl StatementStats for HalfBlind {
        async fn statements(&self) -> crate::stores::Result<Observation<Option<Statements>>> {
            let statements = Statements {
                source: StatementSource::CommandStats,
                window: Window { since: Utc::now(), proof: "the server started".to_owned() },
                epoch: String::new(),
                coverage: Coverage { evicted: None, unlisted_share: None, note: None },
                counters: Vec::new(),
            };
            Ok(Observation::whole(Some(statements), Utc::now()))
        }

        async fn beside(&self) -> crate::stores::Result<Observation<Option<Statements>>> {
            Err(StoreError::new(
                &"sessions".into(),
                Operation::Inspect,
                ErrorKind::Denied,
                "SLOWLOG is not for this user",
            ))
        }
    }

    #[tokio::test]
    async fn a_second_list_that_is_refused_hides_the_first_for_nobody() {
        let (map, operations) = (Ownership::default(), Operations::default());
        let mut tally = Tally::new(Dialect::Redis, &map, &operations);
        let read = read(&HalfBlind, &mut tally, &Sampling::default(), 0).await.unwrap();
        assert_eq!(read.value.spots.source, StatementSource::CommandStats);
        assert_eq!(read.missing[0].id, "godwit.statements.beside");
        assert!(read.missing[0].why.contains("SLOWLOG is not for this user"), "{:?}", read.missing);
    }
}
