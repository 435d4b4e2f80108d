//! What happened between two readings of a server's counters.
//!
//! Invariant: a counter that went down is a reset, never a rate; what a server threw out is said, never guessed.

use crate::model::hotspot::HotSpots;
use crate::model::observation::Observation;
use crate::model::statement::{Coverage, StatementCounter, Statements};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// The outcome of a subtraction.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// What each line did in the interval.
    Interval(Interval),
    /// The counters began anew between the readings: there is no interval, and the next reading begins one.
    Reset {
        /// What shows it.
        why: String,
    },
}

/// What each line did in an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Its head: everything but the statements.
    pub head: HotSpots,
    /// Lines with calls in the interval, and whether the earlier reading lacked them.
    pub lines: Vec<(StatementCounter, bool)>,
}

/// Subtracts an earlier reading from a later one.
pub fn between(earlier: &Observation<Statements>, later: &Observation<Statements>) -> Delta {
    let (before, after) = (&earlier.value, &later.value);
    if before.source != after.source {
        let why = format!("the source changed from {} to {}", before.source.word(), after.source.word());
        return Delta::Reset { why };
    }
    if before.epoch != after.epoch {
        return Delta::Reset { why: format!("the counters began anew: {}", after.window.proof) };
    }
    if later.at <= earlier.at {
        return Delta::Reset { why: "the later reading is not later".to_owned() };
    }
    let known: BTreeMap<&str, &StatementCounter> = before.counters.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut head = head(after, earlier.at, later.at);
    head.coverage.evicted = evicted(before, after);
    let mut lines = Vec::new();
    let mut met = 0u64;
    for counter in &after.counters {
        match known.get(counter.id.as_str()) {
            None => lines.push((counter.clone(), true)),
            Some(earlier) => {
                met += 1;
                match subtract(earlier, counter) {
                    Some(line) => lines.push((line, false)),
                    None => head.restarted += 1,
                }
            }
        }
    }
    head.vanished = (known.len() as u64).saturating_sub(met);
    lines.retain(|(line, _)| line.calls > 0);
    // All lines at once: nobody throws all of them out one by one.
    let all_down = met > 0 && head.restarted == met;
    if all_down && met > 1 {
        return Delta::Reset { why: "all counters went down: the statistics were reset".to_owned() };
    }
    Delta::Interval(Interval { head, lines })
}

/// Everything since the server began to count: what there is to show after the first reading.
pub fn since_begin(reading: &Observation<Statements>) -> Interval {
    let head = head(&reading.value, reading.value.window.since, reading.at);
    let lines = reading.value.counters.iter().filter(|line| line.calls > 0);
    Interval { head, lines: lines.map(|line| (line.clone(), false)).collect() }
}

fn head(statements: &Statements, from: DateTime<Utc>, to: DateTime<Utc>) -> HotSpots {
    HotSpots {
        source: statements.source,
        from,
        to,
        coverage: statements.coverage.clone(),
        restarted: 0,
        vanished: 0,
        unparsed: 0,
        spots: Vec::new(),
    }
}

/// Evictions in the interval, where the server counts them.
fn evicted(before: &Statements, after: &Statements) -> Option<u64> {
    let Coverage { evicted: later, .. } = after.coverage;
    Some(later?.saturating_sub(before.coverage.evicted?))
}

/// One line's interval; `None`: it was thrown out and entered again, its counters are of an unknown time.
fn subtract(before: &StatementCounter, after: &StatementCounter) -> Option<StatementCounter> {
    let calls = after.calls.checked_sub(before.calls)?;
    // Times are floating point: a rounding error is no reset.
    let total_us = after.total_us - before.total_us;
    if total_us < -1.0 {
        return None;
    }
    let less = |later: Option<u64>, earlier: Option<u64>| match (later, earlier) {
        (Some(later), Some(earlier)) => later.checked_sub(earlier).map(Some),
        _ => Some(None),
    };
    Some(StatementCounter {
        calls,
        total_us: total_us.max(0.0),
        squares_us2: squares(before, after, calls, total_us.max(0.0)),
        rows: less(after.rows, before.rows)?,
        examined: less(after.examined, before.examined)?,
        errors: less(after.errors, before.errors)?,
        without_index: less(after.without_index, before.without_index)?,
        blocks_read: less(after.blocks_read, before.blocks_read)?,
        ..after.clone()
    })
}

/// Squared deviations within the interval: those of the whole, less those of the first part, less what lies between the two means
/// (the parallel update of Chan, Golub and LeVeque, taken backwards).
fn squares(before: &StatementCounter, after: &StatementCounter, calls: u64, total_us: f64) -> Option<f64> {
    let (whole, first) = (after.squares_us2?, before.squares_us2?);
    if before.calls == 0 || calls == 0 {
        return Some(if calls == 0 { 0.0 } else { whole });
    }
    let (n1, n2) = (before.calls as f64, calls as f64);
    let apart = before.total_us / n1 - total_us / n2;
    Some((whole - first - n1 * n2 / (n1 + n2) * apart * apart).max(0.0))
}
