//! The engine: headless, owns connections, pipelines, phases and the journal. It lives on when every terminal is gone.
//!
//! One writer: only the [`dispatcher`] appends to the journal and publishes state; everything else sends it values.

pub mod authority;
pub mod barrier;
pub mod checks;
pub mod commands;
pub mod comparison;
pub mod core;
pub mod dispatcher;
pub mod ending;
pub mod error;
pub mod executor;
pub mod fleet;
pub mod gate;
pub mod gate_checks;
pub mod gates;
pub mod index_orders;
pub mod knobs;
pub mod ladder;
pub mod link;
pub mod lock_queue;
pub mod mapping;
pub mod owner;
pub mod planner;
pub mod recovery;
pub mod route;
pub mod sampler;
pub mod schema_change;
pub mod schema_policy;
pub mod serve;
pub mod steps;
pub mod survey;
pub mod watch;

pub use checks::checks;
pub use error::EngineError;
pub use serve::{EngineOptions, serve, serve_with};
