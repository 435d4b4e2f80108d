//! PostgreSQL.

pub mod address;
pub mod error;
pub mod pgoutput;
pub mod quote;
pub mod wire;
