//! Before a switch back: tables that were made on the new side since the cutover are built on the old side, copied and followed, while
//! writers go on. Under the freeze they are drained, compared and fenced like the others.

use crate::engine::barrier::{PATIENCE, PipelineBarrier};
use crate::engine::steps::objects::SchemaStep;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError, StepRef};
use crate::engine::steps::switch::party::{Carrier, PartyRef, Turning};
use crate::engine::steps::switch::session::within_budget;
use crate::model::event::Event;
use crate::model::ids::{PipelineId, StepId};
use crate::model::pipeline::Traffic;
use crate::model::plan::PlannedStep;
use crate::model::schema::SchemaPart;
use crate::pipelines::copier::control::{Control, Wish};
use crate::pipelines::copier::copy::{Copy, CopyEnd};
use crate::pipelines::copier::pacing::Pacer;
use crate::verify::barrier::Barrier;
use crate::verify::compare::{Comparison, RANGE_ROWS, TableResult, Watcher};
use async_trait::async_trait;

/// What the names of a pipeline's carrying steps begin with.
pub fn scope(pipeline: &PipelineId) -> String {
    format!("back/{pipeline}")
}

/// The steps that run before anybody is held.
pub fn before_the_freeze(party: &PartyRef) -> Vec<StepRef> {
    let mut steps: Vec<StepRef> = Vec::new();
    for (at, turning) in party.turning.iter().enumerate() {
        let Some(carrier) = &turning.carrier else { continue };
        let carry = |stage| Box::new(CarryStep { party: party.clone(), at, stage }) as StepRef;
        let objects = |part| schema_steps(turning, carrier, part).map(|step| Box::new(step) as StepRef);
        steps.extend(objects(SchemaPart::Tables));
        steps.push(carry(Leg::Copy));
        steps.extend(objects(SchemaPart::Keys));
        steps.push(carry(Leg::Follow));
        steps.extend(objects(SchemaPart::Rest));
        steps.push(carry(Leg::Compare));
    }
    steps
}

/// The steps that need both sides at rest: a foreign key between a table that is carried and one that is not can be checked only
/// while neither moves.
pub fn under_the_freeze(party: &PartyRef) -> Vec<StepRef> {
    let carriers = party.turning.iter().filter_map(|t| Some((t, t.carrier.as_ref()?)));
    carriers
        .flat_map(|(turning, carrier)| schema_steps(turning, carrier, SchemaPart::Links))
        .map(|step| Box::new(AtRest(step)) as StepRef)
        .collect()
}

fn schema_steps<'a>(
    turning: &'a Turning,
    carrier: &'a Carrier,
    part: SchemaPart,
) -> impl Iterator<Item = SchemaStep> + 'a {
    let statements = carrier.carried.statements.iter().filter(move |s| s.part == part);
    statements.map(|statement| SchemaStep {
        scope: scope(&turning.pipeline),
        store: carrier.route.target.clone(),
        statement: statement.clone(),
    })
}

/// How far a carrier is brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    /// Its rows are on the old side.
    Copy,
    /// Its changes follow.
    Follow,
    /// Every row was compared.
    Compare,
}

/// One leg of one pipeline's carrier.
struct CarryStep {
    party: PartyRef,
    at: usize,
    stage: Leg,
}

impl CarryStep {
    fn of(&self) -> Result<(&Turning, &Carrier), StepError> {
        let turning = self.party.turning.get(self.at);
        turning
            .and_then(|t| Some((t, t.carrier.as_ref()?)))
            .ok_or_else(|| StepError::mend("the roll back carries nothing here", "ask for its plan again"))
    }

    async fn copy(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let (turning, carrier) = self.of()?;
        let core = &context.core;
        core.fleet.stop(&carrier.id).await;
        let room = core.fleet.room(&carrier.id);
        // The pipeline's knobs hold for what travels beside it.
        let pacer = Pacer::new(core.fleet.room(&turning.pipeline).knobs.subscribe(), room.status.clone());
        let copy = Copy {
            route: &carrier.route,
            status: &room.status,
            pacer: &pacer,
            control: context.control.clone(),
            chunk_bytes: core.pipeline(&turning.pipeline)?.chunk_bytes,
        };
        match copy.run().await? {
            CopyEnd::Complete { rows, chunks } => {
                Ok(Outcome::seen(format!("{rows} rows in {chunks} chunks are on {}", carrier.route.target.id())))
            }
            CopyEnd::Interrupted => Err(StepError::Interrupted),
        }
    }

    async fn follow(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let (_, carrier) = self.of()?;
        context.core.fleet.start(&context.core, &carrier.id, Traffic::Target, carrier.route.clone()).await;
        self.barrier(context, carrier).pass().await.map_err(|why| {
            StepError::retry(format!("the new tables do not follow: {why}"), "look at the engine's log, then try again")
        })?;
        Ok(Outcome::seen("a marker came out: the old side follows"))
    }

    async fn compare(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let (turning, carrier) = self.of()?;
        let barrier = self.barrier(context, carrier);
        let comparison = Comparison {
            source: &carrier.route.source,
            target: &carrier.route.target,
            maps: &carrier.route.apply.tables,
            barrier: &barrier,
            watcher: &UntilStopped(&context.control),
            range_rows: RANGE_ROWS,
        };
        let mut tables = Vec::new();
        let mut rows = 0;
        for (index, map) in carrier.carried.tables.iter().enumerate() {
            let result = comparison.table(index, None).await?;
            if !result.finished {
                return Err(StepError::Interrupted);
            }
            let mut verification = result.verification;
            if verification.drift.total() > 0 {
                return Err(StepError::mend(
                    format!("{} rows of {} differ after they were copied", verification.drift.total(), map.target),
                    "find out who writes to it on the old side, then ask for the roll back again",
                ));
            }
            rows += verification.rows_compared;
            verification.table = map.source.clone();
            tables.push(verification);
        }
        let seen = format!("{rows} rows in {} tables are equal", tables.len());
        context.core.dispatcher.append(vec![Event::Verified { pipeline: turning.pipeline.clone(), tables }]).await?;
        Ok(Outcome::seen(seen))
    }

    fn barrier(&self, context: &StepContext, carrier: &Carrier) -> PipelineBarrier {
        PipelineBarrier { core: context.core.clone(), pipeline: carrier.id.clone(), patience: PATIENCE }
    }

    async fn undo_copy(&self, context: &StepContext) -> Result<String, StepError> {
        let (_, carrier) = self.of()?;
        let (route, target) = (&carrier.route, carrier.route.target.target());
        context.core.fleet.stop(&carrier.id).await;
        // Without an origin on the target the copy never began there.
        if target.state(&route.apply).await?.origin.is_some() {
            let there = route.target.inventory().names().await?;
            for (table, map) in route.apply.tables.iter().enumerate() {
                if there.contains(&map.target) {
                    target.clear_table(&route.apply, table).await?;
                }
            }
        }
        route.source.capture().drop_capture(&route.capture).await?;
        target.forget(&route.apply).await?;
        Ok("capture and copied rows removed".to_owned())
    }
}

#[async_trait]
impl Step for CarryStep {
    fn planned(&self) -> PlannedStep {
        let Ok((turning, carrier)) = self.of() else {
            return self.party.planned("carry", "Nothing to carry".to_owned(), Vec::new(), Vec::new());
        };
        let (old, new) = (carrier.route.target.id(), carrier.route.source.id());
        let maps = &carrier.route.apply.tables;
        let (word, title, does, undo) = match self.stage {
            Leg::Copy => {
                let (mut does, mut undo): (Vec<String>, Vec<String>) = carrier.capture.iter().cloned().unzip();
                undo.reverse();
                undo.retain(|line| !line.is_empty());
                does.extend(maps.iter().map(|m| format!("-- copy {} of {new} to {} of {old}", m.source, m.target)));
                undo.extend(maps.iter().map(|m| format!("-- remove all rows of {} on {old}", m.target)));
                ("copy", format!("Copy tables made since the cutover to {old}, while writers go on"), does, undo)
            }
            Leg::Follow => {
                let does = vec![format!("-- apply their changes to {old} until the switch")];
                ("follow", format!("Follow their changes on {old}"), does, vec!["-- stop applying".to_owned()])
            }
            Leg::Compare => {
                let does = vec!["-- reads only; differing rows are re-checked until they are quiet".to_owned()];
                ("compare", "Compare every row of them on both sides".to_owned(), does, Vec::new())
            }
        };
        let id = StepId(format!("{}/{word}", scope(&turning.pipeline)));
        PlannedStep { id, title, does, undo, point_of_no_return: false }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        // Each leg goes on from what it finds on the target.
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        match self.stage {
            Leg::Copy => self.copy(context).await,
            Leg::Follow => self.follow(context).await,
            Leg::Compare => self.compare(context).await,
        }
    }

    async fn undo(&self, context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        match self.stage {
            Leg::Copy => self.undo_copy(context).await,
            Leg::Follow => {
                context.core.fleet.stop(&self.of()?.1.id).await;
                Ok("no longer followed".to_owned())
            }
            Leg::Compare => Ok("nothing was changed".to_owned()),
        }
    }
}

/// Ends a comparison when the engine stops.
struct UntilStopped<'a>(&'a Control);

#[async_trait]
impl Watcher for UntilStopped<'_> {
    async fn rechecking(&self, _so_far: &TableResult, _rows: u64) {}

    async fn passed(&self, _so_far: &TableResult) -> bool {
        self.0.wish() != Wish::Stop
    }
}

/// A schema step that may take no longer than the freeze.
struct AtRest(SchemaStep);

#[async_trait]
impl Step for AtRest {
    fn planned(&self) -> PlannedStep {
        let mut planned = self.0.planned();
        planned.title = format!("{}, while both sides are at rest", planned.title);
        planned
    }

    async fn check(&self, context: &StepContext) -> Result<Option<Outcome>, StepError> {
        self.0.check(context).await
    }

    async fn admits(&self, context: &StepContext) -> Result<(), StepError> {
        self.0.admits(context).await
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        within_budget(context, "relate the new tables", self.0.act(context)).await
    }

    async fn undo(&self, context: &StepContext, made: &[String]) -> Result<String, StepError> {
        self.0.undo(context, made).await
    }
}
