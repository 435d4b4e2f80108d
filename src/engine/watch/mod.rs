//! Looking at the stores: one task for each store, so that one that is down or slow delays no other.

pub mod access;
pub mod collect;
pub mod pace;
pub mod views;
