//! Rights as they take effect: the server's own answers, for each login and for each role that it may become.

use super::containers::{Containers, database_group, schema_group};
use super::paths::{Paths, Target};
use super::relations::Relations;
use super::{Read, text, texts};
use crate::model::access::login::{Membership, reached};
use crate::model::access::postgres::{ColumnGrant, Grant, PgRole};
use crate::model::access::right::{EffectiveRight, Right};
use crate::model::observation::Missing;
use crate::stores::postgres::quote;
use crate::stores::postgres::watch::Reader;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of a role and a group of relations that are asked in one look: 8 answers each, at about 0.6 µs.
const MOST_PAIRS: usize = 6_000;

/// What was read before.
pub struct Known<'a> {
    pub roles: &'a [PgRole],
    pub memberships: &'a [Membership],
    pub containers: &'a Containers,
    pub relations: &'a Relations,
    pub grants: &'a BTreeMap<u64, Vec<Grant>>,
    pub columns: &'a [ColumnGrant],
}

/// Whose rights are asked: logins that somebody can use and that are no superusers.
pub struct Asked {
    pub logins: Vec<String>,
}

impl Asked {
    /// Their names as an array of the server's.
    pub fn array(&self) -> String {
        names(&self.logins)
    }
}

fn names(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| quote::literal(name)).collect();
    format!("ARRAY[{}]::name[]", names.join(","))
}

/// All logins where that is cheap, else the declared ones.
pub fn whom(
    reader: &mut Reader<'_>,
    roles: &[PgRole],
    declared: &[String],
    relations: &Relations,
    containers: &Containers,
) -> Asked {
    let limited = roles.iter().filter(|role| role.login && !role.superuser);
    let all: Vec<String> = limited.map(|role| role.name.clone()).collect();
    let groups = relations.groups.len() + containers.schemas.len() + 1;
    if all.len() * groups <= MOST_PAIRS {
        return Asked { logins: all };
    }
    let (wanted, left): (Vec<String>, Vec<String>) = all.into_iter().partition(|name| declared.contains(name));
    reader.lacks(Missing {
        id: "postgres.access.many".to_owned(),
        what: format!("rights in effect of {} logins that the profile does not declare", left.len()),
        why: format!(
            "{} logins on {groups} groups of tables with different grants would cost too much",
            wanted.len() + left.len()
        ),
        enable: None,
        price: "declare the logins that matter in [services.NAME] accounts: those are always asked".to_owned(),
    });
    Asked { logins: wanted }
}

/// What one role may do, before it is known which login has that role.
#[derive(Default)]
struct Held {
    /// Group, right, columns.
    rights: BTreeMap<(u64, Right), Vec<String>>,
}

/// All rights in effect, sorted.
pub async fn read(reader: &mut Reader<'_>, known: &Known<'_>, asked: &Asked) -> Read<Vec<EffectiveRight>> {
    let supers: BTreeSet<&str> = known.roles.iter().filter(|r| r.superuser).map(|r| r.name.as_str()).collect();
    let becomes = |login: &str| -> Vec<String> {
        let mut roles = reached(known.memberships, login, |m| m.set);
        // Whoever may become a superuser has no limits: that is told by PG-01.
        roles.retain(|role| !supers.contains(role.as_str()) && !role.starts_with("pg_"));
        roles
    };
    let mut all: BTreeSet<String> = asked.logins.iter().cloned().collect();
    all.extend(asked.logins.iter().flat_map(|login| becomes(login)));
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let all: Vec<String> = all.into_iter().collect();
    let held = held(reader, known, &all).await?;
    let paths = Paths::new(known.memberships);
    let database = database_group(known.containers.database.0);
    let mut rights = Vec::new();
    for login in &asked.logins {
        let Some(own) = held.get(login) else { continue };
        // Who cannot connect has no right that takes effect.
        if !own.rights.contains_key(&(database, Right::Connect)) {
            continue;
        }
        let mut add = |held: &Held, becomes: Option<&str>, without: Option<&Held>| {
            for ((group, right), columns) in &held.rights {
                if without
                    .is_some_and(|own| own.rights.get(&(*group, *right)).is_some_and(|c| c.is_empty() || c == columns))
                {
                    continue;
                }
                // A table in a schema that one may not use cannot be named.
                if let Some(place) = known.relations.groups.get(group)
                    && let Some((id, _)) = known.containers.schemas.iter().find(|(_, s)| s.name == place.schema)
                    && !held.rights.contains_key(&(schema_group(*id), Right::Usage))
                {
                    continue;
                }
                let target = target(known, *group);
                let path = paths.of(becomes.unwrap_or(login), *right, &target, columns);
                rights.push(EffectiveRight {
                    login: login.clone(),
                    group: *group,
                    right: *right,
                    becomes: becomes.map(str::to_owned),
                    path,
                    columns: columns.clone(),
                });
            }
        };
        add(own, None, None);
        for role in becomes(login) {
            if let Some(theirs) = held.get(&role) {
                add(theirs, Some(&role), Some(own));
            }
        }
    }
    rights.sort();
    Ok(rights)
}

fn target<'a>(known: &'a Known<'a>, group: u64) -> Target<'a> {
    if let Some(relations) = known.relations.groups.get(&group) {
        let grants = known.grants.get(&group).map_or(&[][..], Vec::as_slice);
        let columns = match relations.has_columns {
            true => known.relations.listed.iter().find(|r| r.group == group).map_or("", |r| r.name.as_str()),
            false => "",
        };
        return Target {
            owner: &relations.owner,
            grants,
            columns: known.columns.iter().filter(|c| c.relation == columns).collect(),
        };
    }
    let containers = known.containers;
    if group == database_group(containers.database.0) {
        let database = &containers.database.1;
        return Target { owner: &database.owner, grants: &database.grants, columns: Vec::new() };
    }
    let schema = containers.schemas.iter().find(|(id, _)| schema_group(*id) == group);
    match schema {
        Some((_, schema)) => Target { owner: &schema.owner, grants: &schema.grants, columns: Vec::new() },
        None => Target { owner: "", grants: &[], columns: Vec::new() },
    }
}

/// Asks the server.
async fn held(reader: &mut Reader<'_>, known: &Known<'_>, roles: &[String]) -> Read<BTreeMap<String, Held>> {
    let mut held: BTreeMap<String, Held> = BTreeMap::new();
    let ids = |wanted: &dyn Fn(bool, bool) -> bool| {
        let groups = known.relations.groups.iter().filter(|(_, g)| wanted(g.is_sequence, g.has_columns));
        Relations::ids(groups.map(|(id, _)| id))
    };
    let tables = match reader.server().has("acl.MAINTAIN") {
        false => "'SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER'",
        true => "'SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER','MAINTAIN'",
    };
    let schemas: Vec<u64> = known.containers.schemas.iter().map(|(id, _)| id.unsigned_abs()).collect();
    let database = [known.containers.database.0.unsigned_abs()];
    let questions: [(&str, &str, String, u64); 4] = [
        ("has_table_privilege", tables, ids(&|is_sequence, _| !is_sequence), 0),
        ("has_sequence_privilege", "'USAGE','SELECT','UPDATE'", ids(&|is_sequence, _| is_sequence), 0),
        ("has_schema_privilege", "'USAGE','CREATE'", Relations::ids(schemas.iter()), schema_group(0)),
        (
            "has_database_privilege",
            "'CONNECT','CREATE','TEMPORARY'",
            Relations::ids(database.iter()),
            database_group(0),
        ),
    ];
    for (function, words, ids, kind) in questions {
        // One row for each role and set of rights, however many groups have it.
        let sql = format!(
            "SELECT q.role, q.rights, array_agg(q.id) AS ids FROM (
                SELECT r.rolname::text AS role, g.id::int8 AS id, ARRAY(SELECT w FROM unnest(ARRAY[{words}]) AS w WHERE {function}(r.oid, g.id, w)) AS rights
                  FROM pg_roles r CROSS JOIN unnest({ids}) AS g(id) WHERE r.rolname = ANY({})) AS q
              WHERE q.rights <> '{{}}' GROUP BY q.role, q.rights",
            names(roles)
        );
        for row in reader.rows(sql).await? {
            let rights: Vec<String> = texts(&row, "rights")?;
            let holder = held.entry(text(&row, "role")?).or_default();
            for id in row.try_get::<Vec<i64>, _>("ids")? {
                for right in rights.iter().filter_map(|word| Right::from_word(word)) {
                    holder.rights.insert((kind | id.unsigned_abs(), right), Vec::new());
                }
            }
        }
    }
    let with_columns = ids(&|_, has_columns| has_columns);
    if known.relations.groups.values().any(|g| g.has_columns) {
        let sql = format!(
            "SELECT r.rolname::text AS role, a.attrelid::int8 AS id, w.word, array_agg(quote_ident(a.attname) ORDER BY a.attnum) AS columns
               FROM pg_roles r CROSS JOIN unnest(ARRAY['SELECT','INSERT','UPDATE','REFERENCES']) AS w(word)
               JOIN pg_attribute a ON a.attrelid = ANY({with_columns}) AND a.attnum > 0 AND NOT a.attisdropped
              WHERE r.rolname = ANY({}) AND NOT has_table_privilege(r.oid, a.attrelid, w.word) AND has_column_privilege(r.oid, a.attrelid, a.attnum, w.word)
              GROUP BY 1, 2, 3",
            names(roles)
        );
        for row in reader.rows(sql).await? {
            let word: &str = row.try_get("word")?;
            let Some(right) = Right::from_word(word) else { continue };
            let group = row.try_get::<i64, _>("id")?.unsigned_abs();
            held.entry(text(&row, "role")?).or_default().rights.insert((group, right), texts(&row, "columns")?);
        }
    }
    Ok(held)
}
