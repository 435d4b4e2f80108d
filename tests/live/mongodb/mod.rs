//! The MongoDB store against real servers: mongo1 is a replica set of one with logins, mongo2 a plain server without both.

mod access;
mod access_profile;
mod access_start;
mod bare;
mod hot_spots;
mod index_maker;
mod indexes;
pub mod lab;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
