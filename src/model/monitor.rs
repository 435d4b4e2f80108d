//! The monitoring roles: what an account of Godwit's needs, and nothing more.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a monitoring account is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonitorRole {
    /// Sees activity, locks, replication, statements, indexes; no data, no writes.
    #[default]
    Watch,
    /// Also reads what the access audit needs.
    Audit,
    /// Only while an action runs: cancels and kills sessions.
    Act,
}

impl MonitorRole {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Watch, Self::Audit, Self::Act];

    /// The word of `--role`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Audit => "audit",
            Self::Act => "act",
        }
    }

    /// The account's name in the printed statements.
    pub fn account(self) -> &'static str {
        match self {
            Self::Watch => "godwit_watch",
            Self::Audit => "godwit_audit",
            Self::Act => "godwit_act",
        }
    }
}

impl fmt::Display for MonitorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One statement that makes a monitoring role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantStatement {
    /// Why it is needed, and what it exposes.
    pub why: String,
    /// The statement. Where a password belongs stands `PASSWORD`, never one of ours.
    pub statement: String,
    /// What takes it back.
    pub undo: String,
    /// False: everything else works without it, and less is exposed.
    pub required: bool,
}
