//! The contract of a step.

use crate::engine::core::CoreRef;
use crate::engine::dispatcher::AppendError;
use crate::engine::error::EngineError;
use crate::engine::fleet::reason;
use crate::model::ids::PhaseId;
use crate::model::plan::PlannedStep;
use crate::model::reason::{FailurePolicy, Reason};
use crate::pipelines::copier::control::Control;
use crate::stores::error::{Policy, StoreError};
use async_trait::async_trait;

/// What a step works with.
#[derive(Clone)]
pub struct StepContext {
    /// The engine.
    pub core: CoreRef,
    /// The phase.
    pub phase: PhaseId,
    /// Pause and stop.
    pub control: Control,
    /// Who asked for the phase or its roll back: repairs and audits name them.
    pub by: crate::model::ids::Operator,
}

/// What a step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was seen, with numbers.
    pub evidence: String,
    /// Statements that remove what was made, in the order of making; a roll back runs them in reverse.
    pub made: Vec<String>,
}

impl Outcome {
    /// An outcome that made nothing.
    pub fn seen(evidence: impl Into<String>) -> Self {
        Self { evidence: evidence.into(), made: Vec::new() }
    }
}

/// Why a step did not get done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// Stopped on request; it will go on where it was.
    Interrupted,
    /// Failed.
    Failed {
        /// What and why.
        reason: Reason,
        /// What helps.
        policy: FailurePolicy,
        /// True when the executor may try again by itself after a short while.
        passing: bool,
    },
}

impl StepError {
    /// A failure that a person must look at.
    pub fn mend(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Failed { reason: Reason::new(what, next), policy: FailurePolicy::Mend, passing: false }
    }

    /// A failure after which the phase may simply be tried again.
    pub fn retry(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Failed { reason: Reason::new(what, next), policy: FailurePolicy::Retry, passing: false }
    }

    /// The same failure, but the executor does not try again by itself.
    #[must_use]
    pub fn ends_the_try(mut self) -> Self {
        if let Self::Failed { passing, .. } = &mut self {
            *passing = false;
        }
        self
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        let (policy, passing) = match error.policy() {
            Policy::Retry => (FailurePolicy::Retry, true),
            Policy::Stop => (FailurePolicy::Mend, false),
            Policy::Restart => (FailurePolicy::RollBack, false),
        };
        Self::Failed { reason: reason(&error), policy, passing }
    }
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        Self::mend(error.to_string(), "mend the profile, restart the engine and retry")
    }
}

impl From<AppendError> for StepError {
    fn from(error: AppendError) -> Self {
        Self::mend(error.to_string(), "start the engine again: it goes on from the journal")
    }
}

/// One journaled action.
#[async_trait]
pub trait Step: Send + Sync {
    /// How it is printed in the plan. Pure: the same for the same profile and the same stores.
    fn planned(&self) -> PlannedStep;

    /// Asked when the journal does not tell how the step ended: `Some(outcome)` when it is done.
    ///
    /// # Errors
    /// [`StepError`] when that cannot be found out.
    async fn check(&self, context: &StepContext) -> Result<Option<Outcome>, StepError>;

    /// Asked before the intention is journaled: an error means that the step must not begin. What it finds free can be taken for
    /// the step's own work after a crash, because nothing else stood there when the intention was written.
    ///
    /// # Errors
    /// [`StepError`] with what is in the way.
    async fn admits(&self, _context: &StepContext) -> Result<(), StepError> {
        Ok(())
    }

    /// Does it. Must be safe to call again after any interruption.
    ///
    /// # Errors
    /// [`StepError`].
    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError>;

    /// Takes it back; `made` is what the journal says that it made. Must succeed when there is nothing to take back.
    ///
    /// # Errors
    /// [`StepError`].
    async fn undo(&self, context: &StepContext, made: &[String]) -> Result<String, StepError>;

    /// True when it looks for pauses by itself; otherwise a pause takes effect after it.
    fn is_pausable(&self) -> bool {
        false
    }
}

/// Shared handle to a step.
pub type StepRef = Box<dyn Step>;
