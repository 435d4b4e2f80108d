//! `godwit up`.

use crate::cli::args::UpArgs;
use crate::cli::choice::{Chosen, load};
use crate::cli::exit::Exit;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::{attach, launch, status};
use crate::tui::CockpitOptions;

/// Starts the engine if none runs and opens the cockpit; without a terminal prints the status instead.
///
/// # Errors
/// When the profile is not valid or the engine does not start.
pub async fn run(args: &UpArgs, out: Output) -> Outcome {
    let profile = load(&args.profile)?;
    let chosen = Chosen::named(profile.migration.name);
    let started = launch::ensure(&args.profile, &chosen, &[]).await?;
    if out.plain {
        out.aside(if started { "the engine was started" } else { "the engine was running already" });
        status::once(&chosen, out).await?;
        return Ok(Exit::Ok);
    }
    attach::cockpit(&chosen, CockpitOptions::default()).await
}
