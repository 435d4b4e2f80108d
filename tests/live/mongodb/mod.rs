//! The MongoDB store against real servers: mongo1 is a replica set of one with logins, mongo2 a plain server without both.

mod access;
mod indexes;
mod lab;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
