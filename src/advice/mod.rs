//! Advice: pure functions over readings. Nothing here asks a server, keeps a state or reads a clock.
//!
//! [`hotspots`] names statements alike on every engine and ranks and compares them; [`indexes`] says which indexes are missing,
//! useless or broken; [`access`] holds what is declared against what is granted and used. What the rules need beside readings (who owns which table, what a planner answers) is handed in.

pub mod access;
pub mod catalogue;
pub mod dialect;
pub mod hotspots;
pub mod indexes;
pub mod names;
pub mod ownership;
mod wording;
