//! The users' rules.
//!
//! Invariant: a hash of a password lives as long as one list is compared with itself, inside this file, and is in nothing that is returned.

use super::commands::{Categories, JUDGED};
use super::{Read, missing};
use crate::model::access::postgres::Readable;
use crate::model::access::redis::{KeyRule, RedisRights, RedisUser};
use crate::stores::redis::watch::{Reader, items, text};
use crate::stores::sanitise::clean;
use std::collections::{BTreeMap, BTreeSet};

/// All users, by name.
pub async fn read(reader: &mut Reader) -> Read<Readable<Vec<RedisUser>>> {
    let lacks = || {
        let price = "none for the server; the account can then read unsalted SHA-256 sums of passwords, which Godwit drops as it reads";
        missing("users", "users and their rules", "acl|list", price)
    };
    let Some(list) = reader.ask_or(&["ACL", "LIST"], lacks).await? else {
        return Ok(Readable::Hidden(lacks().why));
    };
    let lines: Vec<String> = items(&list).iter().map(text).collect();
    let Some(categories) = Categories::read(reader, &lines).await? else {
        return Ok(Readable::Hidden("the monitoring account may not run ACL CAT".to_owned()));
    };
    Ok(Readable::Read(users(&lines, &categories)))
}

/// From the lines of `ACL LIST`.
pub fn users(lines: &[String], categories: &Categories) -> Vec<RedisUser> {
    let mut users = Vec::new();
    let mut holders: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let parsed: Vec<(RedisUser, Vec<&str>)> = lines.iter().filter_map(|line| user(line, categories)).collect();
    for (user, hashes) in &parsed {
        for hash in hashes {
            holders.entry(hash).or_default().insert(user.name.clone());
        }
    }
    for (mut user, hashes) in parsed {
        let others = hashes.iter().filter_map(|hash| holders.get(hash)).flatten().filter(|name| **name != user.name);
        let others: BTreeSet<String> = others.cloned().collect();
        user.same_password_as = others.into_iter().collect();
        users.push(user);
    }
    users.sort();
    users
}

/// One line, and the hashes in it.
fn user<'a>(line: &'a str, categories: &Categories) -> Option<(RedisUser, Vec<&'a str>)> {
    let mut words = line.split_whitespace();
    if words.next() != Some("user") {
        return None;
    }
    let mut user = RedisUser { name: clean(words.next()?), ..RedisUser::default() };
    let mut hashes = Vec::new();
    let mut blocks = vec![RedisRights::default()];
    let mut in_selector = false;
    for word in words {
        let mut word = word;
        if let Some(inner) = word.strip_prefix('(') {
            blocks.push(RedisRights::default());
            in_selector = true;
            word = inner;
        }
        let ends = in_selector && word.ends_with(')');
        if ends {
            word = word.strip_suffix(')').unwrap_or(word);
            in_selector = false;
        }
        match word {
            "on" => user.is_on = true,
            "nopass" => user.is_open = true,
            _ => match word.strip_prefix('#') {
                Some(hash) => hashes.push(hash),
                // A selector is the last block until the next one begins; what stands outside of them belongs to the first.
                None => {
                    let at = if in_selector || ends { blocks.len() - 1 } else { 0 };
                    if let Some(block) = blocks.get_mut(at) {
                        rule(block, word);
                    }
                }
            },
        }
    }
    user.passwords = hashes.len() as u64;
    for block in &mut blocks {
        judge(block, categories);
    }
    user.rights = blocks;
    Some((user, hashes))
}

fn rule(block: &mut RedisRights, word: &str) {
    let key = |pattern: &str, reads, writes| KeyRule { pattern: clean(pattern), reads, writes };
    if let Some(pattern) = word.strip_prefix('~') {
        block.keys.push(key(pattern, true, true));
    } else if let Some((rights, pattern)) = word.strip_prefix('%').and_then(|rest| rest.split_once('~')) {
        block.keys.push(key(pattern, rights.contains('R'), rights.contains('W')));
    } else if let Some(pattern) = word.strip_prefix('&') {
        block.channels.push(clean(pattern));
    } else if word.starts_with(['+', '-']) {
        block.rules.push(clean(word).to_lowercase());
    } else if word == "allkeys" {
        block.keys.push(key("*", true, true));
    } else if word == "allcommands" {
        block.rules.push("+@all".to_owned());
    }
}

fn judge(block: &mut RedisRights, categories: &Categories) {
    block.commands =
        JUDGED.iter().filter(|name| categories.allows(&block.rules, name)).map(|n| (*n).to_owned()).collect();
    block.commands.sort();
    // Nothing that was taken away after `+@all`.
    let last_all = block.rules.iter().rposition(|rule| rule == "+@all");
    block.all_commands = last_all.is_some_and(|at| block.rules.iter().skip(at).all(|rule| !rule.starts_with('-')));
    block.may_read = categories.reading().any(|name| categories.allows(&block.rules, name));
    block.may_write = categories.writing().any(|name| categories.allows(&block.rules, name));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::redis::rights::commands::sample;

    /// Recorded on Redis 7.0.15.
    const LIST: &str = "user default on #1b84e15193a19a81dd1f7f6be16726d6ebbcd8181519419050f7f6ed8d8ff68e ~* &* +@all\n\
        user sel on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~a:* %R~b:* resetchannels &c:* -@all +@read +@write -pfdebug (~z:* resetchannels -@all +get) (%W~y* resetchannels -@all +set +config|get)\n\
        user twin off nopass #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 resetchannels -@all";

    #[test]
    fn rules_and_selectors_are_read_and_hashes_are_not_kept() {
        let lines: Vec<String> = LIST.lines().map(str::to_owned).collect();
        let users = users(&lines, &sample());
        let (default, sel, twin) = (&users[0], &users[1], &users[2]);
        assert!(default.is_unlimited() && default.same_password_as.is_empty());
        assert_eq!((sel.rights.len(), sel.passwords, twin.is_open, twin.is_on), (3, 1, true, false));
        assert_eq!(sel.same_password_as, ["twin"]);
        let own = &sel.rights[0];
        assert_eq!(
            own.keys.iter().map(|k| (k.pattern.as_str(), k.reads, k.writes)).collect::<Vec<_>>(),
            [("a:*", true, true), ("b:*", true, false)]
        );
        assert!(own.may_read && own.may_write && !own.all_commands && own.channels == ["c:*"]);
        assert_eq!(
            own.commands,
            [
                "flushall",
                "flushdb",
                "function|delete",
                "function|load",
                "function|restore",
                "keys",
                "migrate",
                "swapdb"
            ]
        );
        assert_eq!((sel.rights[1].may_read, sel.rights[1].may_write), (true, false));
        assert_eq!(
            (sel.rights[2].may_write, sel.rights[2].commands.as_slice()),
            (true, &["config|get".to_owned()][..])
        );
        let text = serde_json::to_string(&users).unwrap();
        assert!(!text.contains("30c952fa") && !text.contains("1b84e151"));
    }
}
