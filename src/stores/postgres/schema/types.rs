//! Types of the user's that mapped columns need: enums, domains, composites, ranges, and the extensions that bring types.

use crate::model::schema::SchemaPart;
use crate::model::table::TableName;
use crate::stores::postgres::quote;
use crate::stores::postgres::schema::object::Object;
use crate::stores::postgres::schema::relations::SourceRelation;
use crate::stores::postgres::schema::script::Builder;
use sqlx::postgres::PgConnection;

#[derive(sqlx::FromRow)]
struct TypeRow {
    schema: String,
    name: String,
    kind: String,
    extension: Option<String>,
    extension_schema: Option<String>,
    body: Option<String>,
    is_table_row: bool,
}

/// Types behind the columns, each after those that it needs: `depth` is the longest way from a column.
///
/// Bodies are put together by the server, where quoting and `format_type` are at hand. A range's constructor functions and multirange come with it.
const TYPES: &str = "
    WITH RECURSIVE used (oid, depth) AS (
         SELECT a.atttypid, 0 FROM unnest($1::int8[], $2::int2[]) AS want (relation, number)
           JOIN pg_attribute a ON a.attrelid::int8 = want.relation AND a.attnum = want.number
         UNION
         SELECT n.oid, used.depth + 1
           FROM used JOIN pg_type t ON t.oid = used.oid
           CROSS JOIN LATERAL (
                SELECT t.typelem WHERE t.typelem <> 0
                UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
                UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
                UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
                UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid) AS n (oid)
          WHERE used.depth < 50)
    SELECT ns.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind, x.extname::text AS extension, xn.nspname::text AS extension_schema,
           coalesce(rel.relkind <> 'c', false) AS is_table_row,
           CASE t.typtype
             WHEN 'e' THEN (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
             WHEN 'c' THEN (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) ||
                                   CASE WHEN a.attcollation <> 0 AND a.attcollation <> at.typcollation
                                        THEN ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE '' END, ', ' ORDER BY a.attnum)
                              FROM pg_attribute a JOIN pg_type at ON at.oid = a.atttypid
                              LEFT JOIN (pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace) ON co.oid = a.attcollation
                             WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
             WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) ||
                           coalesce((SELECT ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                                       FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_type bt ON bt.oid = t.typbasetype
                                      WHERE co.oid = t.typcollation AND t.typcollation <> bt.typcollation), '') ||
                           coalesce(' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END ||
                           coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(c.oid), '' ORDER BY conname)
                                       FROM pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c'), '')
             WHEN 'r' THEN (SELECT 'subtype = ' || format_type(r.rngsubtype, NULL) ||
                                   CASE WHEN oc.opcdefault THEN '' ELSE ', subtype_opclass = ' || quote_ident(ocn.nspname) || '.' || quote_ident(oc.opcname) END ||
                                   coalesce((SELECT ', collation = ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
                                               FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace JOIN pg_type st ON st.oid = r.rngsubtype
                                              WHERE co.oid = r.rngcollation AND r.rngcollation <> st.typcollation), '') ||
                                   CASE WHEN r.rngsubdiff <> 0 THEN ', subtype_diff = ' || r.rngsubdiff::regproc::text ELSE '' END ||
                                   ', multirange_type_name = ' || quote_ident(mn.nspname) || '.' || quote_ident(m.typname)
                              FROM pg_range r JOIN pg_opclass oc ON oc.oid = r.rngsubopc JOIN pg_namespace ocn ON ocn.oid = oc.opcnamespace
                              JOIN pg_type m ON m.oid = r.rngmultitypid JOIN pg_namespace mn ON mn.oid = m.typnamespace
                             WHERE r.rngtypid = t.oid)
           END AS body
      FROM (SELECT oid, max(depth) AS depth FROM used GROUP BY oid) AS u
      JOIN pg_type t ON t.oid = u.oid
      JOIN pg_namespace ns ON ns.oid = t.typnamespace AND ns.nspname <> 'pg_catalog'
      LEFT JOIN pg_class rel ON rel.oid = t.typrelid
      LEFT JOIN (pg_depend e JOIN pg_extension x ON x.oid = e.refobjid JOIN pg_namespace xn ON xn.oid = x.extnamespace)
        ON e.classid = 'pg_type'::regclass AND e.objid = t.oid AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e'
     WHERE x.extname IS NOT NULL OR t.typtype IN ('e', 'd', 'c', 'r')
     ORDER BY u.depth DESC, 1, 2";

/// Adds the types of all columns that are on the target.
pub async fn add(
    connection: &mut PgConnection,
    builder: &mut Builder,
    relations: &[SourceRelation],
) -> Result<(), sqlx::Error> {
    let mut wanted: (Vec<i64>, Vec<i16>) = (Vec::new(), Vec::new());
    for relation in relations {
        for column in relation.columns.iter().filter(|c| c.target.is_some()) {
            wanted.0.push(relation.oid);
            wanted.1.push(column.number);
        }
    }
    let rows: Vec<TypeRow> = sqlx::query_as(TYPES).bind(wanted.0).bind(wanted.1).fetch_all(connection).await?;
    for row in rows {
        add_type(builder, row);
    }
    Ok(())
}

fn add_type(builder: &mut Builder, row: TypeRow) {
    if let (Some(extension), Some(schema)) = (&row.extension, &row.extension_schema) {
        builder.extension(extension, schema);
        return;
    }
    let name = TableName::in_schema(&row.schema, &row.name);
    if row.is_table_row {
        builder.leave_out(format!("type {name} is the row type of a table and is not built by itself: the table that it belongs to must be mapped, too"));
        return;
    }
    builder.schema(&row.schema);
    let quoted = quote::table(&name);
    let body = row.body.unwrap_or_default();
    let (object, statement, undo) = match row.kind.as_str() {
        "d" => (Object::Domain(name), format!("CREATE DOMAIN {quoted} AS {body}"), format!("DROP DOMAIN {quoted}")),
        "e" => (Object::Type(name), format!("CREATE TYPE {quoted} AS ENUM ({body})"), format!("DROP TYPE {quoted}")),
        "c" => (Object::Type(name), format!("CREATE TYPE {quoted} AS ({body})"), format!("DROP TYPE {quoted}")),
        _ => (Object::Type(name), format!("CREATE TYPE {quoted} AS RANGE ({body})"), format!("DROP TYPE {quoted}")),
    };
    builder.add(SchemaPart::Tables, object, statement, undo);
}
