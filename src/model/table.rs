//! Tables as both sides of a pipeline see them: names, columns, keys, and how one side maps to the other.

use crate::model::value::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A table's name inside one store. SQLite has no schema; PostgreSQL always has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The schema, if the engine has schemas.
    pub schema: Option<String>,
    /// The table's own name, unquoted.
    pub name: String,
}

impl TableName {
    /// A name in an engine without schemas.
    pub fn bare(name: &str) -> Self {
        Self { schema: None, name: name.to_owned() }
    }

    /// A schema-qualified name.
    pub fn in_schema(schema: &str, name: &str) -> Self {
        Self { schema: Some(schema.to_owned()), name: name.to_owned() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => f.pad(&format!("{schema}.{}", self.name)),
            None => f.pad(&self.name),
        }
    }
}

/// How a column gets its value, as far as a copy must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// Written by whoever inserts the row.
    Plain,
    /// Written by the inserter or taken from an identity or serial sequence.
    Sequence,
    /// Computed by the server from other columns: never copied, always compared.
    Computed,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Unquoted name.
    pub name: String,
    /// The engine's own spelling of the type with its modifiers, such as `numeric(12,2)`.
    pub type_name: String,
    /// False when the column is NOT NULL.
    pub nullable: bool,
    /// Where its value comes from.
    pub generation: Generation,
    /// True when an INSERT that does not name the column gets a value other than NULL: a default, or a sequence.
    #[serde(default)]
    pub has_default: bool,
}

/// What identifies a row for change capture and verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowIdentity {
    /// The primary key, or the unique NOT NULL index that is the replica identity: its columns in key order.
    Key(Vec<String>),
    /// No key: the whole old row identifies it (PostgreSQL `REPLICA IDENTITY FULL`). Such rows cannot be told apart
    /// when they are equal, so they are verified as a multiset.
    FullRow,
    /// No key and no full image: changes cannot be carried; the pre-flight check refuses the table.
    Missing,
}

/// A table as one store describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name in that store.
    pub name: TableName,
    /// All columns in the table's own order, computed ones included.
    pub columns: Vec<Column>,
    /// What identifies a row.
    pub identity: RowIdentity,
    /// Rows by the server's statistics; `None` when the server has none. An estimate: never shown as a count.
    pub estimated_rows: Option<u64>,
    /// Bytes on disk without indexes; `None` when unknown.
    pub size_bytes: Option<u64>,
}

/// One source table and the target table that it becomes. Columns and keys are pairs by position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMap {
    /// Name on the source.
    pub source: TableName,
    /// Name on the target.
    pub target: TableName,
    /// The columns that are copied, in one order for chunks, changes and comparisons. Computed columns are left out.
    pub columns: Vec<ColumnMap>,
    /// Indices into `columns` of the row identity; empty for [`RowIdentity::FullRow`].
    pub key: Vec<usize>,
}

impl TableMap {
    /// The same mapping seen from the other side, for reverse pipelines.
    pub fn reversed(&self) -> Self {
        Self {
            source: self.target.clone(),
            target: self.source.clone(),
            columns: self
                .columns
                .iter()
                .map(|c| ColumnMap {
                    source: c.target.clone(),
                    target: c.source.clone(),
                    source_type: c.target_type.clone(),
                    target_type: c.source_type.clone(),
                })
                .collect(),
            key: self.key.clone(),
        }
    }

    /// The key values of a row given in column order; the whole row where there is no key.
    pub fn key_of(&self, row: &[Value]) -> Vec<Value> {
        if self.key.is_empty() {
            return row.to_vec();
        }
        self.key.iter().filter_map(|&i| row.get(i).cloned()).collect()
    }
}

/// One copied column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMap {
    /// Name on the source.
    pub source: String,
    /// Name on the target.
    pub target: String,
    /// The source engine's spelling of the type.
    pub source_type: String,
    /// The target engine's spelling of the type.
    pub target_type: String,
}
