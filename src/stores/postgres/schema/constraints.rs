//! Primary keys, unique and exclusion constraints, checks, foreign keys, and replica identities.

use crate::model::schema::SchemaPart;
use crate::stores::postgres::quote;
use crate::stores::postgres::schema::dependencies::{self, Dependencies};
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::{Fit, SourceRelation};
use crate::stores::postgres::schema::rewrite;
use crate::stores::postgres::schema::script::Builder;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

#[derive(sqlx::FromRow)]
struct ConstraintRow {
    oid: i64,
    index: i64,
    relation: i64,
    name: String,
    kind: String,
    columns: Vec<i16>,
    definition: String,
    referenced: i64,
    referenced_name: Option<String>,
    is_identity: bool,
}

/// Constraints that were made on their table itself; partitions inherit the others. Kinds: p, u, x, c, f; NOT NULL belongs to the column.
const CONSTRAINTS: &str = "
    SELECT c.oid::int8 AS oid, CASE WHEN c.contype IN ('p', 'u', 'x') THEN c.conindid::int8 ELSE 0 END AS index, c.conrelid::int8 AS relation, c.conname::text AS name, c.contype::text AS kind,
           coalesce(c.conkey, '{}') AS columns, pg_get_constraintdef(c.oid) AS definition, c.confrelid::int8 AS referenced,
           CASE WHEN c.confrelid <> 0 THEN c.confrelid::regclass::text END AS referenced_name,
           coalesce(i.indisreplident, false) AS is_identity
      FROM pg_constraint c LEFT JOIN pg_index i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x')
     WHERE c.conrelid::int8 = ANY ($1) AND c.conparentid = 0 AND c.coninhcount = 0 AND c.contype IN ('p', 'u', 'x', 'c', 'f')
     ORDER BY array_position(ARRAY['p', 'u', 'x', 'c', 'f'], c.contype::text), array_position($1, c.conrelid::int8), c.conname";

/// Adds what belongs to the mapped tables.
pub async fn add(
    connection: &mut PgConnection,
    builder: &mut Builder,
    relations: &[SourceRelation],
) -> Result<(), sqlx::Error> {
    let oids: Vec<i64> = relations.iter().map(|r| r.oid).collect();
    let rows: Vec<ConstraintRow> = sqlx::query_as(CONSTRAINTS).bind(&oids).fetch_all(&mut *connection).await?;
    let mut depends =
        dependencies::read(&mut *connection, "pg_constraint", rows.iter().map(|r| r.oid).collect()).await?;
    // Which operator classes and functions a unique or exclusion constraint needs is written down at its index.
    let mut of_indexes =
        dependencies::read(&mut *connection, "pg_class", rows.iter().map(|r| r.index).collect()).await?;
    for row in &rows {
        if let Some(of_index) = of_indexes.remove(&row.index) {
            let own = depends.entry(row.oid).or_default();
            own.columns.extend(of_index.columns);
            own.functions.extend(of_index.functions);
            own.extensions.extend(of_index.extensions);
        }
    }
    let by_oid: HashMap<i64, &SourceRelation> = relations.iter().map(|r| (r.oid, r)).collect();
    for row in &rows {
        let Some(relation) = by_oid.get(&row.relation) else { continue };
        match definition_on_target(row, relation, &by_oid, depends.get(&row.oid)) {
            Ok(definition) => {
                for (extension, schema) in depends.get(&row.oid).into_iter().flat_map(|d| &d.extensions) {
                    builder.extension(extension, schema);
                }
                let table = quote::table(&relation.target);
                let name = quote::ident(&row.name);
                let part = match row.kind.as_str() {
                    "p" => SchemaPart::Keys,
                    _ if row.is_identity => SchemaPart::Keys,
                    "f" => SchemaPart::Links,
                    _ => SchemaPart::Rest,
                };
                builder.add(
                    part,
                    Object::Constraint(relation.target.clone(), row.name.clone()),
                    format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"),
                    format!("ALTER TABLE {table} DROP CONSTRAINT {name}"),
                );
                if row.is_identity && relation.replica_identity == "i" {
                    add_identity(builder, relation, Some(&row.name));
                }
            }
            Err(reason) => builder.leave_out(format!("constraint {} on {}: {reason}", row.name, relation.source)),
        }
    }
    for relation in relations.iter().filter(|r| r.replica_identity == "f") {
        add_identity(builder, relation, None);
    }
    incoming(connection, builder, &oids).await
}

/// Adds a replica identity by index, or FULL.
pub fn add_identity(builder: &mut Builder, relation: &SourceRelation, index: Option<&str>) {
    let table = quote::table(&relation.target);
    let identity = index.map_or("FULL".to_owned(), |name| format!("USING INDEX {}", quote::ident(name)));
    builder.add(
        SchemaPart::Keys,
        Object::ReplicaIdentity(relation.target.clone()),
        format!("ALTER TABLE {table} REPLICA IDENTITY {identity}"),
        format!("ALTER TABLE {table} REPLICA IDENTITY DEFAULT"),
    );
}

fn definition_on_target(
    row: &ConstraintRow,
    relation: &SourceRelation,
    by_oid: &HashMap<i64, &SourceRelation>,
    depends: Option<&Dependencies>,
) -> Result<String, String> {
    if let Some(function) = depends.and_then(|d| d.functions.first()) {
        return Err(format!("it calls {function}, and functions are not moved"));
    }
    if row.kind == "f" {
        return foreign_key(row, relation, by_oid);
    }
    let mut columns = row.columns.clone();
    columns.extend(depends.iter().flat_map(|d| &d.columns));
    match relation.fit(&columns) {
        Fit::AsIs => Ok(row.definition.clone()),
        Fit::Missing(column) => Err(format!("it needs column {column}, which the mapping leaves out")),
        Fit::Renamed(column) if row.kind == "c" => {
            Err(format!("its expression mentions {column}, which the mapping renames"))
        }
        Fit::Renamed(column) => {
            let renamed = rewrite::rename_columns(&row.definition, &|c| relation.target_column(c));
            // A WHERE behind the list would be an expression.
            renamed
                .filter(|d| !d.contains(" WHERE "))
                .ok_or_else(|| format!("an expression in it mentions {column}, which the mapping renames"))
        }
    }
}

fn foreign_key(
    row: &ConstraintRow,
    relation: &SourceRelation,
    by_oid: &HashMap<i64, &SourceRelation>,
) -> Result<String, String> {
    let Some(other) = by_oid.get(&row.referenced) else {
        let name = row.referenced_name.as_deref().unwrap_or("another table");
        return Err(format!("it refers to {name}, which this pipeline does not move: the relation crosses services"));
    };
    let (columns, referenced, actions) =
        rewrite::foreign_key(&row.definition).ok_or("its definition could not be read")?;
    let fit = relation.fit(&row.columns);
    if let Fit::Missing(column) = fit {
        return Err(format!("it needs column {column}, which the mapping leaves out"));
    }
    if actions.contains('(') && fit != Fit::AsIs {
        return Err("its SET NULL or SET DEFAULT lists columns that the mapping renames".to_owned());
    }
    let columns = rewrite::rename_list(columns, &|c| relation.target_column(c));
    let referenced = rewrite::rename_list(referenced, &|c| other.target_column(c));
    let (Some(columns), Some(referenced)) = (columns, referenced) else {
        return Err("it needs a column that the mapping leaves out".to_owned());
    };
    Ok(format!("FOREIGN KEY ({columns}) REFERENCES {} ({referenced}){actions}", quote::table(&other.target)))
}

/// Foreign keys of tables that stay behind: from the cutover on nothing guards them.
async fn incoming(connection: &mut PgConnection, builder: &mut Builder, oids: &[i64]) -> Result<(), sqlx::Error> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT conname::text, conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
          WHERE contype = 'f' AND conparentid = 0 AND confrelid::int8 = ANY ($1) AND NOT conrelid::int8 = ANY ($1) ORDER BY 2, 1",
    )
    .bind(oids)
    .fetch_all(connection)
    .await?;
    for (name, from, to) in rows {
        builder.leave_out(format!(
            "constraint {name} on {from}: it refers to {to}, but {from} is not moved by this pipeline: the relation crosses services"
        ));
    }
    Ok(())
}
