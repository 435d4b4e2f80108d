//! Why something ended as it did: what failed, why, what to do next.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the engine does about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    /// An operator may retry at once; what is done stays done.
    Retry,
    /// Something outside must be mended first, then retry.
    Mend,
    /// Retrying cannot help; the phase must be rolled back.
    RollBack,
    /// The point of no return is passed: retrying completes what is left.
    Complete,
}

/// A reason that an operator reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What failed and why, one sentence.
    pub what: String,
    /// What to do next, one sentence.
    pub next: String,
}

impl Reason {
    /// A reason with its advice.
    pub fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), next: next.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.next.is_empty() { f.write_str(&self.what) } else { write!(f, "{}; {}", self.what, self.next) }
    }
}
