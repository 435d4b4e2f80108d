//! `godwit attach`.

use crate::cli::args::AttachArgs;
use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::tui::{self, CockpitOptions};
use crate::wire::client::Connection;

/// Opens a cockpit on a running engine.
///
/// # Errors
/// No terminal, no engine, or a terminal that cannot be used.
pub async fn run(args: &AttachArgs, out: Output) -> Outcome {
    let chosen = args.which.find()?;
    if out.plain {
        return Err(Failure::usage(
            "the cockpit needs a terminal; `godwit status --watch` and `godwit log --follow` print lines instead",
        ));
    }
    // A cockpit on nothing would wait for ever: say so before the screen is taken over.
    Connection::open(&chosen.place.socket, "cli").await?;
    cockpit(&chosen, CockpitOptions { observe: args.observe, ..CockpitOptions::default() }).await
}

/// Opens the cockpit.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn cockpit(chosen: &Chosen, options: CockpitOptions) -> Outcome {
    tui::run(chosen.place.socket.clone(), options)
        .await
        .map_err(|error| Failure::new(Exit::Io, format!("the cockpit ended: {error}; the engine goes on")))?;
    Ok(Exit::Ok)
}
