//! Hot spots: one name for a statement on every engine, what it cost over an interval, and the same statement before and after a move.
//!
//! ```text
//! text -> sql | mongo_command | redis_command -> canonical form -> fingerprint
//! two readings -> delta -> ranking -> compare, cross_service
//! ```

pub mod block;
pub mod canonical;
pub mod compare;
pub mod cross_service;
pub mod delta;
pub mod document;
pub mod expression;
pub mod facts;
pub mod fingerprint;
pub mod mongo_command;
pub mod namer;
pub mod ranking;
pub mod redis_command;
pub mod scope;
pub mod spelling;
pub mod sql;
pub mod tokens;

#[cfg(test)]
mod tests;
