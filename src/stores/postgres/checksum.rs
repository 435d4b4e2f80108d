//! Comparing tables by sums that the server computes over its own rows.
//!
//! A method is `HASH:ORDER`, see [`RowHash`] and [`KeyOrder`]; the two sides of a comparison must use the same one. A range's hash is the sum of its
//! rows' hashes and not their XOR: in a table without a key two equal rows would cancel each other out.
//!
//! These statements run in simple-query messages with their own `SET LOCAL`, which last for the message: no setting stays on a pooled connection.

use crate::model::table::TableMap;
use crate::model::value::{Key, Row, Value};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::key_order::{self, KeyColumn, KeyOrder};
use crate::stores::postgres::row_hash::{self, HashColumn, RowHash};
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::{quote, side};
use crate::stores::{Checksum, KeyRange, MapSide, RangeSum, Result};
use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _, ValueRef};
use std::collections::HashMap;

/// Keys that one statement looks up.
const KEYS_A_STATEMENT: usize = 500;
/// Where no index serves the order, every range is a scan of the whole table: at most this many ranges.
const UNINDEXED_RANGES: u64 = 16;
/// Several ranges are read at a time by the caller, so one range stays on one core of the server.
const ONE_CORE: &str = "SET LOCAL max_parallel_workers_per_gather = 0";
/// For scans of a whole table, which take as long as the table is large.
const UNLIMITED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL max_parallel_workers_per_gather = 0";

/// A mapped table as one side has it.
struct Compared {
    table: String,
    columns: Vec<HashColumn>,
    key: Vec<KeyColumn>,
}

impl PostgresStore {
    async fn compared(&self, connection: &mut PgConnection, map: &TableMap, on: MapSide) -> Result<Compared> {
        let name = side::table(map, on);
        let failed = |e| self.connector().failed(Operation::Compare)(e).about(name.to_string());
        let known: HashMap<String, KeyColumn> =
            key_order::columns(connection, name).await.map_err(failed)?.into_iter().collect();
        let mut columns = Vec::with_capacity(map.columns.len());
        for mapped in &map.columns {
            let column = side::column(mapped, on);
            let found = known.get(column).ok_or_else(|| {
                let (kind, message) = if known.is_empty() {
                    (ErrorKind::NotFound, "there is no such table".to_owned())
                } else {
                    (ErrorKind::SchemaChanged, format!("the mapping has a column {column} and the table has not"))
                };
                self.connector().error(Operation::Compare, kind, message).about(name.to_string())
            })?;
            columns.push(found);
        }
        let key = map.key.iter().filter_map(|&i| columns.get(i)).map(|&c| c.clone()).collect();
        Ok(Compared { table: quote::table(name), columns: columns.into_iter().map(HashColumn::from).collect(), key })
    }

    fn method(&self, name: &str) -> Result<(RowHash, KeyOrder)> {
        let parts = name.split_once(':');
        let parsed = parts.and_then(|(hash, order)| RowHash::from_name(hash).zip(KeyOrder::from_name(order)));
        parsed.ok_or_else(|| {
            self.connector().error(
                Operation::Compare,
                ErrorKind::Unsupported,
                format!("unknown comparison method {name}"),
            )
        })
    }

    fn misfit(&self, map: &TableMap, on: MapSide) -> StoreError {
        let message = "the values of a range or key do not fit the table's key columns";
        self.connector().error(Operation::Compare, ErrorKind::Protocol, message).about(side::table(map, on).to_string())
    }

    /// Runs `settings; query` as one simple-query message: values come back in the types' own text form.
    async fn texts(
        &self,
        connection: &mut PgConnection,
        map: &TableMap,
        on: MapSide,
        settings: &str,
        query: &str,
    ) -> Result<Vec<Vec<Option<String>>>> {
        let failed = |e| self.connector().failed(Operation::Compare)(e).about(side::table(map, on).to_string());
        let rows =
            sqlx::raw_sql(AssertSqlSafe(format!("{settings}; {query}"))).fetch_all(connection).await.map_err(failed)?;
        rows.iter().map(text_row).collect::<std::result::Result<_, _>>().map_err(failed)
    }
}

/// All columns of a row of a simple query.
fn text_row(row: &PgRow) -> std::result::Result<Vec<Option<String>>, sqlx::Error> {
    let column = |i| {
        let value = row.try_get_raw(i)?;
        if value.is_null() {
            return Ok(None);
        }
        value.as_str().map(|s| Some(s.to_owned())).map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(column).collect()
}

fn value(text: Option<String>) -> Value {
    text.map_or(Value::Null, Value::Literal)
}

/// A number that the server wrote.
fn number<T: std::str::FromStr>(text: Option<&Option<String>>) -> Option<T> {
    text?.as_deref()?.parse().ok()
}

impl Compared {
    fn quoted_key(&self) -> String {
        let names: Vec<&str> = self.key.iter().map(|c| c.quoted.as_str()).collect();
        names.join(", ")
    }

    /// Which limits a statement over this range gets.
    fn settings(&self, order: &KeyOrder, range: &KeyRange) -> &'static str {
        let bounded = range.after.is_some() || range.upto.is_some();
        if bounded && key_order::is_indexed(&self.key, order) { ONE_CORE } else { UNLIMITED }
    }

    /// The last key of each full range but the last, by hopping along the key's index.
    fn next_cut(&self, order: &KeyOrder, range: &KeyRange, rows: u64) -> Option<String> {
        let condition = key_order::condition(&self.key, order, range)?;
        let sort = key_order::sort_expressions(&self.key, order).join(", ");
        let (key, table) = (self.quoted_key(), &self.table);
        Some(format!("SELECT {key} FROM {table}{condition} ORDER BY {sort} OFFSET {} LIMIT 1", rows.saturating_sub(1)))
    }

    /// The same where no index serves the order: one sort for all cuts.
    fn all_cuts(&self, order: &KeyOrder, rows: u64) -> String {
        let sort = key_order::sort_expressions(&self.key, order).join(", ");
        let (key, table) = (self.quoted_key(), &self.table);
        format!(
            "SELECT {key} FROM (SELECT {key}, row_number() OVER (ORDER BY {sort}) AS godwit_n, count(*) OVER () AS godwit_all FROM {table}) AS cut \
             WHERE godwit_n % greatest({rows}, godwit_all / {UNINDEXED_RANGES} + 1) = 0 ORDER BY godwit_n"
        )
    }
}

/// Ranges between cuts, open at both ends.
fn between(cuts: Vec<Key>) -> Vec<KeyRange> {
    let mut ranges = Vec::with_capacity(cuts.len() + 1);
    let mut after = None;
    for cut in cuts {
        ranges.push(KeyRange { after: after.replace(cut.clone()), upto: Some(cut) });
    }
    ranges.push(KeyRange { after, upto: None });
    ranges
}

#[async_trait]
impl Checksum for PostgresStore {
    async fn methods(&self, map: &TableMap, on: MapSide) -> Result<Vec<String>> {
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        let failed = self.connector().failed(Operation::Compare);
        let fingerprint = row_hash::fingerprint(&mut connection).await.map_err(failed)?;
        let orders = key_order::orders(&compared.key);
        let hashes = [RowHash::Record(fingerprint), RowHash::TextMd5];
        // The order comes first: a range that an index serves is worth more than a cheap hash.
        Ok(orders.iter().flat_map(|o| hashes.iter().map(move |h| format!("{}:{}", h.name(), o.name()))).collect())
    }

    async fn ranges(&self, map: &TableMap, on: MapSide, rows: u64, method: &str) -> Result<Vec<KeyRange>> {
        let (_, order) = self.method(method)?;
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        let rows = rows.max(1);
        if compared.key.is_empty() {
            return Ok(vec![KeyRange::default()]);
        }
        let mut cuts: Vec<Key> = Vec::new();
        if !key_order::is_indexed(&compared.key, &order) {
            let found = self.texts(&mut connection, map, on, UNLIMITED, &compared.all_cuts(&order, rows)).await?;
            cuts.extend(found.into_iter().map(|row| row.into_iter().map(value).collect::<Key>()));
            return Ok(between(cuts));
        }
        loop {
            let rest = KeyRange { after: cuts.last().cloned(), upto: None };
            let query = compared.next_cut(&order, &rest, rows).ok_or_else(|| self.misfit(map, on))?;
            let found = self.texts(&mut connection, map, on, ONE_CORE, &query).await?;
            match found.into_iter().next() {
                Some(row) => cuts.push(row.into_iter().map(value).collect()),
                None => return Ok(between(cuts)),
            }
        }
    }

    async fn sum(&self, map: &TableMap, on: MapSide, range: &KeyRange, method: &str) -> Result<RangeSum> {
        let (hash, order) = self.method(method)?;
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        let condition = key_order::condition(&compared.key, &order, range).ok_or_else(|| self.misfit(map, on))?;
        let query = format!(
            "SELECT count(*), coalesce(sum({}), 0) FROM {}{condition}",
            hash.expression(&compared.columns),
            compared.table
        );
        let found = self.texts(&mut connection, map, on, compared.settings(&order, range), &query).await?;
        let row = found.first().and_then(|r| Some((number::<u64>(r.first())?, number::<i128>(r.get(1))?)));
        let (rows, sum) = row.ok_or_else(|| {
            let message = "the server's sum is not a number";
            self.connector().error(Operation::Compare, ErrorKind::Protocol, message).about(compared.table.clone())
        })?;
        Ok(RangeSum { rows, hash: sum.cast_unsigned() })
    }

    async fn row_sums(&self, map: &TableMap, on: MapSide, range: &KeyRange, method: &str) -> Result<Vec<(Key, u128)>> {
        let (hash, order) = self.method(method)?;
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        let condition = key_order::condition(&compared.key, &order, range).ok_or_else(|| self.misfit(map, on))?;
        let key = compared.key.iter().map(|c| format!(", {}", c.quoted)).collect::<String>();
        let query = format!("SELECT {}{key} FROM {}{condition}", hash.expression(&compared.columns), compared.table);
        let found = self.texts(&mut connection, map, on, compared.settings(&order, range), &query).await?;
        let row = |mut row: Vec<Option<String>>| {
            let hash: i64 = number(row.first())?;
            // A row without a key is known by its hash alone.
            let key = if row.len() > 1 { row.split_off(1) } else { row };
            Some((key.into_iter().map(value).collect(), u128::from(hash.cast_unsigned())))
        };
        found.into_iter().map(row).collect::<Option<_>>().ok_or_else(|| {
            let message = "the server's row hash is not a number";
            self.connector().error(Operation::Compare, ErrorKind::Protocol, message).about(compared.table.clone())
        })
    }

    async fn rows(&self, map: &TableMap, on: MapSide, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        if compared.key.is_empty() {
            let message = "rows of a table without a key cannot be looked up";
            return Err(self
                .connector()
                .error(Operation::Compare, ErrorKind::Unsupported, message)
                .about(compared.table));
        }
        let columns: Vec<String> = compared.columns.iter().map(|c| format!("t.{}", c.quoted)).collect();
        let names: Vec<String> = (0..compared.key.len()).map(|i| format!("k{i}")).collect();
        let joins: Vec<String> =
            compared.key.iter().zip(&names).map(|(c, k)| format!("t.{} = want.{k}", c.quoted)).collect();
        let mut rows = vec![None; keys.len()];
        for (chunk, first) in keys.chunks(KEYS_A_STATEMENT).zip((0..).step_by(KEYS_A_STATEMENT)) {
            let mut wanted = Vec::with_capacity(chunk.len());
            for (n, key) in chunk.iter().enumerate() {
                let constants = key_order::constants(&compared.key, key, None).ok_or_else(|| self.misfit(map, on))?;
                wanted.push(format!("({n}, {})", constants.join(", ")));
            }
            let query = format!(
                "SELECT want.n, {} FROM (VALUES {}) AS want (n, {}) JOIN {} AS t ON {}",
                columns.join(", "),
                wanted.join(", "),
                names.join(", "),
                compared.table,
                joins.join(" AND ")
            );
            for mut row in self.texts(&mut connection, map, on, ONE_CORE, &query).await? {
                let n: Option<usize> = number(row.first());
                let values = row.split_off(1);
                if let Some(slot) = n.and_then(|n| rows.get_mut(first + n)) {
                    *slot = Some(values.into_iter().map(value).collect());
                }
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        let key = |n: i64| vec![Value::Int(n)];
        assert_eq!(between(vec![]), [KeyRange::default()]);
        assert_eq!(
            between(vec![key(1), key(5)]),
            [
                KeyRange { after: None, upto: Some(key(1)) },
                KeyRange { after: Some(key(1)), upto: Some(key(5)) },
                KeyRange { after: Some(key(5)), upto: None },
            ]
        );
    }
}
