//! Index advice. One rule a file; each is a pure function of an [`inspection::Inspection`].
//!
//! What only the catalogue and its counters are needed for is in [`catalogue_rules`]. Advice to make an index goes in two steps, since
//! planners are asked between them: [`candidates`] from what statements ask for, then [`judge`] over the planners' answers.

pub mod candidates;
pub mod carried_over;
pub mod catalogue_rules;
pub mod definition;
pub mod digests;
pub mod documents;
pub mod duplicate;
pub mod foreign_key;
pub mod full_scans;
pub mod inspection;
pub mod invalid;
pub mod judge;
pub mod key_commands;
pub mod lock_queue;
pub mod merging;
pub mod parameters;
pub mod prefix;
pub mod rates;
pub mod samples;
pub mod selectivity;
pub mod shape;
pub mod unused;
pub mod workload;
pub mod write_cost;

#[cfg(test)]
mod tests;
