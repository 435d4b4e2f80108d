//! What becomes of a changed schema: one table from policy, difference and the other side's own table to a decision.
//!
//! Pure. The rule behind it: nothing is left out without being said, and what is said to be the same is the same.

use crate::model::reason::Reason;
use crate::model::schema_change::{Difference, SchemaChange, SchemaChangePolicy};
use crate::model::table::{Column, ColumnMap, Table, TableMap};

/// What is to be done about one difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The new column is not carried.
    LeaveOut,
    /// The other side gets the column, then it is mapped.
    Add,
    /// It is mapped to a column that the other side has; with the type that it has there.
    Map(ColumnMap),
    /// The mapped column is captured anew and its values carried over.
    Recapture,
    /// The mapping loses the column.
    Unmap,
    /// The other side's column gets the new type, then the mapping follows.
    Widen,
    /// The pipeline stands still until somebody has acted.
    Stop(Reason),
}

/// Everything that a decision depends on.
pub struct Case<'a> {
    /// The declared policy.
    pub policy: SchemaChangePolicy,
    /// An operator has seen the reason and lets the pipeline go on.
    pub resumed: bool,
    /// Columns of the table that the profile leaves out.
    pub excluded: &'a [String],
    /// The difference.
    pub change: &'a SchemaChange,
    /// The mapping, seen from the captured side.
    pub map: &'a TableMap,
    /// The other side's table; `None` when it is not there.
    pub other: Option<&'a Table>,
    /// The other side's name.
    pub other_store: &'a str,
    /// True when every value of the second type is one of the first, written the same.
    pub holds: &'a dyn Fn(&str, &str) -> bool,
}

impl Case<'_> {
    /// The decision.
    pub fn decide(&self) -> Decision {
        match &self.change.difference {
            Difference::Added { column } => self.added(column),
            Difference::Removed { column } => self.removed(column),
            Difference::Retyped { column, now, .. } => self.retyped(column, now),
            Difference::Renamed { column, now } => self.renamed(column, now),
            Difference::Identity { .. } => {
                self.stop("", "give the table its key back and resume, or roll back to `build` and go up again: the mapping is read anew")
            }
            Difference::TableRenamed { now } => self.stop(
                "",
                &format!("give {now} its name {} back and resume, or roll back to `build` and change the profile", self.map.source),
            ),
            Difference::Gone | Difference::Remade => self.stop(
                "",
                "what was captured is gone: roll back to `build`, take the table out of the profile or copy the new one",
            ),
        }
    }

    fn added(&self, column: &Column) -> Decision {
        let name = column.name.as_str();
        if self.map.columns.iter().any(|c| c.source == name) {
            return match self.policy {
                SchemaChangePolicy::Apply => Decision::Recapture,
                SchemaChangePolicy::Stop | SchemaChangePolicy::Ignore if self.resumed => Decision::Recapture,
                SchemaChangePolicy::Stop | SchemaChangePolicy::Ignore => self.stop(
                    "it was dropped and made anew, so that its rows hold other values than were carried",
                    "`godwit resume --pipeline` carries its values over again",
                ),
            };
        }
        if self.excluded.iter().any(|e| e == name) {
            return Decision::LeaveOut;
        }
        if self.policy == SchemaChangePolicy::Ignore {
            return Decision::LeaveOut;
        }
        if self.policy == SchemaChangePolicy::Stop && !self.resumed {
            return self.stop(
                "",
                &format!(
                    "add the column to {} and `godwit resume --pipeline`, or drop it here and resume",
                    self.place()
                ),
            );
        }
        if self.map.key.is_empty() {
            return self.stop(
                "rows without a key cannot be told apart, so that its values cannot be carried into rows that are there",
                "drop the column and resume, or roll back to `build` and go up again: the mapping is read anew",
            );
        }
        match self.other_column(name) {
            Some(there) => self.follow(name, column, there, name),
            None if self.policy == SchemaChangePolicy::Apply && self.other.is_some() => Decision::Add,
            None => self.stop(
                &format!("{} has no column {name}", self.place()),
                &format!("add it there ({}) and resume, or drop it here and resume", column.type_name),
            ),
        }
    }

    fn removed(&self, name: &str) -> Decision {
        let Some(mapped) = self.mapped(name) else { return Decision::Unmap };
        if self.is_key(name) {
            return self
                .stop("rows are told apart by it", "roll back to `build` and go up again: the mapping is read anew");
        }
        if let Some(there) = self.other_column(&mapped.target)
            && !there.nullable
            && !there.has_default
        {
            return self.stop(
                &format!("{} needs a value in {}: it is NOT NULL and has no default", self.place(), mapped.target),
                "give it a default there, or take its NOT NULL away, or drop it there; then resume",
            );
        }
        if self.policy == SchemaChangePolicy::Stop && !self.resumed {
            return self.stop(
                "",
                &format!(
                    "`godwit resume --pipeline` goes on without it ({} keeps the column and what is in it), or drop it there first",
                    self.place()
                ),
            );
        }
        Decision::Unmap
    }

    fn retyped(&self, name: &str, now: &str) -> Decision {
        let Some(mapped) = self.mapped(name) else { return Decision::Unmap };
        let Some(there) = self.other_column(&mapped.target) else {
            return self.stop(&format!("{} has no column {}", self.place(), mapped.target), "add it there and resume");
        };
        let advice = format!("give {}.{} the type {now} and `godwit resume --pipeline`", self.place(), mapped.target);
        if self.policy == SchemaChangePolicy::Stop && !self.resumed {
            return self.stop("", &advice);
        }
        if (self.holds)(&there.type_name, now) {
            return Decision::Map(ColumnMap {
                source_type: now.to_owned(),
                target_type: there.type_name.clone(),
                ..mapped.clone()
            });
        }
        if self.policy == SchemaChangePolicy::Apply && (self.holds)(now, &there.type_name) {
            return Decision::Widen;
        }
        self.stop(
            &format!("{}.{} is {} and cannot hold every value", self.place(), mapped.target, there.type_name),
            &advice,
        )
    }

    fn renamed(&self, name: &str, now: &Column) -> Decision {
        let Some(mapped) = self.mapped(name) else { return Decision::LeaveOut };
        let advice = format!(
            "rename {} to {} in {} too and `godwit resume --pipeline`, or give the column its name back and resume",
            mapped.target,
            now.name,
            self.place()
        );
        if !self.resumed {
            return self.stop("", &advice);
        }
        match (self.other_column(&now.name), self.other_column(&mapped.target)) {
            (Some(there), None) => self.follow(name, now, there, &now.name),
            (None, _) => self.stop(&format!("{} has no column {}", self.place(), now.name), &advice),
            (Some(_), Some(_)) => {
                self.stop(&format!("{} has both {} and {}", self.place(), mapped.target, now.name), &advice)
            }
        }
    }

    /// Maps a column to one that is there, if that can hold it.
    fn follow(&self, about: &str, column: &Column, there: &Column, target: &str) -> Decision {
        if (self.holds)(&there.type_name, &column.type_name) {
            return Decision::Map(ColumnMap {
                source: column.name.clone(),
                target: target.to_owned(),
                source_type: column.type_name.clone(),
                target_type: there.type_name.clone(),
            });
        }
        self.stop(
            &format!("{}.{target} is {} and cannot hold every value", self.place(), there.type_name),
            &format!("give it the type of {about} there ({}) and resume", column.type_name),
        )
    }

    fn mapped(&self, name: &str) -> Option<&ColumnMap> {
        self.map.columns.iter().find(|c| c.source == name)
    }

    fn is_key(&self, name: &str) -> bool {
        self.map.key.iter().filter_map(|&at| self.map.columns.get(at)).any(|c| c.source == name)
    }

    fn other_column(&self, name: &str) -> Option<&Column> {
        self.other?.columns.iter().find(|c| c.name == name)
    }

    /// The other side's table.
    fn place(&self) -> String {
        format!("{} of {}", self.map.target, self.other_store)
    }

    fn stop(&self, why: &str, next: &str) -> Decision {
        let mut what = format!("the schema of {} changed: {}", self.map.source, self.change.difference);
        if !why.is_empty() {
            what = format!("{what}; {why}");
        }
        Decision::Stop(Reason::new(what, next))
    }
}

#[cfg(test)]
#[path = "schema_policy_tests.rs"]
mod tests;
