//! Values between SQLite and the model: the storage class is kept exactly, or the value is refused.

use crate::model::value::{Row, Value};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Decode, Row as _, Sqlite, TypeInfo as _, ValueRef as _};

/// Bound values of one statement, in order.
#[derive(Default)]
pub struct Args(pub SqliteArguments);

impl Args {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, value: impl Into<String>) -> Self {
        self.add(value.into());
        self
    }

    /// Adds an integer. SQLite has no unsigned 64-bit integers; log rows and counts stay far below the limit.
    #[must_use]
    pub fn int(mut self, value: impl TryInto<i64>) -> Self {
        self.add(value.try_into().unwrap_or(i64::MAX));
        self
    }

    /// Adds a text or NULL.
    #[must_use]
    pub fn text_or_null(mut self, value: Option<String>) -> Self {
        self.add(value);
        self
    }

    /// Adds values of the model.
    ///
    /// # Errors
    /// Says which value SQLite cannot hold exactly: NaN (SQLite stores NULL instead), or a literal of another engine.
    pub fn values(mut self, values: impl IntoIterator<Item = Value>) -> Result<Self, String> {
        for value in values {
            self.push(value)?;
        }
        Ok(self)
    }

    /// Adds one value of the model; errors as for [`Args::values`].
    pub fn push(&mut self, value: Value) -> Result<(), String> {
        match value {
            Value::Null => self.add(Option::<i64>::None),
            Value::Int(v) => self.add(v),
            Value::Float(v) if v.is_nan() => return Err("SQLite would store NULL for a NaN".to_owned()),
            Value::Float(v) => self.add(v),
            Value::Text(v) => self.add(v),
            Value::Bytes(v) => self.add(v),
            Value::Literal(_) => return Err("a literal of another engine has no exact form in SQLite".to_owned()),
        }
        Ok(())
    }

    fn add<'t, T: sqlx::Encode<'t, Sqlite> + sqlx::Type<Sqlite>>(&mut self, value: T) {
        // Encoding for SQLite only stores the value; it has no way to fail for these types.
        let _infallible = self.0.add(value);
    }
}

/// Why a value cannot be carried.
#[derive(Debug)]
pub struct Unreadable {
    /// Index of the column in the result.
    pub column: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// One column of a result row in its storage class.
pub fn value(row: &SqliteRow, column: usize) -> Result<Value, Unreadable> {
    let unreadable = |reason: String| Unreadable { column, reason };
    let raw = row.try_get_raw(column).map_err(|e| unreadable(e.to_string()))?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let is_text = raw.type_info().name() == "TEXT";
    let decoded = match raw.type_info().name() {
        "INTEGER" => <i64 as Decode<Sqlite>>::decode(raw).map(Value::Int),
        "REAL" => <f64 as Decode<Sqlite>>::decode(raw).map(Value::Float),
        "TEXT" => <String as Decode<Sqlite>>::decode(raw).map(Value::Text),
        "BLOB" => <Vec<u8> as Decode<Sqlite>>::decode(raw).map(Value::Bytes),
        other => return Err(unreadable(format!("unknown storage class {other}"))),
    };
    decoded.map_err(|e| unreadable(if is_text { format!("TEXT that is not valid UTF-8 ({e})") } else { e.to_string() }))
}

/// Columns `from..to` of a result row.
pub fn values(row: &SqliteRow, columns: std::ops::Range<usize>) -> Result<Row, Unreadable> {
    columns.map(|column| value(row, column)).collect()
}

/// Integer of a catalogue or log row; 0 where it is none.
pub fn int(row: &Row, column: usize) -> i64 {
    match row.get(column) {
        Some(Value::Int(v)) => *v,
        _ => 0,
    }
}

/// Unsigned integer of a catalogue or log row; 0 where it is none or negative.
pub fn uint(row: &Row, column: usize) -> u64 {
    u64::try_from(int(row, column)).unwrap_or(0)
}

/// Text of a catalogue or log row; empty where it is none.
pub fn text(row: &Row, column: usize) -> &str {
    opt_text(row, column).unwrap_or_default()
}

/// Text of a catalogue or log row, if it is one.
pub fn opt_text(row: &Row, column: usize) -> Option<&str> {
    match row.get(column) {
        Some(Value::Text(v)) => Some(v),
        _ => None,
    }
}

/// Bytes that a value takes in memory and roughly on disk, for progress and for cutting chunks.
pub fn size_of(value: &Value) -> u64 {
    match value {
        Value::Null => 1,
        Value::Int(_) | Value::Float(_) => 8,
        Value::Text(v) | Value::Literal(v) => v.len() as u64 + 1,
        Value::Bytes(v) => v.len() as u64 + 1,
    }
}
