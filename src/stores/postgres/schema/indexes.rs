//! Indexes that no constraint owns.

use crate::model::schema::SchemaPart;
use crate::model::table::TableName;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::schema_of;
use crate::stores::postgres::schema::constraints::add_identity;
use crate::stores::postgres::schema::dependencies::{self, Dependencies};
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::{Fit, SourceRelation};
use crate::stores::postgres::schema::rewrite;
use crate::stores::postgres::schema::script::Builder;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

#[derive(sqlx::FromRow)]
struct IndexRow {
    oid: i64,
    relation: i64,
    name: String,
    is_unique: bool,
    is_valid: bool,
    is_identity: bool,
    has_expression: bool,
    columns: Vec<i16>,
    definition: String,
    prefix: String,
}

/// `prefix` is how `pg_get_indexdef` begins up to the table's name; what follows it holds no name of the table.
/// Indexes of partitions that belong to an index of their root are made by that one.
const INDEXES: &str = "
    SELECT i.indexrelid::int8 AS oid, i.indrelid::int8 AS relation, c.relname::text AS name, i.indisunique AS is_unique, i.indisvalid AS is_valid,
           i.indisreplident AS is_identity, i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS has_expression, ARRAY(SELECT unnest(i.indkey::int2[])) AS columns,
           pg_get_indexdef(i.indexrelid) AS definition,
           format('CREATE %sINDEX %I ON %s%s', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
                  CASE WHEN t.relkind = 'p' THEN 'ONLY ' ELSE '' END, i.indrelid::regclass) AS prefix
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
     WHERE i.indrelid::int8 = ANY ($1) AND i.indislive AND NOT c.relispartition
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
     ORDER BY array_position($1, i.indrelid::int8), c.relname";

/// Adds the indexes of all mapped tables: the one that is a replica identity with the keys, the others with the rest.
pub async fn add(
    connection: &mut PgConnection,
    builder: &mut Builder,
    relations: &[SourceRelation],
) -> Result<(), sqlx::Error> {
    let oids: Vec<i64> = relations.iter().map(|r| r.oid).collect();
    let rows: Vec<IndexRow> = sqlx::query_as(INDEXES).bind(oids).fetch_all(&mut *connection).await?;
    let depends = dependencies::read(connection, "pg_class", rows.iter().map(|r| r.oid).collect()).await?;
    let by_oid: HashMap<i64, &SourceRelation> = relations.iter().map(|r| (r.oid, r)).collect();
    for row in &rows {
        let Some(relation) = by_oid.get(&row.relation) else { continue };
        match on_target(row, relation, depends.get(&row.oid)) {
            Ok(statement) => {
                for (extension, schema) in depends.get(&row.oid).into_iter().flat_map(|d| &d.extensions) {
                    builder.extension(extension, schema);
                }
                let name = TableName::in_schema(schema_of(&relation.target), &row.name);
                let undo = format!("DROP INDEX {}", quote::table(&name));
                let is_identity = row.is_identity && relation.replica_identity == "i";
                let part = if is_identity { SchemaPart::Keys } else { SchemaPart::Rest };
                builder.add(part, Object::Index(name), statement, undo);
                if is_identity {
                    add_identity(builder, relation, Some(&row.name));
                }
            }
            Err(reason) => builder.leave_out(format!("index {} on {}: {reason}", row.name, relation.source)),
        }
    }
    Ok(())
}

fn on_target(row: &IndexRow, relation: &SourceRelation, depends: Option<&Dependencies>) -> Result<String, String> {
    if !row.is_valid {
        return Err("it is invalid on the source".to_owned());
    }
    if let Some(function) = depends.and_then(|d| d.functions.first()) {
        return Err(format!("it calls {function}, and functions are not moved"));
    }
    // The server writes ONLY for a partitioned table although the index has its parts; the plain form makes them, too.
    let definition = row.definition.as_str();
    let rest = definition.strip_prefix(row.prefix.as_str()).ok_or("its definition could not be read")?;
    let mut columns = row.columns.clone();
    columns.extend(depends.iter().flat_map(|d| &d.columns));
    let rest = match relation.fit(&columns) {
        Fit::AsIs => rest.to_owned(),
        Fit::Missing(column) => return Err(format!("it needs column {column}, which the mapping leaves out")),
        Fit::Renamed(column) => Some(row)
            .filter(|row| !row.has_expression)
            .and_then(|_| rewrite::rename_columns(rest, &|c| relation.target_column(c)))
            .ok_or_else(|| format!("an expression in it mentions {column}, which the mapping renames"))?,
    };
    let unique = if row.is_unique { "UNIQUE " } else { "" };
    Ok(format!("CREATE {unique}INDEX {} ON {}{rest}", quote::ident(&row.name), quote::table(&relation.target)))
}
