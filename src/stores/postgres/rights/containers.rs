//! What is few and has an ACL: the database, schemas, foreign servers, default privileges, settings.

use super::{NOT_OURS, Read, text};
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::postgres::{DefaultGrant, Grant, PgContainer, PgServer};
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::Reader;
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::BTreeMap;

/// Each with its object id.
pub struct Containers {
    pub database: (i64, PgContainer),
    pub schemas: Vec<(i64, PgContainer)>,
    pub servers: Vec<PgServer>,
    pub defaults: Vec<DefaultGrant>,
    pub parameters: Option<Vec<(String, Grant)>>,
}

/// Object ids are unique within a kind only.
pub fn schema_group(id: i64) -> u64 {
    (1 << 32) | id.unsigned_abs()
}

/// See [`schema_group`].
pub fn database_group(id: i64) -> u64 {
    (2 << 32) | id.unsigned_abs()
}

/// See [`schema_group`].
pub fn function_group(id: i64) -> u64 {
    (3 << 32) | id.unsigned_abs()
}

impl Containers {
    /// The neutral words.
    pub fn objects(&self) -> Vec<Object> {
        let object = |kind, container: &PgContainer, group| Object {
            kind,
            name: container.name.clone(),
            owner: container.owner.clone(),
            group,
        };
        let mut objects = vec![object(ObjectKind::Database, &self.database.1, database_group(self.database.0))];
        objects.extend(self.schemas.iter().map(|(id, schema)| object(ObjectKind::Schema, schema, schema_group(*id))));
        objects.extend(self.servers.iter().map(|server| object(ObjectKind::ForeignServer, &server.server, 0)));
        objects
    }
}

/// Columns of one exploded ACL entry `a`: one row for each grantee and grantor.
pub const ENTRY: &str = "CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee)::text END AS grantee, pg_get_userbyid(a.grantor)::text AS grantor,
        array_agg(a.privilege_type ORDER BY a.privilege_type) FILTER (WHERE NOT a.is_grantable) AS rights,
        array_agg(a.privilege_type ORDER BY a.privilege_type) FILTER (WHERE a.is_grantable) AS grantable";

/// An entry of [`ENTRY`]; `None`: the row stands for an object without entries.
pub fn grant(row: &PgRow) -> Read<Option<Grant>> {
    let words =
        |column| -> Read<Vec<String>> { Ok(row.try_get::<Option<Vec<String>>, _>(column)?.unwrap_or_default()) };
    let (rights, grantable) = (words("rights")?, words("grantable")?);
    if rights.is_empty() && grantable.is_empty() {
        return Ok(None);
    }
    let grantee = row.told_or_null("grantee")?;
    Ok(Some(Grant { grantee, grantor: text(row, "grantor")?, rights, grantable }))
}

/// `source` has the columns id, name, owner, owner_id, acl.
fn containers_sql(source: &str) -> String {
    format!(
        "SELECT o.id, o.name, o.owner, {ENTRY}
           FROM ({source}) AS o LEFT JOIN LATERAL (SELECT * FROM aclexplode(o.acl) AS e WHERE e.grantee <> o.owner_id) AS a ON true
          GROUP BY o.id, o.name, o.owner, a.grantee, a.grantor ORDER BY o.name COLLATE \"C\", 4 NULLS FIRST, 5"
    )
}

async fn containers(reader: &mut Reader<'_>, source: &str) -> Read<Vec<(i64, PgContainer)>> {
    let mut found: Vec<(i64, PgContainer)> = Vec::new();
    for row in reader.rows(containers_sql(source)).await? {
        let id: i64 = row.try_get("id")?;
        if found.last().is_none_or(|(last, _)| *last != id) {
            let container = PgContainer { name: text(&row, "name")?, owner: text(&row, "owner")?, grants: Vec::new() };
            found.push((id, container));
        }
        if let (Some((_, container)), Some(grant)) = (found.last_mut(), grant(&row)?) {
            container.grants.push(grant);
        }
    }
    Ok(found)
}

const DATABASE: &str = "SELECT d.oid::int8 AS id, quote_ident(d.datname) AS name, pg_get_userbyid(d.datdba)::text AS owner, d.datdba AS owner_id,
        coalesce(d.datacl, acldefault('d', d.datdba)) AS acl FROM pg_database d WHERE d.datname = current_database()";

const SERVERS: &str = "SELECT s.oid::int8 AS id, quote_ident(s.srvname) AS name, pg_get_userbyid(s.srvowner)::text AS owner, s.srvowner AS owner_id,
        coalesce(s.srvacl, acldefault('S', s.srvowner)) AS acl FROM pg_foreign_server s";

/// The options are not asked for, only whether a password is among them. They are hidden from most accounts.
const MAPPINGS: &str = "SELECT u.srvid::int8 AS server, w.fdwname::text AS wrapper, CASE WHEN u.umuser <> 0 THEN u.usename::text END AS login,
        CASE WHEN u.umid IS NULL THEN NULL
             WHEN u.umoptions IS NOT NULL THEN EXISTS (SELECT FROM unnest(u.umoptions) AS o WHERE o ILIKE '%password%=%')
             WHEN (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN false END AS has_password, u.umid IS NOT NULL AS is_mapping, s.oid::int8 AS id
   FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw LEFT JOIN pg_user_mappings u ON u.srvid = s.oid
  ORDER BY s.oid, 3 NULLS FIRST";

/// Entries of the owner itself are no grants to others.
fn defaults_sql() -> String {
    format!(
        "SELECT pg_get_userbyid(d.defaclrole)::text AS owner, quote_ident(n.nspname) AS schema,
                CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS objects,
                {ENTRY}
           FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
           CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
          WHERE a.grantee <> d.defaclrole AND (a.grantee <> 0 OR d.defaclobjtype NOT IN ('f', 'T') OR d.defaclnamespace <> 0)
          GROUP BY d.oid, d.defaclrole, n.nspname, d.defaclobjtype, a.grantee, a.grantor ORDER BY 1, 2 NULLS FIRST, 3, 4 NULLS FIRST"
    )
}

fn parameters_sql() -> String {
    format!(
        "SELECT p.parname AS name, {ENTRY} FROM pg_parameter_acl p CROSS JOIN LATERAL aclexplode(p.paracl) AS a
          WHERE a.grantee <> 10 GROUP BY p.parname, a.grantee, a.grantor ORDER BY 1, 2 NULLS FIRST"
    )
}

/// All of them.
pub async fn read(reader: &mut Reader<'_>) -> Read<Containers> {
    let database = containers(reader, DATABASE).await?.pop().ok_or(sqlx::Error::RowNotFound)?;
    let schemas = format!(
        "SELECT n.oid::int8 AS id, quote_ident(n.nspname) AS name, pg_get_userbyid(n.nspowner)::text AS owner, n.nspowner AS owner_id, n.nspacl AS acl
           FROM pg_namespace n WHERE {NOT_OURS}"
    );
    let schemas = containers(reader, &schemas).await?;
    let servers = servers(reader).await?;
    let mut defaults = Vec::new();
    for row in reader.rows(defaults_sql()).await? {
        let schema = row.told_or_null("schema")?;
        if let Some(grant) = grant(&row)? {
            defaults.push(DefaultGrant { owner: text(&row, "owner")?, schema, objects: text(&row, "objects")?, grant });
        }
    }
    let mut parameters = None;
    if reader.server().has("pg_parameter_acl.parname") {
        let mut grants = Vec::new();
        for row in reader.rows(parameters_sql()).await? {
            if let Some(grant) = grant(&row)? {
                grants.push((text(&row, "name")?, grant));
            }
        }
        parameters = Some(grants);
    }
    Ok(Containers { database, schemas, servers, defaults, parameters })
}

async fn servers(reader: &mut Reader<'_>) -> Read<Vec<PgServer>> {
    let mut servers: BTreeMap<i64, PgServer> = BTreeMap::new();
    for (id, server) in containers(reader, SERVERS).await? {
        servers.insert(id, PgServer { server, wrapper: String::new(), mappings: Vec::new() });
    }
    if servers.is_empty() {
        return Ok(Vec::new());
    }
    for row in reader.rows(MAPPINGS.to_owned()).await? {
        let Some(server) = servers.get_mut(&row.try_get::<i64, _>("id")?) else { continue };
        server.wrapper = text(&row, "wrapper")?;
        if row.try_get::<bool, _>("is_mapping")? {
            let login = row.told_or_null("login")?;
            server.mappings.push((login, row.try_get("has_password")?));
        }
    }
    Ok(servers.into_values().collect())
}
