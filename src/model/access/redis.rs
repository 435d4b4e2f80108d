//! What only Redis and Valkey have: the facts that the rules RD-01 to RD-18 judge, and how two key patterns overlap.
//!
//! Invariant: no field holds a password, a hash of one, a value, or a key that is not reduced to its pattern.

use crate::model::access::postgres::Readable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Keys that an account may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyRule {
    /// A glob pattern.
    pub pattern: String,
    /// Reading them.
    pub reads: bool,
    /// Writing them.
    pub writes: bool,
}

/// The account's own rights, or those of one of its selectors. A command needs one of them to allow it with all of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RedisRights {
    /// Command rules as the server lists them, in order: `-@all +get`.
    pub rules: Vec<String>,
    /// Keys.
    pub keys: Vec<KeyRule>,
    /// Channel patterns.
    pub channels: Vec<String>,
    /// Commands that a rule judges and that are allowed, sorted: `config|set`.
    pub commands: Vec<String>,
    /// Every command is allowed.
    pub all_commands: bool,
    /// A command that reads keys is allowed.
    pub may_read: bool,
    /// A command that writes keys is allowed.
    pub may_write: bool,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RedisUser {
    /// Name.
    pub name: String,
    /// Somebody can log in as it.
    pub is_on: bool,
    /// It needs no password.
    pub is_open: bool,
    /// How many passwords it has. Never one of them, nor its hash.
    pub passwords: u64,
    /// Other accounts that have a password with the same hash.
    pub same_password_as: Vec<String>,
    /// Its own rights first, then its selectors.
    pub rights: Vec<RedisRights>,
}

impl RedisUser {
    /// It may do everything.
    pub fn is_unlimited(&self) -> bool {
        self.rights
            .iter()
            .any(|r| r.all_commands && r.keys.iter().any(|key| key.pattern == "*" && key.reads && key.writes))
    }

    /// Commands of this list that it may run.
    pub fn commands<'a>(&'a self, of: &'a [&'a str]) -> Vec<&'a str> {
        of.iter().copied().filter(|name| self.rights.iter().any(|r| r.commands.iter().any(|c| c == name))).collect()
    }
}

/// Refusals of one kind, out of the server's ACL log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Denial {
    /// Account.
    pub user: String,
    /// `command`, `key`, `channel`, `auth`.
    pub reason: String,
    /// The command, or the pattern of the key.
    pub object: String,
    /// The declared pattern that the key falls under; `None`: none.
    pub table: Option<String>,
    /// How many times.
    pub count: u64,
    /// Seconds since the last time.
    pub age_s: u64,
    /// Address of the last one.
    pub client: String,
}

/// A sample of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySample {
    /// Keys that were looked at.
    pub looked_at: u64,
    /// Patterns of keys outside every declared prefix, with their number, sorted.
    pub outside: BTreeMap<String, u64>,
}

/// Facts of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisFacts {
    /// Accounts by name.
    pub users: Readable<Vec<RedisUser>>,
    /// It takes connections over its Unix socket only: it has no port, or no address to listen on.
    #[serde(default)]
    pub is_socket_only: bool,
    /// Settings that rules judge, by name; one that is not here does not exist in this version.
    pub settings: Readable<BTreeMap<String, String>>,
    /// The server was started with a configuration file.
    pub has_config_file: bool,
    /// It follows another server.
    pub is_replica: bool,
    /// It has replicas.
    pub has_replicas: bool,
    /// What was refused.
    pub denials: Readable<Vec<Denial>>,
    /// Keys.
    pub keys: Readable<KeySample>,
    /// Rights on keys were asked of the server itself (`ACL DRYRUN`), not only worked out.
    pub asked_server: bool,
}

impl RedisFacts {
    /// Accounts; empty where they were not read.
    pub fn users(&self) -> &[RedisUser] {
        match &self.users {
            Readable::Read(users) => users,
            Readable::Hidden(_) => &[],
        }
    }
}

/// One position of a glob pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Any text, also none.
    Any,
    /// One character of these; `None`: any one.
    One(Option<Vec<(char, char)>>, bool),
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any | Self::One(None, _) => true,
            Self::One(Some(ranges), negated) => ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated,
        }
    }

    /// A character that both take. Classes are runs of characters, so that one that both take is found where a run begins or ends.
    fn common(&self, other: &Self) -> Option<char> {
        let edges = |piece: &Self| match piece {
            Self::One(Some(ranges), _) => {
                ranges.iter().flat_map(|(from, to)| [Some(*from), char::from_u32(*to as u32 + 1)]).flatten().collect()
            }
            Self::One(None, _) | Self::Any => Vec::new(),
        };
        let candidates: Vec<char> = edges(self).into_iter().chain(edges(other)).chain(['x', '0']).collect();
        candidates.into_iter().find(|c| self.takes(*c) && other.takes(*c))
    }
}

/// Reads a pattern as the server does: `*`, `?`, `[a-z]`, `[^a]`, `\`.
fn pieces(pattern: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let one = |c: char| Piece::One(Some(vec![(c, c)]), false);
        match c {
            '*' if out.last() == Some(&Piece::Any) => {}
            '*' => out.push(Piece::Any),
            '?' => out.push(Piece::One(None, false)),
            '\\' => out.push(one(chars.next().unwrap_or('\\'))),
            '[' => {
                let negated = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                while let Some(c) = chars.next() {
                    let from = match c {
                        ']' => break,
                        '\\' => chars.next().unwrap_or('\\'),
                        c => c,
                    };
                    let to = if chars.next_if_eq(&'-').is_some() { chars.next().unwrap_or(from) } else { from };
                    ranges.push((from.min(to), from.max(to)));
                }
                out.push(Piece::One(Some(ranges), negated));
            }
            c => out.push(one(c)),
        }
    }
    out
}

/// A key that matches both patterns; `None`: there is none.
pub fn common_key(a: &str, b: &str) -> Option<String> {
    let (a, b) = (pieces(a), pieces(b));
    let width = b.len() + 1;
    // Which pairs of positions one text can reach, breadth first, so that the key is a short one.
    let mut seen = vec![false; (a.len() + 1) * width];
    let mut open = std::collections::VecDeque::from([(0usize, 0usize, String::new())]);
    while let Some((i, j, key)) = open.pop_front() {
        match seen.get_mut(i * width + j) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let longer = |c: char| {
            let mut key = key.clone();
            key.push(c);
            key
        };
        match (a.get(i), b.get(j)) {
            (None, None) => return Some(key),
            (Some(Piece::Any), Some(Piece::Any)) => {
                open.push_back((i + 1, j, key.clone()));
                open.push_back((i, j + 1, key));
            }
            (Some(Piece::Any), other) => {
                if let Some(c) = other.and_then(|piece| piece.common(&Piece::Any)) {
                    open.push_back((i, j + 1, longer(c)));
                }
                open.push_back((i + 1, j, key));
            }
            (other, Some(Piece::Any)) => {
                if let Some(c) = other.and_then(|piece| piece.common(&Piece::Any)) {
                    open.push_back((i + 1, j, longer(c)));
                }
                open.push_back((i, j + 1, key));
            }
            (Some(x), Some(y)) => {
                if let Some(c) = x.common(y) {
                    open.push_back((i + 1, j + 1, longer(c)));
                }
            }
            _ => {}
        }
    }
    None
}

/// True when some key may match both patterns.
pub fn overlap(a: &str, b: &str) -> bool {
    common_key(a, b).is_some()
}

/// True when a key matches a pattern.
pub fn matches(pattern: &str, key: &str) -> bool {
    let escaped: String =
        key.chars().flat_map(|c| if "*?[]\\^-".contains(c) { vec!['\\', c] } else { vec![c] }).collect();
    overlap(pattern, &escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_overlap_when_a_key_fits_both() {
        for (a, b, do_overlap) in [
            ("a:*", "b:*", false),
            ("*", "b:*", true),
            ("a:*", "a:b:*", true),
            ("a?:*", "ab:*", true),
            ("a[x-z]:*", "ab:*", false),
            ("a[^b]:*", "ab:*", false),
            ("a[^b]:*", "ac:*", true),
            ("*:tmp", "cart:*", true),
            ("cart:1", "cart:1", true),
            ("cart:1", "cart:12", false),
            ("a\\*", "ab", false),
            ("", "", true),
        ] {
            assert_eq!((overlap(a, b), overlap(b, a)), (do_overlap, do_overlap), "{a} {b}");
        }
        assert!(matches("a\\*", "a*") && matches("cart:*", "cart:[x]") && !matches("cart:*", "car"));
    }

    proptest! {
        #[test]
        fn a_key_that_fits_both_is_an_overlap(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", key in "[ab]{0,6}") {
            if matches(&a, &key) && matches(&b, &key) {
                prop_assert!(overlap(&a, &b));
            }
            if let Some(common) = common_key(&a, &b) {
                prop_assert!(matches(&a, &common) && matches(&b, &common), "{common}");
            }
        }
    }
}
