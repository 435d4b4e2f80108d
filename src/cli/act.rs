//! What all acting commands share: say what was seen, send, print the answer, wait for the end if that was asked for.

use crate::cli::args::Acting;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::goal::{self, Goal};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::command::{Action, Answer, Command};
use crate::model::ids::Seq;
use crate::report;

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
    let wait = goal::reach(session, since, out, &goal);
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
        Answer::Ending { ending } => report::ending::text(ending),
        Answer::Checked { checks } => report::checks::checks(checks.clone()).text(),
        Answer::Rejected { why } => why.clone(),
    })?;
    Ok(match answer {
        Answer::Accepted { seq, .. } => Some(*seq),
        Answer::Planned { seq, .. } => *seq,
        Answer::Rejected { .. } | Answer::Checked { .. } | Answer::Ending { .. } => None,
    })
}
