//! A row as text.
//!
//! The text protocol gives every value as text, whatever its type is in this version of the server; names of columns are lower-cased,
//! because `SHOW` writes them in capitals here and small there. So what is probed, shown or selected is mapped by one kind of function,
//! and recorded rows go the same way as real ones.

use crate::stores::sanitise::clean;
use sqlx::mysql::MySqlRow;
use sqlx::{Column, Row};
use std::collections::BTreeMap;

/// One row: values by lower-case column name; `None` is NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(BTreeMap<String, Option<String>>);

impl Line {
    /// Of a row that was read by the text protocol. Bytes that are no UTF-8 are replaced: names may be in any character set.
    ///
    /// # Errors
    /// The driver's.
    pub fn of(row: &MySqlRow) -> Result<Self, sqlx::Error> {
        let mut values = BTreeMap::new();
        for (at, column) in row.columns().iter().enumerate() {
            let bytes: Option<Vec<u8>> = row.try_get_unchecked(at)?;
            let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            values.insert(column.name().to_lowercase(), text);
        }
        Ok(Self(values))
    }

    /// The same row with more values.
    #[must_use]
    pub fn with<const N: usize>(&self, values: [(&str, Option<String>); N]) -> Self {
        let mut line = self.clone();
        line.0.extend(values.into_iter().map(|(column, value)| (column.to_owned(), value)));
        line
    }

    /// The value as it came; `None`: NULL, or there is no such column.
    pub fn raw(&self, column: &str) -> Option<&str> {
        self.0.get(column)?.as_deref()
    }

    /// The value, cleaned; empty for NULL.
    pub fn text(&self, column: &str) -> String {
        clean(self.raw(column).unwrap_or_default())
    }

    /// The value, cleaned; `None` for NULL and for an empty text.
    pub fn some(&self, column: &str) -> Option<String> {
        Some(self.text(column)).filter(|text| !text.is_empty())
    }

    /// A count. Fractions are cut off and negative numbers are 0.
    pub fn number(&self, column: &str) -> Option<u64> {
        let text = self.raw(column)?;
        text.parse().ok().or_else(|| text.parse::<f64>().ok().map(|n| n as u64))
    }

    /// A number with a fraction.
    pub fn real(&self, column: &str) -> Option<f64> {
        self.raw(column)?.parse().ok()
    }

    /// `YES`, `ON` or 1.
    pub fn is_set(&self, column: &str) -> bool {
        self.raw(column).is_some_and(|text| matches!(text.to_ascii_uppercase().as_str(), "YES" | "ON" | "1" | "TRUE"))
    }
}

#[cfg(test)]
pub mod recorded {
    //! Rows that were recorded, or made from the documentation; the file says which.

    use super::Line;
    use std::collections::BTreeMap;

    /// The named list of rows in a file of `tests/live/mysql/recorded/`. The file's first field must say where the rows come from.
    pub fn lines(file: &str, list: &str) -> Vec<Line> {
        let path = format!("tests/live/mysql/recorded/{file}.json");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            text.trim_start_matches(['{', ' ', '\n']).starts_with("\"origin\""),
            "{path} does not begin with its origin"
        );
        let all: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = all.get(list).unwrap_or_else(|| panic!("{path} has no {list}")).as_array().unwrap();
        rows.iter().map(line).collect()
    }

    /// A row from a JSON object of texts, numbers and nulls.
    pub fn line(row: &serde_json::Value) -> Line {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        Line(row.as_object().unwrap().iter().map(|(k, v)| (k.to_lowercase(), text(v))).collect::<BTreeMap<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::recorded::line;
    use serde_json::json;

    #[test]
    fn values_are_read_from_text() {
        let row = line(
            &json!({ "ID": "18446744073709551615", "ms": "12.500", "gone": null, "on": "YES", "bad": "a\u{1b}[2Jb" }),
        );
        assert_eq!(row.number("id"), Some(u64::MAX));
        assert_eq!((row.number("ms"), row.real("ms")), (Some(12), Some(12.5)));
        assert_eq!((row.raw("gone"), row.text("gone"), row.raw("none")), (None, String::new(), None));
        assert!(row.is_set("on") && !row.is_set("bad"));
        assert_eq!(row.text("bad"), "ab");
    }
}
