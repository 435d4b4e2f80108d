//! What tables there are, with columns, identity and estimates.

use crate::model::table::{Column, Generation, RowIdentity, Table, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::fence::TRIGGER;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::name_arrays;
use crate::stores::postgres::schema::object::{dotted, plain};
use crate::stores::postgres::store::PostgresStore;
use crate::stores::{Inventory, Result};
use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// Schemas that hold nothing of the user's, as a condition on `ns`.
const USER_SCHEMA: &str = "ns.nspname !~ '^pg_' AND ns.nspname NOT IN ('information_schema', 'godwit')";

#[derive(sqlx::FromRow)]
struct TableRow {
    oid: i64,
    schema: String,
    name: String,
    identity: String,
    estimated_rows: Option<i64>,
    size_bytes: Option<i64>,
    primary_key: Option<Vec<String>>,
    identity_index: Option<Vec<String>>,
}

/// Tables that are not partitions. `WHERE` gets one more condition.
///
/// A never analysed table has reltuples -1: one such partition makes the whole estimate unknown, not small (L07).
/// A deferrable primary key identifies no row in the log, so only an immediate one counts.
fn tables_sql(condition: &str) -> String {
    format!(
        "SELECT c.oid::int8 AS oid, ns.nspname::text AS schema, c.relname::text AS name, c.relreplident::text AS identity,
                leaf.estimated_rows, leaf.size_bytes, pk.columns AS primary_key, ri.columns AS identity_index
           FROM pg_class c
           JOIN pg_namespace ns ON ns.oid = c.relnamespace
           LEFT JOIN LATERAL (
                SELECT CASE WHEN min(l.reltuples) >= 0 THEN sum(l.reltuples)::int8 END AS estimated_rows,
                       sum(pg_table_size(l.oid))::int8 AS size_bytes
                  FROM (SELECT c.oid WHERE c.relkind = 'r'
                        UNION SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf) AS part (oid)
                  JOIN pg_class l ON l.oid = part.oid AND l.relkind = 'r') AS leaf ON true
           LEFT JOIN LATERAL ({pk}) AS pk ON true
           LEFT JOIN LATERAL ({ri}) AS ri ON true
          WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {condition}
          ORDER BY ns.nspname, c.relname",
        pk = index_columns("i.indisprimary AND i.indimmediate"),
        ri = index_columns("i.indisreplident"),
    )
}

/// Key columns, in key order, of the valid index of `c` that meets a condition.
fn index_columns(condition: &str) -> String {
    format!(
        "SELECT array_agg(a.attname::text ORDER BY k.n) AS columns
           FROM pg_index i
           CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
          WHERE i.indrelid = c.oid AND i.indisvalid AND k.n <= i.indnkeyatts AND {condition}"
    )
}

#[derive(sqlx::FromRow)]
struct ColumnRow {
    table: i64,
    name: String,
    type_name: String,
    not_null: bool,
    computed: bool,
    from_sequence: bool,
    has_default: bool,
}

/// Columns of many tables at once, in table order. A default that depends on a sequence makes it a serial column, whoever owns the sequence.
const COLUMNS: &str = "
    SELECT a.attrelid::int8 AS \"table\", a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type_name,
           a.attnotnull AS not_null, a.attgenerated <> '' AS computed, a.atthasdef OR a.attidentity <> '' AS has_default,
           a.attidentity <> '' OR EXISTS (
                SELECT FROM pg_attrdef d
                  JOIN pg_depend dep ON dep.classid = 'pg_attrdef'::regclass AND dep.objid = d.oid AND dep.refclassid = 'pg_class'::regclass
                  JOIN pg_class s ON s.oid = dep.refobjid AND s.relkind = 'S'
                 WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) AS from_sequence
      FROM pg_attribute a
     WHERE a.attrelid::int8 = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attrelid, a.attnum";

async fn describe(connection: &mut PgConnection, rows: Vec<TableRow>) -> std::result::Result<Vec<Table>, sqlx::Error> {
    let oids: Vec<i64> = rows.iter().map(|r| r.oid).collect();
    let columns: Vec<ColumnRow> = sqlx::query_as(COLUMNS).bind(oids).fetch_all(connection).await?;
    let mut by_table: HashMap<i64, Vec<Column>> = HashMap::new();
    for row in columns {
        let generation = match (row.computed, row.from_sequence) {
            (true, _) => Generation::Computed,
            (false, true) => Generation::Sequence,
            (false, false) => Generation::Plain,
        };
        let column = Column {
            name: row.name,
            type_name: row.type_name,
            nullable: !row.not_null,
            generation,
            has_default: row.has_default,
        };
        by_table.entry(row.table).or_default().push(column);
    }
    Ok(rows
        .into_iter()
        .map(|row| Table {
            name: TableName::in_schema(&row.schema, &row.name),
            columns: by_table.remove(&row.oid).unwrap_or_default(),
            identity: row_identity(&row.identity, row.primary_key, row.identity_index),
            estimated_rows: row.estimated_rows.and_then(|n| u64::try_from(n).ok()),
            size_bytes: row.size_bytes.and_then(|n| u64::try_from(n).ok()),
        })
        .collect())
}

/// What `relreplident` and the indexes mean for a row's identity.
///
/// With `REPLICA IDENTITY FULL` the log carries whole old rows, so a primary key, where there is one, still tells rows apart and is the better identity.
pub fn row_identity(
    setting: &str,
    primary_key: Option<Vec<String>>,
    identity_index: Option<Vec<String>>,
) -> RowIdentity {
    match (setting, primary_key, identity_index) {
        ("d" | "f", Some(key), _) | ("i", _, Some(key)) => RowIdentity::Key(key),
        ("f", None, _) => RowIdentity::FullRow,
        _ => RowIdentity::Missing,
    }
}

/// The user's tables, as a condition on `c` and `ns`. A table of an extension comes with the extension.
fn user_table() -> String {
    format!(
        "{USER_SCHEMA} AND NOT EXISTS (SELECT FROM pg_depend e
          WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"
    )
}

#[async_trait]
impl Inventory for PostgresStore {
    async fn tables(&self) -> Result<Vec<Table>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let rows: Vec<TableRow> = sqlx::query_as(AssertSqlSafe(tables_sql(&user_table())))
            .fetch_all(&mut *connection)
            .await
            .map_err(connector.failed(Operation::Inspect))?;
        describe(&mut connection, rows).await.map_err(connector.failed(Operation::Inspect))
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let (mut schemas, mut names) = name_arrays(std::slice::from_ref(name));
        let rows: Vec<TableRow> = sqlx::query_as(AssertSqlSafe(tables_sql("ns.nspname = $1 AND c.relname = $2")))
            .bind(schemas.pop())
            .bind(names.pop())
            .fetch_all(&mut *connection)
            .await
            .map_err(connector.failed(Operation::Inspect))?;
        let mut tables = describe(&mut connection, rows).await.map_err(connector.failed(Operation::Inspect))?;
        tables.pop().ok_or_else(|| {
            connector
                .error(
                    Operation::Inspect,
                    ErrorKind::NotFound,
                    "there is no such table (views and partitions are not tables of their own)",
                )
                .about(name.to_string())
        })
    }

    async fn has_rows(&self, name: &TableName) -> Result<bool> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let sql = format!("SELECT EXISTS (SELECT FROM {})", quote::table(name));
        let (any,): (bool,) = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .map_err(|e| connector.failed(Operation::Inspect)(e).about(name.to_string()))?;
        Ok(any)
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let sql = format!(
            "SELECT ns.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace ns ON ns.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {} ORDER BY 1, 2",
            user_table()
        );
        let rows: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .fetch_all(&mut *connection)
            .await
            .map_err(connector.failed(Operation::Inspect))?;
        Ok(rows.iter().map(|(schema, name)| TableName::in_schema(schema, name)).collect())
    }

    async fn others(&self) -> Result<Vec<String>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let rows: Vec<(String, Option<String>, String, Option<String>)> = sqlx::query_as(AssertSqlSafe(others_sql()))
            .bind(TRIGGER)
            .fetch_all(&mut *connection)
            .await
            .map_err(connector.failed(Operation::Inspect))?;
        let spelled =
            |(kind, schema, name, table): (String, Option<String>, String, Option<String>)| match (schema, table) {
                (Some(schema), Some(table)) => {
                    format!("{kind} {} on {}", plain(&name), dotted(&TableName::in_schema(&schema, &table)))
                }
                (Some(schema), None) => format!("{kind} {}", dotted(&TableName::in_schema(&schema, &name))),
                // Spelled by the server.
                (None, _) => format!("{kind} {name}"),
            };
        Ok(rows.into_iter().map(spelled).collect())
    }
}

/// Everything of the user's that is no table: kind, schema, name (without a schema: as the server spells it), and the table that it
/// hangs on. `$1` is the fence's trigger.
///
/// Left out is what belongs to something else: parts of extensions, indexes behind constraints and on partitions, sequences that a
/// column owns, row types, and Godwit's own.
fn others_sql() -> String {
    let own = |class: &str, oid: &str| {
        format!(
            "NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{class}'::regclass AND e.objid = {oid} AND e.deptype = 'e')"
        )
    };
    format!(
        "SELECT kind, schema, name, hangs_on FROM (
         SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
                               WHEN 'S' THEN 'sequence' ELSE 'index' END AS kind,
                ns.nspname::text AS schema, c.relname::text AS name, NULL::text AS hangs_on
           FROM pg_class c JOIN pg_namespace ns ON ns.oid = c.relnamespace
          WHERE c.relkind IN ('v', 'm', 'f', 'S', 'i', 'I') AND c.relpersistence <> 't' AND NOT c.relispartition AND {USER_SCHEMA} AND {relation}
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
            AND NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid AND c.relkind = 'S' AND o.deptype IN ('a', 'i'))
         UNION ALL
         SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, NULL, p.oid::regprocedure::text, NULL
           FROM pg_proc p JOIN pg_namespace ns ON ns.oid = p.pronamespace WHERE {USER_SCHEMA} AND {function}
         UNION ALL
         SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, ns.nspname::text, t.typname::text, NULL
           FROM pg_type t JOIN pg_namespace ns ON ns.oid = t.typnamespace LEFT JOIN pg_class r ON r.oid = t.typrelid
          WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND r.relkind = 'c')) AND {USER_SCHEMA} AND {type_}
         UNION ALL
         SELECT 'trigger', ns.nspname::text, t.tgname::text, c.relname::text
           FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace ns ON ns.oid = c.relnamespace
          WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname <> $1 AND {USER_SCHEMA}
         UNION ALL
         SELECT 'policy', ns.nspname::text, p.polname::text, c.relname::text
           FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace ns ON ns.oid = c.relnamespace WHERE {USER_SCHEMA}
         UNION ALL
         SELECT 'rule', ns.nspname::text, w.rulename::text, c.relname::text
           FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace ns ON ns.oid = c.relnamespace
          WHERE w.rulename <> '_RETURN' AND {USER_SCHEMA}
         UNION ALL
         SELECT 'event trigger', NULL, quote_ident(evtname), NULL FROM pg_event_trigger
         UNION ALL
         SELECT 'extension', NULL, quote_ident(extname), NULL FROM pg_extension) AS found
          ORDER BY kind, schema, name, hangs_on",
        relation = own("pg_class", "c.oid"),
        function = own("pg_proc", "p.oid"),
        type_ = own("pg_type", "t.oid"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Option<Vec<String>> {
        Some(vec![name.to_owned()])
    }

    #[test]
    fn identity_follows_what_the_log_carries() {
        let by = |name: &str| RowIdentity::Key(vec![name.to_owned()]);
        assert_eq!(row_identity("d", key("id"), None), by("id"));
        assert_eq!(row_identity("d", None, None), RowIdentity::Missing);
        assert_eq!(row_identity("i", key("id"), key("code")), by("code"));
        assert_eq!(row_identity("i", key("id"), None), RowIdentity::Missing, "the identity index was dropped");
        assert_eq!(row_identity("f", key("id"), None), by("id"));
        assert_eq!(row_identity("f", None, None), RowIdentity::FullRow);
        assert_eq!(row_identity("n", key("id"), None), RowIdentity::Missing);
    }
}
