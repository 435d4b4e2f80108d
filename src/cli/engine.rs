//! `godwit engine`.

use crate::cli::args::EngineArgs;
use crate::cli::choice::{Chosen, load};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::engine::{EngineOptions, serve};
use crate::telemetry;

/// Runs the engine until it is told to stop.
///
/// # Errors
/// When the profile is not valid, another engine owns the migration, or the engine fails.
pub async fn run(args: &EngineArgs) -> Outcome {
    let profile = load(&args.profile)?;
    let place = Chosen::named(profile.migration.name.clone()).place;
    telemetry::start(&place.log(), !args.detached).map_err(|error| Failure::file("log to", &place.log(), &error))?;
    tracing::info!(
        migration = profile.migration.name,
        pid = std::process::id(),
        version = env!("CARGO_PKG_VERSION"),
        "the engine starts"
    );
    serve(EngineOptions { profile, place, detached: args.detached })
        .await
        .map_err(|error| Failure::new(Exit::EngineFailed, error.to_string()))?;
    Ok(Exit::Ok)
}
