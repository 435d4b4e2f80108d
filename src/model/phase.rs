//! Phases: the stages that operators approve, and the one function that says which status follows which event.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a phase does. The default ladder has one of each, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// Inventory and pre-flight checks; changes nothing.
    Assess,
    /// Tables and types on the targets.
    Build,
    /// Change capture and copy.
    Backfill,
    /// Apply changes until the targets follow the sources, then indexes and constraints.
    Sync,
    /// Compare all rows.
    Verify,
    /// Compare indexes; refresh the targets' statistics.
    Tune,
    /// Accounts and rights on the targets.
    Secure,
    /// Freeze, drain, verify, reverse pipeline, fence, switch.
    Cutover,
    /// Reverse sync keeps the old side current while people watch.
    Watch,
    /// Ends the reverse sync: after it there is no way back.
    Retire,
}

impl PhaseKind {
    /// The default ladder.
    pub const LADDER: [Self; 10] = [
        Self::Assess,
        Self::Build,
        Self::Backfill,
        Self::Sync,
        Self::Verify,
        Self::Tune,
        Self::Secure,
        Self::Cutover,
        Self::Watch,
        Self::Retire,
    ];

    /// The word used in profiles, on the command line and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assess => "assess",
            Self::Build => "build",
            Self::Backfill => "backfill",
            Self::Sync => "sync",
            Self::Verify => "verify",
            Self::Tune => "tune",
            Self::Secure => "secure",
            Self::Cutover => "cutover",
            Self::Watch => "watch",
            Self::Retire => "retire",
        }
    }
}

impl fmt::Display for PhaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
