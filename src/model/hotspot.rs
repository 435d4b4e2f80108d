//! Hot spots: statements by what they cost over an interval, under a name that is the same on every store.

use crate::model::ids::{PipelineId, ServiceId, StoreId};
use crate::model::observation::ByStore;
use crate::model::statement::{Coverage, Percentiles, StatementSource};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name of a statement over all stores and engines: 32 hexadecimal digits, the first 128 bits of the SHA-256 of its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a statement does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// Only reads.
    Read,
    /// Makes rows, documents or keys.
    Insert,
    /// Changes them.
    Update,
    /// Removes them.
    Delete,
    /// Anything else: DDL, transaction control, settings, or what could not be parsed.
    #[default]
    Other,
}

/// One statement over an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotSpot {
    /// Its name on every store.
    pub fingerprint: Fingerprint,
    /// The logical operation that the ownership map declares it to be; it joins statements of unlike engines.
    pub operation: Option<String>,
    /// Canonical form.
    pub canonical: String,
    /// The text of the server's heaviest line of it, as the server keeps it.
    pub text: String,
    /// Where that line ran: database, schema or namespace.
    pub database: String,
    /// False: it could not be parsed, and the name stands on its tokens only.
    pub parsed: bool,
    /// What it does.
    pub kind: StatementKind,
    /// Logical names of its tables, sorted.
    pub tables: Vec<String>,
    /// Owners of these tables, sorted.
    pub services: Vec<ServiceId>,
    /// Logins that ran it, where the server keeps them apart, sorted.
    pub logins: Vec<String>,
    /// The server's identities of its lines, sorted.
    pub ids: Vec<String>,
    /// Executions in the interval.
    pub calls: u64,
    /// Time of them, in microseconds.
    pub total_us: f64,
    /// Sum of squared deviations from the mean in microseconds squared; `None`: the engine gives no deviation.
    pub squares_us2: Option<f64>,
    /// Rows returned or changed.
    pub rows: Option<u64>,
    /// Rows looked at.
    pub examined: Option<u64>,
    /// Executions that ended in an error.
    pub errors: Option<u64>,
    /// Executions without a usable index.
    pub without_index: Option<u64>,
    /// Blocks of 8 kB read from outside the buffer cache.
    pub blocks_read: Option<u64>,
    /// Percentiles over the whole time that the server counts, not over the interval. `None` also where several lines of the
    /// server are one statement here: percentiles cannot be added up.
    pub percentiles: Option<Percentiles>,
    /// Share of the time of all listed statements, 0 to 1.
    pub share: f64,
    /// True when the earlier reading did not have it.
    pub is_new: bool,
}

impl HotSpot {
    /// Mean time of one execution in microseconds; `None`: it was not executed.
    pub fn mean_us(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.total_us / self.calls as f64)
    }

    /// Standard deviation of one execution in microseconds.
    pub fn deviation_us(&self) -> Option<f64> {
        let squares = self.squares_us2?;
        (self.calls > 1).then(|| (squares.max(0.0) / (self.calls - 1) as f64).sqrt())
    }
}

/// The statements of one store over an interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotSpots {
    /// Where the numbers come from.
    pub source: StatementSource,
    /// Begin of the interval.
    pub from: DateTime<Utc>,
    /// End of the interval.
    pub to: DateTime<Utc>,
    /// What is missing: `evicted` counts the interval only.
    pub coverage: Coverage,
    /// Server lines whose counters went down without a reset of all: they are left out of this interval.
    pub restarted: u64,
    /// Server lines that are gone since the earlier reading: what they did in the interval is not known.
    pub vanished: u64,
    /// Server lines that could not be parsed; they are named by their tokens.
    pub unparsed: u64,
    /// In the order that was asked for.
    pub spots: Vec<HotSpot>,
}

impl HotSpots {
    /// Length of the interval in seconds.
    pub fn seconds(&self) -> f64 {
        (self.to - self.from).num_milliseconds() as f64 / 1000.0
    }
}

/// By what statements are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HotOrder {
    /// Time of all executions.
    #[default]
    Total,
    /// Time of one execution.
    Mean,
    /// Executions.
    Calls,
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedSide {
    /// Where the numbers come from.
    pub source: StatementSource,
    /// Executions in the side's interval: n.
    pub calls: u64,
    /// Executions per second.
    pub calls_per_second: Option<f64>,
    /// Mean time in microseconds.
    pub mean_us: f64,
    /// Standard deviation in microseconds, where the engine gives it.
    pub deviation_us: Option<f64>,
    /// Rows for one execution.
    pub rows_per_call: Option<f64>,
    /// Executions that ended in an error.
    pub errors: Option<u64>,
    /// Percentiles where the engine has them, over its whole window.
    pub percentiles: Option<Percentiles>,
}

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Comparability {
    /// Fewer executions than a verdict needs, on one side or on both.
    TooFew {
        /// How many it needs on each side.
        needs: u64,
    },
    /// The numbers of the sides cannot be held against each other.
    NotComparable {
        /// Why.
        why: String,
    },
    /// The difference is within chance or tolerance.
    Same,
    /// The target is faster beyond chance and tolerance.
    Faster,
    /// The target is slower beyond chance and tolerance.
    Slower,
}

/// The same logical statement on the source and on the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The declared logical operation, or the canonical form.
    pub name: String,
    /// Its name on the source.
    pub source_fingerprint: Fingerprint,
    /// Its name on the target; another one only where a logical operation joins them.
    pub target_fingerprint: Fingerprint,
    /// Source side.
    pub source: ComparedSide,
    /// Target side.
    pub target: ComparedSide,
    /// Target mean over source mean.
    pub ratio: Option<f64>,
    /// 95 % confidence interval of the ratio.
    pub interval: Option<(f64, f64)>,
    /// What it says.
    pub verdict: Comparability,
}

/// Source against target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// On both sides; slower ones first, then by time on the target.
    pub both: Vec<Compared>,
    /// Only on the target.
    pub new: Vec<HotSpot>,
    /// Only on the source.
    pub disappeared: Vec<HotSpot>,
}

/// A statement that touches tables of more than one service: it breaks when they no longer share a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossService {
    /// The statement.
    pub spot: HotSpot,
    /// Its tables with their owners, sorted.
    pub tables: Vec<(String, ServiceId)>,
}

/// When a store's counters were last seen to begin anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersReset {
    /// When it was noticed.
    pub at: DateTime<Utc>,
    /// What shows it.
    pub why: String,
}

/// The statements of one store as the engine knows them now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreHotSpots {
    /// Counted or sampled statements, by the time of all executions.
    pub spots: HotSpots,
    /// A second list from another source, never to be added to the first. `None`: there is none.
    pub beside: Option<HotSpots>,
    /// Statements that touch tables of more than one service, heaviest first.
    pub crossing: Vec<CrossService>,
    /// The last time that the counters began anew since the engine started.
    pub reset: Option<CountersReset>,
}

/// A pipeline's two sides, statement by statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SidesCompared {
    /// The pipeline whose tables move.
    pub pipeline: PipelineId,
    /// The side that serves before the move.
    pub source: StoreId,
    /// The side that serves after it.
    pub target: StoreId,
    /// Begin and end of the interval on the source; it may lie before the target's, since both sides seldom serve at once.
    pub source_interval: (DateTime<Utc>, DateTime<Utc>),
    /// Begin and end of the interval on the target.
    pub target_interval: (DateTime<Utc>, DateTime<Utc>),
    /// Statement by statement.
    pub comparison: Comparison,
}

/// Hot spots of all stores, and of the two sides of each move.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HotSpotsNow {
    /// By store.
    pub stores: ByStore<StoreHotSpots>,
    /// By pipeline; only those with readings of both sides.
    pub sides: Vec<SidesCompared>,
}
