//! MongoDB: watched only.

pub mod capability;
pub mod connect;
pub mod error;
pub mod fields;
pub mod index_maker;
pub mod indexes;
pub mod inventory;
pub mod latency;
pub mod locks;
pub mod monitoring;
pub mod operation;
pub mod replication;
pub mod rights;
pub mod sessions;
pub mod shape;
pub mod slow;
pub mod statements;
pub mod store;
pub mod watch;
