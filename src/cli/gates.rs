//! `godwit gates`.

use crate::cli::args::ReadArgs;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::reading;
use crate::report;
use chrono::Utc;

/// Prints the gate board.
///
/// # Errors
/// See [`reading::read`].
pub async fn run(args: &ReadArgs, out: Output) -> Outcome {
    reading::read(args, out, |_, samples| report::gates::gates(samples), |board| board.text(Utc::now())).await
}
