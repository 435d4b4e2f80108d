//! Marks: one character and one tone for each status, so that no status is told by colour alone.

use crate::model::gate::GateState;
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

/// Marks with their meaning, for the help screen.
pub const LEGEND: [(char, &str); 13] = [
    ('.', "pending, stopped, idle"),
    ('o', "ready"),
    ('?', "waits for approval, unknown, hidden"),
    ('*', "running, new"),
    ('~', "requested, not confirmed yet; sampled, not counted"),
    ('=', "paused, idle in a transaction"),
    ('+', "succeeded, green, verified, faster"),
    ('#', "blocked, retrying, waiting"),
    ('!', "failed, red, differs, slower"),
    ('<', "rolling back"),
    ('-', "rolled back, not applicable, disappeared"),
    ('/', "skipped, waived, not to be compared"),
    ('&', "touches tables of several services"),
];
