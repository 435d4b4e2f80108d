//! Gates: conditions with evidence and time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// How a gate stands. Unknown blocks like red, but says that nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateState {
    /// The condition holds.
    Green,
    /// It does not.
    Red,
    /// It could not be read.
    Unknown,
}

/// One reading of one gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateReading {
    /// Stable id: `order`, `lag`, `verified_within`, `drift`, `open_transactions`, `runway`, `window`, `live`,
    /// `coverage`, `access`, `no_foreign_writer`, `indexes`, `hotspot_regression`.
    pub id: String,
    /// How it stands.
    pub state: GateState,
    /// Value and threshold in one sentence.
    pub evidence: String,
    /// When it was read.
    pub at: DateTime<Utc>,
}
