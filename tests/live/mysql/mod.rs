//! Looking at a real MariaDB and a real MySQL: one source, what differs is told by `lab::Product`.

mod access;
mod access_plants;
mod access_profile;
mod access_start;
mod bare;
mod cost;
mod hostile;
mod hot_spots;
mod index_maker;
mod indexes;
pub mod lab;
mod locks;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
