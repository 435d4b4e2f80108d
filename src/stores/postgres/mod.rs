//! PostgreSQL.

pub mod access;
pub mod activity;
pub mod address;
pub mod capability;
pub mod checksum;
pub mod connect;
pub mod error;
pub mod fence;
pub mod freeze;
pub mod holds;
pub mod inventory;
pub mod key_order;
pub mod quote;
pub mod relation;
pub mod row_hash;
pub mod schema;
pub mod sequences;
pub mod side;
pub mod store;
