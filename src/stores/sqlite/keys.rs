//! Walking a table in the order of its key: conditions, boundaries and pieces, for snapshots and comparisons.

use super::quote::{ident, idents};
use super::row::{self, Args, Unreadable};
use super::session::Session;
use crate::model::table::TableMap;
use crate::model::value::{Key, Row, Value};
use crate::stores::error::{ErrorKind, StoreError};
use crate::stores::sanitise::clean;
use crate::stores::{KeyRange, MapSide, Result};
use sqlx::sqlite::SqliteRow;

/// A table with its mapped columns and key, under the names of one side.
#[derive(Clone, Debug)]
pub struct KeyedTable {
    /// For messages.
    pub name: String,
    table: String,
    columns: Vec<String>,
    key: Vec<String>,
    key_at: Vec<usize>,
    order: KeyOrder,
}

/// The order in which a key is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// By the columns' own collations, which the key's index follows.
    Own,
    /// By bytes, whatever the collations are: the order that two differently declared tables have in common.
    Binary,
}

impl KeyedTable {
    /// The table of `map` on `side`.
    pub fn of(map: &TableMap, side: MapSide) -> Self {
        let (table, columns): (_, Vec<String>) = match side {
            MapSide::Source => (&map.source, map.columns.iter().map(|c| c.source.clone()).collect()),
            MapSide::Target => (&map.target, map.columns.iter().map(|c| c.target.clone()).collect()),
        };
        let key = map.key.iter().filter_map(|&i| columns.get(i).cloned()).collect();
        Self {
            name: table.to_string(),
            table: ident(&table.name),
            columns,
            key,
            key_at: map.key.clone(),
            order: KeyOrder::Own,
        }
    }

    /// The same table, walked in another order.
    #[must_use]
    pub fn ordered(mut self, order: KeyOrder) -> Self {
        self.order = order;
        self
    }

    /// The mapped columns for a SELECT.
    pub fn column_list(&self) -> String {
        idents(self.columns.iter().map(String::as_str))
    }

    /// The key columns for SELECT and ON CONFLICT.
    pub fn key_list(&self) -> String {
        idents(self.key.iter().map(String::as_str))
    }

    /// The key columns for ORDER BY and comparisons.
    fn order_list(&self) -> String {
        match self.order {
            KeyOrder::Own => self.key_list(),
            KeyOrder::Binary => {
                self.key.iter().map(|name| format!("{} COLLATE BINARY", ident(name))).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// `(k1, k2) op (?, ?)`; a row value, so that one index search finds the place.
    fn compare(&self, op: &str) -> String {
        let marks = vec!["?"; self.key.len()].join(", ");
        format!("({}) {op} ({marks})", self.order_list())
    }

    /// `k1 = ? AND k2 = ?`.
    pub fn key_equals(&self) -> String {
        self.key.iter().map(|name| format!("{} = ?", ident(name))).collect::<Vec<_>>().join(" AND ")
    }

    fn condition(&self, range: &KeyRange) -> String {
        match (&range.after, &range.upto) {
            (None, None) => String::new(),
            (Some(_), None) => format!(" WHERE {}", self.compare(">")),
            (None, Some(_)) => format!(" WHERE {}", self.compare("<=")),
            (Some(_), Some(_)) => format!(" WHERE {} AND {}", self.compare(">"), self.compare("<=")),
        }
    }

    fn bounds(session: &Session, range: &KeyRange) -> Result<Args> {
        let values = range.after.iter().chain(range.upto.iter()).flatten().cloned();
        Args::new().values(values).map_err(|why| session.fail(ErrorKind::Rejected, why))
    }

    /// The statement that reads a range in key order, at most `limit` rows.
    pub fn select(&self, range: &KeyRange, limit: Option<u64>) -> String {
        let limit = limit.map(|n| format!(" LIMIT {n}")).unwrap_or_default();
        let order = if self.key.is_empty() { String::new() } else { format!(" ORDER BY {}", self.order_list()) };
        format!("SELECT {} FROM {}{}{order}{limit}", self.column_list(), self.table, self.condition(range))
    }

    /// The bound values of [`KeyedTable::select`].
    pub fn arguments(&self, session: &Session, range: &KeyRange) -> Result<Args> {
        Self::bounds(session, range)
    }

    /// Reads at most `limit` rows of a range, in key order.
    pub async fn piece(&self, session: &mut Session, range: &KeyRange, limit: u64) -> Result<Vec<Row>> {
        let args = Self::bounds(session, range)?;
        let raw = session.raw_rows(&self.select(range, Some(limit)), args).await?;
        let decoder = self.decoder(session);
        raw.iter().map(|r| decoder.decode(r)).collect()
    }

    /// The statement that reads the row with the bound key.
    pub fn select_one(&self) -> String {
        format!("SELECT {} FROM {} WHERE {}", self.column_list(), self.table, self.key_equals())
    }

    /// Decodes rows of [`KeyedTable::select`]; errors are those of the session's operation.
    pub fn decoder(&self, session: &Session) -> RowDecoder {
        RowDecoder { keyed: self.clone(), unreadable: session.fail(ErrorKind::Rejected, "").about(self.name.clone()) }
    }

    /// The key of a row in column order.
    pub fn key_of(&self, values: &Row) -> Key {
        self.key_at.iter().filter_map(|&i| values.get(i).cloned()).collect()
    }

    /// Cuts what lies `within` into ranges of `rows` rows; one range for an empty or keyless table.
    /// Walks the key's index without reading values.
    pub async fn ranges(&self, session: &mut Session, within: &KeyRange, rows: u64) -> Result<Vec<KeyRange>> {
        let mut ranges = Vec::new();
        let mut after: Option<Key> = within.after.clone();
        while !self.key.is_empty() {
            let open = KeyRange { after: after.clone(), upto: within.upto.clone() };
            let sql = format!(
                "SELECT {} FROM {}{} ORDER BY {} LIMIT 1 OFFSET {}",
                self.key_list(),
                self.table,
                self.condition(&open),
                self.order_list(),
                rows.max(1)
            );
            let args = Self::bounds(session, &open)?;
            let Some(found) = session.raw_rows(&sql, args).await?.into_iter().next() else { break };
            let boundary = row::values(&found, 0..self.key.len()).map_err(|e| {
                session.fail(ErrorKind::Rejected, format!("in a key: {}", e.reason)).about(self.name.clone())
            })?;
            ranges.push(KeyRange { after: after.take(), upto: Some(boundary.clone()) });
            after = Some(boundary);
        }
        ranges.push(KeyRange { after, upto: within.upto.clone() });
        Ok(ranges)
    }
}

/// Turns result rows into rows of the model, or says which value cannot be carried.
pub struct RowDecoder {
    keyed: KeyedTable,
    unreadable: StoreError,
}

impl RowDecoder {
    /// One row in column order.
    ///
    /// # Errors
    /// A value that cannot be carried, or NULL in the key, with table, key and column.
    pub fn decode(&self, raw: &SqliteRow) -> Result<Row> {
        let values = row::values(raw, 0..self.keyed.columns.len()).map_err(|e| self.refuse(raw, &e))?;
        if self.keyed.key_at.iter().any(|&i| values.get(i).is_none_or(Value::is_null)) {
            let message = "a row has NULL in its key, so it cannot be told from others; give it a key";
            return Err(StoreError { message: message.to_owned(), ..self.unreadable.clone() });
        }
        Ok(values)
    }

    fn refuse(&self, raw: &SqliteRow, unreadable: &Unreadable) -> StoreError {
        let column = self.keyed.columns.get(unreadable.column).map_or("?", String::as_str);
        let key =
            self.keyed.key_at.iter().map(|&i| row::value(raw, i).map_or("(unreadable)".to_owned(), |v| v.to_string()));
        let key = key.collect::<Vec<_>>().join(", ");
        let message = format!("column {column} of the row with key {key}: {}", unreadable.reason);
        StoreError { message: clean(&message), ..self.unreadable.clone() }
    }
}
