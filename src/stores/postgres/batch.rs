//! A batch of changes as the statements that carry it out, and what their row counts mean.

use crate::model::change::{Cell, RowChange};
use crate::model::value::{Key, Value};
use crate::stores::postgres::dml::{TargetTable, carried};
use crate::stores::postgres::fold::{Fold, Net, Step, is_whole};
use crate::stores::postgres::wire::failure::Outcome;
use crate::stores::postgres::wire::pipeline::Pipeline;
use std::collections::BTreeMap;

/// What an insert does when its row is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// The server refuses it, and with it the batch: the fastest form, and right as long as nothing repeats.
    None,
    /// The row gets the new values.
    Existing,
}

/// One statement of a batch.
#[derive(Debug)]
enum Action<'a> {
    Insert {
        table: usize,
        rows: Vec<Vec<Cell>>,
    },
    Update {
        table: usize,
        set: Vec<usize>,
        rows: Vec<(Key, Vec<Cell>)>,
    },
    Delete {
        table: usize,
        keys: Vec<Key>,
    },
    /// Rows that came and went: none should be there.
    Erase {
        table: usize,
        keys: Vec<Key>,
    },
    /// The key of a row changed.
    Move {
        table: usize,
        old: &'a Key,
        row: &'a [Cell],
    },
    /// A row without a key changes, or goes.
    ChangeOne {
        table: usize,
        old: &'a Key,
        row: Option<&'a [Cell]>,
    },
    Truncate {
        tables: Vec<usize>,
    },
}

/// The statements of a batch in order.
#[derive(Debug)]
pub struct Batch<'a> {
    actions: Vec<Action<'a>>,
    anomalies: u64,
    /// True when no table has more than one folded set and nothing beside it, so that what is missing can be mended afterwards.
    simple: bool,
}

/// What has been collected for one table since its last statement.
#[derive(Default)]
struct Pending {
    fold: Fold,
    /// Inserts into a table without a key.
    rows: Vec<Vec<Cell>>,
}

impl<'a> Batch<'a> {
    /// Folds changes. `tables` says which have keys.
    pub fn new(changes: &'a [RowChange], tables: &[TargetTable]) -> Self {
        let mut batch = Self { actions: Vec::new(), anomalies: 0, simple: true };
        let mut pending: BTreeMap<usize, Pending> = BTreeMap::new();
        for change in changes {
            match change {
                RowChange::Insert { table, row } => {
                    let waiting = pending.entry(*table).or_default();
                    match key_of(tables.get(*table), row) {
                        Some(key) => waiting.fold.add(key, Step::Insert(row.clone())),
                        None => waiting.rows.push(row.clone()),
                    }
                }
                RowChange::Update { table, old_key, row } => match key_of(tables.get(*table), row) {
                    Some(key) if key == *old_key => {
                        pending.entry(*table).or_default().fold.add(key, Step::Update(row.clone()));
                    }
                    keyed => {
                        batch.flush(*table, &mut pending, tables);
                        batch.actions.push(match keyed {
                            Some(_) => Action::Move { table: *table, old: old_key, row },
                            None => Action::ChangeOne { table: *table, old: old_key, row: Some(row) },
                        });
                        batch.simple = changes.len() == 1;
                    }
                },
                RowChange::Delete { table, old_key } => {
                    if tables.get(*table).is_some_and(TargetTable::is_keyed) {
                        pending.entry(*table).or_default().fold.add(old_key.clone(), Step::Delete);
                    } else {
                        batch.flush(*table, &mut pending, tables);
                        batch.actions.push(Action::ChangeOne { table: *table, old: old_key, row: None });
                        batch.simple = changes.len() == 1;
                    }
                }
                RowChange::Truncate { tables: emptied } => {
                    // What was waiting for these tables would be removed again at once.
                    for table in emptied {
                        pending.remove(table);
                    }
                    batch.actions.push(Action::Truncate { tables: emptied.clone() });
                    batch.simple = changes.len() == 1;
                }
            }
        }
        let waiting: Vec<usize> = pending.keys().copied().collect();
        for table in waiting {
            batch.flush(table, &mut pending, tables);
        }
        batch
    }

    /// Turns what is waiting for a table into statements: what goes first, then what changes, then what is new, so that unique values
    /// are free when they are taken.
    fn flush(&mut self, table: usize, pending: &mut BTreeMap<usize, Pending>, tables: &[TargetTable]) {
        let Some(Pending { fold, mut rows }) = pending.remove(&table) else { return };
        let Some(target) = tables.get(table) else { return };
        self.anomalies += fold.anomalies();
        let (mut deletes, mut erasures) = (Vec::new(), Vec::new());
        let mut updates: BTreeMap<Vec<usize>, Vec<(Key, Vec<Cell>)>> = BTreeMap::new();
        for (key, net) in fold.into_operations() {
            match net {
                Net::Insert(row) => rows.push(row),
                Net::Update(row) if target.must_replace() && is_whole(&row) => {
                    deletes.push(key);
                    rows.push(row);
                }
                Net::Update(row) => updates.entry(target.settable(&row)).or_default().push((key, row)),
                Net::Delete => deletes.push(key),
                Net::Erase => erasures.push(key),
            }
        }
        if !deletes.is_empty() {
            self.actions.push(Action::Delete { table, keys: deletes });
        }
        if !erasures.is_empty() {
            self.actions.push(Action::Erase { table, keys: erasures });
        }
        for (set, rows) in updates {
            self.actions.push(Action::Update { table, set, rows });
        }
        // Rows that were written before a column was there carry one value less: a statement of their own.
        let mut inserts: BTreeMap<Vec<usize>, Vec<Vec<Cell>>> = BTreeMap::new();
        for row in rows {
            inserts.entry(carried(&row)).or_default().push(row);
        }
        for rows in inserts.into_values() {
            self.actions.push(Action::Insert { table, rows });
        }
    }

    /// Changes that contradicted the ones before them.
    pub fn anomalies(&self) -> u64 {
        self.anomalies
    }

    /// True when missing rows can be mended by [`Batch::follow_ups`].
    pub fn is_simple(&self) -> bool {
        self.simple
    }

    /// The table that the statement at this place is about.
    pub fn table_of(&self, at: usize) -> Option<usize> {
        match self.actions.get(at)? {
            Action::Insert { table, .. }
            | Action::Update { table, .. }
            | Action::Delete { table, .. }
            | Action::Erase { table, .. }
            | Action::Move { table, .. }
            | Action::ChangeOne { table, .. } => Some(*table),
            Action::Truncate { tables } => tables.first().copied(),
        }
    }

    /// Queues every statement.
    pub fn queue(&self, tables: &mut [TargetTable], pipeline: &mut Pipeline, tolerance: Tolerance) -> Outcome<()> {
        for action in &self.actions {
            action.queue(tables, pipeline, tolerance)?;
        }
        Ok(())
    }

    /// True when a statement met fewer rows than it should have.
    pub fn falls_short(&self, counts: &[u64]) -> bool {
        self.actions
            .iter()
            .zip(counts)
            .any(|(action, count)| action.expected().is_some_and(|expected| *count < expected))
    }

    /// What is still to be done for rows that were missing or there already. Adds what needs nothing more to `anomalies`.
    pub fn follow_ups(&self, counts: &[u64], tolerance: Tolerance, anomalies: &mut u64) -> Vec<FollowUp<'_>> {
        let mut follow_ups = Vec::new();
        for (action, &count) in self.actions.iter().zip(counts) {
            let Some(expected) = action.expected() else {
                if let Action::Erase { .. } = action {
                    *anomalies += count;
                }
                continue;
            };
            if count >= expected {
                continue;
            }
            *anomalies += expected - count;
            match action {
                Action::Update { table, rows, .. } => {
                    let whole: Vec<&[Cell]> =
                        rows.iter().map(|(_, row)| &row[..]).filter(|row| is_whole(row)).collect();
                    if !whole.is_empty() {
                        follow_ups.push(FollowUp::Insert { table: *table, rows: whole });
                    }
                }
                Action::Insert { table, rows } if tolerance == Tolerance::Existing => {
                    follow_ups.push(FollowUp::Overwrite { table: *table, rows });
                }
                Action::Move { table, old, row } => follow_ups.push(FollowUp::Moved { table: *table, old, row }),
                Action::ChangeOne { table, row: Some(row), .. } if is_whole(row) => {
                    follow_ups.push(FollowUp::Insert { table: *table, rows: vec![row] });
                }
                _ => {}
            }
        }
        follow_ups
    }
}

impl Action<'_> {
    fn queue(&self, tables: &mut [TargetTable], pipeline: &mut Pipeline, tolerance: Tolerance) -> Outcome<()> {
        let table = match self {
            Self::Insert { table, .. }
            | Self::Update { table, .. }
            | Self::Delete { table, .. }
            | Self::Erase { table, .. }
            | Self::Move { table, .. }
            | Self::ChangeOne { table, .. } => *table,
            Self::Truncate { tables: emptied } => {
                let names: Vec<&str> = emptied.iter().filter_map(|&at| tables.get(at)).map(TargetTable::name).collect();
                return pipeline.once(&format!("TRUNCATE {}", names.join(", ")));
            }
        };
        let Some(target) = tables.get_mut(table) else { return Ok(()) };
        match self {
            Self::Insert { rows, .. } => {
                let rows: Vec<&[Cell]> = rows.iter().map(Vec::as_slice).collect();
                target.insert(pipeline, &rows, tolerance == Tolerance::Existing)
            }
            Self::Update { set, rows, .. } => {
                let rows: Vec<(&Key, &[Cell])> = rows.iter().map(|(key, row)| (key, &row[..])).collect();
                target.update(pipeline, set, &rows)
            }
            Self::Delete { keys, .. } | Self::Erase { keys, .. } => {
                target.delete(pipeline, &keys.iter().collect::<Vec<_>>())
            }
            Self::Move { old, row, .. } => target.move_key(pipeline, old, row),
            Self::ChangeOne { old, row, .. } => target.change_one(pipeline, old, *row),
            Self::Truncate { .. } => Ok(()),
        }
    }

    /// Rows that the statement meets when nothing is unusual; `None` where any number is.
    fn expected(&self) -> Option<u64> {
        match self {
            Self::Insert { rows, .. } => Some(rows.len() as u64),
            Self::Update { rows, .. } => Some(rows.len() as u64),
            Self::Delete { keys, .. } => Some(keys.len() as u64),
            Self::Move { .. } | Self::ChangeOne { .. } => Some(1),
            Self::Erase { .. } | Self::Truncate { .. } => None,
        }
    }
}

/// A second statement for rows that were not as expected.
#[derive(Debug)]
pub enum FollowUp<'a> {
    /// Rows of which some were missing are inserted where they are.
    Insert {
        /// Table index.
        table: usize,
        /// Whole rows.
        rows: Vec<&'a [Cell]>,
    },
    /// Rows of which some existed get the new values.
    Overwrite {
        /// Table index.
        table: usize,
        /// Whole rows.
        rows: &'a [Vec<Cell>],
    },
    /// A row whose key changed was not found under the old key, or the new key was taken: the row under the new key gets the values, the
    /// one under the old key goes. Where neither exists, a whole image is inserted.
    Moved {
        /// Table index.
        table: usize,
        /// Key before.
        old: &'a Key,
        /// Row after.
        row: &'a [Cell],
    },
}

impl FollowUp<'_> {
    /// Queues its statements.
    pub fn queue(&self, tables: &mut [TargetTable], pipeline: &mut Pipeline) -> Outcome<()> {
        match self {
            Self::Insert { table, rows } => match tables.get_mut(*table) {
                Some(target) => target.insert(pipeline, rows, true),
                None => Ok(()),
            },
            Self::Overwrite { table, rows } => {
                let Some(target) = tables.get_mut(*table) else { return Ok(()) };
                let keyed: Vec<(Key, &[Cell])> =
                    rows.iter().filter_map(|row| Some((key_of(Some(target), row)?, &row[..]))).collect();
                let Some((_, first)) = keyed.first() else { return Ok(()) };
                let set = target.settable(first);
                let rows: Vec<(&Key, &[Cell])> = keyed.iter().map(|(key, row)| (key, *row)).collect();
                target.update(pipeline, &set, &rows)
            }
            Self::Moved { table, old, row } => {
                let Some(target) = tables.get_mut(*table) else { return Ok(()) };
                let Some(new) = key_of(Some(target), row) else { return Ok(()) };
                let set = target.settable(row);
                target.update(pipeline, &set, &[(&new, row)])?;
                target.delete(pipeline, &[*old])?;
                if is_whole(row) { target.insert(pipeline, &[row], true) } else { Ok(()) }
            }
        }
    }
}

/// The key in a row image, for a table that has one. A key column is never unchanged: the log then carries the old key.
fn key_of(target: Option<&TargetTable>, row: &[Cell]) -> Option<Key> {
    let target = target.filter(|target| target.is_keyed())?;
    let value = |&at: &usize| match row.get(at) {
        Some(Cell::Value(value)) => value.clone(),
        Some(Cell::Unchanged) | None => Value::Null,
    };
    Some(target.key().iter().map(value).collect())
}

#[cfg(test)]
mod tests;
