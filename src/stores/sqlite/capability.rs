//! Facts about the file and the library that reads it.

use super::connect::Mode;
use super::row::{self, Args};
use super::store::SqliteStore;
use crate::stores::error::Operation;
use crate::stores::{Probe, Result, ServerFacts};
use async_trait::async_trait;

/// Oldest library that a file's applications should use: the triggers need nothing newer, but older ones have known
/// defects in WAL recovery and cannot read tables with RETURNING or STRICT in their schema.
pub const MINIMUM_VERSION: (u32, u32, u32) = (3, 35, 0);

#[async_trait]
impl Probe for SqliteStore {
    async fn facts(&self) -> Result<ServerFacts> {
        let mut session = self.db.open(Mode::Read, Operation::Inspect).await?;
        // Reading the schema proves that this is a database; `sqlite_version()` alone would not touch the file.
        let facts = session.first("SELECT sqlite_version(), count(*) FROM sqlite_schema", Args::new()).await?;
        Ok(ServerFacts {
            version: facts.map(|r| row::text(&r, 0).to_owned()).unwrap_or_default(),
            identity: self.db.canonical().display().to_string(),
            // The library runs in this process and reads this machine's clock.
            clock_difference_ms: 0,
        })
    }
}
