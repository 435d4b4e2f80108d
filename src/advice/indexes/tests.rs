//! Tests of the rules about indexes: each has a case that fails, one that passes, and a decoy that must not fire.

mod advice;
mod builder;
mod catalogue;
mod foreign_keys;
mod moved;
mod planted;
mod samples;
