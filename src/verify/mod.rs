//! Verification of a moving target: checksums in both servers, mismatching ranges narrowed to rows, rows re-checked until quiet.

pub mod barrier;
pub mod compare;
pub mod recheck;
pub mod repair;
