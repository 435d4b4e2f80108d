//! Comparing tables by sums that the server computes over its own rows.
//!
//! A method is `HASH:ORDER`, see [`RowHash`] and [`KeyOrder`]; the two sides of a comparison must use the same one. A range's hash is the sum of its
//! rows' hashes and not their XOR: in a table without a key two equal rows would cancel each other out.
//!
//! These statements run in simple-query messages with their own `SET LOCAL`, which last for the message: no setting stays on a pooled connection.

use crate::model::table::TableMap;
use crate::model::value::{Key, Row, Value};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::cuts::{self, Cutting};
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
    /// Number, count and sum of each of these ranges, which together are `whole`. `None` when one does not fit the key.
    fn sum_query(&self, hash: &RowHash, order: &KeyOrder, whole: &KeyRange, ranges: &[KeyRange]) -> Option<String> {
        let condition = key_order::condition(&self.key, order, whole)?;
        let (hash, table) = (hash.expression(&self.columns), &self.table);
        Some(match ranges {
            [_] => format!("SELECT 0, count(*), coalesce(sum({hash}), 0) FROM {table}{condition}"),
            many => format!(
                "SELECT godwit_range, count(*), sum(godwit_hash) FROM \
                 (SELECT {} AS godwit_range, {hash} AS godwit_hash FROM {table}{condition}) AS hashed GROUP BY 1",
                cuts::bucket(&self.key, order, many)?
            ),
        })
    }

    /// Which limits a statement over this range gets.
    fn settings(&self, order: &KeyOrder, range: &KeyRange) -> &'static str {
        let bounded = range.after.is_some() || range.upto.is_some();
        if bounded && key_order::is_indexed(&self.key, order) { ONE_CORE } else { UNLIMITED }
    }
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

    async fn reads_in_order(&self, map: &TableMap, on: MapSide, method: &str) -> Result<bool> {
        let (_, order) = self.method(method)?;
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        Ok(key_order::is_indexed(&compared.key, &order))
    }

    async fn ranges(
        &self,
        map: &TableMap,
        on: MapSide,
        within: &KeyRange,
        rows: u64,
        method: &str,
    ) -> Result<Vec<KeyRange>> {
        let (_, order) = self.method(method)?;
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        let (table, key, rows) = (&compared.table, &compared.key, rows.max(1));
        if key.is_empty() {
            return Ok(vec![KeyRange::default()]);
        }
        let name = side::table(map, on);
        let failed = |e| self.connector().failed(Operation::Compare)(e).about(name.to_string());
        let size = cuts::size(&mut connection, name).await.map_err(failed)?;
        let cutting = cuts::cutting(table, key, &order, within, rows, size).ok_or_else(|| self.misfit(map, on))?;
        let mut found: Vec<Key> = Vec::new();
        if let Cutting::All(query) = cutting {
            let all = self.texts(&mut connection, map, on, UNLIMITED, &query).await?;
            found.extend(all.into_iter().map(|row| row.into_iter().map(value).collect::<Key>()));
            return Ok(cuts::between(within, found));
        }
        loop {
            let after = found.last().or(within.after.as_ref()).cloned();
            let rest = KeyRange { after, upto: within.upto.clone() };
            let query = cuts::next_cut(table, key, &order, &rest, rows).ok_or_else(|| self.misfit(map, on))?;
            match self.texts(&mut connection, map, on, ONE_CORE, &query).await?.into_iter().next() {
                Some(row) => found.push(row.into_iter().map(value).collect()),
                None => return Ok(cuts::between(within, found)),
            }
        }
    }

    async fn sums(&self, map: &TableMap, on: MapSide, ranges: &[KeyRange], method: &str) -> Result<Vec<RangeSum>> {
        let (hash, order) = self.method(method)?;
        let mut connection = self.connector().acquire(Operation::Compare).await?;
        let compared = self.compared(&mut connection, map, on).await?;
        let mut sums = vec![RangeSum::default(); ranges.len()];
        // In the order of an index each range is a statement of its own; else one scan puts each row into its range.
        let at_once = if key_order::is_indexed(&compared.key, &order) { 1 } else { ranges.len().max(1) };
        for (part, first) in ranges.chunks(at_once).zip((0..).step_by(at_once)) {
            let (Some(start), Some(end)) = (part.first(), part.last()) else { continue };
            let whole = KeyRange { after: start.after.clone(), upto: end.upto.clone() };
            let query = compared.sum_query(&hash, &order, &whole, part).ok_or_else(|| self.misfit(map, on))?;
            for row in self.texts(&mut connection, map, on, compared.settings(&order, &whole), &query).await? {
                let read = || {
                    let at: usize = number(row.first())?;
                    Some((at, number::<u64>(row.get(1))?, number::<i128>(row.get(2))?))
                };
                let slot = read().and_then(|(at, rows, sum)| Some((sums.get_mut(first + at)?, rows, sum)));
                let (slot, rows, sum) = slot.ok_or_else(|| {
                    let message = "the server's sum is not a number";
                    self.connector().error(Operation::Compare, ErrorKind::Protocol, message).about(&*compared.table)
                })?;
                *slot = RangeSum { rows, hash: sum.cast_unsigned() };
            }
        }
        Ok(sums)
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
