//! OWN-08 to OWN-11: what ties tables of different services together.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::model::access::object::{Link, LinkKind, ObjectKind};
use crate::model::access::postgres::{PgServer, Readable};
use crate::model::access::reading::EngineFacts;
use crate::model::finding::Confidence;
use crate::model::ids::ServiceId;
use std::collections::{BTreeMap, BTreeSet};

fn is_declared(case: &Case<'_>) -> Option<Judgement> {
    case.map.tables.is_empty().then(|| Judgement::absent("no declared table is here"))
}

/// OWN-08. Both sides must be declared: a table of nobody is OWN-16's.
pub fn foreign_keys(case: &Case<'_>) -> Judgement {
    if let Some(absent) = is_declared(case) {
        return absent;
    }
    let mut failures = Vec::new();
    for link in case.reading.links.iter().filter(|l| l.kind == LinkKind::ForeignKey) {
        let (Some(from), Some(to)) = (case.map.owner_of(&link.from), case.map.owner_of(&link.to)) else { continue };
        if from == to {
            continue;
        }
        let mut failure = Failure::new(
            format!("{} on {}", link.name, link.from),
            format!("{} of service {from} refers to {} of service {to}", link.from, link.to),
        )
        .but("the service then has to keep the rule itself, by a check or an event");
        (failure.statement, failure.undo) = (link.statement.clone(), link.undo.clone());
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// OWN-09. What was read out of a program's text is marked as an estimate.
pub fn code(case: &Case<'_>) -> Judgement {
    if let Some(absent) = is_declared(case) {
        return absent;
    }
    let kinds = |kind| matches!(kind, LinkKind::View | LinkKind::Trigger | LinkKind::Function | LinkKind::Event);
    let mut by_code: BTreeMap<(LinkKind, String), Vec<&Link>> = BTreeMap::new();
    for link in case.reading.links.iter().filter(|l| kinds(l.kind) && l.is_enabled) {
        let name =
            if link.kind == LinkKind::Trigger { format!("{} on {}", link.name, link.from) } else { link.name.clone() };
        by_code.entry((link.kind, name)).or_default().push(link);
    }
    let mut failures = Vec::new();
    for ((kind, name), links) in by_code {
        let mut touched: BTreeMap<&ServiceId, BTreeSet<&str>> = BTreeMap::new();
        for table in links.iter().flat_map(|l| [&l.from, &l.to]) {
            if let Some(service) = case.map.owner_of(table) {
                touched.entry(service).or_default().insert(table);
            }
        }
        if touched.len() < 2 {
            continue;
        }
        let word = match kind {
            LinkKind::View => "view",
            LinkKind::Trigger => "trigger",
            LinkKind::Function => "function",
            LinkKind::Event => "event",
            LinkKind::ForeignKey | LinkKind::Sequence => continue,
        };
        let services: Vec<&str> = touched.keys().map(|service| service.as_str()).collect();
        let mut failure = Failure::new(&name, format!("{word} {name} spans services {}", services.join(" and ")))
            .but("rebuild it inside one service");
        failure.evidence = touched
            .iter()
            .map(|(service, tables)| format!("{service}: {}", tables.iter().copied().collect::<Vec<_>>().join(", ")))
            .collect();
        if links.iter().any(|l| !l.is_certain) {
            failure.confidence = Some(Confidence::Estimated);
        }
        if let Some(link) = links.first() {
            (failure.statement, failure.undo) = (link.statement.clone(), link.undo.clone());
        }
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// OWN-10.
pub fn sequences(case: &Case<'_>) -> Judgement {
    if let Some(absent) = is_declared(case) {
        return absent;
    }
    let mut by_sequence: BTreeMap<&str, BTreeMap<&ServiceId, BTreeSet<&str>>> = BTreeMap::new();
    for link in case.reading.links.iter().filter(|l| l.kind == LinkKind::Sequence) {
        for table in [&link.from, &link.to] {
            if let Some(service) = case.map.owner_of(table) {
                by_sequence.entry(&link.name).or_default().entry(service).or_default().insert(table);
            }
        }
    }
    let shared = by_sequence.into_iter().filter(|(_, services)| services.len() > 1);
    shared
        .map(|(sequence, services)| {
            let names: Vec<&str> = services.keys().map(|service| service.as_str()).collect();
            let mut failure =
                Failure::new(sequence, format!("services {} take numbers from {sequence}", names.join(" and ")))
                    .but("give each its own sequence, set past the highest number with a gap");
            failure.evidence = services
                .iter()
                .map(|(service, tables)| {
                    format!("{service}: {}", tables.iter().copied().collect::<Vec<_>>().join(", "))
                })
                .collect();
            failure
        })
        .collect()
}

/// OWN-11.
pub fn servers(case: &Case<'_>) -> Judgement {
    if !case.is_declared() {
        return Judgement::absent("no service has anything in this database");
    }
    let (wrappers, hidden, after) = match &case.reading.engine {
        EngineFacts::Postgres(facts) => {
            let wrappers = facts.servers.iter().map(|s: &PgServer| (s.server.name.as_str(), s.wrapper.as_str()));
            (wrappers.collect::<BTreeMap<_, _>>(), None, " CASCADE")
        }
        EngineFacts::Mysql(facts) => match &facts.servers {
            Readable::Read(servers) => {
                (servers.iter().map(|s| (s.name.as_str(), s.wrapper.as_str())).collect(), None, "")
            }
            Readable::Hidden(why) => (BTreeMap::new(), Some(why.clone()), ""),
        },
        EngineFacts::Mongo(_) | EngineFacts::Redis(_) | EngineFacts::Other => (BTreeMap::new(), None, ""),
    };
    let servers = case.reading.of_kind(ObjectKind::ForeignServer).filter(|s| !case.map.migration.contains(&s.owner));
    let failures = servers
        .map(|server| {
            let wrapper = wrappers.get(server.name.as_str()).copied().unwrap_or_default();
            let mut failure = Failure::new(
                &server.name,
                format!("a service's database is linked to server {} ({wrapper})", server.name),
            )
            .mended_for_good(
                format!("DROP SERVER {}{after}", server.name),
                "its options and foreign tables are not kept: note them first",
            );
            if !server.owner.is_empty() {
                failure = failure.fact(format!("owned by {}", role(&server.owner)));
            }
            failure
        })
        .collect();
    Judgement { failures, hidden, absent: None }
}
