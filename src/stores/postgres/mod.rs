//! PostgreSQL.

pub mod address;
pub mod bouncer;
pub mod capture;
pub mod chunk;
pub mod columns;
pub mod error;
pub mod lsn;
pub mod pgoutput;
pub mod quote;
pub mod shape;
pub mod slot;
pub mod snapshot;
pub mod stream;
pub mod wire;
