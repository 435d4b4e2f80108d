//! Looking at the stores: one task for each store, so that one that is down or slow delays no other.

pub mod access;
pub mod bound;
pub mod collect;
pub mod pace;
pub mod runway;
pub mod views;
