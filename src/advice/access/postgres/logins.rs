//! PG-18 to PG-20: passwords and limits of services' logins.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::{literal, role};
use crate::model::access::postgres::{PasswordKind, PgRole, PostgresFacts, Readable};
use chrono::Duration;

/// Connections that are proposed where a login has no limit: enough for a pool, and far from all of a server's.
const PROPOSED_CONNECTIONS: u32 = 50;

fn accounts<'a>(case: &Case<'_>, facts: &'a PostgresFacts) -> Vec<&'a PgRole> {
    let is_account = |r: &&PgRole| r.login && case.map.service_of(&r.name).is_some();
    facts.roles.iter().filter(is_account).collect()
}

/// PG-18. A login without a password has none that could expire.
pub fn expiry(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let accounts = accounts(case, facts);
    if accounts.is_empty() {
        return Judgement::absent("no declared login exists here");
    }
    let has_password = |r: &PgRole| match &facts.passwords {
        Readable::Read(kinds) => kinds.get(&r.name).is_none_or(|kind| *kind != PasswordKind::None),
        Readable::Hidden(_) => true,
    };
    let mut failures = Vec::new();
    for login in accounts.into_iter().filter(|r| has_password(r)) {
        let name = role(&login.name);
        let in_a_year = case.today + Duration::days(365);
        match login.valid_until {
            None => failures.push(
                Failure::new(&login.name, format!("the password of {} never expires", login.name)).mended(
                    format!("ALTER ROLE {name} VALID UNTIL '{in_a_year}'"),
                    format!("ALTER ROLE {name} VALID UNTIL 'infinity'"),
                ),
            ),
            Some(at) if at.date_naive() < case.today => failures.push(
                Failure::new(&login.name, format!("the password of {} expired on {}", login.name, at.date_naive()))
                    .fact("sessions that are open stay; new ones are refused where a password is asked for"),
            ),
            Some(_) => {}
        }
    }
    Judgement::of(failures)
}

/// PG-19.
pub fn connection_limit(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let accounts = accounts(case, facts);
    if accounts.is_empty() {
        return Judgement::absent("no declared login exists here");
    }
    let open = accounts.into_iter().filter(|r| r.connection_limit < 0);
    open.map(|r| {
        let name = role(&r.name);
        Failure::new(&r.name, format!("{} may take every connection of the server", r.name))
            .mended(
                format!("ALTER ROLE {name} CONNECTION LIMIT {PROPOSED_CONNECTIONS}"),
                format!("ALTER ROLE {name} CONNECTION LIMIT -1"),
            )
            .but("set the number to what the service's pools need")
    })
    .collect()
}

/// PG-20.
pub fn md5(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let kinds = match &facts.passwords {
        Readable::Read(kinds) => kinds,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    let old = facts.roles.iter().filter(|r| r.login && kinds.get(&r.name) == Some(&PasswordKind::Md5));
    old.filter(|r| !case.map.ignores(&r.name))
        .map(|r| {
            let mut failure = Failure::new(&r.name, format!("the password of {} is kept as MD5", r.name))
                .fact("set a new password after the switch: \\password sends no clear text");
            let setting = facts.settings.get("password_encryption").map_or("", String::as_str);
            if setting != "scram-sha-256" {
                failure = failure.mended(
                    "ALTER SYSTEM SET password_encryption = 'scram-sha-256'",
                    format!("ALTER SYSTEM SET password_encryption = {}", literal(setting)),
                );
            }
            failure
        })
        .collect()
}
