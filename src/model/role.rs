//! What an operator may do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Roles in rising order; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May look.
    Viewer,
    /// May request, pause, resume and retry phases, verify, and set throttles.
    Operator,
    /// May also approve plans, roll back, skip, repair and stop the engine.
    Approver,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
        })
    }
}
