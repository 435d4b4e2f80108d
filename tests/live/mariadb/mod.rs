//! Looking at a real MariaDB.

mod indexes;
mod lab;
mod locks;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
