//! MY-01 to MY-28: what is judged of a MariaDB or MySQL whoever owns what in it.

pub mod accounts;
pub mod delegation;
pub mod patterns;
pub mod powers;
pub mod programs;
pub mod servers;
pub mod settings;
mod whom;
