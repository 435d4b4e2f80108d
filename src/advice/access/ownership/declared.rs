//! OWN-16: tables without an owner, and owners without a table.

use super::foreign::tables as found;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::object::ObjectKind;
use crate::model::access::postgres::PgRelation;
use std::collections::BTreeSet;

/// OWN-16. Partitions belong to their table.
pub fn tables(case: &Case<'_>) -> Judgement {
    if case.map.tables.is_empty() {
        return Judgement::absent("the profile declares no table of this store");
    }
    let partitions: BTreeSet<&str> = case
        .reading
        .postgres()
        .map(|facts| facts.relations.iter().filter(|r: &&PgRelation| r.is_partition).map(|r| r.name.as_str()).collect())
        .unwrap_or_default();
    let mut failures = Vec::new();
    for object in case.reading.of_kind(ObjectKind::Table) {
        if case.map.table(&object.name).is_none() && !partitions.contains(object.name.as_str()) {
            let mut failure = Failure::new(&object.name, format!("nobody declares that {} is theirs", object.name))
                .but("add it to `owns` of a service, or drop it");
            if !object.owner.is_empty() {
                failure = failure.fact(format!("owned by {}", object.owner));
            }
            failures.push(failure);
        }
    }
    let here: BTreeSet<&str> = found(case).into_iter().map(|(_, table)| table.name.as_str()).collect();
    for table in case.map.tables.iter().filter(|t| t.is_expected && !here.contains(t.name.as_str())) {
        failures.push(Failure::new(
            &table.name,
            format!("service {} declares {}, which is not here", table.service, table.name),
        ));
    }
    Judgement::of(failures)
}
