//! A full pass over a pipeline's tables.

use crate::model::sample::VerifyProgress;
use crate::model::table::TableMap;
use crate::model::value::Key;
use crate::model::verification::{DriftKind, DriftRow, TableVerification};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{KeyRange, MapSide, StoreRef};
use crate::verify::barrier::Barrier;
use crate::verify::recheck::{Suspect, recheck_keyed, recheck_multiset};
use chrono::Utc;
use std::collections::HashMap;

/// Rows in one compared range.
const RANGE_ROWS: u64 = 60_000;

/// Differing rows kept as a sample per table; the counters count all of them (V08).
pub const SAMPLE_ROWS: usize = 20;

/// What a pass works with. `source` is the side that serves; `maps` lead from it to the other.
pub struct Comparison<'a> {
    /// The side that serves.
    pub source: &'a StoreRef,
    /// The side that follows.
    pub target: &'a StoreRef,
    /// Tables.
    pub maps: &'a [TableMap],
    /// How to know that the target has caught up with a read.
    pub barrier: &'a dyn Barrier,
    /// Called after every range; `false` ends the pass early (pause, stop).
    pub progress: &'a (dyn Fn(VerifyProgress) -> bool + Send + Sync),
}

/// A confirmed difference, for repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Index into the maps.
    pub table: usize,
    /// Key of the row.
    pub key: Key,
    /// How it differs.
    pub kind: DriftKind,
}

/// Result of one table.
#[derive(Clone, Debug)]
pub struct TableResult {
    /// For journal and screens.
    pub verification: TableVerification,
    /// Confirmed differences, at most [`REPAIRABLE_ROWS`].
    pub drift: Vec<Drift>,
    /// False when the pass was ended early.
    pub finished: bool,
}

/// Differences remembered for one repair; a repair is repeated until nothing is left.
pub const REPAIRABLE_ROWS: usize = 100_000;

impl Comparison<'_> {
    /// Compares one table completely.
    ///
    /// # Errors
    /// [`StoreError`] when a side cannot be read or the sides have no hash in common.
    pub async fn table(&self, index: usize, tables_before: (u64, u64)) -> Result<TableResult, StoreError> {
        let Some(map) = self.maps.get(index) else {
            return Err(StoreError::new(
                self.source.id(),
                Operation::Compare,
                ErrorKind::NotFound,
                format!("the pipeline has no table number {index}"),
            ));
        };
        let (source, target) = (self.source.checksum(), self.target.checksum());
        let method = self.common_method(map).await?;
        let ranges = source.ranges(map, MapSide::Source, RANGE_ROWS, &method).await?;
        let mut result = TableResult { verification: fresh(map, ranges.len()), drift: Vec::new(), finished: false };
        for range in &ranges {
            let (here, there) = tokio::try_join!(
                source.sum(map, MapSide::Source, range, &method),
                target.sum(map, MapSide::Target, range, &method)
            )?;
            result.verification.rows_compared += here.rows;
            if here != there {
                let suspects = self.narrow(map, range, &method).await?;
                self.settle(index, map, range, &method, suspects, &mut result).await?;
            }
            result.verification.chunks_done += 1;
            let go_on = (self.progress)(VerifyProgress {
                table: map.source.to_string(),
                chunks_done: tables_before.0 + result.verification.chunks_done,
                chunks_total: tables_before.1 + ranges.len() as u64,
                rechecking: 0,
            });
            if !go_on {
                return Ok(result);
            }
        }
        result.verification.full_pass_at = Some(Utc::now());
        result.finished = true;
        Ok(result)
    }

    /// The best hash that both sides can compute.
    async fn common_method(&self, map: &TableMap) -> Result<String, StoreError> {
        let (here, there) = tokio::try_join!(
            self.source.checksum().methods(map, MapSide::Source),
            self.target.checksum().methods(map, MapSide::Target)
        )?;
        here.iter().find(|m| there.contains(m)).cloned().ok_or_else(|| {
            StoreError::new(
                self.source.id(),
                Operation::Compare,
                ErrorKind::Unsupported,
                format!("the two sides have no checksum in common ({} / {})", here.join(", "), there.join(", ")),
            )
            .about(map.source.to_string())
        })
    }

    /// Finds the rows of a mismatching range whose hashes differ. Keys are matched as values, not by sort order (V01, V11).
    async fn narrow(&self, map: &TableMap, range: &KeyRange, method: &str) -> Result<Vec<Suspect>, StoreError> {
        let (here, there) = tokio::try_join!(
            self.source.checksum().row_sums(map, MapSide::Source, range, method),
            self.target.checksum().row_sums(map, MapSide::Target, range, method)
        )?;
        if map.key.is_empty() {
            // Rows without a key are settled as a multiset in one go.
            return Ok(Vec::new());
        }
        let mut there: HashMap<Key, u128> = there.into_iter().collect();
        let mut suspects = Vec::new();
        for (key, hash) in here {
            match there.remove(&key) {
                Some(other) if other == hash => {}
                Some(_) | None => suspects.push(Suspect { key }),
            }
        }
        suspects.extend(there.into_keys().map(|key| Suspect { key }));
        Ok(suspects)
    }

    async fn settle(
        &self,
        index: usize,
        map: &TableMap,
        range: &KeyRange,
        method: &str,
        suspects: Vec<Suspect>,
        result: &mut TableResult,
    ) -> Result<(), StoreError> {
        let found = if map.key.is_empty() {
            recheck_multiset(self, map, range, method).await?
        } else {
            recheck_keyed(self, map, suspects).await?
        };
        for (key, kind) in found {
            result.verification.drift.add(kind);
            if result.verification.sample.len() < SAMPLE_ROWS {
                result.verification.sample.push(DriftRow {
                    table: map.source.clone(),
                    key: key.iter().map(ToString::to_string).collect(),
                    kind,
                });
            }
            if result.drift.len() < REPAIRABLE_ROWS && kind != DriftKind::Unresolved {
                result.drift.push(Drift { table: index, key, kind });
            }
        }
        Ok(())
    }

    /// Compares single rows that were touched last, with both sides at rest: for the check under the freeze.
    ///
    /// # Errors
    /// [`StoreError`] when a side cannot be read.
    pub async fn rows(&self, recent: &[(usize, Key)]) -> Result<Vec<Drift>, StoreError> {
        let mut by_table: HashMap<usize, Vec<Key>> = HashMap::new();
        for (table, key) in recent {
            by_table.entry(*table).or_default().push(key.clone());
        }
        let mut drift = Vec::new();
        for (table, mut keys) in by_table {
            let Some(map) = self.maps.get(table) else { continue };
            let mut seen = std::collections::HashSet::new();
            keys.retain(|key| seen.insert(key.clone()));
            let (here, there) = tokio::try_join!(
                self.source.checksum().rows(map, MapSide::Source, &keys),
                self.target.checksum().rows(map, MapSide::Target, &keys)
            )?;
            for ((key, here), there) in keys.into_iter().zip(here).zip(there) {
                if let Some(kind) = difference(here.as_ref(), there.as_ref()) {
                    drift.push(Drift { table, key, kind });
                }
            }
        }
        Ok(drift)
    }
}

/// How two images of one row differ; `None` when they are equal.
pub fn difference<R: PartialEq>(source: Option<&R>, target: Option<&R>) -> Option<DriftKind> {
    match (source, target) {
        (None, None) => None,
        (Some(_), None) => Some(DriftKind::Missing),
        (None, Some(_)) => Some(DriftKind::Extra),
        (Some(a), Some(b)) if a == b => None,
        (Some(_), Some(_)) => Some(DriftKind::Changed),
    }
}

fn fresh(map: &TableMap, chunks: usize) -> TableVerification {
    TableVerification {
        table: map.source.clone(),
        chunks_done: 0,
        chunks_total: Some(chunks as u64),
        rows_compared: 0,
        drift: crate::model::verification::DriftCounts::default(),
        sample: Vec::new(),
        full_pass_at: None,
        // Told by samples: the journal is not written for every change.
        changed_since: None,
    }
}
