//! PG-01 to PG-35: what is judged of a PostgreSQL whoever owns what in it.

pub mod code;
pub mod defaults;
pub mod definers;
pub mod grants;
pub mod hba;
pub mod logging;
pub mod logins;
pub mod memberships;
pub mod owners;
pub mod powers;
pub mod public;
pub mod row_security;
pub mod settings;
pub mod transport;
