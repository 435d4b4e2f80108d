//! Phases: the stages that operators approve, and the one function that says which status follows which event.

use crate::model::ids::Operator;
use crate::model::reason::{FailurePolicy, Reason};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a phase does. The default ladder has one of each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Inventory and pre-flight checks; changes nothing.
    Assess,
    /// Tables and types on the targets.
    Build,
    /// Change capture and copy.
    Backfill,
    /// Apply changes until the targets follow the sources, then indexes and constraints.
    Sync,
    /// Compare all rows.
    Verify,
    /// Compare indexes; refresh the targets' statistics.
    Tune,
    /// Accounts and rights on the targets.
    Secure,
    /// Freeze, drain, verify, reverse pipeline, fence, switch.
    Cutover,
    /// Reverse sync keeps the old side current while people watch.
    Watch,
    /// Ends the reverse sync: after it there is no way back.
    Retire,
}

impl PhaseKind {
    /// The default ladder.
    pub const LADDER: [Self; 10] = [
        Self::Assess,
        Self::Build,
        Self::Backfill,
        Self::Sync,
        Self::Verify,
        Self::Tune,
        Self::Secure,
        Self::Cutover,
        Self::Watch,
        Self::Retire,
    ];

    /// True for kinds whose phases build indexes of the index advice: tuning, and watching the new side.
    pub fn builds_indexes(self) -> bool {
        matches!(self, Self::Tune | Self::Watch)
    }

    /// The word used in profiles, on the command line and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assess => "assess",
            Self::Build => "build",
            Self::Backfill => "backfill",
            Self::Sync => "sync",
            Self::Verify => "verify",
            Self::Tune => "tune",
            Self::Secure => "secure",
            Self::Cutover => "cutover",
            Self::Watch => "watch",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for PhaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a phase stands. Set only by the dispatcher through [`PhaseStatus::next`]; stored as the events that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum PhaseStatus {
    /// An earlier phase is not finished.
    Pending,
    /// It was asked for and a gate was not green.
    Blocked {
        /// One sentence a gate.
        reasons: Vec<String>,
    },
    /// It may be asked for.
    Ready,
    /// A plan is printed; approvals are being collected. Waits for operators.
    AwaitingApproval {
        /// The plan's hash.
        plan: String,
        /// Who asked.
        requested_by: Operator,
        /// Approvals so far.
        approvals: Vec<Approval>,
    },
    /// Steps are being carried out.
    Running,
    /// A pause was requested and is not confirmed yet.
    Pausing,
    /// Nothing of it is running.
    Paused,
    /// A resume was requested and is not confirmed yet.
    Resuming,
    /// All steps are done.
    Succeeded,
    /// A step failed; the phase stands still.
    Failed {
        /// Why.
        reason: Reason,
        /// What helps.
        policy: FailurePolicy,
    },
    /// Steps are being taken back.
    RollingBack,
    /// Everything that Godwit made in it is gone; it may run again.
    RolledBack,
    /// Taking back failed; an operator retries it (or completes the phase) after mending the cause.
    Stuck {
        /// Why.
        reason: Reason,
    },
    /// An operator decided that it is not needed.
    Skipped {
        /// Who.
        by: Operator,
        /// Why.
        why: String,
    },
}

/// One person's consent to one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: Operator,
    /// The approval is void after this time.
    pub expires_at: DateTime<Utc>,
}

/// What happened to a phase; the journal holds these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase_event", rename_all = "snake_case")]
pub enum PhaseEvent {
    /// Every earlier phase is finished.
    Unlocked,
    /// An earlier phase was rolled back.
    Locked,
    /// It was asked for and gates were not green.
    Blocked {
        /// One sentence a gate.
        reasons: Vec<String>,
    },
    /// It was asked for; the plan is printed.
    PlanRequested {
        /// Who asked.
        by: Operator,
        /// The plan's hash.
        plan: String,
    },
    /// Somebody approved the plan.
    Approved {
        /// Who and until when.
        approval: Approval,
        /// The plan's hash.
        plan: String,
    },
    /// The request was withdrawn, expired, or its plan changed.
    ApprovalVoid {
        /// Why.
        why: String,
    },
    /// Enough approvals: steps begin.
    Started,
    /// An operator asked for a pause.
    PauseRequested {
        /// Who.
        by: Operator,
    },
    /// Nothing is running any more.
    Paused,
    /// An operator asked to go on.
    ResumeRequested {
        /// Who.
        by: Operator,
    },
    /// Steps go on.
    Resumed,
    /// All steps are done.
    Succeeded,
    /// A step failed.
    Failed {
        /// Why.
        reason: Reason,
        /// What helps.
        policy: FailurePolicy,
    },
    /// An operator asked to try the failed step again.
    RetryRequested {
        /// Who.
        by: Operator,
    },
    /// An operator (or the engine, for an automatic undo) began to take it back.
    RollbackStarted {
        /// Who.
        by: Operator,
        /// The approved roll back plan's hash.
        plan: String,
    },
    /// Everything is taken back.
    RolledBack,
    /// Taking back failed.
    Stuck {
        /// Why.
        reason: Reason,
    },
    /// An operator decided that it is not needed.
    Skipped {
        /// Who.
        by: Operator,
        /// Why.
        why: String,
    },
}

/// An event that a status does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The status word.
    pub status: &'static str,
    /// The event word.
    pub event: &'static str,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a phase that is {} cannot be {}", self.status, self.event)
    }
}

impl std::error::Error for IllegalTransition {}

impl PhaseEvent {
    /// The event as a past participle, for sentences.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unlocked => "unlocked",
            Self::Locked => "locked",
            Self::Blocked { .. } => "blocked",
            Self::PlanRequested { .. } => "requested",
            Self::Approved { .. } => "approved",
            Self::ApprovalVoid { .. } => "withdrawn",
            Self::Started => "started",
            Self::PauseRequested { .. } | Self::Paused => "paused",
            Self::ResumeRequested { .. } | Self::Resumed => "resumed",
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::RetryRequested { .. } => "retried",
            Self::RollbackStarted { .. } | Self::RolledBack => "rolled back",
            Self::Stuck { .. } => "stuck",
            Self::Skipped { .. } => "skipped",
        }
    }
}

impl PhaseStatus {
    /// The word for screens and sentences.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Blocked { .. } => "blocked",
            Self::Ready => "ready",
            Self::AwaitingApproval { .. } => "awaiting approval",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Resuming => "resuming",
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
            Self::RollingBack => "rolling back",
            Self::RolledBack => "rolled back",
            Self::Stuck { .. } => "stuck",
            Self::Skipped { .. } => "skipped",
        }
    }

    /// True when later phases may build on it.
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped { .. })
    }

    /// True while it can still be decided what its next plan does.
    pub fn takes_decisions(&self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Ready | Self::Blocked { .. } | Self::AwaitingApproval { .. } | Self::RolledBack
        )
    }

    /// True while the engine is working on it.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Running | Self::Pausing | Self::Resuming | Self::RollingBack)
    }

    /// True when it left something behind that a roll back could remove.
    pub fn may_roll_back(&self) -> bool {
        matches!(self, Self::Paused | Self::Succeeded | Self::Failed { .. } | Self::Stuck { .. })
    }

    /// The one transition function, used live and in replay. There is no catch-all that succeeds.
    ///
    /// # Errors
    /// [`IllegalTransition`] when the status does not allow the event.
    pub fn next(&self, event: &PhaseEvent) -> Result<Self, IllegalTransition> {
        use PhaseEvent as E;
        let illegal = || Err(IllegalTransition { status: self.word(), event: event.word() });
        match event {
            E::Unlocked => match self {
                Self::Pending => Ok(Self::Ready),
                _ => illegal(),
            },
            E::Locked => match self {
                Self::Ready | Self::Blocked { .. } | Self::RolledBack | Self::AwaitingApproval { .. } => {
                    Ok(Self::Pending)
                }
                _ => illegal(),
            },
            E::Blocked { reasons } => match self {
                Self::Ready
                | Self::Blocked { .. }
                | Self::RolledBack
                | Self::Skipped { .. }
                | Self::AwaitingApproval { .. } => Ok(Self::Blocked { reasons: reasons.clone() }),
                _ => illegal(),
            },
            E::PlanRequested { by, plan } => match self {
                Self::Ready
                | Self::Blocked { .. }
                | Self::RolledBack
                | Self::Skipped { .. }
                | Self::AwaitingApproval { .. } => {
                    Ok(Self::AwaitingApproval { plan: plan.clone(), requested_by: by.clone(), approvals: Vec::new() })
                }
                _ => illegal(),
            },
            E::Approved { approval, plan } => match self {
                Self::AwaitingApproval { plan: current, requested_by, approvals } if current == plan => {
                    let mut approvals: Vec<Approval> =
                        approvals.iter().filter(|a| a.by != approval.by).cloned().collect();
                    approvals.push(approval.clone());
                    Ok(Self::AwaitingApproval { plan: plan.clone(), requested_by: requested_by.clone(), approvals })
                }
                _ => illegal(),
            },
            E::ApprovalVoid { .. } => match self {
                Self::AwaitingApproval { .. } => Ok(Self::Ready),
                _ => illegal(),
            },
            E::Started => match self {
                Self::AwaitingApproval { .. } => Ok(Self::Running),
                _ => illegal(),
            },
            E::PauseRequested { .. } => match self {
                Self::Running | Self::Resuming => Ok(Self::Pausing),
                _ => illegal(),
            },
            E::Paused => match self {
                Self::Pausing => Ok(Self::Paused),
                _ => illegal(),
            },
            E::ResumeRequested { .. } => match self {
                Self::Paused | Self::Pausing => Ok(Self::Resuming),
                _ => illegal(),
            },
            E::Resumed => match self {
                Self::Resuming => Ok(Self::Running),
                _ => illegal(),
            },
            E::Succeeded => match self {
                Self::Running | Self::Pausing | Self::Resuming => Ok(Self::Succeeded),
                _ => illegal(),
            },
            E::Failed { reason, policy } => match self {
                Self::Running | Self::Pausing | Self::Resuming | Self::Paused => {
                    Ok(Self::Failed { reason: reason.clone(), policy: *policy })
                }
                _ => illegal(),
            },
            E::RetryRequested { .. } => match self {
                Self::Failed { .. } => Ok(Self::Running),
                _ => illegal(),
            },
            E::RollbackStarted { .. } => match self {
                // A roll back of an earlier phase takes this one along whatever it is doing, so every active status is in here.
                Self::Running
                | Self::Pausing
                | Self::Paused
                | Self::Resuming
                | Self::Succeeded
                | Self::Failed { .. }
                | Self::Stuck { .. } => Ok(Self::RollingBack),
                _ => illegal(),
            },
            E::RolledBack => match self {
                Self::RollingBack => Ok(Self::RolledBack),
                _ => illegal(),
            },
            E::Stuck { reason } => match self {
                Self::RollingBack => Ok(Self::Stuck { reason: reason.clone() }),
                _ => illegal(),
            },
            E::Skipped { by, why } => match self {
                Self::Pending
                | Self::Ready
                | Self::Blocked { .. }
                | Self::RolledBack
                | Self::AwaitingApproval { .. } => Ok(Self::Skipped { by: by.clone(), why: why.clone() }),
                _ => illegal(),
            },
        }
    }
}

#[cfg(test)]
#[path = "phase_tests.rs"]
mod tests;
