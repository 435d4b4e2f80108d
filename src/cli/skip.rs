//! `godwit skip`.

use crate::cli::act;
use crate::cli::args::SkipArgs;
use crate::cli::consent;
use crate::cli::failure::Outcome;
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::command::Action;
use crate::model::ids::PhaseId;

/// Declares a phase unnecessary.
///
/// # Errors
/// When nobody can be asked, or the engine refuses.
pub async fn run(args: &SkipArgs, out: Output) -> Outcome {
    let phase = PhaseId::from(args.phase.as_str());
    let mut session = Session::open(&args.acting.which.find()?).await?;
    consent::ask(
        &format!("Skip {phase}? Later phases will build on what it did not do."),
        args.yes,
        "there is no terminal to ask on: give --yes",
    )?;
    let confirm =
        consent::typed_name(args.acting.confirm.as_deref(), session.migration.env.as_deref(), phase.as_str())?;
    let action = Action::Skip { phase: phase.clone(), why: args.why.clone() };
    act::send(&mut session, &args.acting, out, action, confirm, Goal::Finished(phase)).await
}
