//! Looking at PostgreSQL: sessions, lock trees, replication, statements, indexes, and the monitoring roles that all of it works with.

mod locks;
mod monitoring;
mod sessions;
mod statistics;
mod trouble;
