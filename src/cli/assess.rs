//! `godwit assess`.

use crate::cli::args::AssessArgs;
use crate::cli::choice::load;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::config::secret;
use crate::report::tables::StoreInventory;
use crate::stores::{OpenOptions, registry};
use secrecy::ExposeSecret;

/// Lists the tables of one store of a profile; needs no engine and changes nothing.
///
/// # Errors
/// When the profile is not valid, has no such store, or the store cannot be read.
pub async fn run(args: &AssessArgs, out: Output) -> Outcome {
    let profile = load(&args.profile)?;
    let Some(config) = profile.stores.iter().find(|store| store.id.as_str() == args.store) else {
        let known: Vec<&str> = profile.stores.iter().map(|store| store.id.as_str()).collect();
        return Err(Failure::usage(format!("the profile has no store {}; it has {}", args.store, known.join(", "))));
    };
    let url = secret::resolve_store_url(config).map_err(|e| Failure::new(Exit::Profile, e.to_string()))?;
    let options = OpenOptions {
        id: config.id.clone(),
        statement_timeout: config.statement_timeout,
        connect_timeout: config.connect_timeout,
    };
    let unreadable = |error: crate::stores::error::StoreError| Failure::new(Exit::Io, error.to_string());
    let store = registry::open(config.engine.as_str(), options, url.expose_secret()).map_err(unreadable)?;
    let inventory = StoreInventory {
        schema: "godwit.assess/1",
        store: config.id.to_string(),
        engine: store.engine(),
        address: store.address(),
        version: store.probe().facts().await.map_err(unreadable)?.version,
        tables: store.inventory().tables().await.map_err(unreadable)?,
    };
    out.either(&inventory, || inventory.text())?;
    Ok(Exit::Ok)
}
