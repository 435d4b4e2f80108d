//! `godwit verify`.

use crate::cli::act;
use crate::cli::args::VerifyArgs;
use crate::cli::consent;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::command::Action;
use crate::model::ids::PipelineId;

/// Compares tables; with `--repair`, writes the source's rows over differing ones. The scope of a repair has no default (C20).
///
/// # Errors
/// When a repair has no scope, nobody can be asked, or the engine refuses.
pub async fn run(args: &VerifyArgs, out: Output) -> Outcome {
    let unscoped = args.tables.is_empty() && args.pipelines.is_empty() && !args.all;
    if args.repair && unscoped {
        return Err(Failure::usage("say what to repair: name tables, or --pipeline NAME, or --all for every table"));
    }
    let mut session = Session::open(&args.acting.which.find()?).await?;
    let confirm = if args.repair {
        let scope = if args.all { "every table".to_owned() } else { scope(args) };
        consent::ask(
            &format!("Overwrite differing rows of {scope} on the target with the source's?"),
            args.yes,
            "there is no terminal to ask on: give --yes",
        )?;
        let name = session.migration.name.clone();
        consent::typed_name(args.acting.confirm.as_deref(), session.migration.env.as_deref(), &name)?
    } else {
        args.acting.confirm.clone()
    };
    let pipelines: Vec<PipelineId> = args.pipelines.iter().map(|name| PipelineId::from(name.as_str())).collect();
    let (tables, repair) = (args.tables.clone(), args.repair);
    let goal = Goal::Verified(pipelines.clone());
    act::send(&mut session, &args.acting, out, Action::Verify { pipelines, tables, repair }, confirm, goal).await
}

fn scope(args: &VerifyArgs) -> String {
    let tables = args.tables.join(", ");
    match (args.tables.is_empty(), args.pipelines.is_empty()) {
        (false, true) => tables,
        (true, _) => format!("pipeline {}", args.pipelines.join(", ")),
        (false, false) => format!("{tables} in pipeline {}", args.pipelines.join(", ")),
    }
}
