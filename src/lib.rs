//! Godwit: a terminal cockpit for live database migrations, and the headless engine behind it.
//!
//! ```text
//! store samplers ----+                        +-- journal (append, fsync) -- replay
//! pipeline tasks ----+-> dispatcher -> fold --+
//! commands (wire) ---+   (one writer)         +-- publish: entries by seq, samples by watch -> wire -> cockpit
//! ```
//!
//! Who may import whom (`tests/integration/layers.rs` checks it):
//!
//! ```text
//! main -> cli -> everything below
//! engine -> journal stores pipelines verify advice config model, and its own end of wire
//! pipelines, verify -> stores model
//! stores, advice, journal, wire, report -> model
//! tui -> model wire::client config report
//! model -> std, serde, chrono only
//! ```
//!
//! Begin with [`model::phase`] (the words and the one transition function), then [`engine::executor`] (append before act) and
//! [`engine::steps::switch`] (the cutover). `docs/architecture.md` is the long form.

pub mod advice;
pub mod cli;
pub mod config;
pub mod engine;
pub mod journal;
pub mod model;
pub mod pipelines;
pub mod report;
pub mod stores;
pub mod telemetry;
pub mod tui;
pub mod verify;
pub mod wire;
