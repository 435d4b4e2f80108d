//! Godwit's own pipeline: a snapshot copied in parallel chunks, then change capture. It meets the engines only through the
//! traits of [`crate::stores`].
//!
//! Hand-over: the capture exists before the snapshot is read, and the snapshot is exactly the capture's origin, so the copy and
//! the changes after the origin together are the source. After a crash during the copy a second, later snapshot serves the
//! remaining chunks; changes since the first origin are then applied to rows that may already be newer. Writes are
//! idempotent by key and end at the newest state, so the target is consistent from the second snapshot's position on
//! (`consistent_from`), and not before.

pub mod control;
pub mod copy;
pub mod fill;
pub mod moved;
pub mod pacing;
pub mod pump;
pub mod route;
pub mod status;
