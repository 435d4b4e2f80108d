//! Sequences behind the columns of migrated tables: owned (serial, identity) and merely used by a default.

use crate::model::table::{TableMap, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::relation::{name_arrays, schema_of};
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::{quote, side};
use crate::stores::{MapSide, Result, SequenceState, Sequences};
use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;

/// A column that takes its numbers from a sequence.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SequenceUse {
    /// Position of the table in the list that was asked for, from 1.
    pub n: i64,
    /// Schema of the sequence.
    pub schema: String,
    /// Name of the sequence.
    pub name: String,
    /// The column.
    pub column: String,
    /// The column's own maximum says how far the sequence must have come: an integer that is filled by `nextval` and nothing else.
    pub is_number: bool,
    /// `i` identity, `a` owned by the column, `n` only used by its default.
    pub dependency: String,
}

impl SequenceUse {
    /// The sequence's name.
    pub fn sequence(&self) -> TableName {
        TableName::in_schema(&self.schema, &self.name)
    }
}

/// Sequences behind a list of tables; a sequence that is both owned and used by the default appears once, as owned.
const USES: &str = "
    SELECT DISTINCT ON (u.n, u.seq, u.attnum) u.n, ns.nspname::text AS schema, s.relname::text AS name, a.attname::text AS column,
           a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
             AND (u.dependency = 'i' OR pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\\(''[^'']*''::regclass\\)$') IS TRUE AS is_number,
           u.dependency
      FROM (SELECT want.n, c.oid AS relid, dep.objid AS seq, dep.refobjsubid AS attnum, dep.deptype::text AS dependency
              FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS want (schema, name, n)
              JOIN pg_namespace tn ON tn.nspname = want.schema
              JOIN pg_class c ON c.relnamespace = tn.oid AND c.relname = want.name
              JOIN pg_depend dep ON dep.refclassid = 'pg_class'::regclass AND dep.refobjid = c.oid AND dep.refobjsubid > 0
                                AND dep.classid = 'pg_class'::regclass AND dep.deptype IN ('a', 'i')
            UNION ALL
            SELECT want.n, c.oid, dep.refobjid, d.adnum, 'n'
              FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS want (schema, name, n)
              JOIN pg_namespace tn ON tn.nspname = want.schema
              JOIN pg_class c ON c.relnamespace = tn.oid AND c.relname = want.name
              JOIN pg_attrdef d ON d.adrelid = c.oid
              JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass) AS u
      JOIN pg_class s ON s.oid = u.seq AND s.relkind = 'S'
      JOIN pg_namespace ns ON ns.oid = s.relnamespace
      JOIN pg_attribute a ON a.attrelid = u.relid AND a.attnum = u.attnum
      LEFT JOIN pg_attrdef d ON d.adrelid = u.relid AND d.adnum = u.attnum
     ORDER BY u.n, u.seq, u.attnum, u.dependency";

/// Reads which sequences feed which columns of these tables.
pub async fn uses(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> std::result::Result<Vec<SequenceUse>, sqlx::Error> {
    let (schemas, names) = name_arrays(tables);
    sqlx::query_as(USES).bind(schemas).bind(names).fetch_all(connection).await
}

/// The sequence's name on the other side: it keeps its own name and, where it lies in its table's schema, follows the table into the other schema.
pub fn counterpart(sequence: &TableName, table: &TableName, other_table: &TableName) -> TableName {
    let schema = if schema_of(sequence) == schema_of(table) { schema_of(other_table) } else { schema_of(sequence) };
    TableName::in_schema(schema, &sequence.name)
}

/// A sequence as the server has it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
struct Counter {
    last_value: i64,
    is_called: bool,
    increment: i64,
    min: i64,
    max: i64,
    cycles: bool,
}

impl Counter {
    /// The last number handed out; before the first one, a step before the start.
    fn position(self) -> i64 {
        if self.is_called { self.last_value } else { self.last_value.saturating_sub(self.increment) }
    }

    /// Is `a` further along than `b` in this sequence's direction?
    fn is_beyond(self, a: i64, b: i64) -> bool {
        if self.increment < 0 { a < b } else { a > b }
    }

    /// The value to set, `None` when the sequence is far enough already, or why it cannot be moved.
    fn move_past(self, state: &SequenceState) -> std::result::Result<Option<i64>, String> {
        let high_water = state.high_water;
        if (self.increment < 0) != (state.increment < 0) {
            return Err(format!(
                "it counts by {} but its counterpart {} counts by {}",
                self.increment, state.name, state.increment
            ));
        }
        if !self.is_beyond(high_water, self.position()) {
            return Ok(None);
        }
        let (first, last) = if self.increment < 0 { (self.max, self.min) } else { (self.min, self.max) };
        if self.is_beyond(first, high_water) {
            // All that it will ever hand out lies beyond.
            return Ok(None);
        }
        if self.is_beyond(high_water, last) {
            return Err(format!(
                "{high_water} is in use already and its bound is {last}: give it a wider MINVALUE or MAXVALUE (and AS bigint)"
            ));
        }
        let next = high_water.checked_add(self.increment);
        if next.is_none_or(|next| self.is_beyond(next, last)) && !self.cycles {
            return Err(format!(
                "{high_water} is in use already and nothing is left before its bound {last}: widen MINVALUE or MAXVALUE"
            ));
        }
        Ok(Some(high_water))
    }
}

async fn counter(connection: &mut PgConnection, sequence: &TableName) -> std::result::Result<Counter, sqlx::Error> {
    let name = quote::table(sequence);
    let sql = format!(
        "SELECT s.last_value, s.is_called, p.seqincrement AS increment, p.seqmin AS min, p.seqmax AS max, p.seqcycle AS cycles
           FROM {name} s, pg_sequence p WHERE p.seqrelid = {}::regclass",
        quote::literal(&name)
    );
    sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await
}

/// The largest (or for a descending sequence smallest) value in a column.
async fn extreme(
    connection: &mut PgConnection,
    table: &TableName,
    column: &str,
    ascending: bool,
) -> std::result::Result<Option<i64>, sqlx::Error> {
    let function = if ascending { "max" } else { "min" };
    let sql = format!("SELECT {function}({})::int8 FROM {}", quote::ident(column), quote::table(table));
    let (value,): (Option<i64>,) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(connection).await?;
    Ok(value)
}

#[async_trait]
impl Sequences for PostgresStore {
    async fn read(&self, maps: &[TableMap], side: MapSide) -> Result<Vec<SequenceState>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Sequence).await?;
        let tables: Vec<TableName> = maps.iter().map(|m| side::table(m, side).clone()).collect();
        let uses = uses(&mut connection, &tables).await.map_err(connector.failed(Operation::Sequence))?;
        let mut states: BTreeMap<TableName, SequenceState> = BTreeMap::new();
        for used in uses {
            let Some(map) = usize::try_from(used.n - 1).ok().and_then(|n| maps.get(n)) else { continue };
            if !map.columns.iter().any(|c| side::column(c, side) == used.column) {
                continue;
            }
            let sequence = used.sequence();
            let failed = |error| connector.failed(Operation::Sequence)(error).about(sequence.to_string());
            let counter = counter(&mut connection, &sequence).await.map_err(failed)?;
            let table = side::table(map, side);
            let mut high_water = counter.position();
            // A sequence that wraps round hands out numbers again by design: only its own position means anything.
            if used.is_number && !counter.cycles {
                let value =
                    extreme(&mut connection, table, &used.column, counter.increment > 0).await.map_err(failed)?;
                high_water = value.filter(|&v| counter.is_beyond(v, high_water)).unwrap_or(high_water);
            }
            let state = states.entry(sequence.clone()).or_insert_with(|| SequenceState {
                counterpart: counterpart(&sequence, table, side::table(map, side::other(side))),
                name: sequence.clone(),
                high_water,
                increment: counter.increment,
            });
            if counter.is_beyond(high_water, state.high_water) {
                state.high_water = high_water;
            }
        }
        Ok(states.into_values().collect())
    }

    async fn advance_past(&self, states: &[SequenceState]) -> Result<()> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Sequence).await?;
        for state in states {
            let sequence = &state.counterpart;
            let failed = |error| connector.failed(Operation::Sequence)(error).about(sequence.to_string());
            let now = counter(&mut connection, sequence).await.map_err(failed)?;
            let value = now.move_past(state).map_err(|reason| {
                connector.error(Operation::Sequence, ErrorKind::Rejected, reason).about(sequence.to_string())
            })?;
            let Some(value) = value else { continue };
            sqlx::query("SELECT setval($1::regclass, $2, true)")
                .bind(quote::table(sequence))
                .bind(value)
                .execute(&mut *connection)
                .await
                .map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(last_value: i64, is_called: bool, increment: i64) -> Counter {
        let (min, max) = if increment > 0 { (1, 1000) } else { (-1000, -1) };
        Counter { last_value, is_called, increment, min, max, cycles: false }
    }

    fn past(counter: Counter, high_water: i64) -> std::result::Result<Option<i64>, String> {
        let name = TableName::in_schema("public", "s");
        counter.move_past(&SequenceState { counterpart: name.clone(), name, high_water, increment: counter.increment })
    }

    #[test]
    fn moves_forward_and_never_back() {
        assert_eq!(past(counter(1, false, 1), 0), Ok(None), "nothing was handed out yet");
        assert_eq!(past(counter(1, false, 1), 1), Ok(Some(1)));
        assert_eq!(past(counter(5, true, 1), 5), Ok(None));
        assert_eq!(past(counter(9, true, 1), 5), Ok(None));
        assert_eq!(past(counter(5, true, 1), 42), Ok(Some(42)));
        assert_eq!(past(counter(1, false, 1), -7), Ok(None), "below its minimum");
    }

    #[test]
    fn descending_counts_the_other_way() {
        assert_eq!(past(counter(-1, false, -1), 0), Ok(None));
        assert_eq!(past(counter(-5, true, -1), -3), Ok(None));
        assert_eq!(past(counter(-5, true, -1), -9), Ok(Some(-9)));
        assert!(past(counter(-5, true, -1), -1000).is_err());
    }

    #[test]
    fn bounds_are_errors_that_say_so() {
        assert!(past(counter(1, true, 1), 1000).unwrap_err().contains("nothing is left"));
        assert!(past(counter(1, true, 1), 1001).unwrap_err().contains("bound is 1000"));
        let wraps = Counter { cycles: true, ..counter(1, true, 1) };
        assert_eq!(past(wraps, 1000), Ok(Some(1000)));
        let edge = Counter { max: i64::MAX, ..counter(1, true, 1) };
        assert!(past(edge, i64::MAX).is_err());
        let name = TableName::in_schema("public", "s");
        let other = SequenceState { counterpart: name.clone(), name, high_water: 3, increment: -1 };
        assert!(counter(1, true, 1).move_past(&other).is_err());
    }

    #[test]
    fn a_sequence_follows_its_table_into_another_schema() {
        let (shop, sales) = (TableName::in_schema("shop", "orders"), TableName::in_schema("sales", "orders"));
        let own = TableName::in_schema("shop", "orders_id_seq");
        assert_eq!(counterpart(&own, &shop, &sales), TableName::in_schema("sales", "orders_id_seq"));
        let shared = TableName::in_schema("ids", "global");
        assert_eq!(counterpart(&shared, &shop, &sales), shared);
    }
}
