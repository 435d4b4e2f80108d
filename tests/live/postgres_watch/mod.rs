//! Looking at PostgreSQL: sessions, lock trees, replication, statements, indexes, and the monitoring roles that all of it works with.

mod access;
mod access_plants;
mod access_profile;
mod access_start;
mod hostile;
mod hot_spots;
mod index_advice;
mod locks;
mod missing;
mod monitoring;
mod replicas;
mod scene;
mod sessions;
mod statistics;
mod trouble;
mod versions;
