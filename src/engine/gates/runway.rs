//! `runway = "1h"`: every log that the phase's pipelines and stores need lasts at least that long, and longer than what has yet to be caught up.

use crate::engine::gates::tally::Tally;
use crate::model::gate::GateReading;
use crate::model::ids::{PipelineId, StoreId};
use crate::model::lag::Reading;
use crate::model::observation::StoreReading;
use crate::model::replication::ReplicationNow;
use crate::model::sample::PipelineSample;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// A reading of a store's replication older than this says nothing about now.
const LONGEST: TimeDelta = TimeDelta::minutes(5);

/// Reads the gate: the log that each pipeline needs, and every log that its stores keep for anybody else.
pub fn read(
    pipelines: &[(PipelineId, Option<PipelineSample>)],
    stores: &[(StoreId, StoreReading<ReplicationNow>)],
    limit: Duration,
    now: DateTime<Utc>,
) -> GateReading {
    let mut tally = Tally::default();
    let mut shortest: Option<u64> = None;
    for (id, sample) in pipelines {
        let Some(sample) = sample else {
            tally.unknown(format!("pipeline {id} has not been sampled yet"));
            continue;
        };
        tally.read(sample.runway.at);
        let wanted = limit.as_secs().max(catch_up_seconds(sample));
        let name = format!("pipeline {id}");
        lasts(&mut tally, &mut shortest, &name, &sample.runway.seconds, wanted, limit);
    }
    let mut logs = 0;
    for (store, reading) in stores.iter().filter(|(_, reading)| reading.absent.is_none()) {
        let Some(read) = tally.fresh(store, "the replication", reading, LONGEST, now) else { continue };
        for log in &read.value.reading.retention {
            logs += 1;
            let name = format!("{} of {store}", log.name);
            if let Some(problem) = &log.problem {
                tally.red(format!("{name}: {problem}"));
                continue;
            }
            match read.value.runway(&log.name).map(|runway| &runway.seconds) {
                Some(seconds) => lasts(&mut tally, &mut shortest, &name, seconds, limit.as_secs(), limit),
                None => tally.unknown(format!("{name}: its runway was not read yet")),
            }
        }
    }
    let shortest =
        shortest.map_or_else(|| "none runs out".to_owned(), |seconds| format!("the shortest lasts {seconds} s"));
    tally.close("runway", format!("{} pipelines and {logs} logs of their stores: {shortest}", pipelines.len()), now)
}

/// How long it would take until the target has everything: what is left of a copy, and the lag.
fn catch_up_seconds(sample: &PipelineSample) -> u64 {
    let is_copying = sample.copy.chunks().is_some_and(|(done, total)| done < total);
    let copy = sample.copy_eta_seconds.known().copied().filter(|_| is_copying).unwrap_or(0);
    copy + sample.lag.lag_ms.known().map_or(0, |ms| ms.div_ceil(1_000))
}

fn lasts(
    tally: &mut Tally,
    shortest: &mut Option<u64>,
    name: &str,
    seconds: &Reading<Option<u64>>,
    wanted: u64,
    limit: Duration,
) {
    match seconds {
        Reading::Known(None) => {}
        Reading::Known(Some(seconds)) => {
            *shortest = Some(shortest.map_or(*seconds, |known| known.min(*seconds)));
            if *seconds < wanted {
                let why = if wanted > limit.as_secs() {
                    format!("catching up takes {wanted} s")
                } else {
                    format!("at least {wanted} s wanted")
                };
                tally.red(format!("{name}: {seconds} s left, {why}"));
            }
        }
        Reading::Unknown(why) => tally.unknown(format!("{name}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gate::GateState;
    use crate::model::lag::{Lag, LagMethod, Runway};
    use crate::model::observation::Observation;
    use crate::model::progress::CopyProgress;
    use crate::model::replication::{Kept, LogRetention, LogRunway, Replication, ReplicationRole};
    use std::collections::BTreeMap;

    fn sample(seconds: Reading<Option<u64>>, lag_ms: u64) -> PipelineSample {
        let at = Utc::now();
        let none = || Reading::Unknown(String::new());
        PipelineSample {
            lag: Lag {
                lag_ms: Reading::Known(lag_ms),
                distance: none(),
                source_position: None,
                applied_position: None,
                method: LagMethod::Marker,
                at,
            },
            runway: Runway {
                retained: none(),
                room: Reading::Unknown(String::new()),
                seconds,
                written_per_second: none(),
                disk_free: none(),
                at,
            },
            copy: CopyProgress::default(),
            throttled_by: Vec::new(),
            applied_changes: 0,
            applied_per_second: none(),
            copied_per_second: none(),
            copy_eta_seconds: none(),
            changed_since_pass: BTreeMap::new(),
            anomalies: 0,
            moved_at: None,
            stalled: false,
        }
    }

    fn pipeline(seconds: Reading<Option<u64>>, lag_ms: u64) -> GateReading {
        read(&[("orders".into(), Some(sample(seconds, lag_ms)))], &[], Duration::from_secs(600), Utc::now())
    }

    fn store(seconds: Reading<Option<u64>>, problem: Option<&str>, age: TimeDelta) -> GateReading {
        let now = Utc::now();
        let log = LogRetention {
            kind: Kept::Log,
            name: "slot other".to_owned(),
            state: String::new(),
            active: true,
            retained_bytes: Reading::Known(0),
            room_bytes: Reading::Known(None),
            covers_seconds: Reading::Unknown(String::new()),
            problem: problem.map(str::to_owned),
            written_bytes: None,
        };
        let runway =
            LogRunway { name: log.name.clone(), bytes_per_second: Reading::Known(1), window_seconds: 60, seconds };
        let reading =
            Replication { role: ReplicationRole::Primary, links: Vec::new(), retention: vec![log], started_at: None };
        let mut kept = StoreReading::default();
        kept.take(Ok(Observation::whole(ReplicationNow { reading, runways: vec![runway] }, now - age)), now);
        read(&[], &[("legacy".into(), kept)], Duration::from_secs(600), now)
    }

    #[test]
    fn a_pipelines_log_has_to_outlast_the_limit_and_the_catch_up() {
        assert_eq!(pipeline(Reading::Known(None), 0).state, GateState::Green);
        assert_eq!(pipeline(Reading::Known(Some(600)), 0).state, GateState::Green);
        assert_eq!(pipeline(Reading::Known(Some(599)), 0).state, GateState::Red);
        let behind = pipeline(Reading::Known(Some(3_000)), 3_600_000);
        assert_eq!(behind.state, GateState::Red);
        assert!(behind.evidence.contains("3000 s left, catching up takes 3600 s"), "{}", behind.evidence);
        assert_eq!(pipeline(Reading::Unknown("why".to_owned()), 0).state, GateState::Unknown);
        let never = read(&[("orders".into(), None)], &[], Duration::from_secs(1), Utc::now());
        assert_eq!(never.state, GateState::Unknown);
    }

    #[test]
    fn the_stores_own_logs_count_too() {
        let fresh = TimeDelta::seconds(5);
        assert_eq!(store(Reading::Known(Some(601)), None, fresh).state, GateState::Green);
        let short = store(Reading::Known(Some(30)), None, fresh);
        assert!(
            short.state == GateState::Red && short.evidence.contains("slot other of legacy: 30 s left"),
            "{short:?}"
        );
        assert_eq!(store(Reading::Known(None), Some("the server has cut it"), fresh).state, GateState::Red);
        assert_eq!(store(Reading::Unknown("being measured".to_owned()), None, fresh).state, GateState::Unknown);
        assert_eq!(store(Reading::Known(None), None, TimeDelta::minutes(6)).state, GateState::Unknown);
    }

    #[test]
    fn an_engine_without_replication_has_no_log_to_lose() {
        let mut reading = StoreReading::default();
        reading.lacks("it has none".to_owned(), Utc::now());
        let gate = read(&[], &[("shop".into(), reading)], Duration::from_secs(1), Utc::now());
        assert_eq!(gate.state, GateState::Green);
    }
}
