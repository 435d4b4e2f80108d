//! `godwit pause`.

use crate::cli::act;
use crate::cli::args::PauseArgs;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::model::command::Action;
use crate::model::ids::{PhaseId, PipelineId};

/// Pauses: a phase or a pipeline.
///
/// # Errors
/// See [`act::act`].
pub async fn run(args: &PauseArgs, out: Output) -> Outcome {
    let (action, goal) = match (&args.phase, &args.pipeline) {
        (Some(phase), None) => {
            let phase = PhaseId::from(phase.as_str());
            (Action::Pause { phase: phase.clone() }, Goal::Paused(phase))
        }
        (None, Some(pipeline)) => {
            let pipeline = PipelineId::from(pipeline.as_str());
            (Action::PausePipeline { pipeline: pipeline.clone() }, Goal::PipelinePaused(pipeline))
        }
        _ => return Err(Failure::usage("name either a phase or a pipeline")),
    };
    act::act(&args.acting, out, action, goal).await
}
