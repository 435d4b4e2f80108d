//! MariaDB and MySQL: one folder for both, because what differs is probed at connect. Watched only.

pub mod address;
pub mod capability;
pub mod connect;
pub mod error;
pub mod index_maker;
pub mod index_use;
pub mod indexes;
pub mod inventory;
pub mod line;
pub mod locks;
pub mod metadata_locks;
pub mod missing;
pub mod monitoring;
pub mod replication;
pub mod rights;
pub mod sessions;
pub mod slow_log;
pub mod statement_words;
pub mod statements;
pub mod store;
pub mod watch;
