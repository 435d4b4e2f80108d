//! What the cockpit shows and does: snapshots of every screen in every situation, and whole-program runs by keys.
//!
//! Snapshots are for people: look at them when they change. `INSTA_UPDATE=always` writes new ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has to say so, and measurements are printed"
)]

mod advice;
mod dialogs;
mod findings;
mod fixture;
mod hotspots;
mod keys;
mod program;
mod pty;
mod sentences;
mod situations;
mod speed;
mod stores;
mod triage;
