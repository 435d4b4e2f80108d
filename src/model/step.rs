//! Steps: the smallest journaled actions of a phase.

use crate::model::ids::StepId;
use crate::model::reason::Reason;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What happened to a step. `Intended` is on disk before a store is touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step_event", rename_all = "snake_case")]
pub enum StepEvent {
    /// About to be done, for the `attempt`-th time.
    Intended {
        /// From 1.
        attempt: u32,
    },
    /// Done; `evidence` is what was seen. `made` names the objects that Godwit created, so that a roll back removes those and nothing else.
    Done {
        /// One sentence with numbers.
        evidence: String,
        /// Objects made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        made: Vec<String>,
    },
    /// Failed; what it did is undone or will be found by its check.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// About to be taken back.
    UndoIntended,
    /// Taken back.
    Undone {
        /// What was seen.
        evidence: String,
    },
    /// Taking back failed.
    UndoFailed {
        /// Why.
        reason: Reason,
    },
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// In the journal as intended, outcome not (yet) known: "in doubt" when no engine is working on it.
    Intended,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// In the journal as about to be taken back.
    Undoing,
    /// Taken back.
    Undone,
    /// Taking back failed.
    UndoFailed,
}

/// A step as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its id.
    pub id: StepId,
    /// Where it stands.
    pub status: StepStatus,
    /// How often it was begun.
    pub attempts: u32,
    /// Evidence or reason of the last event.
    pub note: String,
    /// Objects that Godwit made in it and that still stand.
    pub made: Vec<String>,
    /// When it was last begun.
    pub since: DateTime<Utc>,
    /// When its last event was written.
    pub at: DateTime<Utc>,
}

impl StepRecord {
    /// A record for a step whose first event is about to be applied.
    pub fn new(id: StepId, at: DateTime<Utc>) -> Self {
        Self { id, status: StepStatus::Intended, attempts: 0, note: String::new(), made: Vec::new(), since: at, at }
    }

    /// Applies one event.
    pub fn apply(&mut self, event: &StepEvent, at: DateTime<Utc>) {
        self.at = at;
        match event {
            StepEvent::Intended { attempt } => {
                self.status = StepStatus::Intended;
                self.attempts = *attempt;
                self.since = at;
                self.note.clear();
            }
            StepEvent::Done { evidence, made } => {
                self.status = StepStatus::Done;
                self.note.clone_from(evidence);
                for object in made {
                    if !self.made.contains(object) {
                        self.made.push(object.clone());
                    }
                }
            }
            StepEvent::Failed { reason } => {
                self.status = StepStatus::Failed;
                self.note = reason.to_string();
            }
            StepEvent::UndoIntended => {
                self.status = StepStatus::Undoing;
                self.since = at;
            }
            StepEvent::Undone { evidence } => {
                self.status = StepStatus::Undone;
                self.note.clone_from(evidence);
                self.made.clear();
            }
            StepEvent::UndoFailed { reason } => {
                self.status = StepStatus::UndoFailed;
                self.note = reason.to_string();
            }
        }
    }
}
