//! The ownership matrix: for every login and table, what is declared, what is granted and what was seen.

use crate::model::access::right::Right;
use crate::model::ids::ServiceId;
use serde::{Deserialize, Serialize};

/// What the profile says of a login and a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declared {
    /// The login's service owns the table.
    Own,
    /// Its service may read it.
    Reads,
    /// Nothing allows it.
    Foreign,
}

impl Declared {
    /// The word on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "owns",
            Self::Reads => "may read",
            Self::Foreign => "foreign",
        }
    }
}

/// One cell. Only cells with something in them are listed: a foreign login without any right that was never seen has none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The table as it stands in a statement.
    pub table: String,
    /// Its owner.
    pub service: ServiceId,
    /// The login.
    pub login: String,
    /// The login's service; `None`: nobody declares it.
    pub login_service: Option<ServiceId>,
    /// Declared.
    pub declared: Declared,
    /// Granted, in effect, sorted.
    pub granted: Vec<Right>,
    /// The paths, one for each right.
    pub paths: Vec<String>,
    /// Looks that showed it in use; 0: none did.
    pub looks: u64,
    /// It was seen writing.
    pub wrote: bool,
}
