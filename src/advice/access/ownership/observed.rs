//! OWN-07 and OWN-22: what was seen in use, against what belongs to whom and what is granted.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::matrix::matrix;
use crate::advice::access::remedy::remedy;
use crate::model::access::matrix::Declared;
use crate::model::access::object::ObjectKind;
use crate::model::access::observed::{Seen, Use};
use crate::model::access::postgres::Readable;
use crate::model::access::reading::EngineFacts;
use crate::model::access::redis::RedisFacts;
use crate::model::access::right::EffectiveRight;
use crate::model::finding::Severity;
use std::collections::BTreeMap;

/// Days of looking after which "never used" is worth saying.
const DAYS: i64 = 30;

/// Table, login, and whether the table had moved before.
type Who<'a> = (&'a str, &'a str, bool);

/// OWN-07. After a table has moved its own service is a foreigner there too: what is left of the traffic goes to the wrong place.
pub fn foreign(case: &Case<'_>) -> Judgement {
    if case.map.tables.is_empty() {
        return Judgement::absent("no declared table is here");
    }
    if let EngineFacts::Redis(facts) = &case.reading.engine {
        return refused(case, facts);
    }
    if case.observed.looks == 0 {
        return Judgement::hidden("the tables in use were not looked at yet");
    }
    let mut found: BTreeMap<Who<'_>, Vec<(&Use, &Seen)>> = BTreeMap::new();
    for (used, seen) in case.observed.uses() {
        let Some(table) = case.map.table(&used.table) else { continue };
        if case.is_set_apart(&used.login) {
            continue;
        }
        let is_residual = table.moved_at.is_some_and(|at| seen.last > at);
        let services: Vec<_> = case.map.services_of(&used.login).collect();
        let is_own = services.iter().any(|service| service.id == table.service);
        let may_read = !used.writes && services.iter().any(|s| case.map.may_read(s, table, case.today));
        if is_residual || !(is_own || may_read) {
            found.entry((used.table.as_str(), used.login.as_str(), is_residual)).or_default().push((used, seen));
        }
    }
    let mut failures = Vec::new();
    for ((table, login, is_residual), uses) in found {
        let Some(declared) = case.map.table(table) else { continue };
        let writes = uses.iter().any(|(used, _)| used.writes);
        let verb = if writes { "writing" } else { "reading" };
        let what = match is_residual {
            true => format!("{table}, which has moved"),
            false => format!("{table} of service {}", declared.service),
        };
        let whose = match case.map.service_of(login) {
            Some(service) => format!("{login} of service {}", service.id),
            None => format!("{login}, which no service declares,"),
        };
        let mut failure = Failure::new(format!("{login} on {table}"), format!("{whose} was seen {verb} {what}"));
        failure.severity = Some(if writes { Severity::Critical } else { Severity::High });
        failure.window = case.window();
        for (used, seen) in uses {
            let times = format!(
                "first {}, last {}",
                seen.first.format("%Y-%m-%d %H:%M:%SZ"),
                seen.last.format("%Y-%m-%d %H:%M:%SZ")
            );
            failure.evidence.push(format!(
                "{} from {}: {} looks, {times}: {}",
                used.application, used.client, seen.looks, seen.statement
            ));
        }
        if let Some(object) = case.reading.of_kind(ObjectKind::Table).find(|object| object.name == table) {
            let rights: Vec<&EffectiveRight> =
                case.reading.rights_of(login, object).filter(|r| !writes || r.right.writes()).collect();
            let end = remedy(login, object, &rights);
            (failure.statement, failure.undo, failure.why_not) = (end.statement, end.undo, end.why_not);
            failure.why_not.push("somebody uses it: find out for what before the right goes".to_owned());
        }
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// Redis tells of no key that a client uses, but keeps a log of those that it refused: who tries is a foreigner too.
fn refused(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let Readable::Read(denials) = &facts.denials else { return Judgement::default() };
    let mut failures = Vec::new();
    for denial in denials {
        let Some(table) = denial.table.as_deref().and_then(|name| case.map.table(name)) else { continue };
        if case.is_set_apart(&denial.user) || case.map.services_of(&denial.user).any(|s| s.id == table.service) {
            continue;
        }
        let mut failure = Failure::new(
            format!("{} on {}", denial.user, table.name),
            format!("{} tried to use {} of service {}, and was refused", denial.user, table.name, table.service),
        )
        .fact(format!(
            "{} times {} from {}, the last one {} s ago",
            denial.count, denial.object, denial.client, denial.age_s
        ))
        .but("nothing was read or written; find out who still asks there");
        failure.severity = Some(Severity::Medium);
        failures.push(failure);
    }
    failures.dedup_by(|a, b| a.subject == b.subject);
    Judgement::of(failures)
}

/// OWN-22. Advice only: what runs once a quarter was not seen in a month.
pub fn unused(case: &Case<'_>) -> Judgement {
    // Godwit's own accounts have rights on everything by which the catalogue shows it, and read no row.
    let is_foreign = |login: &str| !case.is_set_apart(login);
    let cells: Vec<_> = matrix(case)
        .into_iter()
        .filter(|cell| cell.declared != Declared::Own && !cell.granted.is_empty() && is_foreign(&cell.login))
        .collect();
    if cells.is_empty() {
        return Judgement::absent("no login has rights on another service's tables");
    }
    let observed = case.observed;
    let days = observed.since.zip(observed.until).map_or(0, |(since, until)| (until - since).num_days());
    if days < DAYS {
        return Judgement::hidden(format!("the tables in use were looked at for {days} of {DAYS} days"));
    }
    if observed.forgotten > 0 {
        return Judgement::hidden(format!(
            "{} uses were forgotten for want of room, so that no use cannot be proved",
            observed.forgotten
        ));
    }
    let mut failures = Vec::new();
    for cell in cells.into_iter().filter(|cell| cell.looks == 0) {
        let Some(object) = case.reading.of_kind(ObjectKind::Table).find(|object| object.name == cell.table) else {
            continue;
        };
        let rights: Vec<&EffectiveRight> = case.reading.rights_of(&cell.login, object).collect();
        let mut failure = Failure::new(
            format!("{} on {}", cell.login, cell.table),
            format!("{} was not seen using {} in {days} days, and may", cell.login, cell.table),
        );
        let end = remedy(&cell.login, object, &rights);
        (failure.statement, failure.undo, failure.why_not) = (end.statement, end.undo, end.why_not);
        failure.why_not.push("statements shorter than the time between two looks are not seen".to_owned());
        failure.evidence = cell.paths;
        failure.window = case.window();
        failures.push(failure);
    }
    Judgement::of(failures)
}
