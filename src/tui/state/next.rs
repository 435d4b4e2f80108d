//! The one line that says what the migration waits for, and who has to act.

use crate::model::fold::PhaseRecord;
use crate::model::ids::PhaseId;
use crate::model::phase::PhaseStatus;
use crate::model::reason::FailurePolicy;
use crate::model::step::StepStatus;
use crate::tui::state::act::{Act, Target, valid_approvals};
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use chrono::{DateTime, Utc};

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// One word in capitals.
    pub word: &'static str,
    /// How urgent.
    pub tone: Tone,
    /// Who waits for whom, one sentence.
    pub text: String,
    /// Since when it is so.
    pub since: Option<DateTime<Utc>>,
    /// The phase that it is about: keys on the overview act on it.
    pub phase: Option<PhaseId>,
}

impl Next {
    fn of(word: &'static str, tone: Tone, text: String, phase: &PhaseRecord) -> Self {
        Self { word, tone, text, since: Some(phase.changed_at), phase: Some(phase.id.clone()) }
    }

    fn plain(word: &'static str, tone: Tone, text: impl Into<String>) -> Self {
        Self { word, tone, text: text.into(), since: None, phase: None }
    }
}

/// How much a phase needs attention; the lowest goes first, and the earliest phase among equals.
fn urgency(status: &PhaseStatus) -> Option<u8> {
    match status {
        PhaseStatus::Stuck { .. } => Some(0),
        PhaseStatus::Failed { .. } => Some(1),
        PhaseStatus::RollingBack => Some(2),
        PhaseStatus::Running | PhaseStatus::Pausing | PhaseStatus::Resuming => Some(3),
        PhaseStatus::Paused => Some(4),
        PhaseStatus::AwaitingApproval { .. } => Some(5),
        PhaseStatus::Blocked { .. } => Some(6),
        PhaseStatus::Ready | PhaseStatus::RolledBack => Some(7),
        PhaseStatus::Pending | PhaseStatus::Succeeded | PhaseStatus::Skipped { .. } => None,
    }
}

/// What the migration waits for.
pub fn next(picture: &Picture, observe: bool) -> Next {
    if picture.broken.is_some() {
        return Next::plain("STOP", Tone::Bad, "the journal cannot be followed any more; leave and attach again");
    }
    if picture.is_loading() {
        return match &picture.welcome {
            None if picture.is_up() => Next::plain("WAIT", Tone::Busy, "reading the journal"),
            None => Next::plain("WAIT", Tone::Busy, "looking for the engine"),
            Some(welcome) => {
                let text = format!("reading the journal, row {} of {}", picture.migration.head.0, welcome.head.0);
                Next::plain("WAIT", Tone::Busy, text)
            }
        };
    }
    let phases = &picture.migration.phases;
    if phases.is_empty() {
        return Next::plain("EMPTY", Tone::Dim, "no profile has been loaded yet");
    }
    match phases.iter().filter_map(|p| Some((urgency(&p.status)?, p))).min_by_key(|(urgency, _)| *urgency) {
        Some((_, phase)) => of_phase(phase, picture, observe),
        None if phases.iter().all(|p| p.status.is_finished()) => {
            Next::plain("DONE", Tone::Good, "every phase of the ladder is finished")
        }
        None => Next::plain("WAIT", Tone::Dim, "no phase can be asked for; look at the phases"),
    }
}

fn of_phase(phase: &PhaseRecord, picture: &Picture, observe: bool) -> Next {
    let id = &phase.id;
    let target = Target::Phase(id.clone());
    // A key is only named to those for whom it works.
    let keys = |acts: &[(Act, &str)]| {
        let open: Vec<String> = acts
            .iter()
            .filter(|(act, _)| act.why_not(&target, picture, observe).is_none())
            .map(|(act, key)| format!("{}: {key}", act.words()))
            .collect();
        if open.is_empty() { String::new() } else { format!(" ({})", open.join(", ")) }
    };
    match &phase.status {
        PhaseStatus::Stuck { reason } => {
            let keys = keys(&[(Act::Rollback, "B")]);
            Next::of("STUCK", Tone::Bad, format!("the roll back of {id} failed{keys}: {}", reason.what), phase)
        }
        PhaseStatus::Failed { reason, policy } => {
            let keys = keys(&[(Act::Retry, "t"), (Act::Rollback, "B")]);
            Next::of("FAILED", Tone::Bad, format!("{id}, {}{keys}: {}", policy_words(*policy), reason.what), phase)
        }
        PhaseStatus::RollingBack => Next::of("ROLLING BACK", Tone::Warn, format!("{id}{}", doing(phase)), phase),
        PhaseStatus::Running => Next::of("RUNNING", Tone::Busy, format!("{id}{}", doing(phase)), phase),
        PhaseStatus::Pausing => Next::of(
            "PAUSING",
            Tone::Warn,
            format!("{id}: a pause was requested, work in flight is being finished"),
            phase,
        ),
        PhaseStatus::Resuming => Next::of("RESUMING", Tone::Busy, format!("{id}: a resume was requested"), phase),
        PhaseStatus::Paused => {
            let keys = keys(&[(Act::Resume, "P")]);
            Next::of("PAUSED", Tone::Call, format!("{id} waits for an operator to resume it{keys}"), phase)
        }
        PhaseStatus::AwaitingApproval { approvals, .. } => {
            let given = valid_approvals(approvals, picture).count();
            let who = match Act::Approve.why_not(&target, picture, observe) {
                None => "waiting for operator (approve: A)",
                Some(_) if !picture.is_up() => "waiting for approval",
                Some(_) => "waiting for an approver",
            };
            Next::of(
                "READY",
                Tone::Call,
                format!("{id}, {given} of {} approvals, {who}", phase.approvals.max(1)),
                phase,
            )
        }
        PhaseStatus::Blocked { reasons } => {
            let first = reasons.first().map_or("a gate is not green", String::as_str);
            let more = if reasons.len() > 1 { format!(" and {} more", reasons.len() - 1) } else { String::new() };
            let keys = keys(&[(Act::Run, "r")]);
            Next::of("BLOCKED", Tone::Warn, format!("{id}: {first}{more}{keys}"), phase)
        }
        PhaseStatus::Ready | PhaseStatus::RolledBack => {
            let who = match Act::Run.why_not(&target, picture, observe) {
                None => "waiting for operator (run: r)",
                Some(_) => "waiting for an operator to run it",
            };
            Next::of("READY", Tone::Call, format!("{id}, {who}"), phase)
        }
        PhaseStatus::Pending | PhaseStatus::Succeeded | PhaseStatus::Skipped { .. } => {
            Next::of("WAIT", Tone::Dim, format!("{id} is {}", phase.status.word()), phase)
        }
    }
}

/// What an operator can make of a failure.
pub fn policy_words(policy: FailurePolicy) -> &'static str {
    match policy {
        FailurePolicy::Retry => "retry may help",
        FailurePolicy::Mend => "mend the cause, then retry",
        FailurePolicy::RollBack => "must be rolled back",
        FailurePolicy::Complete => "past its point of no return, retry completes it",
    }
}

/// The step in work, as `: orders/copy`.
fn doing(phase: &PhaseRecord) -> String {
    let step = phase.steps.iter().rev().find(|s| matches!(s.status, StepStatus::Intended | StepStatus::Undoing));
    step.map_or_else(String::new, |s| match s.status {
        StepStatus::Undoing => format!(": taking {} back", s.id),
        _ => format!(": {}", s.id),
    })
}
