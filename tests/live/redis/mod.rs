//! The store of Redis and Valkey against real servers: redis1 and valkey1 with a password, redis2 and valkey2 their replicas. Each proof is a
//! test on both.

mod access;
mod access_profile;
mod access_start;
mod bare;
mod cost;
mod hot_spots;
pub mod lab;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
