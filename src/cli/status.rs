//! `godwit status`.

use crate::cli::args::{ReadArgs, StatusArgs};
use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::{history, reading, watching};
use crate::model::view::{View, ViewKind};
use crate::report::cost::cost;
use crate::report::status::status;

/// Prints phases and pipelines. Without an engine, what the journal tells, and the exit code says that no engine answers.
///
/// # Errors
/// See [`reading::read`]; without an engine, when there is no journal either.
pub async fn run(args: &StatusArgs, out: Output) -> Outcome {
    if args.cost {
        let make = |view| match view {
            // What was not read yet has no cost yet: nothing to wait for.
            View::Cost(costs) => Ok(Some((cost(&costs), true))),
            _ => Ok(None),
        };
        return watching::watch(&args.reading, out, ViewKind::Cost, make, |report| report.text()).await;
    }
    phases(&args.reading, out).await
}

async fn phases(args: &ReadArgs, out: Output) -> Outcome {
    let chosen = args.which.find()?;
    match Session::open(&chosen).await {
        Err(failure) if failure.exit == Exit::NoEngine && !args.watch => {
            from_journal(&chosen, out).await?;
            Err(failure)
        }
        Err(failure) => Err(failure),
        Ok(session) => {
            drop(session);
            reading::read(args, out, |migration, samples| status(migration, Some(samples), true), |s| s.text()).await
        }
    }
}

/// Prints the status of a running engine once, without waiting for readings.
///
/// # Errors
/// No engine, a lost connection, or output that cannot be written.
pub async fn once(chosen: &Chosen, out: Output) -> Outcome {
    let session = Session::open(chosen).await?;
    let status = status(&session.migration, session.samples.as_ref(), true);
    out.either(&status, || status.text())?;
    Ok(Exit::Ok)
}

async fn from_journal(chosen: &Chosen, out: Output) -> Outcome {
    let status = status(&history::migration(chosen).await?, None, false);
    out.either(&status, || status.text())?;
    Ok(Exit::Ok)
}
