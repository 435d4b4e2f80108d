//! Looking at a real MariaDB.

mod cost;
mod hostile;
mod index_maker;
mod indexes;
pub mod lab;
mod locks;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
