//! Whole migrations between real servers, by the engine's own socket: the ladder, and what may happen on it.

mod approvals;
mod compared;
mod freeze;
mod gates;
mod index_steps;
mod kills;
mod ladder;
mod ledger;
mod meanwhile;
mod network;
mod outages;
mod own_scans;
mod schema;
mod shop;
mod ways;
mod writer;
