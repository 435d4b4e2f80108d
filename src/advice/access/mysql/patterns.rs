//! MY-18 and MY-26: what the name in a database-level grant means.

use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::{MyScope, MysqlFacts, account, escaped, has_wildcard, ident, matches};
use crate::model::access::postgres::Readable;

/// Databases of the server's own whose names hold `_`: a grant on one of them was not meant as a pattern, and nobody can make another.
const SERVERS_OWN: [&str; 3] = ["performance_schema", "information_schema", "godwit_audit"];

/// MY-18. `_` is a wildcard here, and hardly anybody who writes a database's name with it means one. A pattern with `%` at its end is how
/// many databases are meant: it fails only where it matches one of another owner.
pub fn wildcards(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let grants = match &facts.grants {
        Readable::Read(grants) => grants,
        Readable::Hidden(why) => return Judgement::hidden(why),
    };
    if facts.are_patterns_literal() {
        return Judgement::absent("partial_revokes is on: `_` and `%` are letters in grants");
    }
    let mut failures = Vec::new();
    for grant in grants {
        let MyScope::Database(pattern) = &grant.scope else { continue };
        let is_own = SERVERS_OWN.contains(&pattern.as_str()) || is_test(pattern);
        if !has_wildcard(pattern) || is_own || case.is_set_apart(&grant.user) {
            continue;
        }
        let (name, words) = (account(&grant.user, &grant.host), grant.rights.join(", "));
        let also: Vec<&str> =
            facts.databases.iter().map(String::as_str).filter(|db| *db != pattern && matches(pattern, db)).collect();
        let mut failure = Failure::new(
            format!("{name} on {pattern}"),
            format!("{name} has {words} on every database like {pattern}: `_` and `%` are wildcards there"),
        );
        if !also.is_empty() {
            failure = failure.fact(format!("it matches {} as well", also.join(", ")));
        }
        let rights: Vec<&str> = grant.rights.iter().map(String::as_str).filter(|w| *w != "GRANT OPTION").collect();
        let option = if rights.len() < grant.rights.len() { " WITH GRANT OPTION" } else { "" };
        let (rights, words) = (rights.join(", "), grant.rights.join(", "));
        let (wide, narrow) = (ident(pattern), ident(&escaped(pattern)));
        failures.push(failure.mended(
            format!("GRANT {rights} ON {narrow}.* TO {name}{option}; REVOKE {words} ON {wide}.* FROM {name}"),
            format!("GRANT {rights} ON {wide}.* TO {name}{option}; REVOKE {words} ON {narrow}.* FROM {name}"),
        ));
    }
    Judgement::of(failures)
}

/// `test` and `test_...`, as an installation makes them.
fn is_test(pattern: &str) -> bool {
    matches!(pattern, "test" | "test\\_%" | "test_%")
}

/// MY-26.
pub fn test_database(_: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let mut failures = Vec::new();
    if facts.databases.iter().any(|name| name == "test") {
        failures.push(
            Failure::new("test", "the database test is there, which everybody used to be allowed to use")
                .mended_for_good("DROP DATABASE `test`", "nothing brings back what is in it"),
        );
    }
    let grants = match &facts.grants {
        Readable::Read(grants) => grants,
        Readable::Hidden(why) => return Judgement { failures, hidden: Some(why.clone()), absent: None },
    };
    for grant in grants {
        let MyScope::Database(pattern) = &grant.scope else { continue };
        if !is_test(pattern) {
            continue;
        }
        let (name, words, on) = (account(&grant.user, &grant.host), grant.rights.join(", "), ident(pattern));
        failures.push(
            Failure::new(
                format!("{name} on {pattern}"),
                format!("{name} has {words} on every database like {pattern}"),
            )
            .mended(format!("REVOKE {words} ON {on}.* FROM {name}"), format!("GRANT {words} ON {on}.* TO {name}")),
        );
    }
    Judgement::of(failures)
}
