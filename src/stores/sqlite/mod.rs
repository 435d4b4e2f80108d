//! SQLite: one file is one store.

pub mod access;
pub mod activity;
pub mod apply;
pub mod capability;
pub mod capture;
mod catalogue;
mod checkpoint;
pub mod checksum;
pub mod connect;
mod control;
mod ddl;
pub mod error;
mod fence;
pub mod freeze;
mod held;
pub mod indexes;
mod insert;
pub mod inventory;
mod keys;
mod log;
mod made;
mod piece;
pub mod preflight;
pub mod quote;
mod row;
pub mod schema;
pub mod sequences;
mod session;
mod shape;
pub mod snapshot;
pub mod store;
mod stream;
pub mod target;

#[cfg(test)]
mod tests;
