//! OWN-20 and OWN-21: what the migration leaves behind.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::advice::access::{mongodb, mysql, redis};
use crate::model::access::object::{Link, LinkKind};
use crate::model::access::postgres::PgRole;
use crate::model::access::reading::EngineFacts;

const NOT_OVER: &str = "the migration's last day ([access] until) is not over, or not set";

/// OWN-20.
pub fn logins(case: &Case<'_>) -> Judgement {
    if !case.map.is_over(case.today) {
        return Judgement::absent(NOT_OVER);
    }
    let facts = match &case.reading.engine {
        EngineFacts::Postgres(facts) => facts,
        EngineFacts::Mysql(facts) => return mysql::powers::left(case, facts),
        EngineFacts::Mongo(facts) => return mongodb::roles::left(case, facts),
        EngineFacts::Redis(facts) => return redis::commands::left(case, facts),
        EngineFacts::Other => return Judgement::absent("this engine has no logins"),
    };
    let mut failures = Vec::new();
    for login in facts.roles.iter().filter(|r: &&PgRole| r.login && case.map.migration.contains(&r.name)) {
        let all = [
            (login.superuser, "SUPERUSER"),
            (login.replication, "REPLICATION"),
            (login.bypass_row_security, "BYPASSRLS"),
            (login.create_role, "CREATEROLE"),
            (login.create_database, "CREATEDB"),
        ];
        let powers: Vec<&str> = all.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect();
        let setting = login.settings.iter().any(|s| s.name == "session_replication_role");
        if powers.is_empty() && !setting {
            continue;
        }
        let name = role(&login.name);
        let mut statement: Vec<String> = Vec::new();
        let mut undo: Vec<String> = Vec::new();
        if !powers.is_empty() {
            let none: Vec<String> = powers.iter().map(|word| format!("NO{word}")).collect();
            statement.push(format!("ALTER ROLE {name} {}", none.join(" ")));
            undo.push(format!("ALTER ROLE {name} {}", powers.join(" ")));
        }
        if setting {
            statement.push(format!("ALTER ROLE {name} RESET session_replication_role"));
            undo.push(format!("ALTER ROLE {name} SET session_replication_role = replica"));
        }
        failures.push(
            Failure::new(
                &login.name,
                format!(
                    "{} worked for the migration, which is over, and still has {}",
                    login.name,
                    if powers.is_empty() { "session_replication_role".to_owned() } else { powers.join(", ") }
                ),
            )
            .mended(statement.join("; "), undo.join("; ")),
        );
    }
    Judgement::of(failures)
}

/// OWN-21. Scheduled events copy from one service to another as triggers do.
pub fn triggers(case: &Case<'_>) -> Judgement {
    if !case.map.is_over(case.today) {
        return Judgement::absent(NOT_OVER);
    }
    let mut failures = Vec::new();
    let of_kind = |kind| move |link: &&Link| link.kind == kind && link.is_enabled;
    for link in case.reading.links.iter().filter(of_kind(LinkKind::Event)) {
        // It belongs to whoever owns the first table that it names; it has no table of its own.
        let tables = case.reading.links.iter().filter(|l| l.kind == LinkKind::Event && l.name == link.name);
        let mut owners: Vec<_> = tables.filter_map(|l| case.map.owner_of(&l.to)).collect();
        owners.sort();
        owners.dedup();
        if owners.len() < 2 {
            continue;
        }
        let mut failure = Failure::new(
            &link.name,
            format!("event {} still works on two services' tables after the migration", link.name),
        );
        (failure.statement, failure.undo) = (link.statement.clone(), link.undo.clone());
        failures.push(failure);
    }
    for link in case.reading.links.iter().filter(of_kind(LinkKind::Trigger)) {
        let (from, to) = (case.map.owner_of(&link.from), case.map.owner_of(&link.to));
        // To a table of nobody, such as an outbox, or of another service.
        if from.is_none() || from == to {
            continue;
        }
        let mut failure = Failure::new(
            format!("{} on {}", link.name, link.from),
            format!("trigger {} on {} still writes to {} after the migration", link.name, link.from, link.to),
        )
        .but("drop it once it was off for a while");
        (failure.statement, failure.undo) = (link.statement.clone(), link.undo.clone());
        failures.push(failure);
    }
    failures.dedup_by(|a, b| a.subject == b.subject);
    Judgement::of(failures)
}
