//! Which commands the rules of a user allow.

use super::{Read, missing};
use crate::stores::redis::watch::{Reader, items, text};
use std::collections::{BTreeMap, BTreeSet};

/// Commands that a rule of the audit asks for.
pub const JUDGED: [&str; 35] = [
    "acl|deluser",
    "acl|log",
    "acl|setuser",
    "bgrewriteaof",
    "bgsave",
    "client|kill",
    "config|get",
    "config|rewrite",
    "config|set",
    "debug",
    "eval",
    "evalsha",
    "failover",
    "fcall",
    "flushall",
    "flushdb",
    "function|delete",
    "function|load",
    "function|restore",
    "keys",
    "migrate",
    "module|load",
    "monitor",
    "psync",
    "replconf",
    "replicaof",
    "restore",
    "save",
    "script|load",
    "shutdown",
    "slaveof",
    "slowlog|reset",
    "swapdb",
    "sync",
    "waitaof",
];

/// Reading commands that need no right on a key.
const KEYLESS: [&str; 5] = ["dbsize", "keys", "randomkey", "scan", "lolwut"];

/// Commands by category, as the server has them.
#[derive(Debug, Default)]
pub struct Categories(BTreeMap<String, BTreeSet<String>>);

impl Categories {
    /// Asks for the categories that these users' rules name, and for those of reading and writing. `None`: the account may not.
    pub async fn read(reader: &mut Reader, lines: &[String]) -> Read<Option<Self>> {
        let mut wanted: BTreeSet<String> = ["read", "write"].map(str::to_owned).into();
        for word in lines.iter().flat_map(|line| line.split_whitespace()) {
            let rule = word.trim_matches(['(', ')']);
            if let Some(name) = rule.strip_prefix("+@").or_else(|| rule.strip_prefix("-@")) {
                wanted.insert(name.to_lowercase());
            }
        }
        wanted.remove("all");
        let mut categories = Self::default();
        for name in wanted {
            let lacks = || missing("categories", "which commands a category has", "acl|cat", "none for the server");
            let Some(commands) = reader.ask_or(&["ACL", "CAT", &name], lacks).await? else { return Ok(None) };
            let commands = items(&commands).iter().map(|value| text(value).to_lowercase()).collect();
            categories.0.insert(name, commands);
        }
        Ok(Some(categories))
    }

    fn has(&self, category: &str, command: &str) -> bool {
        self.0.get(category).is_some_and(|commands| commands.contains(command))
    }

    /// Rules are taken in order; the last that is about a command decides. A command is written `config|set`.
    pub fn allows(&self, rules: &[String], command: &str) -> bool {
        let container = command.split_once('|').map_or(command, |(container, _)| container);
        let mut allowed = false;
        for rule in rules {
            let Some((sign, what)) = rule.split_at_checked(1) else { continue };
            let concerns = match what.strip_prefix('@') {
                Some("all") => true,
                Some(category) => self.has(category, command) || self.has(category, container),
                None => what == command || what == container,
            };
            if concerns {
                allowed = sign == "+";
            }
        }
        allowed
    }

    /// Commands that read keys.
    pub fn reading(&self) -> impl Iterator<Item = &str> {
        self.0.get("read").into_iter().flatten().map(String::as_str).filter(|name| !KEYLESS.contains(name))
    }

    /// Commands that write keys.
    pub fn writing(&self) -> impl Iterator<Item = &str> {
        self.0.get("write").into_iter().flatten().map(String::as_str).filter(|name| !name.starts_with("function"))
    }
}

/// Some of Redis 7.0.15's categories.
#[cfg(test)]
pub fn sample() -> Categories {
    let category =
        |name: &str, commands: &[&str]| (name.to_owned(), commands.iter().map(|c| (*c).to_owned()).collect());
    Categories(BTreeMap::from([
        category("read", &["get", "keys", "hgetall", "dbsize"]),
        category(
            "write",
            &[
                "set",
                "del",
                "flushall",
                "flushdb",
                "swapdb",
                "migrate",
                "function|load",
                "function|delete",
                "function|restore",
            ],
        ),
        category("dangerous", &["flushall", "keys", "config|set", "config|get", "acl|setuser", "shutdown"]),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_decides() {
        let allows = |rules: &str, command| {
            let rules: Vec<String> = rules.split(' ').map(str::to_owned).collect();
            sample().allows(&rules, command)
        };
        assert!(allows("+@all", "config|set") && !allows("+@all -@dangerous", "config|set"));
        assert!(allows("-@all +config", "config|set") && !allows("-@all +config|get", "config|set"));
        assert!(allows("+@all -@dangerous +keys", "keys") && !allows("-@all +@read -keys", "keys"));
        assert!(allows("-@all +@write", "function|load"), "writing brings functions along");
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(JUDGED.is_sorted());
    }
}
