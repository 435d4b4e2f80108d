//! What drives a whole engine, whatever its stores are: engines, a client, and waiting. A target includes it with
//! `#[path = "../driver/mod.rs"] mod driver;`.

mod client;
mod engine;
mod home;
mod wait;

pub use client::Client;
pub use engine::{Engine, Process};
pub use home::Home;
pub use wait::{PATIENCE, poll};

/// The default ladder.
pub const PHASES: [&str; 10] =
    ["assess", "build", "backfill", "sync", "verify", "tune", "secure", "cutover", "watch", "retire"];
