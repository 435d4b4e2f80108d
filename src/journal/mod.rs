//! The journal: one SQLite file per migration, append-only, synced at every append, hash-chained.

pub mod chain;
pub mod error;
pub mod log;
pub mod upcast;
