//! Open transactions: SQLite keeps no list of them; all that can be found out is whether somebody holds the write lock.

use super::connect::Mode;
use super::store::SqliteStore;
use crate::model::table::TableName;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{Activity, OpenTransaction, Result};
use async_trait::async_trait;
use std::time::Duration;

/// How long the lock must be held before it counts as a transaction that would delay a freeze. Ordinary writes are shorter.
const NOTICEABLE: Duration = Duration::from_millis(50);

#[async_trait]
impl Activity for SqliteStore {
    async fn open_transactions(&self, _tables: &[TableName]) -> Result<Vec<OpenTransaction>> {
        // A freeze of ours is not somebody's transaction.
        if self.db.file_identity().is_none() || self.db.held.is_held() {
            return Ok(Vec::new());
        }
        let mut session = self.db.open(Mode::Write, Operation::Inspect).await?;
        match session.begin_immediate(NOTICEABLE).await {
            Ok(()) => {
                session.roll_back().await;
                Ok(Vec::new())
            }
            Err(e) if e.kind == ErrorKind::Contention => Ok(vec![OpenTransaction {
                session: "unknown".to_owned(),
                user: String::new(),
                application: "a connection that SQLite does not name".to_owned(),
                started_at: None,
                query: format!(
                    "holds the write lock of {} (find the process with: fuser {0})",
                    self.db.canonical().display()
                ),
            }]),
            Err(e) => Err(e),
        }
    }
}
