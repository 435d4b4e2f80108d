//! Watch: the new side serves, the reverse pipeline keeps the old side current, and people look.

use crate::engine::barrier::{PATIENCE, PipelineBarrier};
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::{PipelineId, StepId};
use crate::model::pipeline::PipelineState;
use crate::model::plan::PlannedStep;
use crate::pipelines::copier::control::Wish;
use crate::verify::barrier::Barrier;
use async_trait::async_trait;
use std::time::Duration;
use tokio::time::Instant;

/// Looks at the reverse pipelines for a while.
pub struct SoakStep {
    /// Pipelines.
    pub pipelines: Vec<PipelineId>,
    /// How long they must look healthy without a break.
    pub soak: Duration,
}

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[async_trait]
impl Step for SoakStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: StepId::from("soak"),
            title: format!("Watch the reverse pipelines for {} s without a fault", self.soak.as_secs()),
            does: vec!["-- a marker through every reverse pipeline each second; changes nothing".to_owned()],
            undo: Vec::new(),
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let mut lane = context.control.enter();
        let mut healthy_since = Instant::now();
        let mut looks = 0u64;
        loop {
            if lane.unless_paused().await == Wish::Stop {
                return Err(StepError::Interrupted);
            }
            for pipeline in &self.pipelines {
                if let PipelineState::Failed { reason } = context.core.record(pipeline).state {
                    return Err(StepError::mend(reason.what, reason.next));
                }
                let barrier =
                    PipelineBarrier { core: context.core.clone(), pipeline: pipeline.clone(), patience: PATIENCE };
                if barrier.pass().await.is_err() {
                    healthy_since = Instant::now();
                }
            }
            looks += 1;
            if healthy_since.elapsed() >= self.soak {
                return Ok(Outcome::seen(format!(
                    "{looks} looks over {} s: every marker came through",
                    healthy_since.elapsed().as_secs()
                )));
            }
            let mut control = context.control.clone();
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = control.interrupted() => {}
            }
        }
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing was changed".to_owned())
    }

    fn is_pausable(&self) -> bool {
        true
    }
}
