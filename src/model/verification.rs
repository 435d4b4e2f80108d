//! Results of comparing two sides that keep moving.

use crate::model::table::TableName;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a differing row differs (L11: never mixed into one number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// On the source, not on the target.
    Missing,
    /// On the target, not on the source.
    Extra,
    /// On both sides with other values.
    Changed,
    /// Kept changing while it was re-checked; nothing is known.
    Unresolved,
}

/// One differing row of the bounded sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRow {
    /// Source name of the table.
    pub table: TableName,
    /// Key values as text, in key order.
    pub key: Vec<String>,
    /// How it differs.
    pub kind: DriftKind,
}

/// Differing rows of one table or of many, counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftCounts {
    /// Rows on the source only.
    pub missing: u64,
    /// Rows on the target only.
    pub extra: u64,
    /// Rows with other values.
    pub changed: u64,
    /// Rows that never came to rest while they were re-checked.
    pub unresolved: u64,
}

impl DriftCounts {
    /// All rows that are not proved equal.
    pub fn total(self) -> u64 {
        self.missing + self.extra + self.changed + self.unresolved
    }

    /// Counts one more row.
    pub fn add(&mut self, kind: DriftKind) {
        match kind {
            DriftKind::Missing => self.missing += 1,
            DriftKind::Extra => self.extra += 1,
            DriftKind::Changed => self.changed += 1,
            DriftKind::Unresolved => self.unresolved += 1,
        }
    }

    /// Adds another table's counts.
    pub fn merge(&mut self, other: Self) {
        self.missing += other.missing;
        self.extra += other.extra;
        self.changed += other.changed;
        self.unresolved += other.unresolved;
    }
}

/// What is known of one table's equality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableVerification {
    /// Source name of the table.
    pub table: TableName,
    /// Chunks compared in this pass.
    pub chunks_done: u64,
    /// Chunks of this pass; `None` until they are planned. A table that was never scanned is never verified (V07, V15).
    pub chunks_total: Option<u64>,
    /// Rows compared on the source side.
    pub rows_compared: u64,
    /// Differing rows by kind.
    pub drift: DriftCounts,
    /// At most 20 differing rows.
    pub sample: Vec<DriftRow>,
    /// When the last full pass of this table ended; `None` when there has been none.
    pub full_pass_at: Option<DateTime<Utc>>,
    /// Row changes that the pipeline applied to this table since that pass; `None` when unknown.
    pub changed_since: Option<u64>,
}

impl TableVerification {
    /// True only after a full pass that found every row equal.
    pub fn is_verified(&self) -> bool {
        self.full_pass_at.is_some() && self.drift.total() == 0 && self.chunks_total == Some(self.chunks_done)
    }
}
