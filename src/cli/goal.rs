//! What `--wait` waits for, and how it is judged: on journal rows that came after the command, never on what stood before it.

use crate::cli::comparison::Comparison;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::log;
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PhaseId, PipelineId, Seq};
use crate::model::phase::PhaseStatus;
use crate::model::pipeline::PipelineState;
use std::time::Instant;

/// What is waited for.
#[derive(Clone, Debug)]
pub enum Goal {
    /// The phase ends well: succeeded or skipped.
    Finished(PhaseId),
    /// The phase is paused.
    Paused(PhaseId),
    /// The phase is rolled back.
    RolledBack(PhaseId),
    /// The request for the phase is gone.
    Withdrawn(PhaseId),
    /// The pipeline is paused.
    PipelinePaused(PipelineId),
    /// The pipeline runs.
    PipelineRuns(PipelineId),
    /// The comparison of these pipelines (all when none is named) has ended.
    Verified(Vec<PipelineId>),
    /// The answer was all.
    Answered,
}

/// Waits until the goal is reached or cannot be reached any more, printing the rows that arrive to standard error.
///
/// # Errors
/// [`Exit::PhaseFailed`] or [`Exit::Rejected`] when it cannot be reached, and lost connections.
pub async fn reach(session: &mut Session, since: Seq, out: Output, goal: &Goal) -> Outcome {
    let mut comparison = Comparison::default();
    loop {
        if let Some(outcome) = judge(session, goal, since, &comparison) {
            return outcome;
        }
        match session.next().await? {
            Update::Entries(entries) => {
                for entry in entries.iter().filter(|entry| entry.seq >= since) {
                    out.aside(&log::line(entry));
                    comparison.note(entry);
                }
            }
            Update::View(_) => {}
            Update::Samples => {
                if let Goal::Verified(pipelines) = goal {
                    for line in comparison.progress(pipelines, session.samples.as_ref(), Instant::now()) {
                        out.aside(&line);
                    }
                }
            }
        }
    }
}

/// Whether the wait is over.
fn judge(session: &Session, goal: &Goal, since: Seq, comparison: &Comparison) -> Option<Outcome> {
    match goal {
        Goal::Answered => Some(Ok(Exit::Ok)),
        Goal::Verified(pipelines) => comparison.judge(pipelines, &session.migration),
        Goal::PipelinePaused(id) | Goal::PipelineRuns(id) => {
            // A pipeline that is there already writes no row: its state alone counts.
            match (goal, &session.migration.pipelines.get(id)?.state) {
                (Goal::PipelinePaused(_), PipelineState::Paused | PipelineState::Stopped)
                | (Goal::PipelineRuns(_), PipelineState::Running) => Some(Ok(Exit::Ok)),
                (_, PipelineState::Failed { reason }) => {
                    Some(Err(failed(format!("the pipeline {id} failed: {reason}"))))
                }
                _ => None,
            }
        }
        Goal::Finished(id) | Goal::Paused(id) | Goal::RolledBack(id) | Goal::Withdrawn(id) => {
            // The status from before the command is not its result.
            let phase = session.migration.phase(id).filter(|phase| phase.changed_seq >= since)?;
            judge_phase(phase, goal)
        }
    }
}

fn failed(sentence: String) -> Failure {
    Failure::new(Exit::PhaseFailed, sentence)
}

fn judge_phase(phase: &PhaseRecord, goal: &Goal) -> Option<Outcome> {
    let id = &phase.id;
    match (goal, &phase.status) {
        (Goal::Finished(_), PhaseStatus::Succeeded | PhaseStatus::Skipped { .. })
        | (Goal::Paused(_), PhaseStatus::Paused)
        | (Goal::RolledBack(_), PhaseStatus::RolledBack)
        | (Goal::Withdrawn(_), PhaseStatus::Ready | PhaseStatus::Pending | PhaseStatus::Blocked { .. }) => {
            Some(Ok(Exit::Ok))
        }
        (_, PhaseStatus::Failed { reason, .. }) => Some(Err(failed(format!("the phase {id} failed: {reason}")))),
        (_, PhaseStatus::Stuck { reason }) => Some(Err(failed(format!("the roll back of {id} is stuck: {reason}")))),
        (Goal::Finished(_), PhaseStatus::RolledBack) => Some(Err(failed(format!(
            "the phase {id} was taken back; see why with `godwit log`, then ask for it again with `godwit run {id}`"
        )))),
        (Goal::Paused(_) | Goal::RolledBack(_), PhaseStatus::Succeeded) => {
            Some(Err(failed(format!("the phase {id} had succeeded before that"))))
        }
        (Goal::Finished(_), PhaseStatus::Ready | PhaseStatus::Pending) => Some(Err(Failure::new(
            Exit::Rejected,
            format!("the request for {id} was withdrawn, expired, or its plan changed: see `godwit log`"),
        ))),
        (Goal::Finished(_), PhaseStatus::Blocked { reasons }) => {
            Some(Err(Failure::new(Exit::Rejected, format!("the phase {id} is blocked: {}", reasons.join("; ")))))
        }
        _ => None,
    }
}
