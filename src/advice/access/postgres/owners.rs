//! PG-30: objects that belong to somebody else than their schema.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::advice::wording::{counted, listed};
use crate::model::access::postgres::{PgRelation, PostgresFacts};
use std::collections::BTreeMap;

/// PG-30. One finding for each schema and owner. The default schema `public`, which belongs to no one in particular, is left out;
/// partitions and sequences of columns follow their table.
pub fn objects(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut foreign: BTreeMap<(&str, &str), Vec<&PgRelation>> = BTreeMap::new();
    for schema in &facts.schemas {
        let is_default = schema.name == "public"
            && (schema.owner == "pg_database_owner" || facts.role(&schema.owner).is_some_and(|r| r.is_bootstrap));
        if is_default {
            continue;
        }
        let in_it = facts.relations.iter().filter(|r| r.schema == schema.name && r.owner != schema.owner);
        for relation in in_it.filter(|r| !r.is_partition && !r.is_owned_sequence) {
            foreign.entry((schema.name.as_str(), relation.owner.as_str())).or_default().push(relation);
        }
    }
    let owner_of = |name: &str| facts.schemas.iter().find(|s| s.name == name).map_or("", |s| s.owner.as_str());
    let failures = foreign.into_iter().map(|((schema, owner), relations)| {
        let names: Vec<&str> = relations.iter().map(|r| r.name.as_str()).collect();
        let to = |owner: &str| {
            let each: Vec<String> = relations
                .iter()
                .map(|r| format!("ALTER {} {} OWNER TO {}", r.kind.keyword(), r.name, role(owner)))
                .collect();
            each.join("; ")
        };
        Failure::new(
            format!("{owner} in {schema}"),
            format!(
                "{owner} owns {} in schema {schema}, which belongs to {}",
                counted(relations.len(), "object"),
                owner_of(schema)
            ),
        )
        .fact(listed(&names))
        .mended(to(owner_of(schema)), to(owner))
    });
    failures.collect()
}
