//! PG-01 to PG-04 and PG-33: roles with powers that an application does not need.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::role;
use crate::model::access::login::chain;
use crate::model::access::postgres::{PgRole, PostgresFacts};

/// PG-01. The role that initdb made cannot be anything else, and counts as break-glass.
pub fn superusers(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let mut failures = Vec::new();
    for login in facts.roles.iter().filter(|r| r.login && !r.is_bootstrap && !is_named(case, &r.name)) {
        if login.superuser {
            let name = role(&login.name);
            let sessions: u64 = case.reading.live.iter().filter(|l| l.login == login.name).map(|l| l.sessions).sum();
            failures.push(
                Failure::new(&login.name, format!("{} is a superuser and no named break-glass login", login.name))
                    .fact(format!("{sessions} sessions in this database now"))
                    .mended(format!("ALTER ROLE {name} NOSUPERUSER"), format!("ALTER ROLE {name} SUPERUSER")),
            );
            continue;
        }
        let is_super = |group: &str| facts.role(group).is_some_and(|r| r.superuser);
        if let Some(through) = chain(&case.reading.memberships, &login.name, |m| m.set, is_super) {
            failures.push(membership(&login.name, &through, "becomes a superuser by SET ROLE"));
        }
    }
    Judgement::of(failures)
}

fn is_named(case: &Case<'_>, login: &str) -> bool {
    case.map.break_glass.iter().any(|name| name == login) || case.map.ignores(login)
}

/// A login that reaches a role; mended at the last step of the way.
fn membership(login: &str, through: &[String], what: &str) -> Failure {
    let last = through.last().map_or("", String::as_str);
    let holder = through.len().checked_sub(2).and_then(|at| through.get(at)).map_or(login, String::as_str);
    let failure = Failure::new(login, format!("{login} {what}: {}", through.join(" -> "))).mended(
        format!("REVOKE {} FROM {}", role(last), role(holder)),
        format!("GRANT {} TO {}", role(last), role(holder)),
    );
    if holder == login { failure } else { failure.but(format!("every member of {holder} loses it")) }
}

/// PG-02.
pub fn attributes(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let powers = |r: &PgRole| {
        let all = [
            (r.create_role, "CREATEROLE"),
            (r.create_database, "CREATEDB"),
            (r.replication, "REPLICATION"),
            (r.bypass_row_security, "BYPASSRLS"),
        ];
        all.into_iter().filter(|(has, _)| *has).map(|(_, word)| word).collect::<Vec<_>>()
    };
    let with = case.applications(facts).map(|r| (r, powers(r))).filter(|(_, powers)| !powers.is_empty());
    with.map(|(r, powers)| {
        let name = role(&r.name);
        let without: Vec<String> = powers.iter().map(|word| format!("NO{word}")).collect();
        let mut failure = Failure::new(&r.name, format!("{} has {}", r.name, powers.join(", "))).mended(
            format!("ALTER ROLE {name} {}", without.join(" ")),
            format!("ALTER ROLE {name} {}", powers.join(" ")),
        );
        if r.create_role && facts.version < 160_000 {
            failure = failure.fact("before PostgreSQL 16 CREATEROLE can give itself nearly every other role");
        }
        failure
    })
    .collect()
}

/// The roles of the server's own that `names` has, reached on any way by logins that `who` picks.
fn reaching<'a>(case: &Case<'_>, who: impl Iterator<Item = &'a PgRole>, names: &[&str], what: &str) -> Judgement {
    let mut failures = Vec::new();
    for login in who {
        let mut ways = names.iter().filter_map(|name| {
            chain(&case.reading.memberships, &login.name, |m| m.inherit || m.set || m.admin, |group| group == *name)
        });
        let Some(first) = ways.next() else { continue };
        let mut failure = membership(&login.name, &first, what);
        for way in ways {
            let more = membership(&login.name, &way, what);
            failure.evidence.push(format!("also {}", way.join(" -> ")));
            let join = |a: Option<String>, b: Option<String>| a.zip(b).map(|(a, b)| format!("{a}; {b}"));
            failure.statement = join(failure.statement, more.statement);
            failure.undo = join(failure.undo, more.undo);
        }
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// PG-03.
pub fn server_access(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let who = facts.roles.iter().filter(|r| r.login && !r.superuser && !is_named(case, &r.name));
    let names = ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"];
    reaching(case, who, &names, "reaches the server's programs or files")
}

/// PG-04.
pub fn all_data(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let names = ["pg_read_all_data", "pg_write_all_data", "pg_maintain"];
    reaching(case, case.applications(facts), &names, "reads, writes or maintains everything")
}

/// PG-33.
pub fn replication(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if !facts.sees_sessions {
        return Judgement::hidden("the monitoring account may not see other logins' sessions");
    }
    let streams = case.reading.live.iter().filter(|l| l.replicates && !case.is_set_apart(&l.login));
    let mut failures = Vec::new();
    for live in streams {
        let is_super = facts.role(&live.login).is_some_and(|r| r.superuser);
        let service = case.map.service_of(&live.login);
        if !is_super && service.is_none() {
            continue;
        }
        let what = if is_super { "a superuser".to_owned() } else { "a service's login".to_owned() };
        let subject = format!("{} as {}", live.login, live.application);
        failures.push(
            Failure::new(subject, format!("{} streams the log and is {what}", live.login))
                .fact(format!("{} from {}", live.application, live.client)),
        );
    }
    failures.dedup_by(|a, b| a.subject == b.subject);
    Judgement::of(failures)
}
