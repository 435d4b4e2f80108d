//! `godwit plan`.

use crate::cli::args::PlanArgs;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::command::{Action, Answer};
use crate::model::ids::PhaseId;
use crate::model::plan::{Direction, Plan};
use crate::report;

/// Prints a plan; changes nothing.
///
/// # Errors
/// No engine, an unknown phase, or a store that cannot be read.
pub async fn run(args: &PlanArgs, out: Output) -> Outcome {
    let session = Session::open(&args.which.find()?).await?;
    let direction = if args.rollback { Direction::Rollback } else { Direction::Forward };
    let plan = fetch(&session, &PhaseId::from(args.phase.as_str()), direction).await?;
    out.either(&plan, || report::plan::text(&plan))?;
    Ok(Exit::Ok)
}

/// Asks for a plan.
///
/// # Errors
/// When the engine refuses or the connection ends.
pub async fn fetch(session: &Session, phase: &PhaseId, direction: Direction) -> Result<Plan, Failure> {
    match session.inquire(Action::Plan { phase: phase.clone(), direction }).await? {
        Answer::Planned { plan, .. } => Ok(plan),
        Answer::Rejected { why } => Err(Failure::new(Exit::Rejected, why)),
        Answer::Accepted { .. } | Answer::Checked { .. } | Answer::Ending { .. } => {
            Err(Failure::new(Exit::ConnectionLost, "the engine answered a question about a plan with something else"))
        }
    }
}
