//! Looking at PostgreSQL: sessions, lock trees, replication, statements, indexes, and the monitoring roles that all of it works with.

mod access;
mod access_plants;
mod hostile;
mod locks;
mod missing;
mod monitoring;
mod sessions;
mod statistics;
mod trouble;
mod versions;
