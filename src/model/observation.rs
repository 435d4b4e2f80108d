//! What was read of a server, with everything that belongs to a reading: when, over which window, and what could not be seen.

use crate::model::ids::StoreId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A successful reading of a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation<T> {
    /// What was read.
    pub value: T,
    /// When the server gave it, by our clock.
    pub at: DateTime<Utc>,
    /// What could not be seen, and what would make it visible. Empty: everything was seen.
    pub missing: Vec<Missing>,
    /// What the reading cost the server.
    pub cost: Cost,
}

/// What a reading cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Microseconds that the server worked for it, by the server's own clock; `None`: the engine does not tell, only `elapsed_us` is known.
    pub server_us: Option<u64>,
    /// Microseconds from asking to the last byte: an upper bound.
    pub elapsed_us: u64,
    /// Statements sent.
    pub statements: u32,
}

impl<T> Observation<T> {
    /// Something that was read now with nothing missing.
    pub fn whole(value: T, at: DateTime<Utc>) -> Self {
        Self { value, at, missing: Vec::new(), cost: Cost::default() }
    }

    /// The same reading of something made of the value.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Observation<U> {
        Observation { value: make(self.value), at: self.at, missing: self.missing, cost: self.cost }
    }
}

/// Something that a server does not show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Missing {
    /// Stable id, `ENGINE.SUBJECT.REASON`, such as `postgres.statements.extension`.
    pub id: String,
    /// What cannot be seen, such as `query statistics`.
    pub what: String,
    /// Why, as a sentence.
    pub why: String,
    /// The exact statement or setting that makes it visible; `None`: nothing can.
    pub enable: Option<String>,
    /// What enabling it costs: a restart, load, disk, exposure.
    pub price: String,
}

/// Since when a server has been counting.
///
/// A counter says nothing about the time before; a window is only as long as is proved: a crash zeroes counters without saying so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The counters cover at least the time since then.
    pub since: DateTime<Utc>,
    /// What proves it, such as `the server started` or `statistics were reset`.
    pub proof: String,
}

/// What the engine knows of one subject on one store: the last reading, and why there is no newer one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreReading<T> {
    /// The last reading that succeeded; `None`: none since the engine started.
    pub latest: Option<Observation<T>>,
    /// Why the last attempt failed; `None`: it succeeded, or there was none yet.
    pub problem: Option<String>,
    /// When the store was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// Why there will never be a reading: the engine has no such thing. It is then not asked again.
    #[serde(default)]
    pub absent: Option<String>,
}

impl<T> Default for StoreReading<T> {
    fn default() -> Self {
        Self { latest: None, problem: None, asked_at: None, absent: None }
    }
}

impl<T> StoreReading<T> {
    /// The engine has no such thing.
    pub fn lacks(&mut self, why: String, at: DateTime<Utc>) {
        *self = Self { asked_at: Some(at), absent: Some(why), ..Self::default() };
    }

    /// Takes the outcome of an attempt in. A failure keeps the last reading, which then shows its age.
    pub fn take(&mut self, outcome: Result<Observation<T>, String>, at: DateTime<Utc>) {
        self.asked_at = Some(at);
        match outcome {
            Ok(observation) => {
                self.latest = Some(observation);
                self.problem = None;
            }
            Err(why) => self.problem = Some(why),
        }
    }
}

/// One subject over all stores.
pub type ByStore<T> = BTreeMap<StoreId, StoreReading<T>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_the_last_reading_with_its_age() {
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let later = start + chrono::Duration::seconds(9);
        let mut reading = StoreReading::default();
        reading.take(Ok(Observation::whole(7, start)), start);
        reading.take(Err("it is down".to_owned()), later);
        assert_eq!(reading.latest.as_ref().map(|o| (o.value, o.at)), Some((7, start)));
        assert_eq!((reading.problem.as_deref(), reading.asked_at), (Some("it is down"), Some(later)));
        reading.take(Ok(Observation::whole(8, later)), later);
        assert_eq!(reading.problem, None);
    }
}
