//! The lock-queue forecast: what a statement that is about to run on a table will wait for, and what will wait behind it.

use crate::model::ids::StoreId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What is known before the statement runs. A reading, not a promise: it is no part of a plan's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockQueue {
    /// Store.
    pub store: StoreId,
    /// Table.
    pub table: String,
    /// When the sessions were read; `None`: they could not be, and `unknown` says why.
    pub at: Option<DateTime<Utc>>,
    /// Why nothing is known of the sessions.
    pub unknown: Option<String>,
    /// Who has the table in use now: writers first, then by age; one sentence each, at most a handful.
    pub holders: Vec<String>,
    /// Sessions that have the table in use, all of them.
    pub users: u64,
    /// Sessions that wait for the table already.
    pub waiting: u64,
    /// The oldest open transaction of the store, as a sentence; `None`: there is none.
    pub oldest: Option<String>,
    /// What the statement waits for by itself.
    pub waits_for: String,
    /// What waits behind it meanwhile.
    pub queues_behind: String,
    /// The longest wait for one lock that fits to this, in milliseconds; `None`: the engine bounds no such wait.
    pub lock_timeout_ms: Option<u64>,
    /// What speaks for waiting before it is begun.
    pub warnings: Vec<String>,
}

impl LockQueue {
    /// As lines for a plan; the first one names store, table and the time of the reading.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let place = format!("{} on {}", self.table, self.store);
        lines.push(match (self.at, &self.unknown) {
            (Some(at), None) => {
                let at = at.format("%H:%M:%S UTC");
                format!("{place}, at {at}: {} sessions have it in use, {} wait for it", self.users, self.waiting)
            }
            (_, Some(why)) => format!("{place}: who uses it is not known: {why}"),
            (None, None) => format!("{place}: who uses it was not read"),
        });
        lines.extend(self.holders.iter().map(|holder| format!("in use by {holder}")));
        lines.extend(self.oldest.iter().map(|oldest| format!("oldest open transaction: {oldest}")));
        lines.push(format!("waits for: {}", self.waits_for));
        lines.push(format!("queues behind it: {}", self.queues_behind));
        lines.push(match self.lock_timeout_ms {
            Some(ms) => format!("lock time-out that fits now: {} s", ms.div_ceil(1_000)),
            None => "this engine has no lock time-out for it".to_owned(),
        });
        lines.extend(self.warnings.iter().map(|warning| format!("WARNING: {warning}")));
        lines
    }
}
