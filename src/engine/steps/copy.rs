//! Backfill: change capture, then the copy.

use crate::engine::fleet::{SCHEMA_LOOK, reason};
use crate::engine::schema_change::{self, Consent, Settled};
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::{PipelineId, StepId};
use crate::model::pipeline::{PipelineEvent, PipelineState, Stage, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::reason::Reason;
use crate::model::table::TableName;
use crate::pipelines::copier::copy::{Copy, CopyEnd};
use crate::pipelines::copier::pacing::Pacer;
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::error::{Policy, StoreError};
use async_trait::async_trait;
use std::time::Duration;

/// Longest pause between attempts of a copy whose connection fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Copies one pipeline's tables.
pub struct CopyStep {
    /// Pipeline.
    pub pipeline: PipelineId,
    /// Forward route.
    pub route: CopierRoute,
    /// Statements that make the capture, with their undo, for the plan.
    pub capture: Vec<(String, String)>,
    /// Size of a chunk.
    pub chunk_bytes: u64,
    /// Source tables that came into the mapping by a roll back: the application made them on the target, and their rows there are
    /// no copy of ours to take back.
    pub adopted: Vec<TableName>,
}

#[async_trait]
impl Step for CopyStep {
    fn planned(&self) -> PlannedStep {
        let (mut does, mut undo): (Vec<String>, Vec<String>) = self.capture.iter().cloned().unzip();
        undo.reverse();
        for map in &self.route.apply.tables {
            does.push(format!(
                "-- copy {} of {} to {} of {} in chunks of {} MiB",
                map.source,
                self.route.source.id(),
                map.target,
                self.route.target.id(),
                self.chunk_bytes >> 20
            ));
            if !self.adopted.contains(&map.source) {
                undo.push(format!("-- remove all rows of {} on {}", map.target, self.route.target.id()));
            }
        }
        undo.retain(|line| !line.is_empty());
        PlannedStep {
            id: StepId(format!("{}/copy", self.pipeline)),
            title: format!("Capture changes of {} and copy its tables", self.route.source.id()),
            does,
            undo,
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        // Going on is what the copy does by itself: it reads its checkpoint on the target.
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let core = &context.core;
        core.fleet.stop(&self.pipeline).await;
        let room = core.fleet.room(&self.pipeline);
        core.note(&self.pipeline, PipelineEvent::Stage { stage: Stage::Copy }).await;
        core.note(&self.pipeline, PipelineEvent::State { state: PipelineState::Running }).await;
        let pacer = Pacer::new(room.knobs.subscribe(), room.status.clone());
        let mut attempt = 0;
        let mut pause = Duration::from_millis(300);
        loop {
            let moved_before = room.status.read().copy.rows_done();
            let ended = match self.settled_route(context).await {
                Ok(route) => {
                    let copy = Copy {
                        route: &route,
                        status: &room.status,
                        pacer: &pacer,
                        control: context.control.clone(),
                        chunk_bytes: self.chunk_bytes,
                    };
                    tokio::select! {
                        biased;
                        ended = copy.run() => ended,
                        reason = self.watch_schema(context) => return Err(self.stopped(context, reason).await),
                    }
                }
                Err(Unsettled::Store(error)) => Err(error),
                Err(Unsettled::Stopped(reason)) => return Err(self.stopped(context, reason).await),
            };
            match ended {
                Ok(CopyEnd::Complete { rows, chunks }) => {
                    let state = self.route.target.target().state(&self.route.apply).await?;
                    if let Some(origin) = state.origin {
                        let event = PipelineEvent::Origin { position: origin.position, captured: Traffic::Source };
                        core.note(&self.pipeline, event).await;
                    }
                    core.note(&self.pipeline, PipelineEvent::CopyComplete { rows, chunks }).await;
                    core.note(&self.pipeline, PipelineEvent::Stage { stage: Stage::CatchUp }).await;
                    core.note(&self.pipeline, PipelineEvent::State { state: PipelineState::Stopped }).await;
                    return Ok(Outcome::seen(format!(
                        "{rows} rows in {chunks} chunks are on {}",
                        self.route.target.id()
                    )));
                }
                Ok(CopyEnd::Interrupted) => return Err(StepError::Interrupted),
                Err(error) if error.policy() == Policy::Retry => {
                    if room.status.read().copy.rows_done() != moved_before {
                        attempt = 0;
                        pause = Duration::from_millis(300);
                    }
                    attempt += 1;
                    let state = PipelineState::Retrying { reason: reason(&error), attempt };
                    if attempt == 1 {
                        core.note(&self.pipeline, PipelineEvent::State { state }).await;
                    }
                    let mut lane = context.control.enter();
                    tokio::time::sleep(pause).await;
                    lane.unless_paused().await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => {
                    let state = PipelineState::Failed { reason: reason(&error) };
                    core.note(&self.pipeline, PipelineEvent::State { state }).await;
                    return Err(error.into());
                }
            }
        }
    }

    async fn undo(&self, context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        context.core.fleet.stop(&self.pipeline).await;
        let (route, target) = (&self.route, self.route.target.target());
        let state = target.state(&route.apply).await?;
        // Without an origin on the target the copy never began there, and what is in the tables is not ours.
        if state.origin.is_some() {
            for (table, map) in route.apply.tables.iter().enumerate() {
                if !self.adopted.contains(&map.source) {
                    target.clear_table(&route.apply, table).await?;
                }
            }
        }
        route.source.capture().drop_capture(&route.capture).await?;
        target.forget(&route.apply).await?;
        context.core.note(&self.pipeline, PipelineEvent::Removed).await;
        Ok("capture removed, copied rows removed".to_owned())
    }

    fn is_pausable(&self) -> bool {
        true
    }
}

/// Why a copy does not begin.
enum Unsettled {
    Store(StoreError),
    Stopped(Reason),
}

impl CopyStep {
    /// Settles what changed since the mapping was fixed; the route over the mapping that holds now.
    async fn settled_route(&self, context: &StepContext) -> Result<CopierRoute, Unsettled> {
        let core = &context.core;
        let settled = schema_change::settle(core, &self.pipeline, Traffic::Source, Consent::ForWhatStopped).await;
        if let Settled::Stopped(reason) = settled.map_err(Unsettled::Store)? {
            return Err(Unsettled::Stopped(reason));
        }
        let now = core.maps(&self.pipeline).and_then(|maps| core.route(&self.pipeline, Traffic::Source, &maps).ok());
        Ok(now.unwrap_or_else(|| self.route.clone()))
    }

    /// Looks at the catalogue while rows are copied. Returns what the copy must stop for; what can be followed is followed after it, when
    /// no snapshot of the old shape is read any longer.
    async fn watch_schema(&self, context: &StepContext) -> Reason {
        loop {
            tokio::time::sleep(SCHEMA_LOOK).await;
            if let Ok(Some(reason)) = schema_change::obstacle(&context.core, &self.pipeline).await {
                return reason;
            }
        }
    }

    async fn stopped(&self, context: &StepContext, reason: Reason) -> StepError {
        let state = PipelineState::Failed { reason: reason.clone() };
        context.core.note(&self.pipeline, PipelineEvent::State { state }).await;
        StepError::mend(reason.what, reason.next.replace("`godwit resume --pipeline`", "`godwit retry`"))
    }
}
