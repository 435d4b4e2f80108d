//! What lives only while writers are held: the guards and the clock.

use crate::engine::steps::step::{StepContext, StepError};
use crate::model::ids::StoreId;
use crate::stores::FreezeGuard;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Held writers of a switch in work. In memory only: when the engine dies, the connections and with them the locks go, and the
/// switch never happened.
pub struct SwitchSession {
    /// One guard for each store that is left, in the order in which they were taken. Empty while only poolers hold their clients.
    pub guards: Vec<(StoreId, Box<dyn FreezeGuard>)>,
    /// When the first writer may have begun to wait.
    pub since: Instant,
    /// When the downtime budget is used up.
    pub deadline: Instant,
}

impl SwitchSession {
    /// A session without guards whose first writers begin to wait now.
    pub fn begin(budget: Duration) -> Self {
        let since = Instant::now();
        Self { guards: Vec::new(), since, deadline: since + budget }
    }

    /// Asks every store whether writers are held.
    ///
    /// # Errors
    /// [`StepError`] when they are not, or a store does not answer: then the switch must not go on.
    pub async fn still_held(&mut self) -> Result<(), StepError> {
        for (_, guard) in &mut self.guards {
            guard.still_held().await?;
        }
        Ok(())
    }

    /// How long writers have been waiting.
    pub fn held_ms(&self) -> u128 {
        self.since.elapsed().as_millis()
    }
}

/// The sentence for a step that needs held writers and finds none.
pub fn lost() -> StepError {
    StepError::retry("the freeze is gone, so writers went on", "retry the phase")
}

/// Runs a future, but not beyond the downtime budget of the freeze.
///
/// # Errors
/// The future's error, or that the budget is used up.
pub async fn within_budget<T>(
    context: &StepContext,
    what: &str,
    work: impl Future<Output = Result<T, StepError>>,
) -> Result<T, StepError> {
    let Some(deadline) = context.core.switch.lock().await.as_ref().map(|s| s.deadline) else {
        return Err(lost());
    };
    match tokio::time::timeout_at(deadline, work).await {
        Ok(result) => result,
        Err(_) => Err(StepError::retry(
            format!("the downtime budget of {} was used up while Godwit had to {what}", words(context)),
            "look at lag and open transactions, then retry the phase",
        )),
    }
}

fn words(context: &StepContext) -> String {
    let budget: Duration = context.core.profile.migration.downtime_budget;
    format!("{:.1} s", budget.as_secs_f64())
}
