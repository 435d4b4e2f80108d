//! INSERT statements of many rows. Their lengths are powers of two, so that only a handful of statements is ever prepared.

use super::quote::{ident, idents};
use crate::model::table::TableMap;

/// Most rows of one statement: beyond it the time per row no longer falls.
const STATEMENT_ROWS: usize = 128;
/// SQLite's limit of bound values in one statement (SQLITE_MAX_VARIABLE_NUMBER).
const BOUND_VALUES: usize = 32_766;

/// The INSERT of one target table.
#[derive(Clone, Debug)]
pub struct Insert {
    head: String,
    marks: String,
    most_rows: usize,
}

impl Insert {
    /// `verb` is `INSERT` or `INSERT OR REPLACE`.
    pub fn new(verb: &str, map: &TableMap) -> Self {
        let columns = map.columns.len().max(1);
        Self {
            head: format!(
                "{verb} INTO {} ({}) VALUES ",
                ident(&map.target.name),
                idents(map.columns.iter().map(|c| c.target.as_str()))
            ),
            marks: format!("({})", vec!["?"; columns].join(", ")),
            // Rounded down to a power of two.
            most_rows: 1 << (BOUND_VALUES / columns).clamp(1, STATEMENT_ROWS).ilog2(),
        }
    }

    /// The statement for `rows` rows.
    pub fn sql(&self, rows: usize) -> String {
        format!("{}{}", self.head, vec![self.marks.as_str(); rows].join(", "))
    }

    /// Rows for the next statement when `waiting` rows are there; 0 only for none.
    pub fn next_size(&self, waiting: usize) -> usize {
        if waiting == 0 { 0 } else { self.most_rows.min(1 << waiting.ilog2()) }
    }

    /// Rows of the longest statement.
    pub fn most_rows(&self) -> usize {
        self.most_rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::{ColumnMap, TableName};

    fn map(columns: usize) -> TableMap {
        let column = |i: usize| ColumnMap {
            source: format!("c{i}"),
            target: format!("c{i}"),
            source_type: String::new(),
            target_type: String::new(),
        };
        TableMap {
            source: TableName::bare("t"),
            target: TableName::bare("t"),
            columns: (0..columns).map(column).collect(),
            key: vec![0],
        }
    }

    #[test]
    fn sizes_are_powers_of_two_within_the_limit_of_bound_values() {
        let insert = Insert::new("INSERT", &map(3));
        assert_eq!([0, 1, 3, 127, 128, 500].map(|n| insert.next_size(n)), [0, 1, 2, 64, 128, 128]);
        assert_eq!(Insert::new("INSERT", &map(2_000)).most_rows(), 16);
        assert_eq!(insert.sql(2), "INSERT INTO \"t\" (\"c0\", \"c1\", \"c2\") VALUES (?, ?, ?), (?, ?, ?)");
    }
}
