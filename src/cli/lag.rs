//! `godwit lag`.

use crate::cli::args::ReadArgs;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::reading;
use crate::report;
use chrono::Utc;

/// Prints how far each target is behind.
///
/// # Errors
/// See [`reading::read`].
pub async fn run(args: &ReadArgs, out: Output) -> Outcome {
    reading::read(args, out, |_, samples| report::lag::lag(samples), |lag| lag.text(Utc::now())).await
}
