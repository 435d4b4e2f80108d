//! Slow commands: `SLOWLOG`, on Valkey from 8.1 `COMMANDLOG … slow`. A ring of 128 entries by default, so it is gathered here by
//! entry number, and numbers that were never seen are said to be lost.

use crate::model::observation::{Missing, Window};
use crate::model::statement::{Coverage, StatementCounter, StatementSource, Statements};
use crate::stores::redis::info::Info;
use crate::stores::redis::key_pattern::masked;
use crate::stores::redis::watch::{Reader, items, number, text};
use chrono::{DateTime, Utc};
use redis::{RedisError, Value};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Entries that are asked for: more than the ring has by default.
const ENTRIES: &str = "256";

/// Patterns that are kept; further ones are counted together.
const PATTERNS_KEPT: usize = 2_000;

/// Under what is counted that has no room of its own.
const OTHERS: &str = "(others)";

/// Slow entries, gathered over all looks.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Gathered>);

#[derive(Clone, Debug, Default)]
struct Gathered {
    run_id: String,
    /// The first number that was not seen yet.
    next: Option<u64>,
    since: Option<DateTime<Utc>>,
    lost: u64,
    by_pattern: BTreeMap<String, StatementCounter>,
}

/// One entry, with nothing of its arguments but their pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    number: u64,
    at: DateTime<Utc>,
    micros: u64,
    pattern: String,
}

fn entry(value: &Value) -> Option<Entry> {
    let [id, at, micros, words, ..] = items(value) else { return None };
    let words: Vec<String> = items(words).iter().map(text).collect();
    Some(Entry {
        number: number(id)?,
        at: DateTime::from_timestamp(i64::try_from(number(at)?).ok()?, 0)?,
        micros: number(micros)?,
        pattern: masked(&words),
    })
}

impl Gathered {
    /// The first number of this server that was not seen yet; `None`: nothing of it was.
    fn seen_until(&self, run_id: &str) -> Option<u64> {
        self.next.filter(|_| self.run_id == run_id)
    }

    fn take(&mut self, run_id: &str, mut entries: Vec<Entry>, now: DateTime<Utc>) {
        entries.sort_by_key(|entry| entry.number);
        // After a restart the numbers begin again at 0.
        if self.run_id != run_id {
            *self = Self { run_id: run_id.to_owned(), ..Self::default() };
        }
        let first = self.next;
        for entry in entries {
            if let Some(next) = self.next {
                if entry.number < next {
                    continue;
                }
                self.lost += entry.number - next;
            }
            self.since = self.since.or(Some(entry.at));
            self.next = Some(entry.number + 1);
            self.count(&entry);
        }
        if first.is_none() && self.since.is_none() {
            self.since = Some(now);
        }
    }

    fn count(&mut self, entry: &Entry) {
        let full = self.by_pattern.len() >= PATTERNS_KEPT && !self.by_pattern.contains_key(&entry.pattern);
        let pattern = if full { OTHERS } else { entry.pattern.as_str() };
        let counter = self.by_pattern.entry(pattern.to_owned()).or_insert_with(|| StatementCounter {
            id: pattern.to_owned(),
            login: None,
            database: String::new(),
            text: pattern.to_owned(),
            calls: 0,
            total_us: 0.0,
            squares_us2: None,
            rows: None,
            examined: None,
            errors: None,
            without_index: None,
            blocks_read: None,
            percentiles: None,
        });
        counter.calls += 1;
        counter.total_us += entry.micros as f64;
    }
}

fn no_right() -> Missing {
    Missing {
        id: "redis.slowlog.right".to_owned(),
        what: "slow commands with their keys' patterns".to_owned(),
        why: "the monitoring account may not run SLOWLOG GET".to_owned(),
        enable: Some("ACL SETUSER godwit_watch +slowlog|get +slowlog|len".to_owned()),
        price: "12 µs of the server for each reading; the account can then read the arguments of slow commands, which Godwit masks".to_owned(),
    }
}

fn empty() -> Missing {
    Missing {
        id: "redis.slowlog.empty".to_owned(),
        what: "slow commands".to_owned(),
        why: "the slow log is empty: no command has been slow enough, or slowlog-log-slower-than is negative or slowlog-max-len 0 (reading them needs CONFIG GET, which also shows requirepass)".to_owned(),
        enable: Some("CONFIG SET slowlog-log-slower-than 10000; CONFIG SET slowlog-max-len 1024".to_owned()),
        price: "none to speak of: the entries' memory".to_owned(),
    }
}

/// True for a Valkey that has `COMMANDLOG` (8.1 and later).
fn has_commandlog(info: &Info) -> bool {
    let version = info.text("valkey_version").unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (8, 1)
}

/// The newest entries, up to `count`. `None`: the account may not read them.
async fn newest(reader: &mut Reader, info: &Info, count: &str) -> Result<Option<Vec<Entry>>, RedisError> {
    let words: &[&str] = match has_commandlog(info) {
        true => &["COMMANDLOG", "GET", count, "slow"],
        false => &["SLOWLOG", "GET", count],
    };
    let answer = reader.ask_or(words, no_right).await?;
    Ok(answer.map(|answer| items(&answer).iter().filter_map(entry).collect()))
}

/// Reads what is new in the slow log.
///
/// # Errors
/// The driver's.
pub async fn read(reader: &mut Reader, slow: &SlowLog) -> Result<Option<Statements>, RedisError> {
    let info = reader.info(&["server"]).await?;
    let run_id = info.run_id();
    let seen_until = slow.0.lock().unwrap_or_else(PoisonError::into_inner).seen_until(&run_id);
    // Most looks find nothing new: one entry tells that, and costs the server a hundredth of the ring.
    let is_news = match seen_until {
        Some(next) => {
            let Some(newest) = newest(reader, &info, "1").await? else { return Ok(None) };
            newest.iter().any(|entry| entry.number >= next)
        }
        None => true,
    };
    let entries = match is_news {
        true => {
            let Some(entries) = newest(reader, &info, ENTRIES).await? else { return Ok(None) };
            entries
        }
        false => Vec::new(),
    };
    let now = Utc::now();
    let gathered = {
        let mut gathered = slow.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.take(&run_id, entries, now);
        gathered.clone()
    };
    if gathered.by_pattern.is_empty() {
        reader.lacks(empty());
    }
    let lost = (gathered.lost > 0).then(|| {
        format!(
            "{} slow commands were overwritten before they could be read; raise slowlog-max-len (CONFIG SET slowlog-max-len 1024)",
            gathered.lost
        )
    });
    Ok(Some(Statements {
        source: StatementSource::SlowLog,
        window: Window {
            since: gathered.since.unwrap_or(now),
            proof: "the oldest entry that was read is from then; the time in it is the server's work, without waiting and network".to_owned(),
        },
        epoch: run_id,
        coverage: Coverage { evicted: Some(gathered.lost), unlisted_share: None, note: lost },
        counters: gathered.by_pattern.into_values().collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(number: u64, command: &str) -> Value {
        let words = command.split(' ').map(|word| Value::BulkString(word.into())).collect();
        let number = i64::try_from(number).unwrap();
        Value::Array(vec![Value::Int(number), Value::Int(1_795_449_230), Value::Int(11), Value::Array(words)])
    }

    fn entries(numbers: std::ops::Range<u64>) -> Vec<Entry> {
        numbers.rev().filter_map(|n| entry(&slow(n, &format!("SET user:{n} secret")))).collect()
    }

    #[test]
    fn each_entry_counts_once_and_a_gap_is_said() {
        let mut gathered = Gathered::default();
        gathered.take("a", entries(0..5), Utc::now());
        gathered.take("a", entries(2..7), Utc::now());
        assert_eq!((gathered.by_pattern["SET user:*"].calls, gathered.lost), (7, 0));
        gathered.take("a", entries(10..12), Utc::now());
        assert_eq!((gathered.by_pattern["SET user:*"].calls, gathered.lost), (9, 3));
        assert_eq!((gathered.seen_until("a"), gathered.seen_until("b")), (Some(12), None));
        gathered.take("b", entries(0..1), Utc::now());
        assert_eq!((gathered.by_pattern["SET user:*"].calls, gathered.lost), (1, 0));
    }

    #[test]
    fn entries_before_the_first_look_are_not_lost() {
        let mut gathered = Gathered::default();
        gathered.take("a", entries(100..101), Utc::now());
        assert_eq!(gathered.lost, 0);
    }

    #[test]
    fn nothing_of_an_argument_is_kept() {
        let kept = format!("{:?}", entry(&slow(1, "SET user:17 hunter2")));
        assert!(!kept.contains("hunter2") && !kept.contains("17\""), "{kept}");
    }

    #[test]
    fn valkey_has_a_command_log_from_8_1() {
        for (version, has) in [("8.1.0", true), ("9.0.0", true), ("8.0.3", false), ("", false)] {
            assert_eq!(has_commandlog(&Info::parse(&format!("valkey_version:{version}\r\n"))), has, "{version}");
        }
    }
}
