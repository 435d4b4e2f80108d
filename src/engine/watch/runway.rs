//! How long a kept log lasts: its room over the speed at which the server wrote lately.

use crate::model::lag::Reading;
use crate::model::replication::{LogRetention, LogRunway, Replication, ReplicationNow};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, VecDeque};

/// Readings older than this say nothing about the present speed.
const WINDOW: TimeDelta = TimeDelta::minutes(10);

/// A speed over less than this is an accident.
const SHORTEST: TimeDelta = TimeDelta::seconds(20);

/// Ends of the logs of one store as they were read lately.
#[derive(Debug, Default)]
pub struct Growth {
    ends: BTreeMap<String, VecDeque<(DateTime<Utc>, u64)>>,
}

impl Growth {
    /// Takes a reading in and tells the runways as of it.
    pub fn take(&mut self, reading: Replication, at: DateTime<Utc>) -> ReplicationNow {
        self.ends.retain(|name, _| reading.retention.iter().any(|log| log.name == *name));
        let runways = reading.retention.iter().map(|log| self.runway(log, at)).collect();
        ReplicationNow { reading, runways }
    }

    fn runway(&mut self, log: &LogRetention, at: DateTime<Utc>) -> LogRunway {
        let (bytes_per_second, window_seconds) = match log.written_bytes {
            Some(end) => self.speed(&log.name, at, end),
            None => (Reading::Unknown("the server does not say how much it has written".to_owned()), 0),
        };
        let seconds = match (&log.room_bytes, &bytes_per_second) {
            (Reading::Unknown(why), _) => Reading::Unknown(why.clone()),
            (Reading::Known(None), _) => Reading::Known(None),
            (Reading::Known(Some(0)), _) => Reading::Known(Some(0)),
            (Reading::Known(Some(_)), Reading::Unknown(why)) => Reading::Unknown(why.clone()),
            (Reading::Known(Some(room)), Reading::Known(speed)) => Reading::Known(room.checked_div(*speed)),
        };
        LogRunway { name: log.name.clone(), bytes_per_second, window_seconds, seconds }
    }

    /// Bytes a second since the oldest reading in the window.
    fn speed(&mut self, name: &str, at: DateTime<Utc>, end: u64) -> (Reading<u64>, u64) {
        let ends = self.ends.entry(name.to_owned()).or_default();
        // A log whose end went back is another log: a server restored, or another primary.
        if ends.back().is_some_and(|(_, before)| end < *before) {
            ends.clear();
        }
        ends.push_back((at, end));
        // One reading from before the window is kept, so that the whole window is covered.
        while ends.get(1).is_some_and(|(next, _)| at - *next >= WINDOW) {
            ends.pop_front();
        }
        let Some((since, first)) = ends.front() else {
            return (Reading::Unknown("nothing was read yet".to_owned()), 0);
        };
        let window = at - *since;
        if window < SHORTEST {
            return (Reading::Unknown("the speed is still being measured".to_owned()), 0);
        }
        let seconds = window.num_seconds().unsigned_abs().max(1);
        (Reading::Known((end - first) / seconds), seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::replication::{Kept, ReplicationRole};

    fn reading(end: u64, room: Reading<Option<u64>>) -> Replication {
        let log = LogRetention {
            kind: Kept::Log,
            name: "slot".to_owned(),
            state: String::new(),
            active: true,
            retained_bytes: Reading::Known(0),
            room_bytes: room,
            covers_seconds: Reading::Unknown(String::new()),
            problem: None,
            written_bytes: Some(end),
        };
        Replication { role: ReplicationRole::Primary, links: Vec::new(), retention: vec![log], started_at: None }
    }

    fn after(growth: &mut Growth, seconds: i64, end: u64, room: Reading<Option<u64>>) -> LogRunway {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        growth.take(reading(end, room), at).runways.remove(0)
    }

    #[test]
    fn the_runway_is_the_room_over_the_speed() {
        let mut growth = Growth::default();
        let room = || Reading::Known(Some(36_000_000));
        assert!(matches!(after(&mut growth, 0, 0, room()).seconds, Reading::Unknown(_)));
        let now = after(&mut growth, 100, 1_000_000, room());
        assert_eq!((now.bytes_per_second, now.window_seconds), (Reading::Known(10_000), 100));
        assert_eq!(now.seconds, Reading::Known(Some(3_600)));
    }

    #[test]
    fn a_log_without_limit_or_growth_has_no_end() {
        let mut growth = Growth::default();
        after(&mut growth, 0, 500, Reading::Known(None));
        assert_eq!(after(&mut growth, 60, 500, Reading::Known(None)).seconds, Reading::Known(None));
        assert_eq!(after(&mut growth, 120, 500, Reading::Known(Some(9))).seconds, Reading::Known(None));
        assert_eq!(after(&mut growth, 180, 500, Reading::Known(Some(0))).seconds, Reading::Known(Some(0)));
    }

    #[test]
    fn a_log_that_went_back_is_measured_anew_and_old_speed_is_forgotten() {
        let mut growth = Growth::default();
        let room = || Reading::Known(Some(1_000));
        after(&mut growth, 0, 900_000, room());
        assert!(matches!(after(&mut growth, 60, 10, room()).bytes_per_second, Reading::Unknown(_)));
        for minute in 2..40 {
            after(&mut growth, minute * 60, 10, room());
        }
        let now = after(&mut growth, 2_400, 6_010, room());
        assert_eq!((now.bytes_per_second, now.window_seconds), (Reading::Known(10), 600));
    }
}
