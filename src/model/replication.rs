//! Replication and log retention of a store itself, as its server sees it. Lag of Godwit's own pipelines is in `lag.rs`.

use crate::model::lag::Reading;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a server is among its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicationRole {
    /// It takes writes and others may follow it.
    Primary,
    /// It follows another.
    Replica,
    /// It follows nobody and nobody can follow it.
    Standalone,
    /// A member that neither serves nor follows now (MongoDB: recovering, arbiter).
    Other,
}

impl ReplicationRole {
    /// The word on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Standalone => "standalone",
            Self::Other => "neither serves nor follows",
        }
    }
}

/// Which way a link goes, seen from this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkDirection {
    /// Somebody follows this server.
    Outgoing,
    /// This server follows somebody.
    Incoming,
}

/// What a lag is counted in. A number without its unit is no lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LagUnit {
    /// Time in milliseconds.
    Milliseconds,
    /// Bytes of log.
    Bytes,
}

/// One measure of a link's lag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkLag {
    /// How much, or why it is not known.
    pub amount: Reading<u64>,
    /// Its unit.
    pub unit: LagUnit,
    /// How it was measured, such as `pg_stat_replication.replay_lag` or `offsets read on both sides`.
    pub method: String,
}

/// One replication link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaLink {
    /// Its name: application, subscription, connection or member.
    pub name: String,
    /// Which way.
    pub direction: LinkDirection,
    /// The other end's address, without secrets; empty: not shown.
    pub peer: String,
    /// State in the server's own words, threads included (L15: state and error come before any number).
    pub state: String,
    /// Whether it moves. `false` with a small number is the case that a number alone hides.
    pub healthy: bool,
    /// The last error that the server reports.
    pub error: Option<String>,
    /// Lags, best measure first.
    pub lag: Vec<LinkLag>,
}

/// What fills up as a store is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A log that is kept for somebody who has yet to read it.
    #[default]
    Log,
    /// The disk that data and logs share.
    Disk,
    /// The memory that the server may take.
    Memory,
}

impl Kept {
    /// The word on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Disk => "disk",
            Self::Memory => "memory",
        }
    }

    /// What is said of the amount in it.
    pub fn participle(self) -> &'static str {
        match self {
            Self::Log => "kept",
            Self::Disk | Self::Memory => "used",
        }
    }
}

/// A log that is kept for somebody who has yet to read it, or the room that it is kept in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRetention {
    /// What it is.
    #[serde(default)]
    pub kind: Kept,
    /// Name of the slot, or `binary log`, `oplog`, `replication backlog`; of a disk its directory or what lies on it.
    pub name: String,
    /// State in the server's own words.
    pub state: String,
    /// Whether somebody reads it now.
    pub active: bool,
    /// Bytes kept, or used.
    pub retained_bytes: Reading<u64>,
    /// Bytes that may still be written before the server cuts it or it is full; `None` inside `Known`: nothing limits it but the disk.
    pub room_bytes: Reading<Option<u64>>,
    /// Time that the log covers now, in seconds, where the engine tells (oplog, binary log).
    pub covers_seconds: Reading<u64>,
    /// What is wrong with it; `None`: nothing.
    pub problem: Option<String>,
    /// End of the log when it was read, in bytes since its beginning, for the rate at which it grows; of a disk what is used.
    pub written_bytes: Option<u64>,
}

/// How long a log that is kept will last, from how fast it grew lately. Made by the engine from several readings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRunway {
    /// Name of the log, as in [`LogRetention::name`].
    pub name: String,
    /// Bytes a second by which the log grew.
    pub bytes_per_second: Reading<u64>,
    /// Seconds over which that was measured; 0: not yet.
    pub window_seconds: u64,
    /// Seconds until its room is used up at that speed; `None` inside `Known`: nothing limits it, or it does not grow.
    pub seconds: Reading<Option<u64>>,
}

/// A reading of replication with what the engine made of it and of those before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicationNow {
    /// The reading.
    #[serde(flatten)]
    pub reading: Replication,
    /// One for each kept log that has a runway to tell.
    pub runways: Vec<LogRunway>,
}

impl ReplicationNow {
    /// The runway of a kept log.
    pub fn runway(&self, name: &str) -> Option<&LogRunway> {
        self.runways.iter().find(|runway| runway.name == name)
    }
}

/// Replication of one server at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    /// What it is.
    pub role: ReplicationRole,
    /// Links in both directions.
    pub links: Vec<ReplicaLink>,
    /// Logs kept.
    pub retention: Vec<LogRetention>,
    /// When the server started, as it says.
    pub started_at: Option<DateTime<Utc>>,
}
