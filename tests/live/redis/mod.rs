//! The Redis store against real servers: redis1 with a password, redis2 its replica.

mod access;
mod cost;
mod hot_spots;
pub mod lab;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
