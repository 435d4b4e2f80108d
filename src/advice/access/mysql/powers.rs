//! MY-01 to MY-09, and OWN-20 here: global rights that an application does not need, its own or through a role.

use super::whom::applications;
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::mysql::{MyAccount, MyScope, MysqlFacts, ident};
use crate::model::access::postgres::Readable;

/// Rights that read or change rows and tables.
const DATA: [&str; 9] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER"];

/// MariaDB's and MySQL's rights that add up to an administrator's.
const DYNAMIC: [&str; 22] = [
    "BACKUP_ADMIN",
    "BINLOG ADMIN",
    "BINLOG REPLAY",
    "BINLOG_ADMIN",
    "CLONE_ADMIN",
    "CONNECTION ADMIN",
    "CONNECTION_ADMIN",
    "FEDERATED ADMIN",
    "GROUP_REPLICATION_ADMIN",
    "PERSIST_RO_VARIABLES_ADMIN",
    "READ_ONLY ADMIN",
    "REPLICATION MASTER ADMIN",
    "REPLICATION SLAVE ADMIN",
    "REPLICATION_SLAVE_ADMIN",
    "ROLE_ADMIN",
    "SESSION_VARIABLES_ADMIN",
    "SET USER",
    "SET_ANY_DEFINER",
    "SET_USER_ID",
    "SUPER",
    "SYSTEM_USER",
    "SYSTEM_VARIABLES_ADMIN",
];

/// Words of `wanted` that an account or one of its roles holds globally, by holder.
fn held<'a>(facts: &'a MysqlFacts, who: &'a MyAccount, wanted: &[&str]) -> Vec<(&'a MyAccount, Vec<&'a str>)> {
    let words = |holder: &'a MyAccount| -> Vec<&'a str> {
        holder.global.iter().map(String::as_str).filter(|word| wanted.contains(word)).collect()
    };
    let roles = facts.roles_of(&who.user, &who.host);
    let holders = roles.iter().filter_map(|way| way.last()).filter_map(|(user, host)| facts.account(user, host));
    std::iter::once(who)
        .chain(holders)
        .map(|holder| (holder, words(holder)))
        .filter(|(_, words)| !words.is_empty())
        .collect()
}

/// A failure for each account that holds some of `wanted` globally.
fn over(who: &[&MyAccount], facts: &MysqlFacts, wanted: &[&str], verb: &str) -> Judgement {
    let mut failures = Vec::new();
    for account in who {
        let held = held(facts, account, wanted);
        if held.is_empty() {
            continue;
        }
        let mut all: Vec<&str> = held.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        let name = account.name();
        let mut failure = Failure::new(&name, format!("{name} {verb}: {} on *.*", all.join(", ")));
        let (mut statement, mut undo) = (Vec::new(), Vec::new());
        for (holder, words) in held {
            let (words, whom) = (words.join(", "), holder.name());
            if holder.is_role {
                failure = failure
                    .fact(format!("through the role {}", holder.user))
                    .but(format!("everybody in the role {} loses it", holder.user));
            }
            statement.push(format!("REVOKE {words} ON *.* FROM {whom}"));
            undo.push(format!("GRANT {words} ON *.* TO {whom}"));
        }
        failures.push(failure.mended(statement.join("; "), undo.join("; ")));
    }
    Judgement::of(failures)
}

/// MY-01. `ALL` is told as one finding here, not as one for each of its parts: the other rules leave such an account out.
pub fn unlimited(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let failures = who.into_iter().filter(|account| account.may("SUPER") || account.is_unlimited());
    failures
        .map(|account| {
            let (name, all) = (account.name(), account.global.join(", "));
            let grantable = if account.may("GRANT OPTION") { " WITH GRANT OPTION" } else { "" };
            let words: Vec<&str> = account.global.iter().map(String::as_str).filter(|w| *w != "GRANT OPTION").collect();
            let sentence = if account.is_unlimited() { "may do everything" } else { "has SUPER" };
            Failure::new(&name, format!("{name} {sentence} and is no named break-glass login"))
                .fact(format!("on *.*: {all}"))
                .mended(
                    format!("REVOKE ALL PRIVILEGES, GRANT OPTION FROM {name}"),
                    format!("GRANT {} ON *.* TO {name}{grantable}", words.join(", ")),
                )
                .but("it loses what it has on single databases as well: grant it what it needs first")
        })
        .collect()
}

/// The same without those whom MY-01 tells of.
fn limited(case: &Case<'_>, facts: &MysqlFacts, wanted: &[&str], verb: &str) -> Judgement {
    match applications(case, facts) {
        Ok(mut who) => {
            who.retain(|account| !account.is_unlimited());
            over(&who, facts, wanted, verb)
        }
        Err(why) => Judgement::hidden(why),
    }
}

/// MY-02.
pub fn files(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    limited(case, facts, &["FILE"], "reads and writes files of the server")
}

/// MY-03.
pub fn process(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    limited(case, facts, &["PROCESS"], "sees everybody's statements with their values")
}

/// MY-04.
pub fn shutdown(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    limited(case, facts, &["SHUTDOWN", "RELOAD"], "stops the server or empties its caches and logs")
}

/// MY-05. The tables of the grants, or what writes them.
pub fn accounts(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let mut judgement =
        limited(case, facts, &["CREATE USER", "CREATE ROLE", "DROP ROLE"], "makes and changes accounts");
    let Ok(who) = applications(case, facts) else { return judgement };
    let Readable::Read(grants) = &facts.grants else {
        judgement.hidden = Some("the monitoring account may not read the tables of grants".to_owned());
        return judgement;
    };
    for account in who {
        let of = grants.iter().filter(|g| g.user == account.user && g.host == account.host);
        for grant in of {
            let on = match &grant.scope {
                MyScope::Database(pattern) if pattern == "mysql" => "`mysql`.*".to_owned(),
                MyScope::Table(database, table) if database == "mysql" => format!("`mysql`.`{table}`"),
                _ => continue,
            };
            let (name, words) = (account.name(), grant.rights.join(", "));
            judgement.failures.push(
                Failure::new(
                    format!("{name} on {on}"),
                    format!("{name} has {words} on {on}, where accounts and grants are kept"),
                )
                .mended(format!("REVOKE {words} ON {on} FROM {name}"), format!("GRANT {words} ON {on} TO {name}")),
            );
        }
    }
    judgement
}

/// MY-06. On anything, not only on everything.
pub fn grant_option(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for account in who.iter().filter(|account| !account.is_unlimited()) {
        let name = account.name();
        let mut places: Vec<String> = Vec::new();
        if account.may("GRANT OPTION") {
            places.push("*.*".to_owned());
        }
        if let Readable::Read(grants) = &facts.grants {
            let own = grants.iter().filter(|g| g.user == account.user && g.host == account.host);
            places.extend(own.filter(|g| g.rights.iter().any(|r| r == "GRANT OPTION")).filter_map(|g| on(&g.scope)));
        }
        for on in places {
            failures.push(
                Failure::new(format!("{name} on {on}"), format!("{name} passes its rights on {on} on to others"))
                    .mended(
                        format!("REVOKE GRANT OPTION ON {on} FROM {name}"),
                        format!("GRANT USAGE ON {on} TO {name} WITH GRANT OPTION"),
                    )
                    .but("what it passed on stays with whom it gave it to"),
            );
        }
    }
    Judgement::of(failures)
}

/// A scope as it stands in a statement; `None` for columns, which have no grant option of their own.
fn on(scope: &MyScope) -> Option<String> {
    Some(match scope {
        MyScope::Database(pattern) => format!("{}.*", ident(pattern)),
        MyScope::Table(database, table) => format!("{}.{}", ident(database), ident(table)),
        MyScope::Routine(database, name, kind) => format!("{kind} {}.{}", ident(database), ident(name)),
        MyScope::Columns(..) => return None,
    })
}

/// MY-07.
pub fn replication(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    limited(case, facts, &["REPLICATION SLAVE"], "reads the binary log, every service's changes in it")
}

/// MY-08.
pub fn dynamic(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    // SUPER is MY-01's.
    let wanted: Vec<&str> = DYNAMIC.into_iter().filter(|word| *word != "SUPER").collect();
    limited(case, facts, &wanted, "has powers of an administrator")
}

/// MY-09.
pub fn data(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    limited(case, facts, &DATA, "has rights on every database, those to come too")
}

/// OWN-20 on these engines.
pub fn left(case: &Case<'_>, facts: &MysqlFacts) -> Judgement {
    let named = |user: &str| case.map.migration.iter().any(|name| name == user);
    let who: Vec<&MyAccount> = facts.logins().filter(|a| named(&a.user) && !a.is_locked).collect();
    let mut wanted: Vec<&str> = DYNAMIC.to_vec();
    wanted.extend(["REPLICATION SLAVE", "CREATE USER", "FILE", "RELOAD", "SHUTDOWN"]);
    wanted.extend(DATA);
    let mut judgement = over(&who, facts, &wanted, "worked for the migration, which is over, and still has powers");
    for failure in &mut judgement.failures {
        let user = who.iter().find(|a| a.name() == failure.subject).map_or("", |a| a.user.as_str());
        failure.evidence.push(format!("{user} is named in [access] migration"));
    }
    judgement
}
