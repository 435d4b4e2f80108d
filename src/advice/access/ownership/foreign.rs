//! OWN-01, OWN-02 and OWN-06: rights on what belongs to another service, or has moved away.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::redis::remedy::own_keys;
use crate::advice::access::remedy::remedy;
use crate::model::access::declared::DeclaredTable;
use crate::model::access::object::{Object, ObjectKind};
use crate::model::access::reading::EngineFacts;
use crate::model::access::right::{EffectiveRight, Right};

/// Declared tables that are here.
pub fn tables<'a>(case: &Case<'a>) -> Vec<(&'a Object, &'a DeclaredTable)> {
    let objects = case.reading.of_kind(ObjectKind::Table);
    objects.filter_map(|object| case.map.table(&object.name).map(|table| (object, table))).collect()
}

/// A failure over rights on an object, with the paths as evidence and the statement that ends them.
pub fn over(login: &str, object: &Object, rights: &[&EffectiveRight], sentence: String) -> Failure {
    let mut failure = Failure::new(format!("{login} on {}", object.name), sentence);
    failure.evidence = rights.iter().map(|right| right.told()).collect();
    let remedy = remedy(login, object, rights);
    (failure.statement, failure.undo, failure.why_not) = (remedy.statement, remedy.undo, remedy.why_not);
    failure
}

/// On Redis rights on keys end by giving the login its own keys anew.
fn narrowed(case: &Case<'_>, login: &str, mut failure: Failure) -> Failure {
    let EngineFacts::Redis(facts) = &case.reading.engine else { return failure };
    let Some(user) = facts.users().iter().find(|user| user.name == login) else { return failure };
    let (statement, undo) = own_keys(case, user);
    failure.why_not.clear();
    failure.mended(statement, undo)
}

fn words(rights: &[&EffectiveRight]) -> String {
    let mut words: Vec<&str> = rights.iter().map(|right| right.right.word()).collect();
    words.dedup();
    words.join(", ")
}

fn foreign(case: &Case<'_>, concerns: impl Fn(Right) -> bool, allows_reads: bool, verb: &str) -> Judgement {
    let tables = tables(case);
    if tables.is_empty() {
        return Judgement::absent("no declared table is here");
    }
    let mut failures = Vec::new();
    for (account, _) in case.accounts() {
        let services: Vec<_> = case.map.services_of(account).collect();
        for (object, table) in &tables {
            let is_own = services.iter().any(|service| service.id == table.service);
            let is_allowed = allows_reads && services.iter().any(|s| case.map.may_read(s, table, case.today));
            // After the move it is OWN-06 that tells of writers.
            if is_own || is_allowed || (table.moved_at.is_some() && !allows_reads) {
                continue;
            }
            let rights: Vec<&EffectiveRight> =
                case.reading.rights_of(account, object).filter(|right| concerns(right.right)).collect();
            if rights.is_empty() {
                continue;
            }
            let service = services.first().map_or("", |service| service.id.as_str());
            let sentence = format!(
                "{account} of service {service} may {verb} {} of service {}: {}",
                object.name,
                table.service,
                words(&rights)
            );
            failures.push(narrowed(case, account, over(account, object, &rights, sentence)));
        }
    }
    Judgement::of(failures)
}

/// OWN-01.
pub fn writes(case: &Case<'_>) -> Judgement {
    foreign(case, Right::writes, false, "write")
}

/// OWN-02. Who may only point a foreign key at a table learns which keys it has: that is reading too.
pub fn reads(case: &Case<'_>) -> Judgement {
    foreign(case, |right| matches!(right, Right::Read | Right::References), true, "read")
}

/// OWN-06. Whoever it is: nobody but the migration's own logins writes where nobody reads any more.
pub fn moved(case: &Case<'_>) -> Judgement {
    let moved: Vec<_> = tables(case).into_iter().filter(|(_, table)| table.moved_at.is_some()).collect();
    if moved.is_empty() {
        return Judgement::absent("no table has moved away from this store");
    }
    let mut failures = Vec::new();
    for login in case.reading.logins.iter().filter(|l| l.can_log_in && !l.is_unlimited) {
        if case.map.migration.contains(&login.name) || case.map.ignores(&login.name) {
            continue;
        }
        for (object, table) in &moved {
            let rights: Vec<&EffectiveRight> =
                case.reading.rights_of(&login.name, object).filter(|right| right.right.writes()).collect();
            if rights.is_empty() {
                continue;
            }
            let at = table.moved_at.map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
            let sentence =
                format!("{} may still write {}, which moved on {at}: {}", login.name, object.name, words(&rights));
            failures.push(narrowed(case, &login.name, over(&login.name, object, &rights, sentence)));
        }
    }
    Judgement::of(failures)
}
