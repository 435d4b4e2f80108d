//! Sync: the pump runs until the target follows the source; then the target is closed to everybody else.

use crate::engine::barrier::PipelineBarrier;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::{PipelineId, StepId};
use crate::model::pipeline::{PipelineEvent, PipelineState, Stage, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::table::TableName;
use crate::pipelines::copier::control::Wish;
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::StoreRef;
use crate::verify::barrier::Barrier;
use async_trait::async_trait;
use std::time::Duration;

/// Token of the fence that closes a target before its first cutover.
pub const CLOSED: &str = "closed-before-cutover";

/// The sentence that a writer on a closed target gets.
pub fn closed_message(migration: &str) -> String {
    format!("godwit: migration {migration} has not cut over to this database yet; it is read-only")
}

/// Starts a pipeline and waits until it has caught up.
pub struct PumpStep {
    /// Pipeline.
    pub pipeline: PipelineId,
    /// Forward route.
    pub route: CopierRoute,
}

#[async_trait]
impl Step for PumpStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: StepId(format!("{}/pump", self.pipeline)),
            title: format!(
                "Apply changes of {} to {} until it follows",
                self.route.source.id(),
                self.route.target.id()
            ),
            does: vec![
                "-- stream and apply changes; a marker through the log proves that nothing is behind".to_owned(),
            ],
            undo: vec!["-- stop applying; the source keeps its log".to_owned()],
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let core = &context.core;
        let mut lane = context.control.enter();
        core.fleet.start(core, &self.pipeline, Traffic::Source, self.route.clone()).await;
        core.note(&self.pipeline, PipelineEvent::Stage { stage: Stage::CatchUp }).await;
        let status = core.fleet.room(&self.pipeline).status;
        let barrier =
            PipelineBarrier { core: core.clone(), pipeline: self.pipeline.clone(), patience: Duration::from_secs(5) };
        loop {
            match lane.unless_paused().await {
                Wish::Stop => return Err(StepError::Interrupted),
                Wish::Run | Wish::Pause => {}
            }
            if let PipelineState::Failed { reason } = core.record(&self.pipeline).state {
                return Err(StepError::mend(reason.what, reason.next));
            }
            // Each attempt waits for a marker for a few seconds; a long catch-up takes many.
            if barrier.pass().await.is_ok() {
                if status.read().is_consistent() {
                    break;
                }
            } else {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        core.note(&self.pipeline, PipelineEvent::Stage { stage: Stage::Live }).await;
        let data = status.read();
        let position = data.applied.map_or_else(String::new, |p| format!(", applied up to {p}"));
        Ok(Outcome::seen(format!("a marker passed: {} changes applied{position}", data.applied_changes)))
    }

    async fn undo(&self, context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        context.core.fleet.stop(&self.pipeline).await;
        context.core.note(&self.pipeline, PipelineEvent::Stage { stage: Stage::CatchUp }).await;
        Ok("applying stopped; the source keeps its log".to_owned())
    }

    fn is_pausable(&self) -> bool {
        true
    }
}

/// Closes the target's tables: only Godwit's applier may write until the cutover.
pub struct CloseStep {
    /// Pipeline.
    pub pipeline: PipelineId,
    /// Target store.
    pub store: StoreRef,
    /// Target tables.
    pub tables: Vec<TableName>,
    /// The sentence for writers.
    pub message: String,
}

#[async_trait]
impl Step for CloseStep {
    fn planned(&self) -> PlannedStep {
        let names: Vec<String> = self.tables.iter().map(ToString::to_string).collect();
        PlannedStep {
            id: StepId(format!("{}/close", self.pipeline)),
            title: format!("Close the tables of {} to everybody but Godwit until the cutover", self.store.id()),
            does: vec![format!("-- fence on {}", names.join(", "))],
            undo: vec![format!("-- remove the fence on {}", names.join(", "))],
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        self.store.freeze().close(&self.tables, CLOSED, &self.message).await?;
        context.core.note(&self.pipeline, PipelineEvent::Writable { writable: false }).await;
        Ok(Outcome::seen(format!("{} tables closed", self.tables.len())))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        self.store.freeze().open(&self.tables).await?;
        Ok("fence removed".to_owned())
    }
}
