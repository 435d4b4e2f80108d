//! What a running copier knows about itself; the engine samples it, steps wait on it.

use crate::model::change::{Position, RowChange};
use crate::model::progress::CopyProgress;
use crate::model::table::TableMap;
use crate::model::value::Key;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// Markers remembered after they passed; waiters look within milliseconds, so this is plenty.
const MARKERS_KEPT: usize = 256;

/// Recently changed keys remembered for the check under the freeze.
const RECENT_KEYS: usize = 500;

/// The readings of one copier.
#[derive(Clone, Debug, Default)]
pub struct StatusData {
    /// Copy progress.
    pub copy: CopyProgress,
    /// Everything up to here is durable on the target.
    pub applied: Option<Position>,
    /// Row changes applied since the process began.
    pub applied_changes: u64,
    /// The same by table index.
    pub applied_by_table: Vec<u64>,
    /// What `applied_by_table` was when the last full verification pass over a table began; no entry: none began since these readings did.
    pub at_pass: BTreeMap<usize, u64>,
    /// The same for passes that are under way.
    pub passing: BTreeMap<usize, u64>,
    /// Changes that met a missing or existing row after the consistent point.
    pub anomalies: u64,
    /// After this position the target is consistent; `None`: from the origin on.
    pub consistent_from: Option<Position>,
    /// Markers that came out of the log with everything before them durable on the target.
    pub markers: VecDeque<(String, Instant)>,
    /// Why it is slowed down.
    pub throttled_by: Vec<String>,
    /// When `applied` last moved.
    pub moved_at: Option<DateTime<Utc>>,
    /// True while changes are being streamed.
    pub streaming: bool,
}

impl StatusData {
    /// True when the target holds a state that the source once had.
    pub fn is_consistent(&self) -> bool {
        match (self.applied, self.consistent_from) {
            (Some(applied), Some(from)) => applied >= from,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// Row changes applied to a table since its last full verification pass began; `None` when that was before these readings began.
    pub fn changed_since_pass(&self, table: usize) -> Option<u64> {
        let applied = self.applied_by_table.get(table).copied().unwrap_or(0);
        applied.checked_sub(*self.at_pass.get(&table)?)
    }

    /// When the marker passed, if it did.
    pub fn marker(&self, token: &str) -> Option<Instant> {
        self.markers.iter().find(|(t, _)| t == token).map(|(_, at)| *at)
    }
}

/// Shared between a copier and those who watch it.
#[derive(Clone, Debug)]
pub struct CopierStatus {
    data: watch::Sender<StatusData>,
    recent: Arc<Mutex<VecDeque<(usize, Key)>>>,
}

impl Default for CopierStatus {
    fn default() -> Self {
        Self { data: watch::Sender::new(StatusData::default()), recent: Arc::default() }
    }
}

impl CopierStatus {
    /// Changes the readings and wakes those who wait.
    pub fn update(&self, change: impl FnOnce(&mut StatusData)) {
        self.data.send_modify(change);
    }

    /// Answers one question about the readings without copying them: for what is asked with every batch.
    pub fn ask<T>(&self, question: impl FnOnce(&StatusData) -> T) -> T {
        question(&self.data.borrow())
    }

    /// The readings now.
    pub fn read(&self) -> StatusData {
        self.data.borrow().clone()
    }

    /// Waits until the readings satisfy a condition. Callers bound the wait and watch for failures of the copier beside it (L14).
    pub async fn wait_for(&self, condition: impl FnMut(&StatusData) -> bool) {
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = self.data.subscribe().wait_for(condition).await;
    }

    /// A marker came out of the log and everything before it is durable on the target.
    pub fn marker_passed(&self, token: String) {
        self.update(|data| {
            if data.markers.len() == MARKERS_KEPT {
                data.markers.pop_front();
            }
            data.markers.push_back((token, Instant::now()));
        });
    }

    /// A verification pass over a table begins: once it is full, changes from now on are the changes since it.
    pub fn pass_begins(&self, table: usize) {
        self.update(|data| {
            let applied = data.applied_by_table.get(table).copied().unwrap_or(0);
            data.passing.insert(table, applied);
        });
    }

    /// A pass over a table was full. One that did not begin under these readings leaves the changes since then unknown.
    pub fn pass_ends(&self, table: usize) {
        self.update(|data| {
            match data.passing.remove(&table) {
                Some(applied) => data.at_pass.insert(table, applied),
                None => data.at_pass.remove(&table),
            };
        });
    }

    /// Remembers which rows were touched last.
    pub fn remember(&self, maps: &[TableMap], changes: &[RowChange]) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = changes.len().saturating_sub(RECENT_KEYS);
        for change in changes.iter().skip(skip) {
            let Some((table, key)) = touched(maps, change) else { continue };
            if recent.len() == RECENT_KEYS {
                recent.pop_front();
            }
            recent.push_back((table, key));
        }
    }

    /// The rows touched last: table index and key, newest last, tables without a key left out.
    pub fn recent(&self) -> Vec<(usize, Key)> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Table and new key of a change; `None` where no single row is meant or the table has no key.
fn touched(maps: &[TableMap], change: &RowChange) -> Option<(usize, Key)> {
    use crate::model::change::Cell;
    match change {
        RowChange::Insert { table, row } | RowChange::Update { table, row, .. } => {
            let map = maps.get(*table).filter(|m| !m.key.is_empty())?;
            let key = map
                .key
                .iter()
                .map(|&column| match row.get(column) {
                    Some(Cell::Value(value)) => Some(value.clone()),
                    Some(Cell::Unchanged) | None => None,
                })
                .collect::<Option<Key>>()?;
            Some((*table, key))
        }
        RowChange::Delete { table, old_key } => {
            maps.get(*table).filter(|m| !m.key.is_empty())?;
            Some((*table, old_key.clone()))
        }
        RowChange::Truncate { .. } => None,
    }
}
