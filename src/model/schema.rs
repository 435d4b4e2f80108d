//! Schema statements that build a target, grouped by the moment at which they must run.

use serde::{Deserialize, Serialize};

/// When a schema statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaPart {
    /// Before the load: schemas, extensions, types, sequences, tables.
    Tables,
    /// After the load and before changes are applied: primary keys and replica identities.
    Keys,
    /// After the copy has caught up: secondary indexes, unique constraints, checks, comments.
    Rest,
    /// Last, and where several pipelines fill the tables only once all of them stand still: foreign keys.
    Links,
}

/// One statement that makes one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaStatement {
    /// When it runs.
    pub part: SchemaPart,
    /// What it makes, such as `table sales.orders`; unique within a script and the name under which the journal records that Godwit made it.
    pub object: String,
    /// The exact statement, without a trailing semicolon.
    pub statement: String,
    /// The exact statement that removes the object again.
    pub undo: String,
}

/// All that a target needs, in execution order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaScript {
    /// Statements in order; a later one may depend on an earlier one.
    pub statements: Vec<SchemaStatement>,
    /// What is on the source and will not be on the target, one sentence each (a foreign key to a table of another service, ...).
    pub left_out: Vec<String>,
}
