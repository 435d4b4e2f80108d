//! What defaults, constraints and indexes depend on besides their table: functions, extensions, other columns.

use sqlx::postgres::PgConnection;
use std::collections::{BTreeSet, HashMap};

/// Dependencies of one catalogue object.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    /// Column numbers of the object's own table.
    pub columns: Vec<i16>,
    /// Functions of the user's; the server's own are pinned and not listed in `pg_depend`.
    pub functions: Vec<String>,
    /// Extensions whose functions, types or operator classes are used, with the schema that each lies in.
    pub extensions: BTreeSet<(String, String)>,
}

#[derive(sqlx::FromRow)]
struct Row {
    object: i64,
    column: Option<i16>,
    function: Option<String>,
    extension: Option<String>,
    extension_schema: Option<String>,
}

const SQL: &str = "
    SELECT d.objid::int8 AS object,
           CASE WHEN d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 THEN d.refobjsubid::int2 END AS column,
           CASE WHEN d.refclassid = 'pg_proc'::regclass AND x.extname IS NULL THEN d.refobjid::regprocedure::text END AS function,
           x.extname::text AS extension, xn.nspname::text AS extension_schema
      FROM pg_depend d
      LEFT JOIN (pg_depend e JOIN pg_extension x ON x.oid = e.refobjid JOIN pg_namespace xn ON xn.oid = x.extnamespace AND e.refclassid = 'pg_extension'::regclass AND e.deptype = 'e')
        ON e.classid = d.refclassid AND e.objid = d.refobjid
     WHERE d.classid = $1::regclass AND d.objid::int8 = ANY ($2)
       AND d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_opclass'::regclass, 'pg_operator'::regclass, 'pg_collation'::regclass)";

/// Reads the dependencies of objects in one catalogue: `pg_attrdef`, `pg_constraint`, or `pg_class` for indexes.
pub async fn read(
    connection: &mut PgConnection,
    catalogue: &str,
    objects: Vec<i64>,
) -> Result<HashMap<i64, Dependencies>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(SQL).bind(catalogue).bind(objects).fetch_all(connection).await?;
    let mut found: HashMap<i64, Dependencies> = HashMap::new();
    for row in rows {
        let entry = found.entry(row.object).or_default();
        entry.columns.extend(row.column);
        entry.functions.extend(row.function);
        entry.extensions.extend(row.extension.zip(row.extension_schema));
    }
    Ok(found)
}
