//! `godwit check`.

use crate::cli::args::CheckArgs;
use crate::cli::choice::load;
use crate::cli::exit::Exit;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::engine;
use crate::report::checks::checks;

/// Validates the profile and runs the named pre-flight checks, without an engine.
///
/// # Errors
/// When the profile is not valid.
pub async fn run(args: &CheckArgs, out: Output) -> Outcome {
    let profile = load(&args.profile)?;
    let board = checks(engine::checks(&profile).await);
    out.either(&board, || board.text())?;
    Ok(if board.failed == 0 { Exit::Ok } else { Exit::Finding })
}
