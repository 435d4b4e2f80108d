//! Godwit: a terminal cockpit for live database migrations.

pub mod config;
pub mod journal;
pub mod model;
pub mod pipelines;
pub mod stores;
pub mod verify;
pub mod wire;
