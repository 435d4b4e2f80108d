//! The control path on a real PostgreSQL: everything but the data's way through a pipeline.

mod checksum;
mod freeze;
mod inspect;
pub mod lab;
mod meanwhile;
mod preflight;
mod schema;
mod sequences;
