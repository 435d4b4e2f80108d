//! Plans: the exact statements and calls of a phase, in order, with their undo.

use crate::model::ids::{PhaseId, StepId};
use crate::model::lock_queue::LockQueue;
use serde::{Deserialize, Serialize};

/// Which way a plan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Carries the phase out.
    Forward,
    /// Takes it back.
    Rollback,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its id within the phase.
    pub id: StepId,
    /// What it does, in words.
    pub title: String,
    /// The exact statements and calls, in order; a line that starts with `--` explains.
    pub does: Vec<String>,
    /// The exact statements and calls that take it back; empty when there is nothing to take back.
    pub undo: Vec<String>,
    /// After this step the way is only forward, or back by reverse sync.
    pub point_of_no_return: bool,
}

/// What will happen, before it happens. Approval binds to `hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The phase.
    pub phase: PhaseId,
    /// Forward or back.
    pub direction: Direction,
    /// Steps in order.
    pub steps: Vec<PlannedStep>,
    /// What will not be done and why, one sentence each.
    pub notes: Vec<String>,
    /// How large is what will be moved, as the servers estimated it while the plan was made, one sentence each. Not part of the hash:
    /// consent is to what is done, and an estimate changes by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// Who would wait for whom if the plan's index builds began now. Not part of the hash, as `sizes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<LockQueue>,
    /// What a roll back would do afterwards, whether it exists and which writes it would lose.
    pub way_back: String,
    /// SHA-256 over all of the above but sizes and queues, and the profile's digest, lower-case hex.
    pub hash: String,
}

impl Plan {
    /// The first twelve characters of the hash: enough to read aloud and to type.
    pub fn short_hash(&self) -> &str {
        self.hash.get(..12).unwrap_or(&self.hash)
    }
}
