//! Which login was seen using which table, over time: what shows access across services without any right on the tables.
//!
//! Invariant: memory is bounded. When a new pair comes and there is no room, the one that was not seen for longest is forgotten and
//! counted, so that "never seen" is only said while nothing was forgotten.

use crate::model::session::TableTouch;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Pairs that are kept for one store.
pub const KEPT: usize = 4_096;

/// Who uses what. Order: by table, so that those of one table are found together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Use {
    /// The table as the engine writes it.
    pub table: String,
    /// Login.
    pub login: String,
    /// What the client calls itself.
    pub application: String,
    /// Address, or `local`.
    pub client: String,
    /// It held a mode that writes.
    pub writes: bool,
}

/// How often and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// First look that showed it.
    pub first: DateTime<Utc>,
    /// Last look that showed it.
    pub last: DateTime<Utc>,
    /// Looks that showed it. A look is no statement: short ones fall between two looks.
    pub looks: u64,
    /// A statement of the session at the last look, with its literals taken out.
    pub statement: String,
}

/// Two looks that are further apart do not prove what happened between them.
const GAP: TimeDelta = TimeDelta::minutes(2);

/// What was seen on one store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedAccess {
    /// First look; `None`: there was none.
    pub since: Option<DateTime<Utc>>,
    /// Last look.
    pub until: Option<DateTime<Utc>>,
    /// Since when no two looks were further apart than two minutes; `None`: there was none.
    #[serde(default)]
    pub unbroken_since: Option<DateTime<Utc>>,
    /// Looks.
    pub looks: u64,
    /// Pairs that had to be forgotten.
    pub forgotten: u64,
    #[serde(with = "pairs")]
    uses: BTreeMap<Use, Seen>,
}

impl ObservedAccess {
    /// Takes one look in.
    pub fn take(&mut self, touches: &[TableTouch], at: DateTime<Utc>) {
        self.since.get_or_insert(at);
        if self.until.is_none_or(|until| at - until > GAP) {
            self.unbroken_since = Some(at);
        }
        self.until = Some(at);
        self.looks += 1;
        let mut now: BTreeMap<Use, &str> = BTreeMap::new();
        for touch in touches {
            let key = Use {
                table: touch.table.clone(),
                login: touch.login.clone(),
                application: touch.application.clone(),
                client: touch.client.clone(),
                writes: touch.writes,
            };
            now.insert(key, &touch.statement);
        }
        for (key, statement) in now {
            if let Some(seen) = self.uses.get_mut(&key) {
                seen.last = at;
                seen.looks += 1;
                seen.statement = without_literals(statement);
                continue;
            }
            if self.uses.len() >= KEPT {
                self.forget_oldest();
            }
            self.uses.insert(key, Seen { first: at, last: at, looks: 1, statement: without_literals(statement) });
        }
    }

    /// All pairs, by table.
    pub fn uses(&self) -> impl Iterator<Item = (&Use, &Seen)> {
        self.uses.iter()
    }

    /// Whether a login was seen using a table, and whether it wrote: the sum over its applications and clients.
    pub fn of(&self, login: &str, table: &str) -> Option<(u64, bool)> {
        let mut found = None;
        for (_, seen, writes) in
            self.uses.iter().filter(|(u, _)| u.login == login && u.table == table).map(|(u, s)| (u, s, u.writes))
        {
            let (looks, wrote) = found.unwrap_or((0, false));
            found = Some((looks + seen.looks, wrote || writes));
        }
        found
    }

    fn forget_oldest(&mut self) {
        let oldest = self.uses.iter().min_by_key(|(_, seen)| seen.last).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.uses.remove(&key);
            self.forgotten += 1;
        }
    }
}

/// Longest statement that is kept, in characters.
const STATEMENT_CHARS: usize = 200;

/// A statement whose strings and numbers are `?`. It errs on the side of taking too much out: an unclosed string takes the rest.
fn without_literals(statement: &str) -> String {
    let mut out = String::new();
    let mut chars = statement.chars().peekable();
    let mut in_word = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                while let Some(inner) = chars.next() {
                    // Both ways of writing a quote inside a string.
                    if inner == '\\' || (inner == '\'' && chars.peek() == Some(&'\'')) {
                        chars.next();
                    } else if inner == '\'' {
                        break;
                    }
                }
                out.push('?');
                in_word = false;
            }
            '$' if !in_word && chars.peek().is_some_and(|c| *c == '$' || c.is_alphabetic() || *c == '_') => {
                // A dollar-quoted string: what follows is not looked at.
                out.push('?');
                break;
            }
            '0'..='9' if !in_word => {
                while chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '.').is_some() {}
                out.push('?');
            }
            c => {
                in_word = c.is_alphanumeric() || c == '_' || c == '$' || c == '"';
                out.push(c);
            }
        }
    }
    match out.char_indices().nth(STATEMENT_CHARS) {
        Some((end, _)) => format!("{}…", &out[..end]),
        None => out,
    }
}

/// JSON has no maps with such keys: a list of pairs.
mod pairs {
    use super::{Seen, Use};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub fn serialize<S: Serializer>(map: &BTreeMap<Use, Seen>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Use, Seen>, D::Error> {
        Ok(Vec::<(Use, Seen)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::SessionKey;
    use chrono::Duration;

    fn touch(login: &str, table: &str, writes: bool) -> TableTouch {
        TableTouch {
            session: SessionKey { id: "1".to_owned(), born: String::new() },
            login: login.to_owned(),
            application: "app".to_owned(),
            client: "local".to_owned(),
            table: table.to_owned(),
            writes,
            statement: "UPDATE t SET card = '4111' WHERE id = 42".to_owned(),
        }
    }

    #[test]
    fn looks_are_counted_and_literals_are_not_kept() {
        let mut observed = ObservedAccess::default();
        let start = DateTime::<Utc>::UNIX_EPOCH;
        observed.take(&[touch("a", "t", true), touch("a", "t", true)], start);
        observed.take(&[touch("a", "t", true), touch("a", "t", false)], start + Duration::seconds(2));
        let uses: Vec<_> = observed.uses().collect();
        assert_eq!(uses.len(), 2);
        assert_eq!((uses[1].1.looks, uses[1].1.first, uses[1].1.last), (2, start, start + Duration::seconds(2)));
        assert_eq!(uses[1].1.statement, "UPDATE t SET card = ? WHERE id = ?");
        assert_eq!(observed.of("a", "t"), Some((3, true)));
        assert_eq!(observed.of("b", "t"), None);
    }

    #[test]
    fn memory_is_bounded_and_forgetting_is_counted() {
        let mut observed = ObservedAccess::default();
        let start = DateTime::<Utc>::UNIX_EPOCH;
        for n in 0..KEPT + 3 {
            observed.take(&[touch("a", &format!("t{n}"), false)], start + Duration::seconds(n as i64));
        }
        assert_eq!((observed.uses().count(), observed.forgotten), (KEPT, 3));
        assert_eq!(observed.of("a", "t0"), None);
    }

    #[test]
    fn whatever_could_be_a_literal_goes() {
        for (text, kept) in [
            ("SELECT 'it''s', E'a\\'b', 1.5e3, t1.c2", "SELECT ?, E?, ?, t1.c2"),
            ("SELECT $1, $$secret$$", "SELECT $1, ?"),
            ("SELECT 'open", "SELECT ?"),
        ] {
            assert_eq!(without_literals(text), kept);
        }
    }
}
