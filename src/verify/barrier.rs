//! Knowing that the target has seen what the source had.

use async_trait::async_trait;

/// Lets a comparison wait for the pipeline.
#[async_trait]
pub trait Barrier: Send + Sync {
    /// Returns once everything that was committed on the source before the call is on the target.
    ///
    /// # Errors
    /// Why that cannot be known now (pipeline paused or failed, time-out): the rows in question stay unresolved.
    async fn pass(&self) -> Result<(), String>;
}
