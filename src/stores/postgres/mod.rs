//! PostgreSQL.

pub mod access;
pub mod activity;
pub mod address;
pub mod capability;
pub mod connect;
pub mod error;
pub mod fence;
pub mod freeze;
pub mod holds;
pub mod inventory;
pub mod quote;
pub mod relation;
pub mod sequences;
pub mod side;
pub mod store;
