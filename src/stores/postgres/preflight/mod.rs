//! Named checks before a migration: what is wrong now is found now and not in the freeze. They never write.

pub mod findings;
pub mod rights;
pub mod room;
pub mod server;
pub mod settings;
pub mod suite;
pub mod tables;
