//! One value of one column, as it travels between two stores.

use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

/// A column value in the form in which Godwit carries it from a source to a target.
///
/// Lossless or refused: a driver that cannot say a value exactly in one of these forms returns an error; it
/// never rounds, truncates or guesses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// SQL NULL.
    Null,
    /// 64-bit signed integer (SQLite INTEGER).
    Int(i64),
    /// IEEE 754 double, compared and hashed by its bits so that NaN and -0.0 stay what they are.
    Float(f64),
    /// Text that the engine hands over as UTF-8 (SQLite TEXT).
    Text(String),
    /// Bytes (SQLite BLOB).
    Bytes(Vec<u8>),
    /// The source engine's own exact text form (PostgreSQL's output function under the session settings that
    /// Godwit pins: ISO dates, UTC, `extra_float_digits = 3`, hex bytea). Only legal between two stores of the same engine.
    Literal(String),
}

impl Value {
    /// True for SQL NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) | (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Int(v) => v.hash(state),
            Self::Float(v) => v.to_bits().hash(state),
            Self::Text(v) | Self::Literal(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
        }
    }
}

impl std::fmt::Display for Value {
    /// For reports and error messages: text unquoted, bytes as `x'hex'`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Text(v) | Self::Literal(v) => f.write_str(v),
            Self::Bytes(v) => {
                f.write_str("x'")?;
                for byte in v {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str("'")
            }
        }
    }
}

/// The values of a row in the column order of its [`TableMap`](crate::model::table::TableMap).
pub type Row = Vec<Value>;

/// The values of a table's key columns, in key order.
pub type Key = Vec<Value>;
