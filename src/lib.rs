//! Godwit: a terminal cockpit for live database migrations.

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
