//! A thin asynchronous client for PostgreSQL's frontend/backend protocol (version 3), for the data path only.
//!
//! One connection type does all that a migration needs: simple queries with text rows, prepared statements in pipelines,
//! COPY in both directions as raw pass-through, and replication (`CopyBoth`). Catalogue queries of the other files go
//! through sqlx. Why this exists at all: `docs/decisions/0002-postgres-wire-client.md`.
//!
//! Invariant: a [`Connection`](connection::Connection) whose exchange was dropped half-way refuses further use, so that an
//! answer can never be taken for that of another question.

pub mod connection;
pub mod copy;
pub mod cursor;
pub mod failure;
pub mod link;
pub mod pipeline;
pub mod query;
pub mod replication;
pub mod startup;
pub mod transport;
