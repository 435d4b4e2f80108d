//! Drawing: one file for each screen, with the same name as the one that holds its state. Everything here only reads.

pub mod access;
pub mod activity;
pub mod compared;
pub mod dialog;
pub mod finding;
pub mod findings;
pub mod frame;
pub mod help;
pub mod hotspot;
pub mod hotspots;
pub mod indexes;
pub mod journal;
pub mod locks;
pub mod overview;
pub mod phases;
pub mod pipelines;
pub mod replication;
pub mod session;
pub mod verification;
