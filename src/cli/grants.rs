//! `godwit grants`.

use crate::cli::args::GrantsArgs;
use crate::cli::choice::load;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::engine::core::open_store;
use crate::report::grants::GrantsReport;

/// Prints the statements of a monitoring role; needs no engine, connects to nothing.
///
/// # Errors
/// When the profile is not valid, has no such store, or the engine has no accounts.
pub fn run(args: &GrantsArgs, out: Output) -> Outcome {
    let profile = load(&args.profile)?;
    let Some(config) = profile.stores.iter().find(|store| store.id.as_str() == args.store) else {
        let known: Vec<&str> = profile.stores.iter().map(|store| store.id.as_str()).collect();
        return Err(Failure::usage(format!("the profile has no store {}; it has {}", args.store, known.join(", "))));
    };
    let store = open_store(config).map_err(|error| Failure::new(Exit::Profile, error.to_string()))?;
    let Some(monitoring) = store.monitoring() else {
        return Err(Failure::usage(format!("{} has no accounts: who may read the file may watch it", store.engine())));
    };
    let report = GrantsReport::new(&args.store, args.role, monitoring.grants(args.role));
    out.either(&report, || report.text())?;
    Ok(Exit::Ok)
}
