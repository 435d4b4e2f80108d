//! Redis and Valkey: watched only.

pub mod capability;
pub mod connect;
pub mod error;
pub mod info;
pub mod inventory;
pub mod key_pattern;
pub mod monitoring;
pub mod replication;
pub mod rights;
pub mod sections;
pub mod sessions;
pub mod slowlog;
pub mod statements;
pub mod store;
pub mod watch;
