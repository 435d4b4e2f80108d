//! `godwit approve`.

use crate::cli::act;
use crate::cli::args::ConsentArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::{consent, plan};
use crate::model::command::Action;
use crate::model::ids::PhaseId;
use crate::model::phase::PhaseStatus;
use crate::model::plan::Direction;
use crate::report;

/// Prints the plan, asks, and consents to it. Without a terminal `--yes` and `--plan` must both be given.
///
/// # Errors
/// When there is nothing to approve, the plan is another one, nobody can be asked, or the engine refuses.
pub async fn run(args: &ConsentArgs, out: Output) -> Outcome {
    let phase = PhaseId::from(args.phase.as_str());
    let mut session = Session::open(&args.acting.which.find()?).await?;
    let awaiting = session.migration.phase(&phase).map(|record| record.status.clone());
    match awaiting {
        Some(PhaseStatus::AwaitingApproval { .. }) => {}
        Some(status) => {
            return Err(Failure::new(
                Exit::Rejected,
                format!(
                    "{phase} is {} and asks for no approval; ask for it first with `godwit run {phase}`",
                    status.word()
                ),
            ));
        }
        None => {
            let known: Vec<&str> = session.migration.phases.iter().map(|p| p.id.as_str()).collect();
            return Err(Failure::new(
                Exit::Rejected,
                format!("there is no phase {phase}; the ladder is {}", known.join(", ")),
            ));
        }
    }
    let plan = plan::fetch(&session, &phase, Direction::Forward).await?;
    if let Some(given) = &args.plan {
        consent::same_plan(given, &plan)?;
    }
    if !args.yes && !out.json {
        out.text(&report::plan::text(&plan))?;
    }
    consent::ask(
        &format!("Approve plan {} of {phase}?", plan.short_hash()),
        args.yes,
        &format!(
            "there is no terminal to ask on: read the plan with `godwit plan {phase}`, then give --yes --plan HASH"
        ),
    )?;
    let confirm =
        consent::typed_name(args.acting.confirm.as_deref(), session.migration.env.as_deref(), phase.as_str())?;
    let action = Action::Approve { phase: phase.clone(), plan: plan.hash };
    act::send(&mut session, &args.acting, out, action, confirm, Goal::Finished(phase)).await
}
