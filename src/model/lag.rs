//! Lag and runway: never a bare number.

use crate::model::change::Position;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whole milliseconds, the unit of readings.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time as people say it.
pub fn spoken(time: TimeDelta) -> String {
    match time.num_seconds().max(0) {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// How a lag was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LagMethod {
    /// A marker was written to the source log and came out at the target; the time between is the lag.
    Marker,
    /// Difference between the source's current log position and the applied one.
    Position,
}

/// A reading that may be unknown. Unknown is not zero: it carries its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// Read successfully.
    Known(T),
    /// Not known, and why.
    Unknown(String),
}

impl<T> Reading<T> {
    /// The value if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }
}

/// How far a pipeline's target is behind its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    /// End-to-end lag in milliseconds, measured by markers.
    pub lag_ms: Reading<u64>,
    /// Distance in the log's own unit: bytes of WAL, or log rows.
    pub distance: Reading<u64>,
    /// Source log end that the distance was taken from.
    pub source_position: Option<Position>,
    /// Position up to which the target holds everything.
    pub applied_position: Option<Position>,
    /// How `lag_ms` was found out.
    pub method: LagMethod,
    /// When this was sampled.
    pub at: DateTime<Utc>,
}

/// Time until the source log that the pipeline needs is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runway {
    /// Bytes (or log rows) that the source keeps for this pipeline now.
    pub retained: Reading<u64>,
    /// Bytes (or rows) that may still be written before the log is cut; `None` inside `Known` when nothing limits it but the disk.
    pub room: Reading<Option<u64>>,
    /// Seconds until the room is used up at the present write rate; `None` inside `Known` when it will not be.
    pub seconds: Reading<Option<u64>>,
    /// Bytes (or rows) a second by which the source's log grows.
    pub written_per_second: Reading<u64>,
    /// Bytes that are free where the source keeps its log.
    pub disk_free: Reading<u64>,
    /// When this was sampled.
    pub at: DateTime<Utc>,
}
