//! PG-09 and PG-10: grants that can be passed on, and grants on columns.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::{grantee, role};
use crate::model::access::postgres::{Grant, PostgresFacts, RelationKind};

/// PG-09.
pub fn grant_options(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut failures = Vec::new();
    let mut look = |object: &str, subject: &str, grants: &[Grant]| {
        for grant in grants.iter().filter(|grant| !grant.grantable.is_empty()) {
            let Some(holder) = grant.grantee.as_deref().filter(|name| !case.is_set_apart(name)) else { continue };
            let (rights, name) = (grant.grantable.join(", "), role(holder));
            failures.push(
                Failure::new(
                    format!("{holder} on {subject}"),
                    format!("{holder} passes {rights} on {subject} on to others"),
                )
                .mended(
                    format!("REVOKE GRANT OPTION FOR {rights} ON {object} FROM {name} CASCADE"),
                    format!("GRANT {rights} ON {object} TO {name} WITH GRANT OPTION"),
                )
                .but("CASCADE takes what the login passed on as well"),
            );
        }
    };
    let database = &facts.database;
    look(&format!("DATABASE {}", database.name), &format!("database {}", database.name), &database.grants);
    for schema in &facts.schemas {
        look(&format!("SCHEMA {}", schema.name), &format!("schema {}", schema.name), &schema.grants);
    }
    for relation in &facts.relations {
        let object = match relation.kind {
            RelationKind::Sequence => format!("SEQUENCE {}", relation.name),
            RelationKind::Table | RelationKind::View | RelationKind::MaterialisedView | RelationKind::ForeignTable => {
                relation.name.clone()
            }
        };
        look(&object, &relation.name, facts.grants_on(relation));
    }
    Judgement::of(failures)
}

/// PG-10. A grant on columns of a table that the login's service owns or may read is declared.
pub fn columns(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut failures = Vec::new();
    for column in &facts.column_grants {
        let holder = column.grant.grantee.as_deref();
        let is_declared = holder.and_then(|name| case.map.service_of(name)).is_some_and(|service| {
            let table = case.map.table(&column.relation);
            table.is_some_and(|table| table.service == service.id || case.map.may_read(service, table, case.today))
        });
        if is_declared || holder.is_some_and(|name| case.is_set_apart(name)) {
            continue;
        }
        let name = grantee(holder);
        let on = |rights: &[&str]| {
            let each: Vec<String> = rights.iter().map(|right| format!("{right} ({})", column.column)).collect();
            each.join(", ")
        };
        let rights = on(&column.grant.all());
        failures.push(
            Failure::new(
                format!("{name} on {}.{}", column.relation, column.column),
                format!("{name} has {rights} on {}", column.relation),
            )
            .mended(
                format!("REVOKE {rights} ON {} FROM {name}", column.relation),
                format!("GRANT {rights} ON {} TO {name}", column.relation),
            ),
        );
    }
    Judgement::of(failures)
}
