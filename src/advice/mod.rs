//! Advice: pure functions over readings. Nothing here asks a server, keeps a state or reads a clock.

pub mod access;
