//! Named pre-flight checks.

use crate::model::ids::StoreId;
use serde::{Deserialize, Serialize};

/// How a check ended. "Not checkable" is an answer of its own: unknown is never shown as pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The condition holds.
    Pass,
    /// Worth knowing, does not stop a phase.
    Warn,
    /// The condition does not hold and a phase that needs it is blocked.
    Fail,
    /// It could not be found out; `evidence` says why.
    NotCheckable,
}

/// One named check with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable id, such as `pg.wal_level`; never renamed, so that reports can be compared.
    pub id: String,
    /// The store it was asked of; `None` for the profile and the machine.
    pub store: Option<StoreId>,
    /// What it is about within the store (a table, a slot); empty for the store as a whole.
    pub subject: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was read: one sentence with the value and, where there is one, the threshold.
    pub evidence: String,
    /// What to do, with the exact statement where there is one; empty on pass.
    pub fix: String,
}
