//! PG-27 to PG-29 and PG-32: code and links that reach further than a service's database should.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::advice::access::wording::grantee;
use crate::model::access::postgres::PostgresFacts;
use crate::model::finding::Severity;

/// Extensions that reach files of the server or other servers.
const REACHING_OUT: [&str; 3] = ["adminpack", "dblink", "file_fdw"];

/// PG-27.
pub fn languages(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let languages = facts.untrusted_languages.iter();
    languages
        .map(|name| {
            let failure = Failure::new(
                name,
                format!("the untrusted language {name} is installed: its functions do what the server's account can"),
            );
            match facts.extensions.contains(name) {
                true => failure.mended(format!("DROP EXTENSION {name}"), format!("CREATE EXTENSION {name}")),
                false => failure.mended_for_good(format!("DROP LANGUAGE {name}"), "how it was made is not kept"),
            }
        })
        .collect()
}

/// PG-28.
pub fn extensions(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let reaching = facts.extensions.iter().filter(|name| REACHING_OUT.contains(&name.as_str()));
    reaching
        .map(|name| {
            Failure::new(name, format!("the extension {name} reaches out of this database"))
                .mended(format!("DROP EXTENSION {name}"), format!("CREATE EXTENSION {name}"))
        })
        .collect()
}

/// PG-29. Whether a mapping holds a password is shown to few: for the others it is not known, and said so.
pub fn mappings(_: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    if facts.servers.is_empty() {
        return Judgement::absent("no foreign server is declared");
    }
    let mut judgement = Judgement::default();
    for server in &facts.servers {
        let name = &server.server.name;
        for (login, has_password) in &server.mappings {
            let who = grantee(login.as_deref());
            let sentence = match (login, has_password) {
                (None, _) => format!("everybody reaches {name} as the same login"),
                (Some(_), Some(true)) => format!("the mapping of {who} to {name} holds a password"),
                (Some(_), Some(false)) => continue,
                (Some(_), None) => {
                    judgement.hidden = Some(format!(
                        "whether the mapping of {who} to {name} holds a password is shown to superusers only"
                    ));
                    continue;
                }
            };
            judgement.failures.push(Failure::new(format!("{who} on {name}"), sentence).mended_for_good(
                format!("DROP USER MAPPING FOR {who} SERVER {name}"),
                "its options are not kept: note them first",
            ));
        }
    }
    judgement
}

/// PG-32. One that an extension made is the extension's business.
pub fn event_triggers(case: &Case<'_>, facts: &PostgresFacts) -> Judgement {
    let own: Vec<_> = facts.event_triggers.iter().filter(|t| !t.of_extension).collect();
    if own.is_empty() {
        return Judgement::absent("there are no event triggers");
    }
    let mut failures = Vec::new();
    for trigger in own {
        let name = &trigger.name;
        let is_dba = facts.role(&trigger.owner).is_some_and(|r| r.superuser) || case.is_set_apart(&trigger.owner);
        if !is_dba {
            let mut failure = Failure::new(
                name,
                format!(
                    "event trigger {name} belongs to {}, who is no superuser: it runs in everybody's statements",
                    trigger.owner
                ),
            );
            failure.severity = Some(Severity::High);
            failures.push(failure.mended_for_good(format!("DROP EVENT TRIGGER {name}"), "note its definition first"));
        } else if !trigger.enabled {
            failures.push(
                Failure::new(name, format!("event trigger {name} is disabled: what it was to prevent goes through"))
                    .mended(
                        format!("ALTER EVENT TRIGGER {name} ENABLE"),
                        format!("ALTER EVENT TRIGGER {name} DISABLE"),
                    ),
            );
        }
    }
    Judgement::of(failures)
}
