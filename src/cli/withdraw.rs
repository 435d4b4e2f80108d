//! `godwit withdraw`.

use crate::cli::act;
use crate::cli::args::PhaseArgs;
use crate::cli::failure::Outcome;
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::model::command::Action;
use crate::model::ids::PhaseId;

/// Takes a request back.
///
/// # Errors
/// See [`act::act`].
pub async fn run(args: &PhaseArgs, out: Output) -> Outcome {
    let phase = PhaseId::from(args.phase.as_str());
    act::act(&args.acting, out, Action::Withdraw { phase: phase.clone() }, Goal::Withdrawn(phase)).await
}
