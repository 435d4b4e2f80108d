//! `godwit throttle`.

use crate::cli::act;
use crate::cli::args::ThrottleArgs;
use crate::cli::failure::Outcome;
use crate::cli::goal::Goal;
use crate::cli::output::Output;
use crate::model::command::Action;
use crate::model::ids::PipelineId;

/// Turns a knob.
///
/// # Errors
/// See [`act::act`].
pub async fn run(args: &ThrottleArgs, out: Output) -> Outcome {
    let action = Action::Throttle {
        pipeline: PipelineId::from(args.pipeline.as_str()),
        knob: args.knob.clone(),
        value: args.value.clone(),
    };
    act::act(&args.acting, out, action, Goal::Answered).await
}
