//! What all commands share that print a view of the stores: one document, or one whenever it changed.

use crate::cli::args::ReadArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::{Session, Update};
use crate::model::observation::ByStore;
use crate::model::view::{View, ViewKind};
use serde::Serialize;
use std::time::Duration;

/// Longest wait for every store's first reading; what a store has not answered by then is told.
const FIRST_READING: Duration = Duration::from_secs(20);

/// Prints what `make` makes of a view. With `--watch`, again whenever that changed, until the connection ends.
///
/// `make` answers `None` for another view than the one asked for; the second half tells whether every store was read at least once.
///
/// # Errors
/// No engine, a lost connection, output that cannot be written, and whatever `make` finds wrong with the question.
pub async fn watch<T: Serialize + PartialEq>(
    args: &ReadArgs,
    out: Output,
    kind: ViewKind,
    make: impl Fn(View) -> Result<Option<(T, bool)>, Failure>,
    text: impl Fn(&T) -> String,
) -> Outcome {
    let mut session = Session::open(&args.which.find()?).await?;
    session.watch(kind).await?;
    let give_up = tokio::time::Instant::now() + FIRST_READING;
    let (mut document, mut complete) = next(&mut session, &make).await?;
    while !complete {
        match tokio::time::timeout_at(give_up, next(&mut session, &make)).await {
            Ok(read) => (document, complete) = read?,
            Err(_) => break,
        }
    }
    out.either(&document, || text(&document))?;
    if !args.watch {
        return Ok(Exit::Ok);
    }
    loop {
        let (now, _) = next(&mut session, &make).await?;
        if now != document {
            document = now;
            out.either(&document, || text(&document))?;
        }
    }
}

async fn next<T>(
    session: &mut Session,
    make: &impl Fn(View) -> Result<Option<(T, bool)>, Failure>,
) -> Result<(T, bool), Failure> {
    loop {
        if let Update::View(view) = session.next().await?
            && let Some(made) = make(*view)?
        {
            return Ok(made);
        }
    }
}

/// The asked-for stores of a view, and whether each of them was read or has failed at least once.
///
/// # Errors
/// When a store is named that the migration does not have.
pub fn chosen<T>(mut stores: ByStore<T>, wanted: &[String]) -> Result<(ByStore<T>, bool), Failure> {
    if let Some(unknown) = wanted.iter().find(|name| !stores.keys().any(|id| id.as_str() == **name)) {
        let known: Vec<&str> = stores.keys().map(|id| id.as_str()).collect();
        return Err(Failure::usage(format!("the migration has no store {unknown}; it has {}", known.join(", "))));
    }
    if !wanted.is_empty() {
        stores.retain(|id, _| wanted.iter().any(|name| name == id.as_str()));
    }
    let whole = stores.values().all(|reading| reading.asked_at.is_some());
    Ok((stores, whole))
}
