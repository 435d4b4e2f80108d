//! Commands: what an operator asks the engine to do. Each names what it saw.

use crate::model::ending::EndingPlan;
use crate::model::ids::{PhaseId, PipelineId, Seq, StoreId};
use crate::model::index_order::FindingName;
use crate::model::plan::{Direction, Plan};
use crate::model::role::Role;
use crate::model::session::{Ending, SessionKey};
use serde::{Deserialize, Serialize};

/// A request to the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// The journal row up to which the operator saw the target when deciding. The engine refuses the command when the
    /// target changed after it, and says what changed. `None` only from callers that accept any state (reading commands).
    pub expected_seq: Option<Seq>,
    /// The target's name, typed by the operator, where the profile asks for it; see [`Action::typed_name`].
    pub confirm: Option<String>,
    /// What to do.
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Print a plan; changes nothing.
    Plan {
        /// Phase.
        phase: PhaseId,
        /// Forward or back.
        direction: Direction,
    },
    /// Ask for a phase to run: makes the plan and collects approvals.
    Run {
        /// Phase.
        phase: PhaseId,
    },
    /// Consent to the printed plan.
    Approve {
        /// Phase.
        phase: PhaseId,
        /// The plan's hash, or at least its first twelve characters.
        plan: String,
    },
    /// Take a request back.
    Withdraw {
        /// Phase.
        phase: PhaseId,
    },
    /// Pause a running phase.
    Pause {
        /// Phase.
        phase: PhaseId,
    },
    /// Go on.
    Resume {
        /// Phase.
        phase: PhaseId,
    },
    /// Try the failed step again.
    Retry {
        /// Phase.
        phase: PhaseId,
    },
    /// Take a phase (and every later one) back.
    Rollback {
        /// Phase.
        phase: PhaseId,
        /// The roll back plan's hash, or at least its first twelve characters.
        plan: String,
    },
    /// Declare a phase unnecessary.
    Skip {
        /// Phase.
        phase: PhaseId,
        /// Why.
        why: String,
    },
    /// Compare tables now.
    Verify {
        /// Pipelines; all when empty.
        pipelines: Vec<PipelineId>,
        /// Source table names; all when empty.
        tables: Vec<String>,
        /// Write the source's rows over differing target rows.
        repair: bool,
    },
    /// Pause one pipeline.
    PausePipeline {
        /// Pipeline.
        pipeline: PipelineId,
    },
    /// Let one pipeline go on.
    ResumePipeline {
        /// Pipeline.
        pipeline: PipelineId,
    },
    /// Turn a throttle knob.
    Throttle {
        /// Pipeline.
        pipeline: PipelineId,
        /// `rows_per_second`, `workers`, `target_lag`, `source_load`.
        knob: String,
        /// New value; `off` for no limit, `default` for what the profile says.
        value: String,
    },
    /// Print what [`Action::EndSession`] would do; changes nothing.
    ShowEnding {
        /// Store.
        store: StoreId,
        /// Which session.
        session: SessionKey,
        /// How.
        how: Ending,
    },
    /// Cancel a session's statement, or end the session. The store looks once more whether it is still that very session.
    EndSession {
        /// Store.
        store: StoreId,
        /// Which session.
        session: SessionKey,
        /// How.
        how: Ending,
    },
    /// Take a finding of the index advice into a phase: its next plan builds the index.
    TakeIndex {
        /// Phase; a tune or watch phase.
        phase: PhaseId,
        /// Which finding.
        finding: FindingName,
    },
    /// Take such a decision back, as long as nothing was built.
    LeaveIndex {
        /// Phase.
        phase: PhaseId,
        /// Which finding.
        finding: FindingName,
    },
    /// Run the named pre-flight checks now.
    Check,
    /// Stop the engine in an orderly way.
    Down,
}

impl Action {
    /// The least role that may ask for it.
    pub fn needs(&self) -> Role {
        match self {
            Self::Plan { .. } | Self::ShowEnding { .. } | Self::Check => Role::Viewer,
            Self::Run { .. }
            | Self::Withdraw { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Retry { .. }
            | Self::PausePipeline { .. }
            | Self::ResumePipeline { .. }
            | Self::Throttle { .. }
            | Self::EndSession { .. }
            | Self::TakeIndex { .. }
            | Self::LeaveIndex { .. } => Role::Operator,
            Self::Verify { repair, .. } => {
                if *repair {
                    Role::Approver
                } else {
                    Role::Operator
                }
            }
            Self::Approve { .. } | Self::Rollback { .. } | Self::Skip { .. } | Self::Down => Role::Approver,
        }
    }

    /// The phase that it is about.
    pub fn phase(&self) -> Option<&PhaseId> {
        match self {
            Self::Plan { phase, .. }
            | Self::Run { phase }
            | Self::Approve { phase, .. }
            | Self::Withdraw { phase }
            | Self::Pause { phase }
            | Self::Resume { phase }
            | Self::Retry { phase }
            | Self::Rollback { phase, .. }
            | Self::Skip { phase, .. }
            | Self::TakeIndex { phase, .. }
            | Self::LeaveIndex { phase, .. } => Some(phase),
            Self::Verify { .. }
            | Self::PausePipeline { .. }
            | Self::ResumePipeline { .. }
            | Self::Throttle { .. }
            | Self::ShowEnding { .. }
            | Self::EndSession { .. }
            | Self::Check
            | Self::Down => None,
        }
    }

    /// The name that must be typed in production: the session's id, the phase's name, or else the migration's.
    pub fn typed_name<'a>(&'a self, migration: &'a str) -> &'a str {
        match self {
            Self::EndSession { session, .. } => &session.id,
            other => other.phase().map_or(migration, PhaseId::as_str),
        }
    }

    /// True for what only reads: it is answered on any state, and a refusal is not journaled.
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Plan { .. } | Self::ShowEnding { .. } | Self::Check)
    }

    /// True when the profile's `env = "production"` asks for a typed name.
    pub fn is_dangerous(&self) -> bool {
        matches!(
            self,
            Self::Approve { .. }
                | Self::Rollback { .. }
                | Self::Skip { .. }
                | Self::Verify { repair: true, .. }
                | Self::EndSession { .. }
                | Self::Down
        )
    }

    /// The command as an operator would type it.
    pub fn as_typed(&self) -> String {
        match self {
            Self::Plan { phase, direction: Direction::Forward } => format!("plan {phase}"),
            Self::Plan { phase, direction: Direction::Rollback } => format!("plan {phase} --rollback"),
            Self::Run { phase } => format!("run {phase}"),
            Self::Approve { phase, plan } => format!("approve {phase} --plan {}", plan.get(..12).unwrap_or(plan)),
            Self::Withdraw { phase } => format!("withdraw {phase}"),
            Self::Pause { phase } => format!("pause {phase}"),
            Self::Resume { phase } => format!("resume {phase}"),
            Self::Retry { phase } => format!("retry {phase}"),
            Self::Rollback { phase, plan } => format!("rollback {phase} --plan {}", plan.get(..12).unwrap_or(plan)),
            Self::Skip { phase, why } => format!("skip {phase} --why {why:?}"),
            Self::Verify { repair: true, .. } => "verify --repair".to_owned(),
            Self::Verify { repair: false, .. } => "verify".to_owned(),
            Self::PausePipeline { pipeline } => format!("pause --pipeline {pipeline}"),
            Self::ResumePipeline { pipeline } => format!("resume --pipeline {pipeline}"),
            Self::Throttle { pipeline, knob, value } => format!("throttle {pipeline} {knob} {value}"),
            Self::ShowEnding { store, session, how } => format!("plan {} {store} {session}", how.word()),
            Self::EndSession { store, session, how } => format!("{} {store} {session}", how.word()),
            Self::TakeIndex { phase, finding } => format!("indexes --phase {phase} --take '{finding}'"),
            Self::LeaveIndex { phase, finding } => format!("indexes --phase {phase} --leave '{finding}'"),
            Self::Check => "check".to_owned(),
            Self::Down => "down".to_owned(),
        }
    }
}

/// The engine's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Accepted; what it causes shows in the journal from `seq` on. Accepted is not done.
    Accepted {
        /// First journal row that it caused.
        seq: Seq,
        /// What happens now, one sentence.
        message: String,
    },
    /// Refused; nothing was changed.
    Rejected {
        /// Why, and what to do next.
        why: String,
    },
    /// The plan that was asked for, or that a `run` made.
    Planned {
        /// The plan.
        plan: Plan,
        /// First journal row that it caused; `None` for a plan that was only printed.
        seq: Option<Seq>,
    },
    /// What ending a session would do.
    Ending {
        /// What was asked for.
        ending: EndingPlan,
    },
    /// Results of the pre-flight checks.
    Checked {
        /// One entry a check.
        checks: Vec<crate::model::check::Check>,
    },
}
