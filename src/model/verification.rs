//! Results of comparing two sides that keep moving.

use crate::model::table::TableName;
use crate::model::value::{Key, Value};
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
    /// When this pass began; `None` where an older version wrote the row.
    #[serde(default)]
    pub began_at: Option<DateTime<Utc>>,
    /// True when the pass was interrupted by the end of an engine and went on later where it had been.
    #[serde(default)]
    pub resumed: bool,
}

impl TableVerification {
    /// True only after a full pass that found every row equal.
    pub fn is_verified(&self) -> bool {
        self.full_pass_at.is_some() && self.drift.total() == 0 && self.chunks_total == Some(self.chunks_done)
    }

    /// The moment from which the age of the last full pass counts; `None` when there has been none. A pass that was interrupted counts from
    /// its beginning, because what it compared before may be long ago.
    pub fn fresh_since(&self) -> Option<DateTime<Utc>> {
        let ended = self.full_pass_at?;
        Some(if self.resumed { self.began_at.unwrap_or(ended) } else { ended })
    }

    /// Nothing compared yet.
    pub fn begin(table: TableName, at: DateTime<Utc>) -> Self {
        Self {
            table,
            chunks_done: 0,
            chunks_total: None,
            rows_compared: 0,
            drift: DriftCounts::default(),
            sample: Vec::new(),
            full_pass_at: None,
            changed_since: None,
            began_at: Some(at),
            resumed: false,
        }
    }
}

/// How far a pass over one table has come: with it an interrupted pass goes on where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePass {
    /// What was found so far.
    pub found: TableVerification,
    /// The key up to which all rows were compared.
    pub upto: Key,
    /// The comparison method, in whose key order `upto` is meant.
    pub method: String,
}

impl TablePass {
    /// False for keys that do not come back from a journal exactly as they went in.
    pub fn can_be_kept(&self) -> bool {
        !self.upto.iter().any(|value| matches!(value, Value::Float(_)))
    }
}
