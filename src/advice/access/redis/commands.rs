//! RD-04, RD-07, RD-08, RD-17, RD-18, and OWN-20 here: commands that an application does not need.

use super::whom::{DEFAULT, applications, users};
use crate::advice::access::case::Case;
use crate::advice::access::judgement::{Failure, Judgement};
use crate::model::access::redis::{RedisFacts, RedisUser};
use crate::model::monitor::MonitorRole;

/// Commands by which the categories of administration are told.
const ADMIN: [&str; 10] = [
    "acl|setuser",
    "bgrewriteaof",
    "bgsave",
    "config|set",
    "debug",
    "module|load",
    "monitor",
    "replicaof",
    "save",
    "shutdown",
];

/// Commands that empty, stop, read or take over a server.
const HARMFUL: [&str; 14] = [
    "acl|deluser",
    "acl|setuser",
    "config|set",
    "debug",
    "flushall",
    "flushdb",
    "keys",
    "migrate",
    "module|load",
    "monitor",
    "replicaof",
    "shutdown",
    "slaveof",
    "swapdb",
];

/// Commands that bring programs in.
const SCRIPTING: [&str; 7] =
    ["eval", "evalsha", "fcall", "function|delete", "function|load", "function|restore", "script|load"];

/// What replicating needs.
const REPLICATION: [&str; 2] = ["psync", "replconf"];

/// Rules that take these commands away, and give back what was there.
fn without(user: &RedisUser, commands: &[&str]) -> (String, String) {
    let minus: Vec<String> = commands.iter().map(|command| format!("-{command}")).collect();
    let plus: Vec<String> = commands.iter().map(|command| format!("+{command}")).collect();
    let name = &user.name;
    (format!("ACL SETUSER {name} {}", minus.join(" ")), format!("ACL SETUSER {name} {}", plus.join(" ")))
}

/// A selector's rules are not changed one by one: it is taken away as a whole.
fn in_selector(user: &RedisUser, commands: &[&str]) -> bool {
    user.rights.iter().skip(1).any(|block| block.commands.iter().any(|c| commands.contains(&c.as_str())))
}

fn over(who: &[&RedisUser], wanted: &[&str], verb: &str) -> Judgement {
    let mut failures = Vec::new();
    for user in who {
        let commands = user.commands(wanted);
        if commands.is_empty() {
            continue;
        }
        let (statement, undo) = without(user, &commands);
        let mut failure = Failure::new(&user.name, format!("{} {verb}: {}", user.name, told(&commands)));
        failure = match in_selector(user, &commands) {
            true => failure.but(format!(
                "some stand in a selector: ACL SETUSER {} clearselectors takes all selectors away, then give it those anew that it needs",
                user.name
            )),
            false => failure.mended(statement, undo),
        };
        failures.push(failure);
    }
    Judgement::of(failures)
}

fn told(commands: &[&str]) -> String {
    commands.iter().map(|command| command.replace('|', " ").to_uppercase()).collect::<Vec<_>>().join(", ")
}

/// RD-04. A category that was given and of whose commands nothing is left is no right.
pub fn categories(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let who = match applications(case, facts) {
        Ok(who) => who,
        Err(why) => return Judgement::hidden(why),
    };
    let mut failures = Vec::new();
    for user in who {
        let given: Vec<&str> = user
            .rights
            .iter()
            .flat_map(|block| &block.rules)
            .filter(|rule| matches!(rule.as_str(), "+@all" | "+@admin" | "+@dangerous"))
            .map(String::as_str)
            .collect();
        let left = user.commands(&ADMIN);
        if given.is_empty() || left.is_empty() {
            continue;
        }
        let name = &user.name;
        let mut failure =
            Failure::new(name, format!("{name} was given {} and has what administrates the server", given.join(" ")))
                .fact(format!("among them {}", told(&left)));
        failure = match in_selector(user, &left) {
            true => failure.but(format!("they stand in a selector: ACL SETUSER {name} clearselectors")),
            false => failure.mended(
                format!("ACL SETUSER {name} -@admin -@dangerous"),
                format!("ACL SETUSER {name} {}", user.rights.first().map_or(String::new(), |own| own.rules.join(" "))),
            ),
        };
        failures.push(failure);
    }
    Judgement::of(failures)
}

/// RD-07.
pub fn harmful(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    match applications(case, facts) {
        Ok(who) => over(&who, &HARMFUL, "may run what empties, stops or takes over the server"),
        Err(why) => Judgement::hidden(why),
    }
}

/// RD-08.
pub fn scripting(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    match applications(case, facts) {
        Ok(who) => over(&who, &SCRIPTING, "may bring programs into the server"),
        Err(why) => Judgement::hidden(why),
    }
}

/// RD-17. Godwit's own accounts: what was granted for one audit is easily forgotten.
pub fn tools(_: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let mut who = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    who.retain(|user| MonitorRole::ALL.iter().any(|role| user.name.starts_with(role.account())));
    if who.is_empty() {
        return Judgement::absent("no monitoring account is here");
    }
    over(&who, &["acl|log", "config|get"], "can erase the ACL log or read the server's passwords")
}

/// RD-18. Who follows the server logs in as somebody.
pub fn replication(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let users = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    if let Some(why) = &case.reading.unread.sessions {
        return Judgement::hidden(why);
    }
    let mut replicas: Vec<&str> =
        case.reading.live.iter().filter(|live| live.replicates).map(|live| live.login.as_str()).collect();
    replicas.sort_unstable();
    replicas.dedup();
    if replicas.is_empty() {
        return Judgement::absent("no replica follows this server");
    }
    let powerful = replicas.into_iter().filter(|login| {
        *login == DEFAULT || users.iter().any(|user| user.name == *login && user.rights.iter().any(|r| r.all_commands))
    });
    powerful
        .map(|login| {
            Failure::new(login, format!("replicas follow this server as {login}, who may do more than that")).but(
                format!(
                    "make a user with +{} and nothing else, and name it in `masteruser` of the replicas",
                    REPLICATION.join(" +")
                ),
            )
        })
        .collect()
}

/// OWN-20 on these engines.
pub fn left(case: &Case<'_>, facts: &RedisFacts) -> Judgement {
    let mut who = match users(facts) {
        Ok(users) => users,
        Err(why) => return Judgement::hidden(why),
    };
    who.retain(|user| case.map.migration.contains(&user.name));
    let mut wanted: Vec<&str> = HARMFUL.to_vec();
    wanted.extend(["psync", "replconf", "restore", "sync"]);
    wanted.sort_unstable();
    over(&who, &wanted, "worked for the migration, which is over, and may still run")
}
