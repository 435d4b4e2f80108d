//! OWN-15: tables of another service behind code that a login may run.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::model::finding::Confidence;

/// OWN-15.
pub fn callable(case: &Case<'_>) -> Judgement {
    let Some(facts) = case.reading.postgres() else { return Judgement::absent("this engine's code is not read") };
    let definers: Vec<_> = facts.functions.iter().filter(|f| f.definer && !f.is_trigger).collect();
    if definers.is_empty() {
        return Judgement::absent("no code runs with its owner's rights");
    }
    let mut failures = Vec::new();
    for function in definers {
        let owned = function.relations.iter().filter_map(|name| case.map.table(name));
        for table in owned {
            for caller in &function.callers {
                let services: Vec<_> = case.map.services_of(caller).collect();
                let is_known =
                    services.iter().any(|s| s.id == table.service || case.map.may_read(s, table, case.today));
                let Some(service) = services.first().filter(|_| !is_known) else { continue };
                let (keyword, name) = (&function.keyword, &function.name);
                let whom = if function.is_public { "PUBLIC".to_owned() } else { role(caller) };
                let mut failure = Failure::new(
                    format!("{caller} through {name} to {}", table.name),
                    format!(
                        "{caller} of service {} reaches {} of service {} through {name}",
                        service.id, table.name, table.service
                    ),
                )
                .fact(format!("it runs with the rights of {}", function.owner))
                .mended(
                    format!("REVOKE EXECUTE ON {keyword} {name} FROM {whom}"),
                    format!("GRANT EXECUTE ON {keyword} {name} TO {whom}"),
                )
                .but("if it is meant as the service's interface, declare the table in allowed_reads");
                failure.confidence = Some(Confidence::Estimated);
                failures.push(failure);
            }
        }
    }
    Judgement::of(failures)
}
