//! PG-11 to PG-13: code that runs with its owner's rights, and code that everybody may run.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::advice::wording::{counted, listed};
use crate::model::access::postgres::{PgFunction, PostgresFacts};
use std::collections::{BTreeMap, BTreeSet};

/// PG-11. A path with `$user` in it is the caller's after all.
pub fn search_path(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let open = |f: &&PgFunction| f.definer && f.search_path.as_deref().is_none_or(|path| path.contains("$user"));
    facts
        .functions
        .iter()
        .filter(open)
        .map(|f| {
            let (keyword, name) = (&f.keyword, &f.name);
            Failure::new(
                name,
                format!("{name} runs with the rights of {} and with the search path of whoever calls it", f.owner),
            )
            .mended(
                format!("ALTER {keyword} {name} SET search_path = pg_catalog, {}, pg_temp", f.schema),
                format!("ALTER {keyword} {name} RESET search_path"),
            )
        })
        .collect()
}

/// PG-12.
pub fn superuser(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let is_super = |f: &&PgFunction| facts.role(&f.owner).is_some_and(|owner| owner.superuser);
    let open = facts.functions.iter().filter(|f| f.definer && f.is_public && !f.is_trigger).filter(is_super);
    open.map(|f| {
        let (keyword, name) = (&f.keyword, &f.name);
        Failure::new(name, format!("everybody runs {name} with the rights of the superuser {}", f.owner)).mended(
            format!("REVOKE EXECUTE ON {keyword} {name} FROM PUBLIC"),
            format!("GRANT EXECUTE ON {keyword} {name} TO PUBLIC"),
        )
    })
    .collect()
}

/// PG-13. One finding for each schema that holds a service's table.
pub fn public_functions(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let services = facts.relations.iter().filter(|r| case.map.table(&r.name).is_some()).map(|r| r.schema.as_str());
    let services: BTreeSet<&str> = services.collect();
    if services.is_empty() {
        return Judgement::absent("no schema of this database holds a declared table");
    }
    let mut by_schema: BTreeMap<&str, Vec<&PgFunction>> = BTreeMap::new();
    for function in
        facts.functions.iter().filter(|f| f.is_public && !f.is_trigger && services.contains(f.schema.as_str()))
    {
        by_schema.entry(&function.schema).or_default().push(function);
    }
    let failures = by_schema.into_iter().map(|(schema, functions)| {
        let owners: BTreeSet<&str> = functions.iter().map(|f| f.owner.as_str()).collect();
        let defaults = |verb: &str, way: &str| {
            let each: Vec<String> = owners
                .iter()
                .map(|owner| {
                    format!(
                        "ALTER DEFAULT PRIVILEGES FOR ROLE {} {verb} EXECUTE ON FUNCTIONS {way} PUBLIC",
                        role(owner)
                    )
                })
                .collect();
            each.join("; ")
        };
        let each = |verb: &str, way: &str| {
            let each: Vec<String> =
                functions.iter().map(|f| format!("{verb} EXECUTE ON {} {} {way} PUBLIC", f.keyword, f.name)).collect();
            each.join("; ")
        };
        let names: Vec<&str> = functions.iter().map(|f| f.name.as_str()).collect();
        Failure::new(schema, format!("everybody runs {} in schema {schema}", counted(functions.len(), "function")))
            .fact(listed(&names))
            .mended(
                format!("{}; {}", defaults("REVOKE", "FROM"), each("REVOKE", "FROM")),
                format!("{}; {}", defaults("GRANT", "TO"), each("GRANT", "TO")),
            )
            .but("logins that call them need EXECUTE of their own first")
    });
    failures.collect()
}
