//! Rights as they take effect, each with the path by which a login has it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What may be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Read rows.
    Read,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Remove rows.
    Delete,
    /// Remove all rows.
    Truncate,
    /// Point a foreign key at it.
    References,
    /// Make a trigger on it.
    Trigger,
    /// Vacuum, analyse, cluster it.
    Maintain,
    /// Use a sequence, a schema, a language, a server.
    Usage,
    /// Make objects in it.
    Create,
    /// Connect to it.
    Connect,
    /// Make temporary tables in it.
    Temporary,
    /// Run it.
    Execute,
}

impl Right {
    /// The word of GRANT and REVOKE in PostgreSQL, which the other engines' words are close to.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Maintain => "MAINTAIN",
            Self::Usage => "USAGE",
            Self::Create => "CREATE",
            Self::Connect => "CONNECT",
            Self::Temporary => "TEMPORARY",
            Self::Execute => "EXECUTE",
        }
    }

    /// The right with this word; `None` for one that is not known here (`SET`, `ALTER SYSTEM`).
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "SELECT" => Self::Read,
            "INSERT" => Self::Insert,
            "UPDATE" => Self::Update,
            "DELETE" => Self::Delete,
            "TRUNCATE" => Self::Truncate,
            "REFERENCES" => Self::References,
            "TRIGGER" => Self::Trigger,
            "MAINTAIN" => Self::Maintain,
            "USAGE" => Self::Usage,
            "CREATE" => Self::Create,
            "CONNECT" => Self::Connect,
            "TEMPORARY" | "TEMP" => Self::Temporary,
            "EXECUTE" => Self::Execute,
            _ => return None,
        })
    }

    /// It changes rows, or lets code of the holder's run when rows are changed.
    pub fn writes(self) -> bool {
        matches!(self, Self::Insert | Self::Update | Self::Delete | Self::Truncate | Self::Trigger)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// By which path a login has a right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "path")]
pub enum RightPath {
    /// It owns the object, or inherits from the owner through these roles (the last one is the owner).
    Owner {
        /// Empty: the login itself.
        through: Vec<String>,
    },
    /// It was granted to it, or to the last of these roles.
    Granted {
        /// Empty: the login itself.
        through: Vec<String>,
    },
    /// It was granted to everybody.
    Public,
    /// A role of the server's own gives it on everything (`pg_read_all_data`); the last one is that role.
    Predefined {
        /// Never empty.
        through: Vec<String>,
    },
    /// It stands in an entry of the engine's own kind, which the store knows how to end.
    Entry {
        /// Roles between the login and the entry; the last one holds it. Empty: the login itself.
        through: Vec<String>,
        /// The entry as an operator reads it.
        entry: String,
        /// What ends it; `None`: it takes more than a statement.
        end: Option<EntryEnd>,
        /// Who else is concerned; empty: nobody.
        concerns: String,
    },
    /// The server says so and the catalogue does not show why.
    Unexplained,
}

/// The statement that takes one word out of an entry, in three parts, so that several words of one entry go in one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EntryEnd {
    /// Before the words: `REVOKE `.
    pub before: String,
    /// The word: `INSERT`.
    pub word: String,
    /// After the words.
    pub after: String,
    /// The same three parts of what takes it back: before.
    pub undo_before: String,
    /// After.
    pub undo_after: String,
}

impl fmt::Display for RightPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = |through: &[String]| through.join(" -> ");
        match self {
            Self::Owner { through } if through.is_empty() => f.write_str("as the owner"),
            Self::Owner { through } => write!(f, "as a member of the owner, through {}", chain(through)),
            Self::Granted { through } if through.is_empty() => f.write_str("granted to it"),
            Self::Granted { through } => write!(f, "granted to a role that it is in: {}", chain(through)),
            Self::Public => f.write_str("granted to PUBLIC"),
            Self::Predefined { through } => write!(f, "through the server's role {}", chain(through)),
            Self::Entry { through, entry, .. } if through.is_empty() => f.write_str(entry),
            Self::Entry { through, entry, .. } => write!(f, "{entry}, through {}", chain(through)),
            Self::Unexplained => f.write_str("by a path that the catalogue does not show"),
        }
    }
}

/// A right that takes effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EffectiveRight {
    /// Who has it, without quotes.
    pub login: String,
    /// On the objects of which group.
    pub group: u64,
    /// What.
    pub right: Right,
    /// The role that it must become first (`SET ROLE`); `None`: it has the right at once.
    pub becomes: Option<String>,
    /// By which path; from `becomes` on, where that is set.
    pub path: RightPath,
    /// Only these columns; empty: the whole object.
    pub columns: Vec<String>,
}

impl EffectiveRight {
    /// The path as an operator reads it.
    pub fn told(&self) -> String {
        let columns = match self.columns.is_empty() {
            true => String::new(),
            false => format!(" on columns {}", self.columns.join(", ")),
        };
        match &self.becomes {
            Some(role) => format!("{}{columns} after SET ROLE {role}, {}", self.right, self.path),
            None => format!("{}{columns}, {}", self.right, self.path),
        }
    }
}
