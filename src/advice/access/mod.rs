//! The access audit: one rule after the other over what a store showed and what the profile declares.
//!
//! Ids are stable. A rule that could not look is *not checkable* with the reason, never a pass; what belongs to the owner of an object
//! anyway is no grant; no finding holds a password or a hash.

mod address;
pub mod audit;
pub mod case;
pub mod catalogue;
pub mod drift;
pub mod judgement;
pub mod matrix;
pub mod mongodb;
pub mod mysql;
pub mod ownership;
pub mod postgres;
pub mod redis;
mod remedy;
mod wording;
