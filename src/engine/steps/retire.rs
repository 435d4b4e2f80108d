//! Retire: ends the reverse sync. After it there is no way back; the old tables stay where they are, fenced.

use crate::engine::barrier::{PATIENCE, PipelineBarrier};
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::{PipelineId, StepId};
use crate::model::pipeline::{PipelineEvent, Stage};
use crate::model::plan::PlannedStep;
use crate::pipelines::copier::route::CopierRoute;
use crate::verify::barrier::Barrier;
use async_trait::async_trait;

/// Ends one pipeline.
pub struct RetireStep {
    /// Pipeline.
    pub pipeline: PipelineId,
    /// Reverse route.
    pub reverse: CopierRoute,
    /// Forward route.
    pub forward: CopierRoute,
    /// Statements of the reverse capture with their undo, for the plan.
    pub capture: Vec<(String, String)>,
}

#[async_trait]
impl Step for RetireStep {
    fn planned(&self) -> PlannedStep {
        let mut does = vec!["-- a last marker: the old side holds everything up to here".to_owned()];
        does.extend(self.capture.iter().map(|(_, undo)| undo.clone()));
        does.retain(|line| !line.is_empty());
        does.push(format!(
            "-- remove Godwit's checkpoints and notes on {} and {}",
            self.forward.source.id(),
            self.forward.target.id()
        ));
        PlannedStep {
            id: StepId(format!("{}/retire", self.pipeline)),
            title: format!("End the reverse sync to {}; its tables stay, fenced", self.forward.source.id()),
            does,
            undo: Vec::new(),
            point_of_no_return: true,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let core = &context.core;
        if core.fleet.route(&self.pipeline).is_some() {
            let barrier = PipelineBarrier { core: core.clone(), pipeline: self.pipeline.clone(), patience: PATIENCE };
            barrier.pass().await.map_err(|why| {
                StepError::retry(
                    format!("the reverse pipeline {} has not drained: {why}", self.pipeline),
                    "retry when it runs, or skip it by skipping the phase",
                )
            })?;
            core.fleet.stop(&self.pipeline).await;
        }
        self.reverse.source.capture().drop_capture(&self.reverse.capture).await?;
        self.reverse.target.target().forget(&self.reverse.apply).await?;
        self.forward.source.capture().drop_capture(&self.forward.capture).await?;
        self.forward.target.target().forget(&self.forward.apply).await?;
        // Nothing can be taken back any more, so nobody asks any more who made what.
        let all = format!("{}/", core.profile.migration.name);
        for store in [&self.forward.source, &self.forward.target] {
            store.schema().disown(&all).await?;
        }
        core.note(&self.pipeline, PipelineEvent::Stage { stage: Stage::Idle }).await;
        core.note(&self.pipeline, PipelineEvent::Removed).await;
        Ok(Outcome::seen("reverse sync drained and ended; the old tables stay fenced"))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Err(StepError::mend(
            "the reverse sync is ended: there is no way back",
            "plan a new migration in the other direction",
        ))
    }
}
