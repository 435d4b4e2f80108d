//! RD-01 to RD-18: what is judged of a Redis or Valkey whoever owns what in it.

pub mod commands;
pub mod log;
pub mod network;
pub mod passwords;
pub mod patterns;
pub mod persistence;
pub mod remedy;
mod whom;
