//! Marks: one character and one tone for each status, so that no status is told by colour alone.

use crate::model::finding::{Severity, Verdict as Finding};
use crate::model::gate::GateState;
use crate::model::hotspot::Comparability;
use crate::model::phase::PhaseStatus;
use crate::model::pipeline::PipelineState;
use crate::model::step::StepStatus;
use crate::tui::state::verification::Verdict;
use crate::tui::theme::Tone;

/// A mark.
pub type Mark = (Tone, char);

/// The mark of a phase's status.
pub fn phase(status: &PhaseStatus) -> Mark {
    match status {
        PhaseStatus::Pending => (Tone::Dim, '.'),
        PhaseStatus::Blocked { .. } => (Tone::Warn, '#'),
        PhaseStatus::Ready => (Tone::Call, 'o'),
        PhaseStatus::AwaitingApproval { .. } => (Tone::Call, '?'),
        PhaseStatus::Running => (Tone::Busy, '*'),
        PhaseStatus::Pausing | PhaseStatus::Resuming => (Tone::Warn, '~'),
        PhaseStatus::Paused => (Tone::Warn, '='),
        PhaseStatus::Succeeded => (Tone::Good, '+'),
        PhaseStatus::Failed { .. } => (Tone::Bad, '!'),
        PhaseStatus::RollingBack => (Tone::Warn, '<'),
        PhaseStatus::RolledBack => (Tone::Call, '-'),
        PhaseStatus::Stuck { .. } => (Tone::Bad, 'X'),
        PhaseStatus::Skipped { .. } => (Tone::Dim, '/'),
    }
}

/// The mark of a pipeline's state.
pub fn pipeline(state: &PipelineState) -> Mark {
    match state {
        PipelineState::Stopped => (Tone::Dim, '.'),
        PipelineState::Starting => (Tone::Busy, '~'),
        PipelineState::Running => (Tone::Good, '*'),
        PipelineState::Pausing => (Tone::Warn, '~'),
        PipelineState::Paused => (Tone::Warn, '='),
        PipelineState::Retrying { .. } => (Tone::Warn, '#'),
        PipelineState::Failed { .. } => (Tone::Bad, '!'),
    }
}

/// The mark of a step.
pub fn step(status: StepStatus) -> Mark {
    match status {
        StepStatus::Intended => (Tone::Busy, '*'),
        StepStatus::Done => (Tone::Good, '+'),
        StepStatus::Failed => (Tone::Bad, '!'),
        StepStatus::Undoing => (Tone::Warn, '<'),
        StepStatus::Undone => (Tone::Dim, '-'),
        StepStatus::UndoFailed => (Tone::Bad, 'X'),
    }
}

/// The word of a step.
pub fn step_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Intended => "in work",
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Undoing => "taking back",
        StepStatus::Undone => "taken back",
        StepStatus::UndoFailed => "undo failed",
    }
}

/// The mark of a gate.
pub fn gate(state: GateState) -> Mark {
    match state {
        GateState::Green => (Tone::Good, '+'),
        GateState::Red => (Tone::Bad, '!'),
        GateState::Unknown => (Tone::Warn, '?'),
    }
}

/// The word of a gate.
pub fn gate_word(state: GateState) -> &'static str {
    match state {
        GateState::Green => "green",
        GateState::Red => "red",
        GateState::Unknown => "unknown",
    }
}

/// The mark of a verification verdict.
pub fn verdict(verdict: Verdict) -> Mark {
    match verdict {
        Verdict::Good => (Tone::Good, '+'),
        Verdict::Open => (Tone::Warn, '?'),
        Verdict::Bad => (Tone::Bad, '!'),
    }
}

/// The mark of a finding.
pub fn finding(verdict: &Finding, severity: Severity) -> Mark {
    match verdict {
        Finding::Fail => (severity_tone(severity), '!'),
        Finding::Waived { .. } => (Tone::Dim, '/'),
        Finding::NotCheckable { .. } => (Tone::Warn, '?'),
        Finding::Pass => (Tone::Good, '+'),
        Finding::NotApplicable { .. } => (Tone::Dim, '-'),
    }
}

/// The tone of a broken rule; its letter and symbol are [`Severity::mark`].
pub fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Warn,
        Severity::Low | Severity::Info => Tone::Plain,
    }
}

/// The mark of a statement compared on both sides of a move.
pub fn comparability(verdict: &Comparability) -> Mark {
    match verdict {
        Comparability::Slower => (Tone::Bad, '!'),
        Comparability::Faster => (Tone::Good, '+'),
        Comparability::Same => (Tone::Plain, '='),
        Comparability::TooFew { .. } => (Tone::Dim, '?'),
        Comparability::NotComparable { .. } => (Tone::Dim, '/'),
    }
}

/// Marks with their meaning, for the help screen.
pub const LEGEND: [(char, &str); 13] = [
    ('.', "pending, stopped, idle"),
    ('o', "ready"),
    ('?', "waits for approval, unknown, hidden"),
    ('*', "running, new"),
    ('~', "requested, not confirmed yet; sampled, not counted"),
    ('=', "paused, idle in a transaction, same on both sides"),
    ('+', "succeeded, green, verified, faster"),
    ('#', "blocked, retrying, waiting"),
    ('!', "failed, red, differs, slower"),
    ('<', "rolling back"),
    ('-', "rolled back, not applicable, disappeared"),
    ('/', "skipped, waived, not to be compared"),
    ('&', "touches tables of several services"),
];
