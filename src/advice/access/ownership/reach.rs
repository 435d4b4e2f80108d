//! OWN-04: databases and schemas that a login reaches for nothing.

use super::foreign::{over, tables};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::Judgement;
use crate::model::access::object::{ObjectKind, plain};
use crate::model::access::right::{EffectiveRight, Right, RightPath};

/// OWN-04. That everybody may use the schema `public` is the server's default and tells nothing.
pub fn places(case: &Case<'_>) -> Judgement {
    let tables = tables(case);
    if tables.is_empty() {
        return Judgement::absent("no declared table is here");
    }
    let mut failures = Vec::new();
    for (account, _) in case.accounts() {
        let services: Vec<_> = case.map.services_of(account).collect();
        if services.iter().any(|service| service.home == *case.store) {
            continue;
        }
        let has_something = |schema: Option<&str>| {
            tables.iter().any(|(object, table)| {
                let is_there = schema.is_none_or(|schema| schema_of(&object.name) == plain(schema));
                let is_its_own =
                    services.iter().any(|s| s.id == table.service || case.map.may_read(s, table, case.today));
                // Rights on the place itself, which engines without grants on tables show there too, are no reason to be in it.
                let is_of_rows = |right: &EffectiveRight| {
                    !matches!(
                        right.right,
                        Right::Usage | Right::Create | Right::Connect | Right::Temporary | Right::Execute
                    )
                };
                is_there && (is_its_own || case.reading.rights_of(account, object).any(is_of_rows))
            })
        };
        for database in case.reading.of_kind(ObjectKind::Database).filter(|_| !has_something(None)) {
            let rights: Vec<&EffectiveRight> =
                case.reading.rights_of(account, database).filter(|r| r.right == Right::Connect).collect();
            if !rights.is_empty() {
                let sentence = format!("{account} may connect to {}, where its service has nothing", database.name);
                failures.push(over(account, database, &rights, sentence));
            }
        }
        let services_schemas = case.reading.of_kind(ObjectKind::Schema).filter(|schema| {
            tables.iter().any(|(object, _)| schema_of(&object.name) == plain(&schema.name))
                && !has_something(Some(&schema.name))
        });
        for schema in services_schemas {
            let is_default = |right: &EffectiveRight| schema.name == "public" && right.path == RightPath::Public;
            let rights: Vec<&EffectiveRight> = case
                .reading
                .rights_of(account, schema)
                .filter(|r| matches!(r.right, Right::Usage | Right::Create) && !is_default(r))
                .collect();
            if !rights.is_empty() {
                let sentence = format!("{account} may use schema {}, where its service has nothing", schema.name);
                failures.push(over(account, schema, &rights, sentence));
            }
        }
    }
    Judgement::of(failures)
}

fn schema_of(name: &str) -> String {
    let name = plain(name);
    name.split_once('.').map_or(String::new(), |(schema, _)| schema.to_owned())
}
