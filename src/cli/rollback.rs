//! `godwit rollback`.

use crate::cli::act;
use crate::cli::args::ConsentArgs;
use crate::cli::failure::Outcome;
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::{consent, plan};
use crate::model::command::Action;
use crate::model::ids::PhaseId;
use crate::model::plan::Direction;
use crate::report;

/// Prints the plan of the way back, asks, and takes the phase and every later one back.
///
/// # Errors
/// When the plan is another one, nobody can be asked, or the engine refuses.
pub async fn run(args: &ConsentArgs, out: Output) -> Outcome {
    let phase = PhaseId::from(args.phase.as_str());
    let mut session = Session::open(&args.acting.which.find()?).await?;
    let plan = plan::fetch(&session, &phase, Direction::Rollback).await?;
    if let Some(given) = &args.plan {
        consent::same_plan(given, &plan)?;
    }
    if !args.yes && !out.json {
        out.text(&report::plan::text(&plan))?;
    }
    consent::ask(
        &format!("Take {phase} back by plan {}?", plan.short_hash()),
        args.yes,
        &format!(
            "there is no terminal to ask on: read the plan with `godwit plan {phase} --rollback`, then give --yes --plan HASH"
        ),
    )?;
    let confirm =
        consent::typed_name(args.acting.confirm.as_deref(), session.migration.env.as_deref(), phase.as_str())?;
    let action = Action::Rollback { phase: phase.clone(), plan: plan.hash };
    act::send(&mut session, &args.acting, out, action, confirm, Goal::RolledBack(phase)).await
}
