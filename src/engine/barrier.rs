//! Knowing that a pipeline has carried everything over that was committed before a moment: a marker through its log.

use crate::engine::core::CoreRef;
use crate::model::ids::PipelineId;
use crate::model::pipeline::PipelineState;
use crate::verify::barrier::Barrier;
use async_trait::async_trait;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest wait for a marker outside a freeze.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A token that no other marker has: process, moment and number.
pub fn token(purpose: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = chrono::Utc::now().timestamp_micros();
    format!("{purpose}-{}-{now}-{number}", std::process::id())
}

/// Markers through one pipeline in its present direction.
pub struct PipelineBarrier {
    /// The engine.
    pub core: CoreRef,
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Longest wait.
    pub patience: Duration,
}

#[async_trait]
impl Barrier for PipelineBarrier {
    async fn pass(&self) -> Result<(), String> {
        let fleet = &self.core.fleet;
        let Some(route) = fleet.route(&self.pipeline) else {
            return Err(format!("the pipeline {} is not running", self.pipeline));
        };
        let token = token("barrier");
        route.source.capture().probe_marker(&route.capture, &token).await.map_err(|e| e.to_string())?;
        self.passed(&token).await
    }
}

impl PipelineBarrier {
    /// Waits until a marker has come out at the target; ends early when the pipeline stands still for a reason (L14).
    ///
    /// # Errors
    /// Why it will not come.
    pub async fn passed(&self, token: &str) -> Result<(), String> {
        let status = self.core.fleet.room(&self.pipeline).status;
        let mut states = self.core.dispatcher.watch();
        let standing = states.wait_for(|m| {
            m.pipelines.get(&self.pipeline).is_some_and(|p| {
                matches!(p.state, PipelineState::Failed { .. } | PipelineState::Paused | PipelineState::Stopped)
            })
        });
        tokio::select! {
            biased;
            () = status.wait_for(|s| s.marker(token).is_some()) => Ok(()),
            state = standing => {
                let state = state.ok().and_then(|m| m.pipelines.get(&self.pipeline).map(|p| p.state.clone()));
                Err(match state {
                    Some(PipelineState::Failed { reason }) => format!("the pipeline {} is failed: {}", self.pipeline, reason.what),
                    state => format!("the pipeline {} is {}", self.pipeline, state.map_or("gone", |state| state.word())),
                })
            }
            () = tokio::time::sleep(self.patience) => {
                Err(format!("the marker did not come out of the log within {} ms", self.patience.as_millis()))
            }
        }
    }
}
