//! PostgreSQL.

pub mod address;
pub mod error;
pub mod quote;
