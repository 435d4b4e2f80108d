//! The canonical form of Redis commands: the command and the pattern of its key. Arguments are never part of it.

use crate::advice::hotspots::fingerprint::Canonical;
use crate::advice::ownership::Ownership;
use crate::model::hotspot::StatementKind;
use std::collections::BTreeMap;

/// Commands that only read; what is in none of the lists is `Other`.
const READS: &[&str] = &[
    "get",
    "mget",
    "getrange",
    "strlen",
    "exists",
    "ttl",
    "pttl",
    "type",
    "hget",
    "hmget",
    "hgetall",
    "hkeys",
    "hvals",
    "hlen",
    "hexists",
    "hscan",
    "lrange",
    "llen",
    "lindex",
    "smembers",
    "sismember",
    "smismember",
    "scard",
    "sscan",
    "sinter",
    "sunion",
    "sdiff",
    "srandmember",
    "zrange",
    "zrevrange",
    "zrangebyscore",
    "zrevrangebyscore",
    "zscore",
    "zmscore",
    "zcard",
    "zcount",
    "zrank",
    "zrevrank",
    "zscan",
    "xrange",
    "xrevrange",
    "xread",
    "xlen",
    "keys",
    "scan",
    "dbsize",
    "bitcount",
    "getbit",
    "pfcount",
    "json.get",
    "json.mget",
    "dump",
    "memory",
    "object",
    "sort_ro",
];
const INSERTS: &[&str] = &["set", "setex", "psetex", "setnx", "mset", "msetnx", "restore", "xadd", "json.set"];
const UPDATES: &[&str] = &[
    "append",
    "incr",
    "incrby",
    "incrbyfloat",
    "decr",
    "decrby",
    "setrange",
    "setbit",
    "hset",
    "hmset",
    "hsetnx",
    "hincrby",
    "hincrbyfloat",
    "hdel",
    "lpush",
    "rpush",
    "lpushx",
    "rpushx",
    "lset",
    "ltrim",
    "lrem",
    "lpop",
    "rpop",
    "linsert",
    "sadd",
    "srem",
    "spop",
    "smove",
    "zadd",
    "zincrby",
    "zrem",
    "zpopmin",
    "zpopmax",
    "expire",
    "pexpire",
    "expireat",
    "pexpireat",
    "persist",
    "rename",
    "getset",
    "pfadd",
    "geoadd",
    "xdel",
    "xtrim",
    "xack",
    "sort",
];
const DELETES: &[&str] = &["del", "unlink", "getdel", "flushdb", "flushall"];

/// Commands whose second word belongs to the name.
const CONTAINERS: &[&str] = &[
    "acl", "client", "cluster", "command", "config", "debug", "function", "latency", "memory", "module", "object",
    "pubsub", "script", "slowlog", "xgroup", "xinfo",
];

/// Commands whose first argument is no key.
const KEYLESS: &[&str] = &[
    "auth",
    "hello",
    "ping",
    "echo",
    "info",
    "select",
    "subscribe",
    "psubscribe",
    "publish",
    "eval",
    "evalsha",
    "fcall",
    "multi",
    "exec",
    "discard",
    "watch",
    "wait",
    "dbsize",
    "flushdb",
    "flushall",
    "scan",
    "psync",
    "replconf",
    "monitor",
];

/// The command's own name: `config|get`, `hgetall`.
pub fn verb(text: &str) -> String {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default().trim_start_matches("cmdstat_").to_lowercase();
    match words.next() {
        Some(second) if CONTAINERS.contains(&first.as_str()) => format!("{first}|{}", second.to_lowercase()),
        _ => first,
    }
}

/// The canonical form; `None`: there is no command in it.
pub fn canonical(text: &str, ownership: &Ownership) -> Option<Canonical> {
    let verb = verb(text);
    let starts_well = verb.starts_with(|first: char| first.is_ascii_alphabetic());
    if !starts_well || !verb.chars().all(|c| c.is_ascii_alphanumeric() || "|._-".contains(c)) {
        return None;
    }
    let is_kind = |list: &[&str]| list.contains(&verb.as_str());
    let kind = match () {
        () if is_kind(READS) => StatementKind::Read,
        () if is_kind(INSERTS) => StatementKind::Insert,
        () if is_kind(UPDATES) => StatementKind::Update,
        () if is_kind(DELETES) => StatementKind::Delete,
        () => StatementKind::Other,
    };
    let has_key = !is_kind(KEYLESS) && !verb.contains('|');
    let key = text.split_whitespace().nth(1).filter(|_| has_key).map(|key| key.trim_matches('"'));
    let form = key.map_or_else(|| verb.clone(), |key| format!("{verb} {}", pattern(key)));
    let service = key.and_then(|key| ownership.of_key(key)).cloned();
    Some(Canonical { text: form, kind, tables: BTreeMap::new(), service })
}

/// A key with what looks like an identity in it replaced by `?`: whole segments of digits, UUIDs and long hexadecimal numbers.
/// Digits inside of a word stay (`v2`), as does the case: keys are case-sensitive.
pub fn pattern(key: &str) -> String {
    let mut pattern = String::with_capacity(key.len());
    let mut segment = String::new();
    for letter in key.chars() {
        if [':', '/', '{', '}', '|', '.'].contains(&letter) {
            pattern.push_str(if is_identity(&segment) { "?" } else { &segment });
            pattern.push(letter);
            segment.clear();
        } else {
            segment.push(letter);
        }
    }
    pattern.push_str(if is_identity(&segment) { "?" } else { &segment });
    pattern
}

fn is_identity(segment: &str) -> bool {
    let digits = segment.chars().filter(char::is_ascii_digit).count();
    let is_hexadecimal = segment.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    !segment.is_empty()
        && (segment == "?"
            || segment == "*"
            || digits == segment.len()
            || (is_hexadecimal && digits > 0 && segment.len() >= 16))
}
