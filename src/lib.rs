//! Godwit: a terminal cockpit for live database migrations.

pub mod config;
pub mod model;
pub mod report;
pub mod stores;
pub mod tui;
pub mod wire;
