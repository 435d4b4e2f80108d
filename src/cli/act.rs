//! What all acting commands share: say what was seen, send, print the answer, wait for the end if that was asked for.

use crate::cli::args::Acting;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::model::command::{Action, Answer, Command};
use crate::model::ids::{PhaseId, PipelineId, Seq};
use crate::model::phase::PhaseStatus;
use crate::model::pipeline::PipelineState;
use crate::report;

/// What `--wait` waits for.
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
    /// A verification that was asked for ended.
    Verified,
    /// The answer was all.
    Answered,
}

/// Sends an action that needs no consent, and waits for its goal.
///
/// # Errors
/// No engine, a refusal, a lost connection, or a goal that was not reached.
pub async fn act(acting: &Acting, out: Output, action: Action, goal: Goal) -> Outcome {
    let mut session = Session::open(&acting.which.find()?).await?;
    send(&mut session, acting, out, action, acting.confirm.clone(), goal).await
}

/// Sends an action on an open session, and waits for its goal.
///
/// # Errors
/// See [`act`].
pub async fn send(
    session: &mut Session,
    acting: &Acting,
    out: Output,
    action: Action,
    confirm: Option<String>,
    goal: Goal,
) -> Outcome {
    // What the operator saw: the row that was given, or everything up to now.
    let expected_seq = Some(acting.expect_seq.map_or(session.migration.head, Seq));
    let answer = session.ask(Command { expected_seq, confirm, action }).await?;
    let since = print_answer(&answer, out)?;
    if !acting.wait {
        return Ok(Exit::Ok);
    }
    let Some(since) = since else { return Ok(Exit::Ok) };
    let wait = wait(session, since, out, &goal);
    match acting.timeout {
        None => wait.await,
        Some(limit) => tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| {
            Err(Failure::new(
                Exit::TimedOut,
                format!("it did not end within {} s; it goes on: see `godwit status`", limit.as_secs_f64()),
            ))
        }),
    }
}

/// Prints an answer; the row from which what it caused shows in the journal.
fn print_answer(answer: &Answer, out: Output) -> Result<Option<Seq>, Failure> {
    if let Answer::Rejected { why } = answer {
        if out.json {
            out.document(answer)?;
        }
        return Err(Failure::new(Exit::Rejected, why.clone()));
    }
    out.either(answer, || match answer {
        Answer::Accepted { seq, message } => format!("accepted as row {seq}: {message}"),
        Answer::Planned { plan, .. } => {
            format!(
                "{}\nread it, then consent to it: godwit approve {} --plan {}",
                report::plan::text(plan),
                plan.phase,
                plan.short_hash()
            )
        }
        Answer::Checked { checks } => report::checks::checks(checks.clone()).text(),
        Answer::Rejected { why } => why.clone(),
    })?;
    Ok(match answer {
        Answer::Accepted { seq, .. } => Some(*seq),
        Answer::Planned { seq, .. } => *seq,
        Answer::Rejected { .. } | Answer::Checked { .. } => None,
    })
}

/// Waits for the goal, printing the rows that arrive to standard error.
async fn wait(session: &mut Session, since: Seq, out: Output, goal: &Goal) -> Outcome {
    let mut verified = None;
    loop {
        // Nothing is judged on rows from before the command.
        if session.migration.head >= since {
            if let Some(outcome) = reached(session, goal, since, verified) {
                return outcome;
            }
        }
        if let Update::Entries(entries) = session.next().await? {
            for entry in entries.iter().filter(|entry| entry.seq >= since) {
                out.aside(&crate::cli::log::line(entry));
                if let crate::model::event::Event::Verified { tables, .. } = &entry.event {
                    let unproved = tables.iter().filter(|t| !t.is_verified()).count();
                    verified = Some(verified.unwrap_or(0) + unproved);
                }
            }
        }
    }
}

/// Whether the goal is reached, or cannot be reached any more. `verified` counts unproved tables of passes that ended since.
fn reached(session: &Session, goal: &Goal, since: Seq, verified: Option<usize>) -> Option<Outcome> {
    let failed = |sentence: String| Some(Err(Failure::new(Exit::PhaseFailed, sentence)));
    match goal {
        Goal::Answered => Some(Ok(Exit::Ok)),
        Goal::Verified => {
            let running = session.samples.as_ref().is_some_and(|s| !s.verifying.is_empty());
            let unproved = verified.filter(|_| !running)?;
            Some(Ok(if unproved == 0 { Exit::Ok } else { Exit::Finding }))
        }
        Goal::PipelinePaused(id) | Goal::PipelineRuns(id) => {
            let state = &session.migration.pipelines.get(id)?.state;
            match (goal, state) {
                (Goal::PipelinePaused(_), PipelineState::Paused | PipelineState::Stopped)
                | (Goal::PipelineRuns(_), PipelineState::Running) => Some(Ok(Exit::Ok)),
                (_, PipelineState::Failed { reason }) => failed(format!("the pipeline {id} failed: {reason}")),
                _ => None,
            }
        }
        Goal::Finished(id) | Goal::Paused(id) | Goal::RolledBack(id) | Goal::Withdrawn(id) => {
            let phase = session.migration.phase(id)?;
            // The status from before the command is not its result.
            if phase.changed_seq < since {
                return None;
            }
            match (goal, &phase.status) {
                (Goal::Finished(_), PhaseStatus::Succeeded | PhaseStatus::Skipped { .. })
                | (Goal::Paused(_), PhaseStatus::Paused)
                | (Goal::RolledBack(_), PhaseStatus::RolledBack)
                | (Goal::Withdrawn(_), PhaseStatus::Ready | PhaseStatus::Pending | PhaseStatus::Blocked { .. }) => {
                    Some(Ok(Exit::Ok))
                }
                (_, PhaseStatus::Failed { reason, .. }) => failed(format!("the phase {id} failed: {reason}")),
                (_, PhaseStatus::Stuck { reason }) => failed(format!("the roll back of {id} is stuck: {reason}")),
                (Goal::Finished(_), PhaseStatus::RolledBack) => failed(format!(
                    "the phase {id} was taken back; see why with `godwit log`, then ask for it again with `godwit run {id}`"
                )),
                (Goal::Paused(_) | Goal::RolledBack(_), PhaseStatus::Succeeded) => {
                    failed(format!("the phase {id} had succeeded before that"))
                }
                (Goal::Finished(_), PhaseStatus::Ready | PhaseStatus::Pending) => Some(Err(Failure::new(
                    Exit::Rejected,
                    format!("the request for {id} was withdrawn, expired, or its plan changed: see `godwit log`"),
                ))),
                (Goal::Finished(_), PhaseStatus::Blocked { reasons }) => Some(Err(Failure::new(
                    Exit::Rejected,
                    format!("the phase {id} is blocked: {}", reasons.join("; ")),
                ))),
                _ => None,
            }
        }
    }
}
