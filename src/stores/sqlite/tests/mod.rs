//! Tests of the whole engine on files in a temporary directory.

mod capture;
mod equivalence;
mod freeze;
mod indexes;
mod lab;
mod preflight;
mod schema;
mod target;
