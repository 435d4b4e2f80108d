//! Whole migrations between real servers, by the engine's own socket: the ladder, and what may happen on it.

mod approvals;
mod compared;
mod freeze;
mod kills;
mod ladder;
mod ledger;
mod meanwhile;
mod network;
mod outages;
mod schema;
mod shop;
mod ways;
mod writer;
