//! MG-01 to MG-18: what is judged of a MongoDB whoever owns what in it.

pub mod custom;
pub mod logins;
pub mod options;
pub mod roles;
mod whom;
