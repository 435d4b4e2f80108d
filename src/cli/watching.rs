//! What all commands share that print a view of the stores: one document, or one whenever it changed.

use crate::cli::args::ReadArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::model::view::{View, ViewKind};
use serde::Serialize;
use std::time::Duration;

/// Longest wait for every store's first reading; what a store has not answered by then is told.
const FIRST_READING: Duration = Duration::from_secs(20);

/// Prints what `make` makes of a view. With `--watch`, again whenever that changed, until the connection ends.
///
/// `make` answers `None` for another view than the one asked for, and the second half tells whether every store was read at least once.
///
/// # Errors
/// No engine, a lost connection, or output that cannot be written.
pub async fn watch<T: Serialize + PartialEq>(
    args: &ReadArgs,
    out: Output,
    kind: ViewKind,
    make: impl Fn(View) -> Option<(T, bool)>,
    text: impl Fn(&T) -> String,
) -> Outcome {
    let mut session = Session::open(&args.which.find()?).await?;
    session.watch(kind).await?;
    let give_up = tokio::time::Instant::now() + FIRST_READING;
    let mut document = loop {
        let (document, complete) = next(&mut session, &make).await?;
        if complete || tokio::time::Instant::now() >= give_up {
            break document;
        }
    };
    out.either(&document, || text(&document))?;
    while args.watch {
        let (now, _) = next(&mut session, &make).await?;
        if now != document {
            document = now;
            out.either(&document, || text(&document))?;
        }
    }
    Ok(Exit::Ok)
}

async fn next<T>(session: &mut Session, make: &impl Fn(View) -> Option<(T, bool)>) -> Result<(T, bool), Failure> {
    loop {
        if let Update::View(view) = session.next().await?
            && let Some(made) = make(*view)
        {
            return Ok(made);
        }
    }
}
