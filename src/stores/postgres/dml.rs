//! The statements that write changes to one target table, set by set.
//!
//! Every value is bound as text and cast to the column's type *without* its modifiers: storing then applies the column's own length and
//! range with an error, where an explicit cast would cut silently. Keys are compared with the equality operator of the key's index,
//! by its qualified name, so that types of extensions work whatever the search path is.

use crate::model::change::Cell;
use crate::model::table::TableMap;
use crate::model::value::{Key, Value};
use crate::stores::postgres::columns::array_literal;
use crate::stores::postgres::load::text_of;
use crate::stores::postgres::quote;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::{Failure, Outcome};
use crate::stores::postgres::wire::pipeline::{Pipeline, TEXT, TEXT_ARRAY, TextArray};
use std::collections::HashSet;

/// One column of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TargetColumn {
    /// Quoted name.
    name: String,
    /// Type without modifiers, as a cast writes it.
    type_name: String,
    /// `GENERATED ALWAYS AS IDENTITY`: an UPDATE may not set it.
    fixed: bool,
    /// `OPERATOR(schema.=)` of the key's index.
    equals: String,
}

/// A target table with the statements for it.
#[derive(Debug)]
pub struct TargetTable {
    /// Prefix of its statements' names.
    prefix: String,
    /// Quoted name.
    name: String,
    columns: Vec<TargetColumn>,
    key: Vec<usize>,
    /// Statements that the session has prepared. Cleared when a pipeline fails.
    prepared: HashSet<String>,
    /// Part of every name: what a failed pipeline prepared before its failure stays prepared, so that its names must not be used again.
    generation: u32,
}

const COLUMNS: &str = "
    SELECT a.attname, format_type(a.atttypid, -1) AS type, a.attidentity = 'a' AS fixed,
           (SELECT 'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')'
              FROM pg_index i
              CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) AS k (attnum, opclass)
              JOIN pg_opclass c ON c.oid = k.opclass
              JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3
                            AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
              JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
             WHERE i.indrelid = a.attrelid AND i.indisunique AND k.attnum = a.attnum
             ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1) AS equals
      FROM pg_attribute a
     WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY ($2::text[])";

/// Which statement; its text depends on nothing else but the table and the mask of columns that are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Insert,
    InsertMissing,
    Update,
    Delete,
}

impl TargetTable {
    /// Reads the target's catalogue.
    pub async fn load(connection: &mut Connection, index: usize, map: &TableMap) -> Outcome<Self> {
        let name = quote::table(&map.target);
        let names: Vec<&str> = map.columns.iter().map(|c| c.target.as_str()).collect();
        let answer = connection.query_with(COLUMNS, &[Some(&name), Some(&array_literal(&names))]).await?;
        let mut columns = Vec::with_capacity(names.len());
        for wanted in names {
            let row = answer.rows.iter().find(|row| row.first().and_then(Option::as_deref) == Some(wanted));
            let text = |at: usize| row.and_then(|row| row.get(at)).and_then(Option::as_deref);
            let Some(type_name) = text(1) else {
                return Err(Failure::Protocol(format!(
                    "column {wanted} is missing on the target table {}",
                    map.target
                )));
            };
            columns.push(TargetColumn {
                name: quote::ident(wanted),
                type_name: type_name.to_owned(),
                fixed: text(2) == Some("t"),
                equals: text(3).unwrap_or("OPERATOR(pg_catalog.=)").to_owned(),
            });
        }
        let prefix = format!("t{index}");
        Ok(Self { prefix, name, columns, key: map.key.clone(), prepared: HashSet::new(), generation: 0 })
    }

    /// Quoted name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Places of the key columns; empty when the whole row identifies it.
    pub fn key(&self) -> &[usize] {
        &self.key
    }

    /// True when rows have a key; false when the whole row identifies them.
    pub fn is_keyed(&self) -> bool {
        !self.key.is_empty()
    }

    /// True when an UPDATE cannot set every column that is not in the key, so that rows must be replaced.
    pub fn must_replace(&self) -> bool {
        self.columns.iter().enumerate().any(|(at, column)| column.fixed && !self.key.contains(&at))
    }

    /// Forgets which statements are prepared, after a pipeline that failed somewhere.
    pub fn forget_prepared(&mut self) {
        self.prepared.clear();
        self.generation += 1;
    }

    /// Queues `INSERT` of rows that carry the same columns; what they do not carry gets its default. With `only_missing`, rows whose key
    /// is there are left alone (and not counted).
    pub fn insert(&mut self, pipeline: &mut Pipeline, rows: &[&[Cell]], only_missing: bool) -> Outcome<()> {
        let kind = if only_missing && self.is_keyed() { Kind::InsertMissing } else { Kind::Insert };
        let set: Vec<usize> = rows.first().map_or_else(Vec::new, |row| carried(row));
        let arrays =
            set.iter().map(|&at| array(rows.iter().map(|row| cell_text(row, at)))).collect::<Outcome<Vec<_>>>()?;
        self.queue(pipeline, kind, &set, arrays)
    }

    /// Queues `UPDATE` of the columns `set` of rows that exist. Keys do not change.
    pub fn update(&mut self, pipeline: &mut Pipeline, set: &[usize], rows: &[(&Key, &[Cell])]) -> Outcome<()> {
        let mut arrays = self.key_arrays(rows.iter().map(|(key, _)| *key))?;
        for &at in set {
            arrays.push(array(rows.iter().map(|(_, row)| cell_text(row, at)))?);
        }
        self.queue(pipeline, Kind::Update, set, arrays)
    }

    /// Queues `DELETE` by key.
    pub fn delete(&mut self, pipeline: &mut Pipeline, keys: &[&Key]) -> Outcome<()> {
        let arrays = self.key_arrays(keys.iter().copied())?;
        self.queue(pipeline, Kind::Delete, &[], arrays)
    }

    /// The columns of a row image that an UPDATE sets: those with a value that are not in the key (the key stays the same).
    pub fn settable(&self, row: &[Cell]) -> Vec<usize> {
        let carried = |at: &usize| matches!(row.get(*at), Some(Cell::Value(_)));
        (0..self.columns.len())
            .filter(carried)
            .filter(|at| !self.key.contains(at) && !self.columns[*at].fixed)
            .collect()
    }

    fn key_arrays<'a>(&self, keys: impl Iterator<Item = &'a Key> + Clone) -> Outcome<Vec<bytes::BytesMut>> {
        (0..self.key.len()).map(|n| array(keys.clone().map(|key| key.get(n).and_then(value_text)))).collect()
    }

    fn queue(
        &mut self,
        pipeline: &mut Pipeline,
        kind: Kind,
        set: &[usize],
        arrays: Vec<bytes::BytesMut>,
    ) -> Outcome<()> {
        let mask: Vec<String> = set.iter().map(usize::to_string).collect();
        let name = format!("{}_{}_{kind:?}_{}", self.prefix, self.generation, mask.join("_"));
        if !self.prepared.contains(&name) {
            pipeline.prepare(&name, &self.sql(kind, set), &vec![TEXT_ARRAY; arrays.len()])?;
            self.prepared.insert(name.clone());
        }
        pipeline.execute(&name, arrays.iter().map(|array| Some(&array[..])))
    }

    fn sql(&self, kind: Kind, set: &[usize]) -> String {
        let name = &self.name;
        match kind {
            Kind::Insert | Kind::InsertMissing => {
                let given: Vec<&TargetColumn> = set.iter().filter_map(|&at| self.columns.get(at)).collect();
                let values: Vec<String> =
                    given.iter().enumerate().map(|(n, c)| format!("v.c{n}::{}", c.type_name)).collect();
                let conflict = match kind {
                    Kind::InsertMissing => format!(" ON CONFLICT ({}) DO NOTHING", self.key_list()),
                    _ => String::new(),
                };
                let names: Vec<&str> = given.iter().map(|c| c.name.as_str()).collect();
                let (columns, values, source) = (names.join(", "), values.join(", "), unnest(given.len()));
                format!(
                    "INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {values} FROM {source}{conflict}"
                )
            }
            Kind::Update => {
                let offset = self.key.len();
                let sets: Vec<String> = set
                    .iter()
                    .enumerate()
                    .map(|(n, &at)| {
                        format!("{} = v.c{}::{}", self.columns[at].name, offset + n, self.columns[at].type_name)
                    })
                    .collect();
                let source = unnest(offset + set.len());
                if sets.is_empty() {
                    // Nothing but the key, which stays: the rows are only counted.
                    return format!("SELECT FROM {name} AS t, {source} WHERE {}", self.key_match());
                }
                format!("UPDATE {name} AS t SET {} FROM {source} WHERE {}", sets.join(", "), self.key_match())
            }
            Kind::Delete => {
                format!("DELETE FROM {name} AS t USING {} WHERE {}", unnest(self.key.len()), self.key_match())
            }
        }
    }

    fn column_list(&self) -> String {
        self.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    fn key_list(&self) -> String {
        self.key.iter().map(|&at| self.columns[at].name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Joins the table `t` with the key columns, which come first in `v`.
    fn key_match(&self) -> String {
        let column = |(n, &at): (usize, &usize)| {
            let c = &self.columns[at];
            format!("t.{} {} v.c{n}::{}", c.name, c.equals, c.type_name)
        };
        self.key.iter().enumerate().map(column).collect::<Vec<_>>().join(" AND ")
    }

    /// Queues the change of a row's key. Affects one row where the old key exists and the new one does not.
    pub fn move_key(&mut self, pipeline: &mut Pipeline, old: &Key, row: &[Cell]) -> Outcome<()> {
        let carried: Vec<usize> =
            (0..self.columns.len()).filter(|&at| matches!(row.get(at), Some(Cell::Value(_)))).collect();
        let parameter = |at: usize| carried.iter().position(|&c| c == at).map(|n| n + 1 + self.key.len());
        let old_match: Vec<String> = self.parameters_match("t", &self.key, 1);
        let places: Vec<usize> = self.key.iter().filter_map(|&at| parameter(at)).collect();
        let new_match: Vec<String> = self
            .key
            .iter()
            .zip(&places)
            .map(|(&at, n)| {
                format!("o.{} {} ${n}::{}", self.columns[at].name, self.columns[at].equals, self.columns[at].type_name)
            })
            .collect();
        let name = &self.name;
        // A key may change its text and still be equal (1.0 and 1.00): then the row in the way is the row itself.
        let condition = format!(
            "{} AND NOT EXISTS (SELECT FROM {name} AS o WHERE {} AND (o.tableoid, o.ctid) <> (t.tableoid, t.ctid))",
            old_match.join(" AND "),
            new_match.join(" AND ")
        );
        let sql = if self.columns.iter().any(|c| c.fixed) {
            // A fixed column cannot be set by UPDATE: the row is taken out and put back with what the log does not carry.
            let values: Vec<String> = (0..self.columns.len())
                .map(|at| match parameter(at) {
                    Some(n) => format!("${n}::{}", self.columns[at].type_name),
                    None => format!("gone.{}", self.columns[at].name),
                })
                .collect();
            format!(
                "WITH gone AS (DELETE FROM {name} AS t WHERE {condition} RETURNING t.*) \
                 INSERT INTO {name} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM gone",
                self.column_list(),
                values.join(", ")
            )
        } else {
            let sets: Vec<String> = carried
                .iter()
                .filter_map(|&at| {
                    Some(format!("{} = ${}::{}", self.columns[at].name, parameter(at)?, self.columns[at].type_name))
                })
                .collect();
            format!("UPDATE {name} AS t SET {} WHERE {condition}", sets.join(", "))
        };
        let parameters = old.iter().map(value_text).chain(carried.iter().map(|&at| cell_text(row, at)));
        self.queue_single(pipeline, &sql, parameters.collect())
    }

    /// Queues the removal of one row that equals `old` as a whole, or its change to `row`.
    pub fn change_one(&mut self, pipeline: &mut Pipeline, old: &Key, row: Option<&[Cell]>) -> Outcome<()> {
        let name = &self.name;
        // Both sides take the same cast, and each value is computed once, not for every row: that is what the inner SELECT is for.
        let matches: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(n, c)| format!("m.{}::text IS NOT DISTINCT FROM (SELECT ${}::{}::text)", c.name, n + 1, c.type_name))
            .collect();
        let found = format!(
            "(SELECT m.tableoid AS heap, m.ctid AS place FROM {name} AS m WHERE {} LIMIT 1) AS f",
            matches.join(" AND ")
        );
        let place = "t.ctid = f.place AND t.tableoid = f.heap";
        let mut parameters: Vec<_> = old.iter().map(value_text).collect();
        let sql = match row {
            None => format!("DELETE FROM {name} AS t USING {found} WHERE {place}"),
            Some(row) => {
                let mut sets = Vec::new();
                for at in self.settable(row) {
                    parameters.push(cell_text(row, at));
                    sets.push(format!(
                        "{} = ${}::{}",
                        self.columns[at].name,
                        parameters.len(),
                        self.columns[at].type_name
                    ));
                }
                format!("UPDATE {name} AS t SET {} FROM {found} WHERE {place}", sets.join(", "))
            }
        };
        self.queue_single(pipeline, &sql, parameters)
    }

    fn parameters_match(&self, alias: &str, columns: &[usize], first: usize) -> Vec<String> {
        let one = |(n, &at): (usize, &usize)| {
            let c = &self.columns[at];
            format!("{alias}.{} {} ${}::{}", c.name, c.equals, first + n, c.type_name)
        };
        columns.iter().enumerate().map(one).collect()
    }

    /// Statements for one row go through the unnamed statement: they are rare.
    fn queue_single(&self, pipeline: &mut Pipeline, sql: &str, parameters: Vec<Option<Text<'_>>>) -> Outcome<()> {
        pipeline.prepare("", sql, &vec![TEXT; parameters.len()])?;
        pipeline.execute("", parameters.iter().map(|p| p.as_ref().map(|text| text.as_bytes())))
    }
}

/// The columns whose values a row image carries.
pub fn carried(row: &[Cell]) -> Vec<usize> {
    row.iter().enumerate().filter(|(_, cell)| matches!(cell, Cell::Value(_))).map(|(at, _)| at).collect()
}

type Text<'a> = std::borrow::Cow<'a, str>;

fn value_text(value: &Value) -> Option<Text<'_>> {
    (!value.is_null()).then(|| text_of(value))
}

/// The text of a cell; NULL and unchanged cells have none (callers pass no unchanged ones).
fn cell_text(row: &[Cell], at: usize) -> Option<Text<'_>> {
    match row.get(at) {
        Some(Cell::Value(value)) => value_text(value),
        Some(Cell::Unchanged) | None => None,
    }
}

fn array<'a>(values: impl Iterator<Item = Option<Text<'a>>>) -> Outcome<bytes::BytesMut> {
    let mut array = TextArray::with_capacity(values.size_hint().0);
    for value in values {
        array.push(value.as_deref())?;
    }
    Ok(array.finish())
}

/// `unnest($1::text[], ...) AS v (c0, ...)`. A single array needs the column alias all the same.
fn unnest(count: usize) -> String {
    let parameters: Vec<String> = (1..=count).map(|n| format!("${n}::text[]")).collect();
    let columns: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
    format!("unnest({}) AS v ({})", parameters.join(", "), columns.join(", "))
}

/// A table without a server, for tests of what is built on it.
#[cfg(test)]
pub(super) fn fixture(index: usize, columns: &[&str], key: &[usize]) -> TargetTable {
    let column = |name: &&str| TargetColumn {
        name: quote::ident(name),
        type_name: "integer".to_owned(),
        fixed: false,
        equals: "OPERATOR(pg_catalog.=)".to_owned(),
    };
    TargetTable {
        prefix: format!("t{index}"),
        name: format!("\"s\".\"T{index}\""),
        columns: columns.iter().map(column).collect(),
        key: key.to_vec(),
        prepared: HashSet::new(),
        generation: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements() {
        let t = fixture(0, &["id", "v"], &[0]);
        assert_eq!(
            t.sql(Kind::InsertMissing, &[0, 1]),
            "INSERT INTO \"s\".\"T0\" (\"id\", \"v\") OVERRIDING SYSTEM VALUE SELECT v.c0::integer, v.c1::integer \
             FROM unnest($1::text[], $2::text[]) AS v (c0, c1) ON CONFLICT (\"id\") DO NOTHING"
        );
        assert_eq!(
            t.sql(Kind::Update, &[1]),
            "UPDATE \"s\".\"T0\" AS t SET \"v\" = v.c1::integer FROM unnest($1::text[], $2::text[]) AS v (c0, c1) \
             WHERE t.\"id\" OPERATOR(pg_catalog.=) v.c0::integer"
        );
        assert_eq!(
            t.sql(Kind::Delete, &[]),
            "DELETE FROM \"s\".\"T0\" AS t USING unnest($1::text[]) AS v (c0) WHERE t.\"id\" OPERATOR(pg_catalog.=) v.c0::integer"
        );
    }

    #[test]
    fn unchanged_cells_are_not_set() {
        let row = [Cell::Value(Value::Literal("1".into())), Cell::Unchanged];
        assert!(fixture(0, &["id", "v"], &[0]).settable(&row).is_empty());
        assert!(
            fixture(0, &["id", "v"], &[0]).sql(Kind::Update, &[]).starts_with("SELECT FROM \"s\".\"T0\" AS t, unnest")
        );
    }
}
