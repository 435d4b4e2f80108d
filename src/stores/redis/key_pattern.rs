//! What may be shown of a command that the slow log keeps: its name, and the pattern of its key. Never an argument's value.
//!
//! Invariant: a word of a command reaches the result only as the command's own name or as a plain word of a key; numbers, identifiers,
//! addresses and everything long or mixed becomes `*`. Commands that are not in the list of those whose first argument is a key show
//! no argument at all.

/// Commands whose first argument is a key, in upper case and sorted.
const KEY_FIRST: [&str; 106] = [
    "APPEND",
    "BITCOUNT",
    "BITFIELD",
    "BITFIELD_RO",
    "BITPOS",
    "BLMOVE",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZPOPMAX",
    "BZPOPMIN",
    "COPY",
    "DECR",
    "DECRBY",
    "DEL",
    "DUMP",
    "EXISTS",
    "EXPIRE",
    "EXPIREAT",
    "EXPIRETIME",
    "GEOADD",
    "GEODIST",
    "GEOHASH",
    "GEOPOS",
    "GEORADIUS",
    "GEOSEARCH",
    "GET",
    "GETBIT",
    "GETDEL",
    "GETEX",
    "GETRANGE",
    "GETSET",
    "HDEL",
    "HEXISTS",
    "HEXPIRE",
    "HGET",
    "HGETALL",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HMSET",
    "HRANDFIELD",
    "HSCAN",
    "HSET",
    "HSETNX",
    "HSTRLEN",
    "HVALS",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LINDEX",
    "LINSERT",
    "LLEN",
    "LMOVE",
    "LPOP",
    "LPOS",
    "LPUSH",
    "LPUSHX",
    "LRANGE",
    "LREM",
    "LSET",
    "LTRIM",
    "MGET",
    "MOVE",
    "MSET",
    "PERSIST",
    "PEXPIRE",
    "PFADD",
    "PFCOUNT",
    "PSETEX",
    "PTTL",
    "RENAME",
    "RESTORE",
    "RPOP",
    "RPUSH",
    "SADD",
    "SCARD",
    "SDIFF",
    "SET",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "SINTER",
    "SISMEMBER",
    "SMEMBERS",
    "SORT",
    "SPOP",
    "SREM",
    "SSCAN",
    "STRLEN",
    "SUNION",
    "TTL",
    "TYPE",
    "UNLINK",
    "XADD",
    "XLEN",
    "XRANGE",
    "ZADD",
    "ZCARD",
    "ZRANGE",
    "ZRANGEBYSCORE",
    "ZREM",
    "ZSCAN",
    "ZSCORE",
];

/// Commands whose second word belongs to their name.
const CONTAINERS: [&str; 18] = [
    "ACL",
    "CLIENT",
    "CLUSTER",
    "COMMAND",
    "COMMANDLOG",
    "CONFIG",
    "DEBUG",
    "FUNCTION",
    "LATENCY",
    "MEMORY",
    "MODULE",
    "OBJECT",
    "PUBSUB",
    "SCRIPT",
    "SENTINEL",
    "SLOWLOG",
    "XGROUP",
    "XINFO",
];

/// A part of a key longer than this is data.
const LONGEST_WORD: usize = 24;

/// The command's name and its key's pattern.
pub fn masked(words: &[String]) -> String {
    let Some(command) = words.first().map(|word| word.to_ascii_uppercase()).filter(|word| is_name(word)) else {
        return "*".to_owned();
    };
    if CONTAINERS.contains(&command.as_str()) {
        return match words.get(1).map(|word| word.to_ascii_uppercase()).filter(|word| is_name(word)) {
            Some(second) => format!("{command} {second}"),
            None => command,
        };
    }
    match words.get(1) {
        Some(key) if KEY_FIRST.binary_search(&command.as_str()).is_ok() => format!("{command} {}", pattern(key)),
        Some(_) => format!("{command} …"),
        None => command,
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= LONGEST_WORD
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// A key with what varies in it replaced.
pub(super) fn pattern(key: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        if word.is_empty() {
        } else if is_plain(word) {
            out.push_str(word);
        } else if !out.ends_with('*') {
            out.push('*');
        }
        word.clear();
    };
    for c in key.chars() {
        if matches!(c, ':' | '/' | '|' | '{' | '}' | '.') {
            flush(&mut word, &mut out);
            out.push(c);
        } else {
            word.push(c);
        }
        if out.len() > 100 {
            out.push('*');
            return out;
        }
    }
    flush(&mut word, &mut out);
    out
}

/// A word that names a kind of thing: lower-case letters, `_` and `-` only, or the same in upper case.
fn is_plain(word: &str) -> bool {
    let letters = |of: fn(&u8) -> bool| word.bytes().all(|b| of(&b) || b == b'_' || b == b'-');
    word.len() <= LONGEST_WORD && (letters(u8::is_ascii_lowercase) || letters(u8::is_ascii_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(command: &str) -> String {
        masked(&command.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn names_and_patterns_stay_and_values_go() {
        for (command, shown) in [
            ("set user:17:name hunter2", "SET user:*:name"),
            ("GET session:9f86d081884c7d65", "GET session:*"),
            ("hgetall cart:{4711}:items", "HGETALL cart:{*}:items"),
            ("eval return(1) 1 key", "EVAL …"),
            ("config set requirepass hunter2", "CONFIG SET"),
            ("auth app hunter2", "AUTH …"),
            ("get jane@example.org", "GET *.org"),
            ("get aGVsbG8", "GET *"),
            ("ping", "PING"),
            ("\u{1b}[2J x", "*"),
        ] {
            assert_eq!(of(command), shown, "{command}");
        }
    }

    #[test]
    fn the_list_of_commands_is_sorted() {
        assert!(KEY_FIRST.is_sorted());
    }

    proptest! {
        #[test]
        fn no_value_is_ever_shown(command in "[a-zA-Z]{1,12}", key in "[a-z:]{1,20}", value in "[A-Z0-9]{5}z9[a-z0-9]{5}") {
            let words = [command, key, value.clone(), value.clone()];
            prop_assert!(!masked(&words).contains(&value));
            // Nor when it is part of the key.
            let words = ["GET".to_owned(), format!("user:{value}:x")];
            prop_assert!(!masked(&words).contains(&value));
        }
    }
}
