//! Samples: readings that are published, shown and dropped; never journaled.

use crate::model::gate::GateReading;
use crate::model::ids::{PhaseId, PipelineId, StoreId};
use crate::model::lag::{Lag, Reading, Runway};
use crate::model::progress::CopyProgress;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was last read of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoreSample {
    /// Engine word.
    pub engine: String,
    /// Where it is, without secrets.
    pub address: String,
    /// Version, or why the store cannot be reached.
    pub version: Reading<String>,
    /// Its clock minus ours in milliseconds.
    pub clock_difference_ms: Reading<i64>,
    /// When it last answered; `None`: never since the engine started.
    pub answered_at: Option<DateTime<Utc>>,
    /// When it was last asked.
    pub at: DateTime<Utc>,
}

/// What was last read of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineSample {
    /// How far behind.
    pub lag: Lag,
    /// How long the source keeps what is needed.
    pub runway: Runway,
    /// Copy progress.
    pub copy: CopyProgress,
    /// Why it is being slowed down; empty: at full speed.
    pub throttled_by: Vec<String>,
    /// Row changes applied since the engine started.
    pub applied_changes: u64,
    /// Row changes a second over the last sample interval.
    pub applied_per_second: Reading<u64>,
    /// Copied rows a second over the last sample interval.
    pub copied_per_second: Reading<u64>,
    /// Seconds until the copy ends; unknown when it does not converge or nothing is known (never a guess).
    pub copy_eta_seconds: Reading<u64>,
    /// Row changes applied to each source table since its last full verification pass, for passes of this engine's lifetime.
    pub changed_since_pass: BTreeMap<String, u64>,
    /// Changes that met a missing or an existing row although the target was consistent: somebody else writes there.
    pub anomalies: u64,
    /// When the applied position last moved.
    pub moved_at: Option<DateTime<Utc>>,
    /// True when the source moves on and the applied position has not for a while (L01).
    pub stalled: bool,
}

/// Everything that is published beside the journal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// By store.
    pub stores: BTreeMap<StoreId, StoreSample>,
    /// By pipeline.
    pub pipelines: BTreeMap<PipelineId, PipelineSample>,
    /// Gate board of phases that are not finished.
    pub gates: BTreeMap<PhaseId, Vec<GateReading>>,
    /// Verification passes that run now: pipeline, what it does, chunks done, chunks planned.
    pub verifying: BTreeMap<PipelineId, VerifyProgress>,
    /// Operators connected now.
    pub present: Vec<Presence>,
    /// When this was put together.
    pub at: Option<DateTime<Utc>>,
}

/// Progress of a running verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyProgress {
    /// Table in work.
    pub table: String,
    /// Chunks compared over all tables.
    pub chunks_done: u64,
    /// Chunks planned over all tables so far.
    pub chunks_total: u64,
    /// Rows waiting to be re-checked.
    pub rechecking: u64,
}

/// A connected client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Unix user.
    pub operator: String,
    /// Role.
    pub role: crate::model::role::Role,
    /// `cockpit` or `cli`.
    pub client: String,
    /// Since when.
    pub since: DateTime<Utc>,
}
