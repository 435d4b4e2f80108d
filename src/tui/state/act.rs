//! What an operator can do from the cockpit, and the one function that says whether it may be done now.

use crate::model::finding::{Finding, Verdict};
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PhaseId, PipelineId, StoreId};
use crate::model::index_order::FindingName;
use crate::model::phase::{Approval, PhaseEvent, PhaseKind, PhaseStatus};
use crate::model::pipeline::{PipelineRecord, PipelineState, Stage};
use crate::model::plan::Direction;
use crate::model::reason::FailurePolicy;
use crate::model::role::Role;
use crate::model::session::{Ending, SessionKey, SessionState};
use crate::tui::state::activity::session;
use crate::tui::state::picture::Picture;

/// An act. Each becomes one [`Action`](crate::model::command::Action) when its dialog is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask for a phase to run.
    Run,
    /// Consent to its plan.
    Approve,
    /// Take the request back.
    Withdraw,
    /// Pause a running phase.
    Pause,
    /// Let it go on.
    Resume,
    /// Try the failed step again.
    Retry,
    /// Take the phase back.
    Rollback,
    /// Declare the phase unnecessary.
    Skip,
    /// Pause one pipeline.
    PausePipeline,
    /// Let it go on.
    ResumePipeline,
    /// Turn a throttle knob.
    Throttle,
    /// Compare tables now.
    Verify,
    /// Overwrite differing target rows.
    Repair,
    /// Cancel a session's statement.
    Cancel,
    /// End a session.
    Kill,
    /// Take a finding of the index advice into a phase's plan.
    Take,
    /// Take it out again.
    Leave,
    /// Run the pre-flight checks.
    Check,
    /// Stop the engine.
    Down,
}

/// What an act is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A phase.
    Phase(PhaseId),
    /// A pipeline.
    Pipeline(PipelineId),
    /// One table of a pipeline, by its source name.
    Table(PipelineId, String),
    /// A session of a store.
    Session(StoreId, SessionKey),
    /// A finding of the index advice, with the phase that builds it or may.
    Advice(PhaseId, FindingName),
    /// The migration as a whole.
    Whole,
}

impl Target {
    /// A finding of the index advice. The phase is the one that took it, or else the next that can; if none can, the last that builds any.
    pub fn advice(finding: FindingName, picture: &Picture) -> Self {
        let migration = &picture.migration;
        let taken = migration.index_taken(&finding).map(|(phase, _)| phase);
        let last = || migration.phases.iter().rfind(|phase| phase.kind.builds_indexes());
        let phase = taken.or_else(|| migration.phase_for_indexes()).or_else(last);
        let phase = phase.map_or_else(|| PhaseKind::Tune.as_str().into(), |phase| phase.id.clone());
        Self::Advice(phase, finding)
    }

    /// The phase whose plan is decided on.
    pub fn phase(&self) -> Option<&PhaseId> {
        match self {
            Self::Phase(id) | Self::Advice(id, _) => Some(id),
            Self::Pipeline(_) | Self::Table(..) | Self::Session(..) | Self::Whole => None,
        }
    }

    /// Its name as an operator types it.
    pub fn name(&self) -> &str {
        match self {
            Self::Phase(id) => id.as_str(),
            Self::Pipeline(id) => id.as_str(),
            Self::Table(_, table) => table,
            Self::Session(_, key) => &key.id,
            Self::Advice(_, finding) => &finding.subject,
            Self::Whole => "",
        }
    }
}

/// What kind of target an act takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A phase.
    Phase,
    /// A pipeline.
    Pipeline,
    /// A table, a pipeline, or everything.
    Tables,
    /// A session of a store.
    Session,
    /// A finding of the index advice.
    Advice,
    /// Nothing.
    Nothing,
}

impl Act {
    /// All acts.
    pub const ALL: [Self; 19] = [
        Self::Run,
        Self::Approve,
        Self::Withdraw,
        Self::Pause,
        Self::Resume,
        Self::Retry,
        Self::Rollback,
        Self::Skip,
        Self::PausePipeline,
        Self::ResumePipeline,
        Self::Throttle,
        Self::Verify,
        Self::Repair,
        Self::Cancel,
        Self::Kill,
        Self::Take,
        Self::Leave,
        Self::Check,
        Self::Down,
    ];

    /// The words for footers, dialogs and sentences.
    pub fn words(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Approve => "approve",
            Self::Withdraw => "withdraw",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Rollback => "roll back",
            Self::Skip => "skip",
            Self::PausePipeline => "pause pipeline",
            Self::ResumePipeline => "resume pipeline",
            Self::Throttle => "throttle",
            Self::Verify => "verify",
            Self::Repair => "repair",
            Self::Cancel => "cancel",
            Self::Kill => "kill",
            Self::Take => "take into plan",
            Self::Leave => "leave out of plan",
            Self::Check => "check",
            Self::Down => "stop the engine",
        }
    }

    /// The verb on the cockpit's command line; the same as on the shell's.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::PausePipeline => "pause-pipeline",
            Self::ResumePipeline => "resume-pipeline",
            Self::Down => "down",
            Self::Take => "take",
            Self::Leave => "leave",
            other => other.words(),
        }
    }

    /// What it is done to.
    pub fn takes(self) -> Takes {
        match self {
            Self::Run
            | Self::Approve
            | Self::Withdraw
            | Self::Pause
            | Self::Resume
            | Self::Retry
            | Self::Rollback
            | Self::Skip => Takes::Phase,
            Self::PausePipeline | Self::ResumePipeline | Self::Throttle => Takes::Pipeline,
            Self::Verify | Self::Repair => Takes::Tables,
            Self::Cancel | Self::Kill => Takes::Session,
            Self::Take | Self::Leave => Takes::Advice,
            Self::Check | Self::Down => Takes::Nothing,
        }
    }

    /// The plan that its dialog prints before anything may be confirmed.
    pub fn plan(self) -> Option<Direction> {
        match self {
            Self::Run | Self::Approve => Some(Direction::Forward),
            Self::Rollback => Some(Direction::Rollback),
            _ => None,
        }
    }

    /// How it ends a session; its dialog then prints the exact statement before anything may be confirmed.
    pub fn ending(self) -> Option<Ending> {
        match self {
            Self::Cancel => Some(Ending::Cancel),
            Self::Kill => Some(Ending::Kill),
            _ => None,
        }
    }

    /// The least role. A test holds it equal to what the model says of the command.
    pub fn role(self) -> Role {
        match self {
            Self::Check => Role::Viewer,
            Self::Approve | Self::Rollback | Self::Skip | Self::Repair | Self::Down => Role::Approver,
            Self::Run
            | Self::Withdraw
            | Self::Pause
            | Self::Resume
            | Self::Retry
            | Self::PausePipeline
            | Self::ResumePipeline
            | Self::Throttle
            | Self::Verify
            | Self::Cancel
            | Self::Kill
            | Self::Take
            | Self::Leave => Role::Operator,
        }
    }

    /// True when the name must be typed in production. A test holds it equal to what the model says of the command.
    pub fn is_dangerous(self) -> bool {
        matches!(
            self,
            Self::Approve | Self::Rollback | Self::Skip | Self::Repair | Self::Cancel | Self::Kill | Self::Down
        )
    }

    /// What it will do, one sentence for the dialog.
    pub fn effect(self, target: &Target, picture: &Picture) -> String {
        let name = target.name();
        match self {
            Self::Run => format!("Asks for {name} to run. {}", approvals_needed(picture, target)),
            Self::Approve => format!("Consents to this plan. With enough approvals {name} starts at once."),
            Self::Withdraw => format!("Takes the request for {name} back; approvals given so far are void."),
            Self::Pause => {
                format!("Finishes what is in flight, then nothing of {name} runs. Sources keep their logs meanwhile.")
            }
            Self::Resume => format!("{name} goes on where it stands."),
            Self::Retry => format!("Tries the failed step of {name} again; what is done stays done."),
            Self::Rollback => format!("Takes {name} and every later phase back, by the plan below."),
            Self::Skip => format!("Declares {name} unnecessary: later phases no longer wait for it."),
            Self::PausePipeline => format!(
                "Finishes the batches in flight, then {name} moves nothing. The source keeps its log meanwhile."
            ),
            Self::ResumePipeline => format!("{name} goes on from its checkpoint."),
            Self::Throttle => format!("Changes one limit of {name} at once."),
            Self::Verify => match target {
                Target::Whole => {
                    "Compares all tables with their sources. Reads both sides, changes nothing.".to_owned()
                }
                _ => format!("Compares {name} with its source. Reads both sides, changes nothing."),
            },
            Self::Repair => match target {
                Target::Whole => "Writes the source's rows over every differing row of every target.".to_owned(),
                _ => format!("Writes the source's rows over every differing row of {name} on the target."),
            },
            Self::Cancel => "Cancels its present statement; the session stays connected.".to_owned(),
            Self::Kill => "Ends the session; an open transaction is rolled back, its locks are free then.".to_owned(),
            Self::Take => match target.phase().and_then(|id| picture.phase(id)) {
                Some(PhaseRecord { id, status: PhaseStatus::AwaitingApproval { .. }, .. }) => format!(
                    "The next plan of {id} builds its index. Nothing is built now; what {id} was asked for with is void, as its plan is another."
                ),
                phase => format!(
                    "The next plan of {} builds its index. Nothing is built before that plan is approved.",
                    phase.map_or("the phase", |phase| phase.id.as_str())
                ),
            },
            Self::Leave => format!(
                "The next plan of {} does not build its index after all.",
                target.phase().map_or("the phase", |id| id.as_str())
            ),
            Self::Check => "Runs the pre-flight checks. Changes nothing.".to_owned(),
            Self::Down => "Stops the engine in order: what is in flight is finished, pipelines stop.".to_owned(),
        }
    }

    /// How to get back, one sentence for dialogs without a plan.
    pub fn way_back(self) -> &'static str {
        match self {
            Self::Run | Self::Approve | Self::Rollback => "in the plan",
            Self::Withdraw => "ask again",
            Self::Pause | Self::PausePipeline => "resume",
            Self::Resume | Self::ResumePipeline | Self::Retry => "pause; roll back",
            Self::Skip => "ask for the phase to run after all",
            Self::Throttle => "set the old value again",
            Self::Verify | Self::Check => "nothing to take back",
            Self::Cancel => "none: the application gets an error and has to ask again",
            Self::Kill => "none: the application has to connect and begin its transaction again",
            Self::Take => "leave it out again with the same key, until the phase builds it; then roll the phase back",
            Self::Leave => "take it again with the same key",
            Self::Repair => "none: the target's differing values are overwritten",
            Self::Down => "start it again with godwit up; it goes on where it stopped",
        }
    }

    /// Why the act may not be done to `target` now; `None` when it may. Keys, footers, dialogs and the command line all ask
    /// this function, so that nothing is offered that would be refused for what is already known.
    pub fn why_not(self, target: &Target, picture: &Picture, observe: bool) -> Option<String> {
        if observe && self.role() > Role::Viewer {
            return Some("this cockpit only observes (it was opened with --observe)".to_owned());
        }
        if let Some(why) = &picture.broken {
            return Some(why.clone());
        }
        if !picture.is_up() {
            return Some("there is no connection to the engine".to_owned());
        }
        if picture.is_loading() {
            return Some("the journal is still being read".to_owned());
        }
        if picture.role() < self.role() {
            return Some(format!("it needs the role {}, yours is {}", self.role(), picture.role()));
        }
        match (self.takes(), target) {
            (Takes::Phase, Target::Phase(id)) => match picture.phase(id) {
                Some(phase) => self.why_not_phase(phase, picture),
                None => Some(format!("there is no phase {id}")),
            },
            (Takes::Pipeline, Target::Pipeline(id)) => match picture.migration.pipelines.get(id) {
                Some(pipeline) => self.why_not_pipeline(id, pipeline),
                None => Some(format!("there is no pipeline {id}")),
            },
            (Takes::Tables, Target::Pipeline(id) | Target::Table(id, _)) => self.why_not_tables(&[id], picture),
            (Takes::Tables, Target::Whole) => {
                let all: Vec<&PipelineId> = picture.migration.pipelines.keys().collect();
                self.why_not_tables(&all, picture)
            }
            (Takes::Advice, Target::Advice(phase, finding)) => match picture.phase(phase) {
                Some(phase) => self.why_not_advice(phase, finding, picture),
                None => Some(format!("this migration has no phase {phase} that would build it")),
            },
            (Takes::Session, Target::Session(store, key)) => self.why_not_session(store, key, picture),
            (Takes::Nothing, Target::Whole) => None,
            _ => Some(format!("{} needs another kind of target", self.words())),
        }
    }

    fn why_not_phase(self, phase: &PhaseRecord, picture: &Picture) -> Option<String> {
        let status = &phase.status;
        if let Self::Approve = self {
            return why_not_approve(phase, picture);
        }
        let legal = match self {
            // Asking again while approvals are being collected would void them: withdraw first.
            Self::Run => !matches!(status, PhaseStatus::AwaitingApproval { .. }) && allows(status, &requested()),
            Self::Withdraw => matches!(status, PhaseStatus::AwaitingApproval { .. }),
            Self::Pause => allows(status, &PhaseEvent::PauseRequested { by: "".into() }),
            Self::Resume => allows(status, &PhaseEvent::ResumeRequested { by: "".into() }),
            Self::Retry => {
                if let PhaseStatus::Failed { policy: FailurePolicy::RollBack, .. } = status {
                    return Some(format!("trying {} again cannot help: roll it back", phase.id));
                }
                allows(status, &PhaseEvent::RetryRequested { by: "".into() })
            }
            Self::Rollback => {
                if let PhaseStatus::Failed { policy: FailurePolicy::Complete, .. } = status {
                    return Some(format!("{} is past its point of no return: retry completes it", phase.id));
                }
                if phase.kind == PhaseKind::Retire && phase.status == PhaseStatus::Succeeded {
                    return Some("the old side is retired: there is no way back".to_owned());
                }
                status.may_roll_back()
                    && allows(status, &PhaseEvent::RollbackStarted { by: "".into(), plan: String::new() })
            }
            Self::Skip => allows(status, &PhaseEvent::Skipped { by: "".into(), why: String::new() }),
            _ => false,
        };
        (!legal).then(|| format!("{} is {}", phase.id, status.word()))
    }

    fn why_not_pipeline(self, id: &PipelineId, pipeline: &PipelineRecord) -> Option<String> {
        let legal = match self {
            Self::PausePipeline => {
                matches!(pipeline.state, PipelineState::Running | PipelineState::Retrying { .. })
                    && pipeline.stage != Stage::Frozen
            }
            Self::ResumePipeline => matches!(pipeline.state, PipelineState::Paused | PipelineState::Pausing),
            _ => true,
        };
        match pipeline.stage {
            Stage::Frozen if !legal => Some(format!("{id} is frozen for a cutover")),
            _ => (!legal).then(|| format!("{id} is {}", pipeline.state.word())),
        }
    }

    /// Everything else that speaks against it is a warning of the engine's, which the dialog prints.
    fn why_not_session(self, store: &StoreId, key: &SessionKey, picture: &Picture) -> Option<String> {
        let Some(row) = session(picture, store, key) else {
            return Some(format!("the last reading of {store} has no session {key} any more"));
        };
        let idle = matches!(
            row.session.state,
            SessionState::Idle | SessionState::IdleInTransaction | SessionState::FailedTransaction
        );
        (self == Self::Cancel && idle)
            .then(|| format!("{key} is {}: it has no statement to cancel", row.session.state.word()))
    }

    fn why_not_advice(self, phase: &PhaseRecord, name: &FindingName, picture: &Picture) -> Option<String> {
        match (self, phase.index_taken(name)) {
            (Self::Leave, None) => return Some(format!("{} does not build it", phase.id)),
            (Self::Take | Self::Leave, Some(order)) if phase.has_begun(order) => {
                return Some(format!("{} has begun to build it: roll {} back to remove it", phase.id, phase.id));
            }
            (Self::Take, Some(_)) => return Some(format!("{} builds it already", phase.id)),
            (Self::Take, None) => match finding(picture, name) {
                None => return Some("the last reading has no such finding any more".to_owned()),
                Some(found) if found.makes.is_none() => {
                    return Some(
                        "it builds no index beside the traffic: copy what mends it and run it yourself".to_owned(),
                    );
                }
                Some(found) if found.verdict != Verdict::Fail => {
                    return Some(format!("it is {}: there is nothing to build", found.verdict.word()));
                }
                Some(_) => {}
            },
            _ => {}
        }
        let made = !phase.status.takes_decisions();
        made.then(|| format!("{} is {}: its plan is made", phase.id, phase.status.word()))
    }

    fn why_not_tables(self, ids: &[&PipelineId], picture: &Picture) -> Option<String> {
        let began = |id: &&&PipelineId| {
            picture.migration.pipelines.get(**id).is_some_and(|p| !matches!(p.stage, Stage::Idle | Stage::Copy))
        };
        if ids.iter().any(|id| began(&id)) {
            return None;
        }
        Some(match ids {
            [id] => format!("the copy of {id} is not complete"),
            _ => "no copy is complete".to_owned(),
        })
    }
}

/// A finding of the index advice by its name.
pub fn finding<'a>(picture: &'a Picture, name: &FindingName) -> Option<&'a Finding> {
    // Asked for each frame: of tens of thousands of findings only those of its store are looked at.
    let stores = picture.indexes()?.iter().filter(|(store, _)| name.store.as_ref().is_none_or(|own| own == *store));
    let read = stores.filter_map(|(_, reading)| reading.latest.as_ref());
    let mut findings = read.flat_map(|read| &read.value.findings);
    findings.find(|finding| name.is_of(&finding.rule, &finding.store, &finding.subject))
}

fn why_not_approve(phase: &PhaseRecord, picture: &Picture) -> Option<String> {
    let PhaseStatus::AwaitingApproval { requested_by, approvals, .. } = &phase.status else {
        return Some(format!("{} is {}", phase.id, phase.status.word()));
    };
    let me = picture.operator()?;
    if approvals.iter().any(|a| a.by == *me && a.expires_at > picture.now) {
        return Some(format!("you approved {} already; it waits for somebody else", phase.id));
    }
    if phase.approvals >= 2 && requested_by == me {
        return Some(format!("you asked for {}, so others must approve it", phase.id));
    }
    None
}

/// Approvals that are still valid, against how many are needed.
pub fn valid_approvals<'a>(approvals: &'a [Approval], picture: &'a Picture) -> impl Iterator<Item = &'a Approval> {
    approvals.iter().filter(|a| a.expires_at > picture.now)
}

fn approvals_needed(picture: &Picture, target: &Target) -> String {
    let Target::Phase(id) = target else { return String::new() };
    match picture.phase(id).map_or(1, |p| p.approvals) {
        0 => "It needs no approval: it starts at once.".to_owned(),
        1 => "It then waits for one approval.".to_owned(),
        n => format!("It then waits for {n} approvals by others."),
    }
}

/// True when the transition function lets the event happen.
fn allows(status: &PhaseStatus, event: &PhaseEvent) -> bool {
    status.next(event).is_ok()
}

fn requested() -> PhaseEvent {
    PhaseEvent::PlanRequested { by: "".into(), plan: String::new() }
}
