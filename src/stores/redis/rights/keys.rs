//! Rights on declared key patterns, what was refused, and keys that belong to nobody.

use super::{Read, missing};
use crate::model::access::postgres::Readable;
use crate::model::access::redis::{Denial, KeySample, RedisFacts, RedisRights, RedisUser, common_key, matches};
use crate::model::access::right::{EffectiveRight, Right, RightPath};
use crate::model::observation::Missing;
use crate::stores::redis::key_pattern::pattern;
use crate::stores::redis::watch::{Reader, items, number, text};
use crate::stores::sanitise::clean;
use redis::Value;
use std::collections::BTreeMap;

/// Questions that are put to the server at most in one look; the rest is worked out.
const MOST_QUESTIONS: usize = 500;

/// Rounds of `SCAN`, and keys that each asks for.
const ROUNDS: usize = 10;
const KEYS_A_ROUND: &str = "100";

/// Entries of the ACL log that are asked for: more than it has by default.
const ENTRIES: &str = "256";

/// Commands with which a right on a key is tried. `ACL DRYRUN` runs none of them.
const READING: [&[&str]; 6] = [&["GET"], &["HGETALL"], &["EXISTS"], &["TYPE"], &["SMEMBERS"], &["LRANGE", "0", "0"]];
const WRITING: [&[&str]; 6] =
    [&["SET", "v"], &["DEL"], &["HSET", "f", "v"], &["SADD", "v"], &["LPUSH", "v"], &["EXPIRE", "1"]];

/// How the server answered.
enum Answer {
    Allowed,
    Refused,
    /// The user may run none of the commands that are tried: what was worked out stands.
    Undecided,
    /// The account may not ask.
    Unknown,
}

/// What every user may do with every declared pattern, sorted; and whether the server was asked.
pub async fn rights(reader: &mut Reader, facts: &RedisFacts, tables: &[String]) -> Read<(Vec<EffectiveRight>, bool)> {
    let mut rights = Vec::new();
    let mut questions = 0;
    let mut may_ask = true;
    for user in facts.users().iter().filter(|user| user.is_on && !user.is_unlimited()) {
        for (group, table) in tables.iter().enumerate() {
            for (right, probes) in [(Right::Read, READING), (Right::Update, WRITING)] {
                let Some((rule, key)) = user.rights.iter().find_map(|block| by(block, table, right)) else { continue };
                if may_ask && questions < MOST_QUESTIONS {
                    questions += 1;
                    match ask(reader, user, &key, &probes).await? {
                        Answer::Refused => continue,
                        Answer::Allowed | Answer::Undecided => {}
                        Answer::Unknown => may_ask = false,
                    }
                }
                rights.push(EffectiveRight {
                    login: user.name.clone(),
                    group: group as u64,
                    right,
                    becomes: None,
                    // What is left of the patterns when one goes can only be told together with what is declared: by the rules.
                    path: RightPath::Entry {
                        through: Vec::new(),
                        entry: format!("by its key pattern {rule}"),
                        end: None,
                        concerns: String::new(),
                    },
                    columns: Vec::new(),
                });
            }
        }
    }
    rights.sort();
    Ok((rights, may_ask && questions > 0))
}

/// The rule of a block by which a key of a table may be used, and such a key.
fn by(block: &RedisRights, table: &str, right: Right) -> Option<(String, String)> {
    let may = if right == Right::Read { block.may_read } else { block.may_write };
    let keys = block.keys.iter().filter(|key| may && if right == Right::Read { key.reads } else { key.writes });
    keys.filter_map(|key| {
        let sign = match (key.reads, key.writes) {
            (true, true) => "~",
            (true, false) => "%R~",
            _ => "%W~",
        };
        Some((format!("{sign}{}", key.pattern), common_key(&key.pattern, table)?))
    })
    .next()
}

/// Tries commands of one kind. A command that the user may not run at all says nothing of the key; nor does one that is refused the key when
/// a selector may allow another: the next one is tried.
async fn ask(reader: &mut Reader, user: &RedisUser, key: &str, probes: &[&[&str]]) -> Read<Answer> {
    let lacks = || {
        Missing {
        id: "redis.access.dryrun".to_owned(),
        what: "the server's own answer to what a user may do with a key".to_owned(),
        why: "the monitoring account may not run ACL DRYRUN (Redis 7 and later have it); rights are worked out from the users' rules".to_owned(),
        enable: Some("ACL SETUSER godwit_audit +acl|dryrun".to_owned()),
        price: "none: the server runs nothing for it".to_owned(),
    }
    };
    let mut is_refused = false;
    for probe in probes {
        let mut words = vec!["ACL", "DRYRUN", user.name.as_str()];
        words.extend(probe.first());
        words.push(key);
        words.extend(probe.iter().skip(1));
        let Some(answer) = reader.ask_or(&words, lacks).await? else { return Ok(Answer::Unknown) };
        match &answer {
            Value::Okay => return Ok(Answer::Allowed),
            other if text(other) == "OK" => return Ok(Answer::Allowed),
            other => is_refused |= text(other).contains("key"),
        }
    }
    let is_plain = user.rights.len() == 1;
    Ok(if is_refused && is_plain { Answer::Refused } else { Answer::Undecided })
}

/// The ACL log, in which each entry counts what is alike.
pub async fn denials(reader: &mut Reader, tables: &[String]) -> Read<Readable<Vec<Denial>>> {
    let lacks = || {
        let price =
            "none for the server; the same right allows to erase the log (ACL LOG RESET), which cannot be kept apart";
        missing("log", "what was refused to whom", "acl|log", price)
    };
    let Some(answer) = reader.ask_or(&["ACL", "LOG", ENTRIES], lacks).await? else {
        return Ok(Readable::Hidden(lacks().why));
    };
    let mut denials: Vec<Denial> = items(&answer).iter().map(|entry| denial(entry, tables)).collect();
    denials.sort();
    Ok(Readable::Read(denials))
}

/// One entry: of a key only its pattern is kept, and what is neither command nor key or channel is left out.
fn denial(entry: &Value, tables: &[String]) -> Denial {
    let fields: BTreeMap<String, &Value> = match entry {
        Value::Map(pairs) => pairs.iter().map(|(key, value)| (text(key), value)).collect(),
        other => items(other).chunks(2).filter_map(|pair| Some((text(pair.first()?), pair.get(1)?))).collect(),
    };
    let field = |name: &str| fields.get(name).map(|value| text(value)).unwrap_or_default();
    let (reason, object) = (clean(&field("reason")), field("object"));
    let (object, table) = match reason.as_str() {
        "key" => (pattern(&object), tables.iter().find(|table| matches(table, &object)).cloned()),
        "command" => (clean(&object), None),
        "channel" => (pattern(&object), None),
        _ => (String::new(), None),
    };
    let client = field("client-info");
    let address = client.split(' ').find_map(|part| part.strip_prefix("addr=")).unwrap_or_default();
    Denial {
        user: clean(&field("username")),
        reason,
        object,
        table,
        count: fields.get("count").and_then(|value| number(value)).unwrap_or(0),
        age_s: field("age-seconds").parse::<f64>().map_or(0, |age| age as u64),
        client: clean(address.rsplit_once(':').map_or(address, |(address, _)| address)),
    }
}

/// Looks at the names of some keys.
pub async fn sample(reader: &mut Reader, tables: &[String]) -> Read<Readable<KeySample>> {
    let mut sample = KeySample::default();
    if tables.is_empty() {
        return Ok(Readable::Read(sample));
    }
    let lacks = || {
        let price =
            "a few hundred microseconds of the server's only thread for each look; the account can then list all keys";
        missing("keys", "keys outside every declared prefix", "scan", price)
    };
    let mut cursor = "0".to_owned();
    for _ in 0..ROUNDS {
        let Some(answer) = reader.ask_or(&["SCAN", &cursor, "COUNT", KEYS_A_ROUND], lacks).await? else {
            return Ok(Readable::Hidden(lacks().why));
        };
        let [next, keys] = items(&answer) else { break };
        for key in items(keys).iter().map(text) {
            sample.looked_at += 1;
            if !tables.iter().any(|table| matches(table, &key)) {
                *sample.outside.entry(pattern(&key)).or_default() += 1;
            }
        }
        cursor = text(next);
        if cursor == "0" {
            break;
        }
    }
    Ok(Readable::Read(sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_log_shows_no_key() {
        let word = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let entry = Value::Array(vec![
            word("count"),
            Value::Int(3),
            word("reason"),
            word("key"),
            word("object"),
            word("orders:4711:secret-9942"),
            word("username"),
            word("billing"),
            word("age-seconds"),
            word("12.5"),
            word("client-info"),
            word("id=3 addr=127.0.0.1:4000 laddr=127.0.0.1:6379 user=billing"),
        ]);
        let denial = denial(&entry, &["orders:*".to_owned()]);
        assert_eq!((denial.object.as_str(), denial.table.as_deref()), ("orders:*:*", Some("orders:*")));
        assert_eq!(
            (denial.user.as_str(), denial.count, denial.age_s, denial.client.as_str()),
            ("billing", 3, 12, "127.0.0.1")
        );
    }
}
