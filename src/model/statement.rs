//! Statement statistics: counters as a server keeps them, and what happened between two readings of them.

use crate::model::observation::Window;
use serde::{Deserialize, Serialize};

/// Where statement statistics come from. Counted and sampled numbers are never mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementSource {
    /// PostgreSQL `pg_stat_statements`: every statement counted.
    PgStatStatements,
    /// MariaDB and MySQL Performance Schema digests: every statement counted.
    PerformanceSchema,
    /// MongoDB `system.profile`: operations over `slowms`, or all of them at level 2.
    Profiler,
    /// Slow-operation lines of the server's log or ring (MongoDB `getLog`, Redis SLOWLOG, MariaDB `slow_log`).
    SlowLog,
    /// Redis `commandstats` and `latencystats`: every command counted, without its keys.
    CommandStats,
    /// MongoDB `$collStats` `latencyStats`: every operation counted, by collection and kind, without its shape.
    LatencyStats,
    /// Sessions looked at many times: a share of time, not a count.
    Sampled,
}

impl StatementSource {
    /// As written on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::PgStatStatements => "pg_stat_statements",
            Self::PerformanceSchema => "performance_schema digests",
            Self::Profiler => "system.profile",
            Self::SlowLog => "slow log",
            Self::CommandStats => "commandstats",
            Self::LatencyStats => "latencyStats",
            Self::Sampled => "sampled sessions",
        }
    }

    /// True when each execution is counted; false for samples and for what only slow executions reach.
    pub fn counts_all(self) -> bool {
        matches!(self, Self::PgStatStatements | Self::PerformanceSchema | Self::CommandStats | Self::LatencyStats)
    }
}

/// Percentiles of the time of one execution, in microseconds. Percentiles are never added up or averaged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50_us: Option<f64>,
    /// 95th.
    pub p95_us: Option<f64>,
    /// 99th.
    pub p99_us: Option<f64>,
}

/// One statement's counters since the server began to count it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatementCounter {
    /// The server's identity of the line, unique within one reading and stable while the server keeps it (queryid/dbid/userid, schema/digest, ns/queryHash, command).
    pub id: String,
    /// Login, where the server keeps it apart.
    pub login: Option<String>,
    /// Database, schema or namespace.
    pub database: String,
    /// The normalised text as the server keeps it, sanitised.
    pub text: String,
    /// Executions.
    pub calls: u64,
    /// Time of all executions, in microseconds.
    pub total_us: f64,
    /// Sum of squared deviations from the mean in microseconds squared, where the engine gives a deviation.
    pub squares_us2: Option<f64>,
    /// Rows or documents returned or changed.
    pub rows: Option<u64>,
    /// Rows or documents looked at.
    pub examined: Option<u64>,
    /// Executions that ended in an error.
    pub errors: Option<u64>,
    /// Executions without a usable index.
    pub without_index: Option<u64>,
    /// Blocks of 8 kB read from outside the buffer cache.
    pub blocks_read: Option<u64>,
    /// Percentiles over the whole time that the server counts.
    pub percentiles: Option<Percentiles>,
}

/// What share of the load the listed statements are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Statements thrown out for want of room since the window began, where the server counts that.
    pub evicted: Option<u64>,
    /// Time in the server's catch-all line over all time, 0 to 1, where there is such a line.
    pub unlisted_share: Option<f64>,
    /// A sentence when the list is known to be partial.
    pub note: Option<String>,
}

/// All statement counters of a server at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statements {
    /// Where they come from.
    pub source: StatementSource,
    /// Since when they have been counted.
    pub window: Window,
    /// Changes when the counters began anew (server start, reset): two readings with different values must not be subtracted.
    pub epoch: String,
    /// What is missing from the list.
    pub coverage: Coverage,
    /// The counters.
    pub counters: Vec<StatementCounter>,
}
