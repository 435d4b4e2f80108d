//! Looking at a real MariaDB.

mod access;
mod access_plants;
mod cost;
mod hostile;
mod indexes;
mod lab;
mod locks;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
