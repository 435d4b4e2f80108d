//! Indexes and the tables under them: definitions, counters and the column statistics that advice needs.

use crate::model::lag::Reading;
use crate::model::observation::Window;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One key part of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IndexPart {
    /// The column (MongoDB: the field path), or the expression's text.
    pub term: String,
    /// True for an expression.
    pub is_expression: bool,
    /// Operator class where it is not the default one; empty: default. MongoDB: the kind (`text`, `2dsphere`, `hashed`).
    pub operator_class: String,
    /// Collation where it differs from the column's; empty: the column's.
    pub collation: String,
    /// Descending.
    pub descending: bool,
    /// NULLs before other values.
    pub nulls_first: bool,
    /// Only so many characters or bytes of the column (MariaDB).
    pub prefix: Option<u32>,
}

/// What an index is needed for beside being scanned. Any of these makes "never scanned" no reason to drop it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexDuty {
    /// It enforces uniqueness.
    pub unique: bool,
    /// It is the primary key (MongoDB: `_id_`).
    pub primary: bool,
    /// Constraint that it backs.
    pub constraint: Option<String>,
    /// It enforces an exclusion constraint.
    pub exclusion: bool,
    /// It is the replica identity.
    pub replica_identity: bool,
    /// The table is clustered on it.
    pub clustered: bool,
    /// It is attached to an index of a partitioned table, which is named here.
    pub part_of: Option<String>,
    /// It expires documents (MongoDB TTL).
    pub expires: bool,
    /// It is a shard key's index.
    pub shard_key: bool,
}

/// One index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its table or collection, qualified as the engine does.
    pub table: String,
    /// Its name, qualified where the engine does.
    pub name: String,
    /// Access method: `btree`, `gin`, `brin`, `hash`, `text`.
    pub method: String,
    /// Key parts in order.
    pub parts: Vec<IndexPart>,
    /// Columns that are only carried along.
    pub include: Vec<String>,
    /// Predicate of a partial index, as the server prints it (MongoDB: canonical JSON of the filter, `sparse`); empty: none.
    pub predicate: String,
    /// Uniqueness treats NULLs as equal.
    pub nulls_not_distinct: bool,
    /// What else it does.
    pub duty: IndexDuty,
    /// Usable by the planner.
    pub valid: bool,
    /// It is being built now.
    pub being_built: bool,
    /// The planner is told to leave it out (MariaDB IGNORED, MySQL INVISIBLE, MongoDB hidden).
    pub hidden: bool,
    /// Size.
    pub bytes: Reading<u64>,
    /// Scans since the window began.
    pub scans: Reading<u64>,
    /// When it was last scanned, where the engine tells.
    pub last_scan: Option<DateTime<Utc>>,
    /// The statement that makes it, as the server prints it.
    pub definition: String,
}

/// A column with what the planner knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnUse {
    /// Its name (MongoDB: the field path).
    pub name: String,
    /// Its type, as the engine prints it.
    pub kind: String,
    /// Average width in bytes.
    pub width: Option<f64>,
    /// Distinct values.
    pub distinct: Option<f64>,
    /// Share of NULLs, 0 to 1.
    pub nulls: Option<f64>,
    /// The most common values' shares, largest first.
    pub common: Vec<f64>,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// A table's use since the window began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableUse {
    /// Its name, qualified as the engine does.
    pub table: String,
    /// Rows, estimated by the server.
    pub rows: Reading<u64>,
    /// Size without indexes.
    pub bytes: Reading<u64>,
    /// Scans of the whole table.
    pub full_scans: Reading<u64>,
    /// Rows read by them.
    pub full_scan_rows: Reading<u64>,
    /// Scans by index.
    pub index_scans: Reading<u64>,
    /// Rows inserted.
    pub inserted: Reading<u64>,
    /// Rows updated.
    pub updated: Reading<u64>,
    /// Rows updated without touching an index (PostgreSQL HOT).
    pub updated_in_place: Reading<u64>,
    /// Rows deleted.
    pub deleted: Reading<u64>,
    /// Columns. Empty: not readable; the observation's `missing` says why.
    pub columns: Vec<ColumnUse>,
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Constraint name.
    pub name: String,
    /// The table that refers.
    pub table: String,
    /// Its columns, in the constraint's order.
    pub columns: Vec<String>,
    /// The table that is referred to.
    pub parent: String,
    /// True when deleting or changing a parent does something to the child.
    pub cascades: bool,
}

/// All indexes of a store at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Indexes {
    /// Since when scans have been counted on this server.
    pub window: Window,
    /// Changes when the counters began anew.
    pub epoch: String,
    /// Servers whose counters are in it, and those that are not: replicas that nobody asked.
    pub replicas_unread: Vec<String>,
    /// Tables.
    pub tables: Vec<TableUse>,
    /// Indexes.
    pub indexes: Vec<Index>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
}

/// What a planner says about a statement with indexes that do not exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// Cost without them.
    pub before: f64,
    /// Cost with them.
    pub after: f64,
    /// Which of the given candidates the plan uses in a condition or for order.
    pub used: Vec<usize>,
}
