//! `godwit down`.

use crate::cli::args::DownArgs;
use crate::cli::consent;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::command::{Action, Answer, Command};
use std::path::Path;
use std::time::Duration;

/// Longest wait for the engine to be gone. It finishes the batches in flight first.
const GONE_TIMEOUT: Duration = Duration::from_secs(30);

/// Stops the engine and waits until it is gone.
///
/// # Errors
/// No engine, nobody to ask, a refusal, or an engine that does not end.
pub async fn run(args: &DownArgs, out: Output) -> Outcome {
    let chosen = args.which.find()?;
    let session = Session::open(&chosen).await?;
    consent::ask(
        &format!("Stop the engine of {} (pid {})? Data and journal stay.", chosen.name, session.welcome.pid),
        args.yes,
        "there is no terminal to ask on: give --yes",
    )?;
    let confirm = consent::typed_name(args.confirm.as_deref(), session.migration.env.as_deref(), &chosen.name)?;
    let message = stop(&session, confirm).await?;
    drop(session);
    wait_gone(&chosen.place.socket).await?;
    out.text(&message)?;
    Ok(Exit::Ok)
}

/// Asks the engine to stop; its sentence.
///
/// # Errors
/// A refusal or a lost connection.
pub async fn stop(session: &Session, confirm: Option<String>) -> Result<String, Failure> {
    let expected_seq = Some(session.migration.head);
    match session.ask(Command { expected_seq, confirm, action: Action::Down }).await {
        Ok(Answer::Accepted { message, .. }) => Ok(message),
        Ok(Answer::Rejected { why }) => Err(Failure::new(Exit::Rejected, why)),
        Ok(Answer::Planned { .. } | Answer::Checked { .. } | Answer::Ending { .. }) => {
            Err(Failure::new(Exit::ConnectionLost, "the engine answered a stop with something else"))
        }
        // An engine that ends at once may take its answer with it; whether it is gone is looked at next.
        Err(failure) if failure.exit == Exit::ConnectionLost => Ok("the engine closed the connection".to_owned()),
        Err(failure) => Err(failure),
    }
}

/// Waits until nobody answers on the socket.
///
/// # Errors
/// When somebody still does after the time-out.
pub async fn wait_gone(socket: &Path) -> Result<(), Failure> {
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    let gone = async {
        loop {
            beat.tick().await;
            if tokio::net::UnixStream::connect(socket).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(GONE_TIMEOUT, gone).await.map_err(|_| {
        Failure::new(
            Exit::TimedOut,
            format!("the engine still answers {} s after it was asked to stop; see its log", GONE_TIMEOUT.as_secs()),
        )
    })
}
