//! `godwit progress`.

use crate::cli::args::ReadArgs;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::reading;
use crate::report;

/// Prints how far the copies are.
///
/// # Errors
/// See [`reading::read`].
pub async fn run(args: &ReadArgs, out: Output) -> Outcome {
    reading::read(args, out, |_, samples| report::progress::progress(samples), report::progress::Progress::text).await
}
