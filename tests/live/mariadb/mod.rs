//! Looking at a real MariaDB.

mod cost;
mod hostile;
mod hot_spots;
mod indexes;
mod lab;
mod locks;
mod missing;
mod monitoring;
mod replication;
mod sessions;
mod statements;
