//! PostgreSQL.

pub mod address;
pub mod apply;
pub mod batch;
pub mod bouncer;
pub mod capture;
pub mod checkpoint;
pub mod chunk;
pub mod columns;
pub mod dml;
pub mod error;
pub mod fold;
pub mod load;
pub mod lsn;
pub mod origin;
pub mod pgoutput;
pub mod quote;
pub mod shape;
pub mod slot;
pub mod snapshot;
pub mod stream;
pub mod target;
pub mod wire;
