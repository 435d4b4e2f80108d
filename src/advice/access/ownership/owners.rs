//! OWN-05: who owns the tables.

use super::foreign::tables;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::advice::wording::{counted, listed};
use crate::model::access::object::Object;
use crate::model::ids::ServiceId;
use std::collections::BTreeMap;

/// OWN-05. An owner can drop the table, give itself every right and switch policies off. One finding for each service and owner.
pub fn tables_of(case: &Case<'_>) -> Judgement {
    let tables = tables(case);
    if tables.is_empty() {
        return Judgement::absent("no declared table is here");
    }
    let mut owned: BTreeMap<(&ServiceId, &str), Vec<&Object>> = BTreeMap::new();
    for (object, table) in tables {
        let logs_in = case.reading.login(&object.owner).is_some_and(|l| l.can_log_in && !l.is_unlimited);
        if logs_in && !case.is_set_apart(&object.owner) {
            owned.entry((&table.service, object.owner.as_str())).or_default().push(object);
        }
    }
    let failures = owned.into_iter().map(|((service, owner), objects)| {
        let new_owner = role(&format!("{}_owner", service.as_str().replace('-', "_")));
        let names: Vec<&str> = objects.iter().map(|o| o.name.as_str()).collect();
        let to = |owner: &str| {
            names.iter().map(|name| format!("ALTER TABLE {name} OWNER TO {owner}")).collect::<Vec<_>>().join("; ")
        };
        let grants: Vec<String> = names
            .iter()
            .map(|name| format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {}", role(owner)))
            .collect();
        let mut statement = vec![to(&new_owner)];
        if case.reading.login(new_owner.trim_matches('"')).is_none() {
            statement.insert(0, format!("CREATE ROLE {new_owner} NOLOGIN"));
        }
        if case.map.service_of(owner).is_some_and(|s| s.id == *service) {
            statement.extend(grants);
        }
        Failure::new(
            format!("{owner} of {service}"),
            format!("{owner}, which somebody logs in as, owns {} of service {service}", counted(names.len(), "table")),
        )
        .fact(listed(&names))
        .mended(statement.join("; "), to(&role(owner)))
    });
    failures.collect()
}
