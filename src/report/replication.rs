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
use crate::report::quantity::bytes;
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
                let kept = told(&log.retained_bytes, |kept| format!("{} {}", bytes(*kept), log.kind.participle()));
                let runway = line.runway.as_ref().map_or_else(dash, runway_words);
                let reader = if log.active { "" } else { ", nobody reads it" };
                let problem = log.problem.clone().unwrap_or_else(dash);
                row(
                    format!("{} {}", log.kind.word(), log.name),
                    format!("{}{reader}", log.state),
                    problem,
                    kept,
                    runway,
                );
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Observation;
    use crate::model::replication::{Kept, Replication};
    use chrono::TimeDelta;

    fn view() -> ByStore<ReplicationNow> {
        let link = |name: &str, healthy, error: Option<&str>, amount| ReplicaLink {
            name: name.to_owned(),
            direction: LinkDirection::Outgoing,
            peer: "10.0.0.2".to_owned(),
            state: "streaming".to_owned(),
            healthy,
            error: error.map(str::to_owned),
            lag: vec![LinkLag { amount, unit: LagUnit::Milliseconds, method: "replay_lag".to_owned() }],
        };
        let log = LogRetention {
            kind: Kept::Log,
            name: "godwit_orders".to_owned(),
            state: "logical, reserved".to_owned(),
            active: true,
            retained_bytes: Reading::Known(1_200_000),
            room_bytes: Reading::Known(Some(9_000_000)),
            covers_seconds: Reading::Unknown("no times".to_owned()),
            problem: None,
            written_bytes: Some(1),
        };
        let reading = Replication {
            role: ReplicationRole::Primary,
            links: vec![
                link("one", true, None, Reading::Known(120)),
                link("two", false, Some("it was ended"), Reading::Unknown("it never answered".to_owned())),
            ],
            retention: vec![log],
            started_at: None,
        };
        let runways = vec![LogRunway {
            name: "godwit_orders".to_owned(),
            bytes_per_second: Reading::Known(5_000),
            window_seconds: 600,
            seconds: Reading::Known(Some(1_800)),
        }];
        let mut view = ByStore::default();
        let read = Observation::whole(ReplicationNow { reading, runways }, DateTime::UNIX_EPOCH);
        view.entry(StoreId::from("legacy")).or_insert_with(StoreReading::default).take(Ok(read), DateTime::UNIX_EPOCH);
        let down = view.entry(StoreId::from("orders-db")).or_insert_with(StoreReading::default);
        down.take(Err("connection refused".to_owned()), DateTime::UNIX_EPOCH);
        view
    }

    #[test]
    fn state_and_error_come_before_the_number() {
        let text = replication(&view(), false).text(DateTime::UNIX_EPOCH + TimeDelta::seconds(3));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "orders-db: connection refused");
        let place = |line: &str, words: &str| line.find(words).unwrap_or_else(|| panic!("{words}: {line}"));
        assert!(place(lines[2], "streaming") < place(lines[2], "120 ms by replay_lag"));
        assert!(place(lines[3], "NOT MOVING") < place(lines[3], "it was ended"));
        assert!(place(lines[3], "it was ended") < place(lines[3], "unknown (it never answered)"));
        assert!(lines[4].contains("1.2 MB kept") && lines[4].contains("30 min 0 s at 5.0 kB/s over 10 min 0 s"));
        assert!(lines[4].ends_with("3.0 s ago"));
    }

    #[test]
    fn only_trouble_is_listed_when_asked_for() {
        let report = replication(&view(), true);
        let legacy = report.stores.get(&StoreId::from("legacy")).unwrap();
        assert_eq!((legacy.links.len(), legacy.retention.len()), (1, 0));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["schema"], "godwit.replication/1");
        assert_eq!(json["stores"]["orders-db"]["problem"], "connection refused");
    }
}
