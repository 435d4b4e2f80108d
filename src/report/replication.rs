//! Replication of the stores themselves: what `godwit replication` prints. State and error come before any number, and no number
//! without its unit, how it was measured, and its age.

use crate::model::ids::StoreId;
use crate::model::lag::Reading;
use crate::model::observation::{ByStore, StoreReading};
use crate::model::replication::{
    LagUnit, LinkDirection, LinkLag, LogRetention, LogRunway, ReplicaLink, ReplicationNow, ReplicationRole,
};
use crate::report::activity::ReadingState;
use crate::report::columns::Columns;
use crate::report::lag::told;
use crate::report::moment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON form, schema `godwit.replication/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplicationReport {
    /// `godwit.replication/1`.
    pub schema: &'static str,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreReplication>,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreReplication {
    /// How it was read.
    #[serde(flatten)]
    pub state: ReadingState,
    /// What the server is; `null`: it was not read.
    pub role: Option<ReplicationRole>,
    /// When the server started.
    pub started_at: Option<DateTime<Utc>>,
    /// Links in both directions.
    pub links: Vec<ReplicaLink>,
    /// Logs that are kept.
    pub retention: Vec<RetentionLine>,
}

/// A kept log and how long it lasts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetentionLine {
    /// The log.
    #[serde(flatten)]
    pub log: LogRetention,
    /// Its runway; `null`: none was made.
    pub runway: Option<LogRunway>,
}

/// Puts the report together; with `trouble` only what somebody should look at.
pub fn replication(view: &ByStore<ReplicationNow>, trouble: bool) -> ReplicationReport {
    let stores = view.iter().map(|(id, reading)| (id.clone(), store(reading, trouble))).collect();
    ReplicationReport { schema: "godwit.replication/1", stores }
}

fn store(reading: &StoreReading<ReplicationNow>, trouble: bool) -> StoreReplication {
    let state = ReadingState::of(reading);
    let Some(read) = &reading.latest else {
        return StoreReplication { state, role: None, started_at: None, links: Vec::new(), retention: Vec::new() };
    };
    let now = &read.value.reading;
    let links = now.links.iter().filter(|link| !trouble || !link.healthy || link.error.is_some());
    let logs = now.retention.iter().filter(|log| !trouble || log.problem.is_some());
    StoreReplication {
        state,
        role: Some(now.role),
        started_at: now.started_at,
        links: links.cloned().collect(),
        retention: logs
            .map(|log| RetentionLine { log: log.clone(), runway: read.value.runway(&log.name).cloned() })
            .collect(),
    }
}

impl ReplicationReport {
    /// The text form, seen at `now`.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        let mut columns = Columns::new(&["STORE", "ROLE", "WHAT", "STATE", "ERROR", "LAG OR KEPT", "RUNWAY", "READ"]);
        for (id, store) in &self.stores {
            text.push_str(&store.state.text(id, now));
            let Some(role) = store.role else { continue };
            let read = store.state.at.map_or_else(String::new, |at| format!("{} ago", moment::age(at, now)));
            let mut row = |what: String, state: String, error: String, amount: String, runway: String| {
                let (id, role) = (id.to_string(), role.word().to_owned());
                columns.row([id, role, what, state, error, amount, runway, read.clone()]);
            };
            let dash = || "-".to_owned();
            if store.links.is_empty() && store.retention.is_empty() {
                row("no links, no logs kept".to_owned(), dash(), dash(), dash(), dash());
            }
            for link in &store.links {
                let arrow = match link.direction {
                    LinkDirection::Outgoing => "->",
                    LinkDirection::Incoming => "<-",
                };
                let what = format!("{arrow} {} {}", link.name, link.peer).trim_end().to_owned();
                let moves = if link.healthy { "" } else { "NOT MOVING: " };
                let lags: Vec<String> = link.lag.iter().map(lag_words).collect();
                let lags = if lags.is_empty() { dash() } else { lags.join("; ") };
                let error = link.error.clone().unwrap_or_else(dash);
                row(what, format!("{moves}{}", link.state), error, lags, dash());
            }
            for line in &store.retention {
                let log = &line.log;
                let kept = told(&log.retained_bytes, |kept| format!("{} kept", bytes(*kept)));
                let runway = line.runway.as_ref().map_or_else(dash, runway_words);
                let reader = if log.active { "" } else { ", nobody reads it" };
                let problem = log.problem.clone().unwrap_or_else(dash);
                row(format!("log {}", log.name), format!("{}{reader}", log.state), problem, kept, runway);
            }
        }
        text.push_str(&columns.text());
        text
    }
}

/// One measure of a lag: how much, in its unit, and how it was measured.
pub fn lag_words(lag: &LinkLag) -> String {
    let amount = told(&lag.amount, |n| match lag.unit {
        LagUnit::Milliseconds => moment::span(*n),
        LagUnit::Bytes => bytes(*n),
    });
    format!("{amount} by {}", lag.method)
}

fn runway_words(runway: &LogRunway) -> String {
    match (&runway.seconds, &runway.bytes_per_second) {
        (Reading::Known(Some(seconds)), Reading::Known(speed)) => format!(
            "{} at {}/s over {}",
            moment::span(seconds.saturating_mul(1000)),
            bytes(*speed),
            moment::span(runway.window_seconds.saturating_mul(1000))
        ),
        (Reading::Known(Some(seconds)), Reading::Unknown(_)) => moment::span(seconds.saturating_mul(1000)),
        (Reading::Known(None), _) => "not limited".to_owned(),
        (Reading::Unknown(why), _) => format!("unknown ({why})"),
    }
}

/// Bytes in units of 1000.
fn bytes(number: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in UNITS {
        if number >= size {
            let tenths = u128::from(number) * 10 / u128::from(size);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{number} B")
}
