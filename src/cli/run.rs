//! `godwit run`.

use crate::cli::act;
use crate::cli::args::PhaseArgs;
use crate::cli::failure::Outcome;
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::model::command::Action;
use crate::model::ids::PhaseId;

/// Asks for a phase to run; prints the plan that awaits approval.
///
/// # Errors
/// See [`act::act`].
pub async fn run(args: &PhaseArgs, out: Output) -> Outcome {
    let phase = PhaseId::from(args.phase.as_str());
    act::act(&args.acting, out, Action::Run { phase: phase.clone() }, Goal::Finished(phase)).await
}
