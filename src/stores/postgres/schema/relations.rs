//! The mapped tables of a source with their partitions and columns.

use crate::model::table::{TableMap, TableName};
use crate::stores::postgres::relation::schema_of;
use sqlx::postgres::PgConnection;
use std::collections::HashMap;

/// A mapped table, or a partition of one.
#[derive(Clone, Debug)]
pub struct SourceRelation {
    /// Its oid on the source.
    pub oid: i64,
    /// Position of the mapping.
    pub map: usize,
    /// Name on the source.
    pub source: TableName,
    /// Name on the target. A partition keeps its own name and follows its root into another schema.
    pub target: TableName,
    /// The table it is a partition of.
    pub parent: Option<i64>,
    /// ` FOR VALUES ...` or ` DEFAULT` of a partition.
    pub bound: Option<String>,
    /// `RANGE (a)` and so on of a partitioned table.
    pub partition_key: Option<String>,
    /// Storage parameters, as `name=value`.
    pub options: Vec<String>,
    /// `p` logged, `u` unlogged.
    pub persistence: String,
    /// `pg_class.relreplident`.
    pub replica_identity: String,
    /// Why it cannot be built, if it cannot.
    pub refusal: Option<String>,
    /// Columns by number.
    pub columns: Vec<SourceColumn>,
}

/// A column of the source.
#[derive(Clone, Debug)]
pub struct SourceColumn {
    /// `pg_attribute.attnum`.
    pub number: i16,
    /// Name on the source.
    pub name: String,
    /// Name on the target; `None` when the mapping leaves it out.
    pub target: Option<String>,
    /// Type on the target.
    pub type_name: String,
    /// NOT NULL.
    pub not_null: bool,
    /// `a` always, `d` by default, empty: no identity.
    pub identity: String,
    /// `s` stored, `v` virtual, empty: not computed.
    pub generated: String,
    /// The default or the generating expression, and the oid of its catalogue row.
    pub expression: Option<(i64, String)>,
    /// Collation, when it is not the type's.
    pub collation: Option<String>,
    /// Storage and the type's own, when they differ.
    pub storage: Option<(String, String)>,
    /// Compression method, when one is set.
    pub compression: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RelationRow {
    n: i64,
    oid: i64,
    schema: String,
    name: String,
    parent: Option<i64>,
    bound: Option<String>,
    partition_key: Option<String>,
    options: Vec<String>,
    persistence: String,
    replica_identity: String,
    refusal: Option<String>,
}

/// Parents before children. `relkind` f as a partition, and inheritance of the old kind, are named as refusals.
const RELATIONS: &str = "
    SELECT want.n, c.oid::int8 AS oid, ns.nspname::text AS schema, c.relname::text AS name, tree.parentrelid::oid::int8 AS parent,
           pg_get_expr(c.relpartbound, c.oid) AS bound, pg_get_partkeydef(c.oid) AS partition_key,
           coalesce(c.reloptions, '{}') AS options, c.relpersistence::text AS persistence, c.relreplident::text AS replica_identity,
           CASE WHEN c.relkind NOT IN ('r', 'p') THEN 'it is not an ordinary or partitioned table'
                WHEN tree.parentrelid IS NULL AND c.relispartition THEN 'it is a partition: map its root'
                WHEN c.reloftype <> 0 THEN 'it is a typed table'
                WHEN NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) THEN 'it inherits from another table'
                WHEN c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) THEN 'other tables inherit from it'
           END AS refusal
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS want (schema, name, n)
      JOIN pg_namespace wn ON wn.nspname = want.schema
      JOIN pg_class w ON w.relnamespace = wn.oid AND w.relname = want.name AND w.relkind IN ('r', 'p', 'f', 'v', 'm')
      CROSS JOIN LATERAL (SELECT w.oid AS relid, NULL::oid AS parentrelid, 0 AS level
                          UNION ALL SELECT relid, parentrelid, level FROM pg_partition_tree(w.oid) WHERE level > 0) AS tree
      JOIN pg_class c ON c.oid = tree.relid
      JOIN pg_namespace ns ON ns.oid = c.relnamespace
     ORDER BY want.n, tree.level, ns.nspname, c.relname";

#[derive(sqlx::FromRow)]
struct ColumnRow {
    relation: i64,
    number: i16,
    name: String,
    type_name: String,
    not_null: bool,
    identity: String,
    generated: String,
    default_oid: Option<i64>,
    expression: Option<String>,
    collation: Option<String>,
    storage: String,
    type_storage: String,
    compression: String,
}

const COLUMNS: &str = "
    SELECT a.attrelid::int8 AS relation, a.attnum AS number, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type_name,
           a.attnotnull AS not_null, a.attidentity::text AS identity, a.attgenerated::text AS generated, d.oid::int8 AS default_oid,
           pg_get_expr(d.adbin, d.adrelid) AS expression,
           CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END AS collation,
           a.attstorage::text AS storage, t.typstorage::text AS type_storage, a.attcompression::text AS compression
      FROM pg_attribute a
      JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      LEFT JOIN (pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace) ON co.oid = a.attcollation
     WHERE a.attrelid::int8 = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attrelid, a.attnum";

/// Reads the mapped tables with all their partitions, parents first.
pub async fn read(connection: &mut PgConnection, maps: &[TableMap]) -> Result<Vec<SourceRelation>, sqlx::Error> {
    let (schemas, names): (Vec<String>, Vec<String>) =
        maps.iter().map(|m| (schema_of(&m.source).to_owned(), m.source.name.clone())).unzip();
    let rows: Vec<RelationRow> =
        sqlx::query_as(RELATIONS).bind(schemas).bind(names).fetch_all(&mut *connection).await?;
    let oids: Vec<i64> = rows.iter().map(|r| r.oid).collect();
    let columns: Vec<ColumnRow> = sqlx::query_as(COLUMNS).bind(oids).fetch_all(connection).await?;
    let mut by_relation: HashMap<i64, Vec<ColumnRow>> = HashMap::new();
    for column in columns {
        by_relation.entry(column.relation).or_default().push(column);
    }
    let relation = |row: RelationRow| {
        let index = usize::try_from(row.n - 1).ok()?;
        let map = maps.get(index)?;
        let columns = by_relation.remove(&row.oid).unwrap_or_default();
        Some(relation(row, index, map, columns))
    };
    Ok(rows.into_iter().filter_map(relation).collect())
}

fn relation(row: RelationRow, index: usize, map: &TableMap, columns: Vec<ColumnRow>) -> SourceRelation {
    let source = TableName::in_schema(&row.schema, &row.name);
    let target = if row.parent.is_none() {
        TableName::in_schema(schema_of(&map.target), &map.target.name)
    } else if schema_of(&source) == schema_of(&map.source) {
        TableName::in_schema(schema_of(&map.target), &source.name)
    } else {
        source.clone()
    };
    SourceRelation {
        oid: row.oid,
        map: index,
        source,
        target,
        parent: row.parent,
        bound: row.bound,
        partition_key: row.partition_key,
        options: row.options,
        persistence: row.persistence,
        replica_identity: row.replica_identity,
        refusal: row.refusal,
        columns: columns.into_iter().map(|c| column(c, map)).collect(),
    }
}

fn column(row: ColumnRow, map: &TableMap) -> SourceColumn {
    let mapped = map.columns.iter().find(|c| c.source == row.name);
    let is_computed = !row.generated.is_empty();
    SourceColumn {
        number: row.number,
        // Computed columns are not copied, so the mapping does not list them; the target computes its own under the same name.
        target: mapped.map(|c| c.target.clone()).or_else(|| is_computed.then(|| row.name.clone())),
        type_name: mapped.map_or(row.type_name, |c| c.target_type.clone()),
        name: row.name,
        not_null: row.not_null,
        identity: row.identity,
        generated: row.generated,
        expression: row.default_oid.zip(row.expression),
        collation: row.collation,
        storage: (row.storage != row.type_storage).then_some((row.storage, row.type_storage)),
        compression: (!row.compression.is_empty()).then_some(row.compression),
    }
}

/// Whether something that uses some columns can be built as the source spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every column is there under its own name.
    AsIs,
    /// At least one has another name on the target.
    Renamed(String),
    /// At least one is not on the target.
    Missing(String),
}

impl SourceRelation {
    /// How columns with these numbers fit the target; 0 stands for an expression and is passed over.
    pub fn fit(&self, numbers: &[i16]) -> Fit {
        let mut fit = Fit::AsIs;
        for column in self.columns.iter().filter(|c| numbers.contains(&c.number)) {
            match &column.target {
                None => return Fit::Missing(column.name.clone()),
                Some(target) if *target != column.name => fit = Fit::Renamed(column.name.clone()),
                Some(_) => {}
            }
        }
        fit
    }

    /// A column's name on the target.
    pub fn target_column(&self, source: &str) -> Option<String> {
        self.columns.iter().find(|c| c.name == source)?.target.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(number: i16, name: &str, target: Option<&str>) -> SourceColumn {
        SourceColumn {
            number,
            name: name.into(),
            target: target.map(str::to_owned),
            type_name: "integer".into(),
            not_null: false,
            identity: String::new(),
            generated: String::new(),
            expression: None,
            collation: None,
            storage: None,
            compression: None,
        }
    }

    #[test]
    fn what_uses_a_column_fits_or_says_which_one_does_not() {
        let name = TableName::in_schema("public", "t");
        let relation = SourceRelation {
            oid: 1,
            map: 0,
            source: name.clone(),
            target: name,
            parent: None,
            bound: None,
            partition_key: None,
            options: vec![],
            persistence: "p".into(),
            replica_identity: "d".into(),
            refusal: None,
            columns: vec![column(1, "a", Some("a")), column(2, "b", Some("beta")), column(4, "c", None)],
        };
        assert_eq!(relation.fit(&[0, 1]), Fit::AsIs);
        assert_eq!(relation.fit(&[1, 2]), Fit::Renamed("b".into()));
        assert_eq!(relation.fit(&[2, 4]), Fit::Missing("c".into()));
    }
}
