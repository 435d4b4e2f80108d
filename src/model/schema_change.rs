//! How a table differs from what was fixed at the mapping, and what a policy made of it.

use crate::model::pipeline::Traffic;
use crate::model::reason::Reason;
use crate::model::schema::SchemaStatement;
use crate::model::table::{Column, Generation, RowIdentity, Table, TableMap, TableName};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What happens when the schema of the captured side changes under a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaChangePolicy {
    /// The pipeline stops with a named reason; nothing is lost, the log is kept.
    Stop,
    /// Columns that the mapping does not know are left out, and said to be; what cannot be left out without loss stops.
    Ignore,
    /// Added columns are added to the other side and types widened there; what has no exact counterpart stops.
    Apply,
}

impl SchemaChangePolicy {
    /// The word of the profile.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Ignore => "ignore",
            Self::Apply => "apply",
        }
    }
}

/// One difference between a captured table and its mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// The table's name on the captured side, as the mapping has it.
    pub table: TableName,
    /// What is different.
    pub difference: Difference,
}

/// What is different about a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// A column that is neither mapped nor left out on purpose.
    Added {
        /// The column as it is now.
        column: Column,
    },
    /// A mapped column is gone.
    Removed {
        /// Its name.
        column: String,
    },
    /// A mapped column has another type.
    Retyped {
        /// Its name.
        column: String,
        /// The type in the mapping.
        was: String,
        /// The type now.
        now: String,
    },
    /// A mapped column has another name, as far as the catalogue can tell.
    Renamed {
        /// The mapped name.
        column: String,
        /// The new column.
        now: Column,
    },
    /// Rows can no longer be told apart by the columns that the mapping was fixed with.
    Identity {
        /// What identifies a row now.
        now: RowIdentity,
    },
    /// No table has the name.
    Gone,
    /// The captured table has another name.
    TableRenamed {
        /// The new name.
        now: TableName,
    },
    /// A table has the name and it is not the captured one: it was dropped and made anew, or taken out of the capture.
    Remade,
}

impl Difference {
    /// The column that it is about, under its mapped name where it has one.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::Added { column } => Some(&column.name),
            Self::Removed { column } | Self::Retyped { column, .. } | Self::Renamed { column, .. } => Some(column),
            Self::Identity { .. } | Self::Gone | Self::TableRenamed { .. } | Self::Remade => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { column } => {
                write!(f, "column {} ({}", column.name, or_untyped(&column.type_name))?;
                if !column.nullable {
                    write!(f, ", not null")?;
                }
                if column.has_default {
                    write!(f, ", with a default")?;
                }
                write!(f, ") was added")
            }
            Self::Removed { column } => write!(f, "column {column} is gone"),
            Self::Retyped { column, was, now } => {
                write!(f, "column {column} is now {}, it was {}", or_untyped(now), or_untyped(was))
            }
            Self::Renamed { column, now } => {
                write!(f, "column {column} is gone and {} is there instead: it was renamed", now.name)
            }
            Self::Identity { now: RowIdentity::Key(key) } => {
                write!(f, "its rows are now told apart by {}", key.join(", "))
            }
            Self::Identity { now: RowIdentity::FullRow } => {
                write!(f, "its rows are now told apart by their whole content")
            }
            Self::Identity { now: RowIdentity::Missing } => write!(f, "it no longer has what tells its rows apart"),
            Self::Gone => write!(f, "the table is gone"),
            Self::TableRenamed { now } => write!(f, "the table is now named {now}"),
            Self::Remade => {
                write!(
                    f,
                    "the table of this name is not the captured one: it was dropped and made anew, or taken out of the capture"
                )
            }
        }
    }
}

impl fmt::Display for SchemaChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.table, self.difference)
    }
}

fn or_untyped(name: &str) -> &str {
    if name.is_empty() { "without a type" } else { name }
}

/// What was done about a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SchemaOutcome {
    /// The pipeline stands still.
    Stopped {
        /// Why, and what to do.
        reason: Reason,
    },
    /// The new column is not carried: a known difference from then on.
    LeftOut,
    /// The column is no longer mapped; the other side keeps what it has in it.
    Unmapped,
    /// The column is made on the other side and mapped.
    Added,
    /// The other side has what it takes already; the mapping follows.
    Followed,
    /// The other side's column gets the wider type.
    Widened,
}

impl fmt::Display for SchemaOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { reason } => write!(f, "stopped: {}", reason.next),
            Self::LeftOut => {
                f.write_str("left out: its values are not carried, and verification does not look at them")
            }
            Self::Unmapped => f.write_str("no longer carried: the other side keeps the column and what is in it"),
            Self::Added => f.write_str("added to the other side, with its values"),
            Self::Followed => f.write_str("mapped: the other side has it"),
            Self::Widened => f.write_str("widened on the other side"),
        }
    }
}

/// A difference and what became of it, as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaNote {
    /// Which side was captured when it was found.
    pub captured: Traffic,
    /// The difference.
    pub change: SchemaChange,
    /// What was done.
    pub outcome: SchemaOutcome,
    /// What was made on the other side, with its undo.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<SchemaStatement>,
    /// What is made there once the values of the column have been carried over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<SchemaStatement>,
}

impl SchemaNote {
    /// True when both sides differ on purpose from then on.
    pub fn is_known_difference(&self) -> bool {
        matches!(self.outcome, SchemaOutcome::LeftOut | SchemaOutcome::Unmapped)
    }

    /// The column whose values must be carried over before the other side has them: the log tells nothing of what a column held
    /// when it was added.
    pub fn fills(&self) -> Option<&str> {
        match (&self.outcome, &self.change.difference) {
            (SchemaOutcome::Added | SchemaOutcome::Followed, Difference::Added { column }) => Some(&column.name),
            (SchemaOutcome::Followed, Difference::Renamed { now, .. }) => Some(&now.name),
            _ => None,
        }
    }
}

/// A column that was mapped on the way and whose values are still to be carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingColumn {
    /// Which side is captured.
    pub captured: Traffic,
    /// Table and column on the captured side.
    pub table: TableName,
    /// See `table`.
    pub column: String,
    /// What is made on the other side afterwards.
    pub then: Vec<SchemaStatement>,
}

/// Compares a table with its mapping. `left_out` are the columns that are left out on purpose; computed columns are nobody's business:
/// they are not copied. `renames` are those that the server itself knows of, from mapped name to present name; `None` where it cannot
/// tell, and then a new column of a missing one's type is taken for it.
pub fn differences(
    map: &TableMap,
    left_out: &[String],
    renames: Option<&[(String, String)]>,
    now: &Table,
) -> Vec<SchemaChange> {
    let is_mapped = |name: &str| map.columns.iter().any(|c| c.source == name);
    let mut added: Vec<&Column> = now
        .columns
        .iter()
        .filter(|c| c.generation != Generation::Computed && !is_mapped(&c.name) && !left_out.contains(&c.name))
        .collect();
    let mut found = Vec::new();
    let mut renamed = Vec::new();
    for column in &map.columns {
        match now.columns.iter().find(|c| c.name == column.source) {
            Some(present) if present.type_name == column.source_type => {}
            Some(present) => found.push(Difference::Retyped {
                column: column.source.clone(),
                was: column.source_type.clone(),
                now: present.type_name.clone(),
            }),
            None => match added.iter().position(|c| match renames {
                Some(known) => known.iter().any(|(from, to)| *from == column.source && *to == c.name),
                None => c.type_name == column.source_type,
            }) {
                Some(at) => {
                    let new = added.remove(at).clone();
                    renamed.push((column.source.clone(), new.name.clone()));
                    found.push(Difference::Renamed { column: column.source.clone(), now: new });
                }
                None => found.push(Difference::Removed { column: column.source.clone() }),
            },
        }
    }
    found.extend(added.into_iter().map(|column| Difference::Added { column: column.clone() }));
    if !tells_apart(map, &now.identity, &renamed) {
        found.push(Difference::Identity { now: now.identity.clone() });
    }
    found.into_iter().map(|difference| SchemaChange { table: map.source.clone(), difference }).collect()
}

/// True when rows are told apart by the mapping's own key, under whatever names.
fn tells_apart(map: &TableMap, identity: &RowIdentity, renamed: &[(String, String)]) -> bool {
    match identity {
        RowIdentity::Missing => false,
        RowIdentity::FullRow => true,
        // Without a mapped key the log must carry whole old rows; whether it does, its own messages tell.
        RowIdentity::Key(_) if map.key.is_empty() => true,
        RowIdentity::Key(now) => {
            let names = map.key.iter().filter_map(|&at| map.columns.get(at)).map(|c| {
                renamed.iter().find(|(from, _)| *from == c.source).map_or(c.source.as_str(), |(_, to)| to.as_str())
            });
            let fixed: std::collections::BTreeSet<&str> = names.collect();
            fixed == now.iter().map(String::as_str).collect()
        }
    }
}

#[cfg(test)]
#[path = "schema_change_tests.rs"]
mod tests;
