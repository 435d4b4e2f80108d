//! Commands counted by the server: `commandstats` with the percentiles of `latencystats`, and the kinds of errors.
//!
//! `CONFIG RESETSTAT` clears the counters and leaves one trace: it is the first command that is counted after it.

use crate::model::observation::{Missing, Observation, Window};
use crate::model::statement::{Coverage, Percentiles, StatementCounter, StatementSource, Statements};
use crate::stores::Result;
use crate::stores::observe::StatementStats;
use crate::stores::redis::info::{Info, parts};
use crate::stores::redis::slowlog;
use crate::stores::redis::store::RedisStore;
use crate::stores::redis::watch::Reader;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redis::RedisError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What was counted when it was last read, to notice that the counters began anew.
#[derive(Debug, Default)]
pub struct Commands(Mutex<Seen>);

#[derive(Clone, Debug, Default)]
struct Seen {
    run_id: String,
    calls: BTreeMap<String, u64>,
    /// Counts up with each reset that was noticed.
    resets: u64,
    /// When the last reset was noticed, or that there had been one was seen first.
    reset_seen: Option<DateTime<Utc>>,
}

impl Commands {
    /// Compares with the last reading; the number of resets that were seen in this run of the server, and when the last one was noticed.
    fn compare(&self, run_id: &str, counters: &[StatementCounter], now: DateTime<Utc>) -> (u64, Option<DateTime<Utc>>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls: BTreeMap<String, u64> = counters.iter().map(|c| (c.id.clone(), c.calls)).collect();
        let was_reset = calls.contains_key(RESET);
        if seen.run_id != run_id {
            *seen = Seen { run_id: run_id.to_owned(), reset_seen: was_reset.then_some(now), ..Seen::default() };
        } else if seen.calls.iter().any(|(id, before)| calls.get(id).copied().unwrap_or(0) < *before) {
            seen.resets += 1;
            seen.reset_seen = Some(now);
        }
        seen.calls = calls;
        (seen.resets, seen.reset_seen)
    }
}

/// The section with the percentiles. They are of all time since the counters began, so those of two minutes ago stand for those of now; only
/// after a reset they are of something else.
const LATENCIES: &str = "latencystats";

/// The counter that stands after a reset.
const RESET: &str = "config|resetstat";

fn no_percentiles() -> Missing {
    Missing {
        id: "redis.statements.latency".to_owned(),
        what: "percentiles of the time of each command".to_owned(),
        why: "the server keeps none: it is older than 7.0, or latency-tracking is off".to_owned(),
        enable: Some("CONFIG SET latency-tracking yes".to_owned()),
        price: "about 40 kB of memory for each command that is used, and well under 1 % of throughput".to_owned(),
    }
}

fn counters_of(info: &Info) -> Vec<StatementCounter> {
    let commands = info.with_prefix("cmdstat_");
    commands.filter_map(|(id, line)| counter(id, line, info.text(&format!("latency_percentiles_usec_{id}")))).collect()
}

fn counter(id: &str, line: &str, latency: Option<&str>) -> Option<StatementCounter> {
    let fields = parts(line);
    let field = |name: &str| fields.get(name).and_then(|value| value.parse::<u64>().ok());
    // Before 6.2 failures were not counted.
    let errors = match (field("rejected_calls"), field("failed_calls")) {
        (None, None) => None,
        (rejected, failed) => Some(rejected.unwrap_or(0) + failed.unwrap_or(0)),
    };
    let latency = latency.map(parts);
    let percentile = |name: &str| latency.as_ref()?.get(name)?.parse::<f64>().ok();
    Some(StatementCounter {
        id: id.to_owned(),
        login: None,
        database: String::new(),
        text: id.replace('|', " ").to_uppercase(),
        calls: field("calls")?,
        total_us: field("usec")? as f64,
        squares_us2: None,
        rows: None,
        examined: None,
        errors,
        without_index: None,
        blocks_read: None,
        percentiles: latency.is_some().then(|| Percentiles {
            p50_us: percentile("p50"),
            p95_us: percentile("p95"),
            p99_us: percentile("p99"),
        }),
    })
}

/// The kinds of errors as a sentence; `None`: there were none.
fn errors_of(info: &Info) -> Option<String> {
    let counts = info.with_prefix("errorstat_");
    let counts: Vec<String> =
        counts.filter_map(|(code, line)| Some(format!("{code} {}", parts(line).get("count")?))).collect();
    (!counts.is_empty()).then(|| format!("errors in the same time: {}", counts.join(", ")))
}

async fn read(reader: &mut Reader, commands: &Commands) -> std::result::Result<Option<Statements>, RedisError> {
    let mut info = reader.info(&["server", "commandstats", "errorstats"]).await?;
    let now = Utc::now();
    let run_id = info.run_id();
    let (resets, reset_seen) = commands.compare(&run_id, &counters_of(&info), now);
    if reset_seen == Some(now) {
        reader.forget(LATENCIES);
    }
    info.merge(reader.info(&[LATENCIES]).await?);
    let counters = counters_of(&info);
    if !counters.is_empty() && counters.iter().all(|counter| counter.percentiles.is_none()) {
        reader.lacks(no_percentiles());
    }
    let (since, proof) = match (reset_seen, info.started_at()) {
        (Some(seen), _) => (seen, "CONFIG RESETSTAT was run before then; when exactly, the server does not say"),
        (None, Some(started)) => (started, "the server started then, and no CONFIG RESETSTAT has been counted since"),
        (None, None) => (now, "Godwit looked for the first time"),
    };
    Ok(Some(Statements {
        source: StatementSource::CommandStats,
        window: Window { since, proof: proof.to_owned() },
        epoch: format!("{run_id}/{resets}"),
        coverage: Coverage { evicted: None, unlisted_share: None, note: errors_of(&info) },
        counters,
    }))
}

#[async_trait]
impl StatementStats for RedisStore {
    async fn statements(&self) -> Result<Observation<Option<Statements>>> {
        let commands = self.commands();
        self.watch().look(async |reader| read(reader, commands).await).await
    }

    async fn beside(&self) -> Result<Observation<Option<Statements>>> {
        let slow = self.slow_log();
        self.watch().look(async |reader| slowlog::read(reader, slow).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on Redis 7.0.15.
    const INFO: &str = "# Commandstats\r\ncmdstat_client|list:calls=1,usec=23,usec_per_call=23.00,rejected_calls=2,failed_calls=1\r\n\
        cmdstat_set:calls=4,usec=10,usec_per_call=2.50,rejected_calls=0,failed_calls=0\r\n\
        # Latencystats\r\nlatency_percentiles_usec_set:p50=1.003,p99=4.015,p99.9=4.015\r\n\
        # Errorstats\r\nerrorstat_ERR:count=5\r\nerrorstat_NOPERM:count=2\r\n";

    fn reading(set: u64, reset: bool) -> Vec<StatementCounter> {
        let reset = if reset { "cmdstat_config|resetstat:calls=1,usec=9\r\n" } else { "" };
        counters_of(&Info::parse(&format!("cmdstat_set:calls={set},usec=10\r\n{reset}")))
    }

    #[test]
    fn a_line_is_a_counter() {
        let info = Info::parse(INFO);
        let counters = counters_of(&info);
        let [list, set] = counters.as_slice() else { panic!("{counters:?}") };
        assert_eq!((list.text.as_str(), list.calls, list.errors), ("CLIENT LIST", 1, Some(3)));
        assert_eq!(list.percentiles, None);
        assert_eq!((set.calls, set.total_us), (4, 10.0));
        assert_eq!(set.percentiles, Some(Percentiles { p50_us: Some(1.003), p95_us: None, p99_us: Some(4.015) }));
        assert_eq!(errors_of(&info).as_deref(), Some("errors in the same time: ERR 5, NOPERM 2"));
    }

    #[test]
    fn a_counter_that_goes_down_begins_a_new_epoch() {
        let (commands, now) = (Commands::default(), Utc::now());
        assert_eq!(commands.compare("a", &reading(4, false), now), (0, None));
        assert_eq!(commands.compare("a", &reading(5, false), now), (0, None));
        assert_eq!(commands.compare("a", &reading(1, true), now), (1, Some(now)));
        assert_eq!(commands.compare("a", &reading(9, true), now), (1, Some(now)));
        assert_eq!(commands.compare("b", &reading(1, false), now), (0, None));
    }

    #[test]
    fn a_reset_before_the_first_look_shortens_the_window() {
        let now = Utc::now();
        assert_eq!(Commands::default().compare("a", &reading(4, true), now), (0, Some(now)));
    }
}
