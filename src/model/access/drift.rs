//! Grant drift: what changed in who may do what between two audits.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One change of rights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GrantChange {
    /// When the audit that noticed it was read: it happened between the one before and this one.
    pub at: DateTime<Utc>,
    /// When the one before was read.
    pub since: DateTime<Utc>,
    /// It is there now and was not; false: it went.
    pub appeared: bool,
    /// Whose: a login or role.
    pub login: String,
    /// What, as a sentence: `may now SELECT, INSERT on orders.orders`.
    pub sentence: String,
}
