//! Finding the relations behind table names, partitions included.

use crate::model::table::TableName;
use sqlx::postgres::PgConnection;

/// One relation of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its oid.
    pub oid: i64,
    /// Its name.
    pub name: TableName,
    /// `pg_class.relkind`: `r` a table, `p` a partitioned table.
    pub kind: String,
}

/// Splits names for binding to two `text[]` parameters; a name without a schema means `public`.
pub fn name_arrays(tables: &[TableName]) -> (Vec<String>, Vec<String>) {
    tables.iter().map(|t| (schema_of(t).to_owned(), t.name.clone())).unzip()
}

/// The schema of a name; `public` when it names none, never the search path.
pub fn schema_of(table: &TableName) -> &str {
    table.schema.as_deref().unwrap_or("public")
}

/// The relations with these names in the same order, `None` where there is none.
pub async fn find(connection: &mut PgConnection, tables: &[TableName]) -> Result<Vec<Option<Relation>>, sqlx::Error> {
    let (schemas, names) = name_arrays(tables);
    let rows: Vec<(String, String, Option<i64>, Option<String>)> = sqlx::query_as(
        "SELECT want.schema, want.name, c.oid::int8, c.relkind::text
           FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS want (schema, name, n)
           LEFT JOIN (pg_namespace ns JOIN pg_class c ON c.relnamespace = ns.oid)
             ON ns.nspname = want.schema AND c.relname = want.name AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
          ORDER BY want.n",
    )
    .bind(schemas)
    .bind(names)
    .fetch_all(connection)
    .await?;
    let relation = |(schema, name, oid, kind): (String, String, Option<i64>, Option<String>)| {
        Some(Relation { oid: oid?, name: TableName::in_schema(&schema, &name), kind: kind? })
    };
    Ok(rows.into_iter().map(relation).collect())
}

/// Each found table and, for a partitioned one, all its partitions at every level; ordered by name, so that everybody locks in one order.
pub async fn with_partitions(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> Result<Vec<Relation>, sqlx::Error> {
    let (schemas, names) = name_arrays(tables);
    let rows: Vec<(i64, String, String, String)> = sqlx::query_as(
        "SELECT DISTINCT c.oid::int8, ns.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\", c.relkind::text
           FROM unnest($1::text[], $2::text[]) AS want (schema, name)
           JOIN pg_namespace wn ON wn.nspname = want.schema
           JOIN pg_class w ON w.relnamespace = wn.oid AND w.relname = want.name AND w.relkind IN ('r', 'p')
           CROSS JOIN LATERAL (SELECT w.oid AS relid UNION SELECT relid FROM pg_partition_tree(w.oid)) AS tree
           JOIN pg_class c ON c.oid = tree.relid
           JOIN pg_namespace ns ON ns.oid = c.relnamespace
          ORDER BY 2, 3",
    )
    .bind(schemas)
    .bind(names)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(oid, schema, name, kind)| Relation { oid, name: TableName::in_schema(&schema, &name), kind })
        .collect())
}
