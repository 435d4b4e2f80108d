//! What all reading commands share: one document, or one whenever it changed.

use crate::cli::args::ReadArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::fold::Migration;
use crate::model::sample::Samples;
use serde::Serialize;

/// Prints what `view` makes of the engine's state. With `--watch`, again whenever that changed, until the connection ends.
///
/// # Errors
/// No engine, a lost connection, or output that cannot be written.
pub async fn read<T: Serialize + PartialEq>(
    args: &ReadArgs,
    out: Output,
    view: impl Fn(&Migration, &Samples) -> T,
    text: impl Fn(&T) -> String,
) -> Outcome {
    let mut session = Session::open(&args.which.find()?).await?;
    session.samples().await?;
    let mut shown = show(&session, None, out, &view, &text)?;
    if !args.watch {
        return Ok(Exit::Ok);
    }
    loop {
        session.next().await?;
        shown = show(&session, shown, out, &view, &text)?;
    }
}

fn show<T: Serialize + PartialEq>(
    session: &Session,
    shown: Option<T>,
    out: Output,
    view: &impl Fn(&Migration, &Samples) -> T,
    text: &impl Fn(&T) -> String,
) -> Result<Option<T>, Failure> {
    let Some(samples) = &session.samples else { return Ok(shown) };
    let document = view(&session.migration, samples);
    if shown.as_ref() != Some(&document) {
        out.either(&document, || text(&document))?;
    }
    Ok(Some(document))
}
