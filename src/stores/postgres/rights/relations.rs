//! Tables, views and sequences in groups of the same rights, and the grants on them.

use super::containers::{ENTRY, grant};
use super::{NOT_OURS, Read, text};
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::postgres::{ColumnGrant, Grant, PgRelation, RelationKind};
use crate::stores::postgres::watch::Reader;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// What is in the database, what extensions made left out.
pub struct Relations {
    pub listed: Vec<PgRelation>,
    /// For each group: the schema of its members, and whether they are sequences. The group's number is the id of a member.
    pub groups: BTreeMap<u64, Group>,
}

/// Relations with the same schema, owner and grants. One with grants on columns is a group of its own.
#[derive(Clone, Debug)]
pub struct Group {
    pub schema: String,
    pub owner: String,
    pub is_sequence: bool,
    pub has_columns: bool,
}

impl Relations {
    /// The neutral words.
    pub fn objects(&self) -> Vec<Object> {
        let kind = |kind| match kind {
            RelationKind::Table | RelationKind::ForeignTable => ObjectKind::Table,
            RelationKind::View => ObjectKind::View,
            RelationKind::MaterialisedView => ObjectKind::MaterialisedView,
            RelationKind::Sequence => ObjectKind::Sequence,
        };
        let object = |r: &PgRelation| Object {
            kind: kind(r.kind),
            name: r.name.clone(),
            owner: r.owner.clone(),
            group: r.group,
        };
        self.listed.iter().map(object).collect()
    }

    /// The groups' numbers as an array of the server's.
    pub fn ids<'a>(groups: impl Iterator<Item = &'a u64>) -> String {
        let ids: Vec<String> = groups.map(u64::to_string).collect();
        format!("ARRAY[{}]::oid[]", ids.join(","))
    }
}

fn relations_sql() -> String {
    format!(
        "WITH with_columns AS (SELECT DISTINCT attrelid FROM pg_attribute WHERE attacl IS NOT NULL AND attnum > 0),
              policies AS (SELECT polrelid, count(*) AS n FROM pg_policy GROUP BY 1),
              owned AS (SELECT DISTINCT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0),
              made AS (SELECT DISTINCT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e')
         SELECT quote_ident(n.nspname) AS schema, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, c.relkind::text AS kind, o.rolname::text AS owner,
                min(c.oid::int8) OVER (PARTITION BY c.relnamespace, c.relowner, c.relacl::text, c.relkind = 'S', CASE WHEN k.attrelid IS NOT NULL THEN c.oid END) AS grp,
                k.attrelid IS NOT NULL AS has_columns, c.relrowsecurity, c.relforcerowsecurity, coalesce(p.n, 0) AS policies,
                coalesce(array_to_string(c.reloptions, ',') ~ 'security_invoker=(true|on|1|yes)', false) AS invoker, c.relispartition,
                c.relkind = 'S' AND w.objid IS NOT NULL AS is_owned
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
           LEFT JOIN with_columns k ON k.attrelid = c.oid LEFT JOIN policies p ON p.polrelid = c.oid
           LEFT JOIN owned w ON w.objid = c.oid LEFT JOIN made x ON x.objid = c.oid
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't' AND x.objid IS NULL AND {NOT_OURS}
            AND (n.nspname, c.relname) <> ('public', 'godwit_password_kinds')"
    )
}

/// Tables, views and sequences, by name.
pub async fn read(reader: &mut Reader<'_>) -> Read<Relations> {
    let mut relations = Relations { listed: Vec::new(), groups: BTreeMap::new() };
    for row in reader.rows(relations_sql()).await? {
        let kind = match row.try_get::<&str, _>("kind")? {
            "v" => RelationKind::View,
            "m" => RelationKind::MaterialisedView,
            "S" => RelationKind::Sequence,
            "f" => RelationKind::ForeignTable,
            _ => RelationKind::Table,
        };
        let group = row.try_get::<i64, _>("grp")?.unsigned_abs();
        let has_columns: bool = row.try_get("has_columns")?;
        let (schema, owner) = (text(&row, "schema")?, text(&row, "owner")?);
        relations.groups.entry(group).or_insert_with(|| Group {
            schema: schema.clone(),
            owner: owner.clone(),
            is_sequence: kind == RelationKind::Sequence,
            has_columns,
        });
        relations.listed.push(PgRelation {
            name: text(&row, "name")?,
            schema,
            kind,
            owner,
            group,
            row_security: row.try_get("relrowsecurity")?,
            row_security_forced: row.try_get("relforcerowsecurity")?,
            policies: u64::try_from(row.try_get::<i64, _>("policies")?).unwrap_or(0),
            security_invoker: row.try_get("invoker")?,
            is_partition: row.try_get("relispartition")?,
            is_owned_sequence: row.try_get("is_owned")?,
        });
    }
    relations.listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(relations)
}

/// Grants on each group; the owner's own entries are none.
pub async fn grants(reader: &mut Reader<'_>, relations: &Relations) -> Read<BTreeMap<u64, Vec<Grant>>> {
    let sql = format!(
        "SELECT c.oid::int8 AS grp, {ENTRY} FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
          WHERE c.oid = ANY({}) AND a.grantee <> c.relowner GROUP BY c.oid, a.grantee, a.grantor ORDER BY 1, 2 NULLS FIRST, 3",
        Relations::ids(relations.groups.keys())
    );
    let mut grants: BTreeMap<u64, Vec<Grant>> = BTreeMap::new();
    for row in reader.rows(sql).await? {
        if let Some(grant) = grant(&row)? {
            grants.entry(row.try_get::<i64, _>("grp")?.unsigned_abs()).or_default().push(grant);
        }
    }
    Ok(grants)
}

/// Grants on columns.
pub async fn column_grants(reader: &mut Reader<'_>) -> Read<Vec<ColumnGrant>> {
    let sql = format!(
        "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS relation, quote_ident(t.attname) AS column_name, {ENTRY}
           FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN LATERAL aclexplode(t.attacl) AS a
          WHERE t.attacl IS NOT NULL AND t.attnum > 0 AND NOT t.attisdropped AND a.grantee <> c.relowner AND {NOT_OURS}
          GROUP BY n.nspname, c.relname, t.attnum, t.attname, a.grantee, a.grantor"
    );
    let mut grants = BTreeSet::new();
    for row in reader.rows(sql).await? {
        if let Some(grant) = grant(&row)? {
            grants.insert(ColumnGrant { relation: text(&row, "relation")?, column: text(&row, "column_name")?, grant });
        }
    }
    Ok(grants.into_iter().collect())
}
