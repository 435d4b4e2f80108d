//! Changes as a capture reads them from a source log, and positions in that log.

use crate::model::schema_change::SchemaChange;
use crate::model::value::{Key, Value};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// A place in a source's change log. Positions of different kinds have no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// PostgreSQL WAL location, in bytes.
    Lsn(u64),
    /// Row number in the change log that Godwit's triggers write (SQLite).
    LogRow(u64),
}

impl Position {
    /// How far `self` is ahead of `earlier`, in the position's own unit (bytes or log rows). `None` when the kinds differ; 0 when behind.
    pub fn distance_from(self, earlier: Self) -> Option<u64> {
        match (self, earlier) {
            (Self::Lsn(a), Self::Lsn(b)) | (Self::LogRow(a), Self::LogRow(b)) => Some(a.saturating_sub(b)),
            (Self::Lsn(_), Self::LogRow(_)) | (Self::LogRow(_), Self::Lsn(_)) => None,
        }
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Lsn(a), Self::Lsn(b)) | (Self::LogRow(a), Self::LogRow(b)) => Some(a.cmp(b)),
            (Self::Lsn(_), Self::LogRow(_)) | (Self::LogRow(_), Self::Lsn(_)) => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lsn(lsn) => write!(f, "{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF),
            Self::LogRow(row) => write!(f, "log row {row}"),
        }
    }
}

/// One column of a new row image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The column's value.
    Value(Value),
    /// The log does not carry the value because the statement did not touch it (PostgreSQL: unchanged TOAST), or because the row was
    /// written before the column was captured. The target keeps what it has (K04), a new row gets the target's default; it must never
    /// become NULL for that reason.
    Unchanged,
}

/// One row-level change. `table` is an index into the pipeline's list of [`TableMap`](crate::model::table::TableMap)s and
/// cells are in that map's column order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChange {
    /// A new row.
    Insert { table: usize, row: Vec<Cell> },
    /// A changed row; `old_key` is the identity before the change (equal to the new one unless the key was updated).
    Update { table: usize, old_key: Key, row: Vec<Cell> },
    /// A deleted row.
    Delete { table: usize, old_key: Key },
    /// All rows of these tables were removed.
    Truncate { tables: Vec<usize> },
}

/// What a capture yields, in source commit order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureItem {
    /// A change inside the transaction that the next `Commit` ends.
    Change(RowChange),
    /// The end of a source transaction. A target that has applied up to `position` needs nothing before it again.
    Commit { position: Position, committed_at: Option<DateTime<Utc>> },
    /// A marker written by [`FreezeGuard::marker`](crate::stores::FreezeGuard::marker) or a lag probe came out of the log.
    Marker { token: String, position: Position },
    /// No change to report; the log has been read up to `position` (quiet tables still move: W01, W02).
    Progress { position: Position },
    /// A captured table differs from its mapping: rows that follow may be of the new shape (D01).
    SchemaChange(SchemaChange),
}
