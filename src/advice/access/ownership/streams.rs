//! OWN-12 and OWN-13: what carries changes out of a service.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::literal;
use crate::model::ids::ServiceId;
use std::collections::BTreeMap;

/// What Godwit makes begins so; it goes when its pipeline ends.
const OURS: &str = "godwit";

/// OWN-12.
pub fn publications(case: &Case<'_>) -> Judgement {
    let Some(facts) = case.reading.postgres() else { return Judgement::absent("this engine has no publications") };
    if !case.is_declared() {
        return Judgement::absent("no service has anything in this database");
    }
    let mut failures = Vec::new();
    for publication in facts.publications.iter().filter(|p| !p.name.trim_matches('"').starts_with(OURS)) {
        let name = &publication.name;
        if publication.all_tables {
            failures.push(
                Failure::new(
                    name,
                    format!("publication {name} carries all tables, those of every service and those to come"),
                )
                .but(format!("DROP PUBLICATION {name} and create it again FOR TABLE with what its readers need")),
            );
            continue;
        }
        let mut by_service: BTreeMap<&ServiceId, Vec<&str>> = BTreeMap::new();
        for table in &publication.tables {
            if let Some(service) = case.map.owner_of(table) {
                by_service.entry(service).or_default().push(table);
            }
        }
        if by_service.len() < 2 {
            continue;
        }
        let services: Vec<&str> = by_service.keys().map(|s| s.as_str()).collect();
        let all = publication.tables.join(", ");
        let mut failure =
            Failure::new(name, format!("publication {name} carries tables of {}", services.join(" and ")));
        failure.evidence =
            by_service.iter().map(|(service, tables)| format!("{service}: {}", tables.join(", "))).collect();
        // The first service keeps the publication: which one is meant, the operator knows.
        if let Some(kept) = by_service.values().next() {
            failure = failure
                .mended(
                    format!("ALTER PUBLICATION {name} SET TABLE {}", kept.join(", ")),
                    format!("ALTER PUBLICATION {name} SET TABLE {all}"),
                )
                .but("choose the service that keeps it, and make another one for the rest");
        }
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// OWN-13.
pub fn leftover(case: &Case<'_>) -> Judgement {
    if !case.map.is_over(case.today) {
        return Judgement::absent("the migration's last day ([access] until) is not over, or not set");
    }
    let Some(facts) = case.reading.postgres() else { return readers(case) };
    facts
        .streams
        .iter()
        .map(|stream| {
            let name = &stream.name;
            let (what, statement) = match stream.is_slot {
                true => ("slot", format!("SELECT pg_drop_replication_slot({})", literal(name))),
                false => ("subscription", format!("DROP SUBSCRIPTION {name}")),
            };
            let state = if stream.active { "active" } else { "unused: it keeps the log from being removed" };
            Failure::new(name, format!("{what} {name} is left over after the migration"))
                .fact(state)
                .mended_for_good(statement, "who reads it has to copy everything again")
        })
        .collect()
}

/// The same where nothing keeps a reader's place on the server: the migration's logins that still read the log.
fn readers(case: &Case<'_>) -> Judgement {
    let streams = case.reading.live.iter().filter(|live| live.replicates && case.map.migration.contains(&live.login));
    let failures = streams.map(|live| {
        Failure::new(
            format!("{} from {}", live.login, live.client),
            format!("{} worked for the migration, which is over, and still reads the log", live.login),
        )
        .fact(format!("{} sessions of {} from {}", live.sessions, live.application, live.client))
        .but("stop what runs there, then take the login's rights (OWN-20)")
    });
    Judgement { failures: failures.collect(), hidden: case.reading.unread.sessions.clone(), absent: None }
}
