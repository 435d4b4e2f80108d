//! Progress of a copy.

use crate::model::table::TableName;
use serde::{Deserialize, Serialize};

/// Copy progress of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableProgress {
    /// Source name.
    pub table: TableName,
    /// Chunks whose rows and checkpoint are committed on the target.
    pub chunks_done: u64,
    /// Chunks planned; `None` before the plan is made.
    pub chunks_total: Option<u64>,
    /// Rows in committed chunks.
    pub rows_done: u64,
    /// Bytes in committed chunks, as sent.
    pub bytes_done: u64,
    /// Rows by the source's statistics: an estimate (L07), never used to say that a copy is complete (C10).
    pub estimated_rows: Option<u64>,
}

/// Copy progress of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyProgress {
    /// One entry a table, in pipeline order.
    pub tables: Vec<TableProgress>,
}

impl CopyProgress {
    /// Rows in committed chunks over all tables.
    pub fn rows_done(&self) -> u64 {
        self.tables.iter().map(|t| t.rows_done).sum()
    }

    /// Committed and planned chunks; `None` while any table is unplanned.
    pub fn chunks(&self) -> Option<(u64, u64)> {
        let total = self.tables.iter().map(|t| t.chunks_total).sum::<Option<u64>>()?;
        Some((self.tables.iter().map(|t| t.chunks_done).sum(), total))
    }
}
