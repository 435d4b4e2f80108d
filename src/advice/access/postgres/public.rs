//! PG-06 to PG-08: what everybody may do.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::postgres::{PostgresFacts, RelationKind};

/// PG-06.
pub fn database(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if !case.is_declared() {
        return Judgement::absent("no service has anything in this database");
    }
    let mut rights = Vec::new();
    rights.extend(facts.public_connects.then_some("CONNECT"));
    rights.extend(facts.public_makes_temporary.then_some("TEMPORARY"));
    if rights.is_empty() {
        return Judgement::default();
    }
    let (name, rights) = (&facts.database.name, rights.join(", "));
    Judgement::of(vec![
        Failure::new(name, format!("PUBLIC has {rights} on database {name}"))
            .mended(
                format!("REVOKE {rights} ON DATABASE {name} FROM PUBLIC"),
                format!("GRANT {rights} ON DATABASE {name} TO PUBLIC"),
            )
            .but("logins that have the right by no other way cannot connect any more: grant it to them first"),
    ])
}

/// PG-07. The default before 15, which an upgrade carries along.
pub fn schemas(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let open = facts
        .schemas
        .iter()
        .filter(|schema| schema.grants.iter().any(|grant| grant.grantee.is_none() && grant.all().contains(&"CREATE")));
    open.map(|schema| {
        let name = &schema.name;
        Failure::new(name, format!("everybody makes objects in schema {name}")).mended(
            format!("REVOKE CREATE ON SCHEMA {name} FROM PUBLIC"),
            format!("GRANT CREATE ON SCHEMA {name} TO PUBLIC"),
        )
    })
    .collect()
}

/// PG-08.
pub fn relations(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut failures = Vec::new();
    for relation in &facts.relations {
        let open = facts.grants_on(relation).iter().filter(|grant| grant.grantee.is_none());
        let rights: Vec<&str> = open.flat_map(|grant| grant.all()).collect();
        if rights.is_empty() {
            continue;
        }
        let rights = rights.join(", ");
        let name = &relation.name;
        let object = if relation.kind == RelationKind::Sequence { format!("SEQUENCE {name}") } else { name.clone() };
        failures.push(
            Failure::new(name, format!("PUBLIC has {rights} on {name}"))
                .mended(format!("REVOKE ALL ON {object} FROM PUBLIC"), format!("GRANT {rights} ON {object} TO PUBLIC")),
        );
    }
    Judgement::of(failures)
}
