//! Views: what a client may watch of the stores. Each is sent only to clients that asked for it, and only when it changed.

use crate::model::finding::Audit;
use crate::model::hotspot::HotSpotsNow;
use crate::model::observation::{ByStore, Cost};
use crate::model::replication::ReplicationNow;
use crate::model::session::Activity;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// Sessions, lock waits, tables in use.
    Activity,
    /// Replication and logs of the stores themselves.
    Replication,
    /// Statements by what they cost.
    HotSpots,
    /// Index advice.
    Indexes,
    /// Access audit.
    Access,
    /// What looking costs.
    Cost,
}

impl ViewKind {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Activity, Self::Replication, Self::HotSpots, Self::Indexes, Self::Access, Self::Cost];
}

/// A view with its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "view", content = "content", rename_all = "snake_case")]
pub enum View {
    /// See [`ViewKind::Activity`].
    Activity(ByStore<Activity>),
    /// See [`ViewKind::Replication`].
    Replication(ByStore<ReplicationNow>),
    /// See [`ViewKind::HotSpots`].
    HotSpots(HotSpotsNow),
    /// See [`ViewKind::Indexes`].
    Indexes(ByStore<Audit>),
    /// See [`ViewKind::Access`].
    Access(ByStore<Audit>),
    /// See [`ViewKind::Cost`].
    Cost(Vec<CollectorCost>),
}

impl View {
    /// Which one it is.
    pub fn kind(&self) -> ViewKind {
        match self {
            Self::Activity(_) => ViewKind::Activity,
            Self::Replication(_) => ViewKind::Replication,
            Self::HotSpots(_) => ViewKind::HotSpots,
            Self::Indexes(_) => ViewKind::Indexes,
            Self::Access(_) => ViewKind::Access,
            Self::Cost(_) => ViewKind::Cost,
        }
    }
}

/// What one collector on one store costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectorCost {
    /// Store name.
    pub store: String,
    /// Collector: `activity`, `replication`, `statements`, `indexes`, `access`.
    pub collector: String,
    /// Milliseconds between two readings now.
    pub every_ms: u64,
    /// Milliseconds between two readings as it began; less than `every_ms`: the collector backed off by itself.
    pub wanted_ms: u64,
    /// Cost of the last reading.
    pub last: Cost,
    /// Moving average of the cost in microseconds: the server's where it is known, else the elapsed time.
    pub average_us: f64,
    /// Readings since the engine started.
    pub readings: u64,
    /// Failures since the engine started.
    pub failures: u64,
    /// When it is read next.
    pub next_at: Option<DateTime<Utc>>,
}

impl CollectorCost {
    /// Share of one server core that it uses, 0 to 1: an upper bound where the server does not tell.
    pub fn share(&self) -> f64 {
        if self.every_ms == 0 { 0.0 } else { self.average_us / (self.every_ms as f64 * 1000.0) }
    }
}
