//! A full pass over a pipeline's tables.

use crate::model::table::TableMap;
use crate::model::value::Key;
use crate::model::verification::{DriftKind, DriftRow, TablePass, TableVerification};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{KeyRange, MapSide, RangeSum, StoreRef};
use crate::verify::barrier::Barrier;
use crate::verify::recheck::{Suspect, recheck_keyed, recheck_multiset};
use async_trait::async_trait;
use chrono::Utc;
use futures_util::TryStreamExt;
use futures_util::stream::FuturesOrdered;
use std::collections::HashMap;

/// Rows in one compared range, where nobody says otherwise.
pub const RANGE_ROWS: u64 = 200_000;

/// Ranges under way at once: while the slower side finishes one, the faster side has the next.
const RANGES_UNDER_WAY: usize = 2;

/// Ranges summed by one scan where no index serves the order.
const RANGES_A_SCAN: usize = 1024;

/// A differing range with more rows is cut again before its rows are hashed one by one.
const NARROW_ROWS: u64 = 12_500;

/// Differing rows kept as a sample per table; the counters count all of them (V08).
pub const SAMPLE_ROWS: usize = 20;

/// Differences remembered for one repair; a repair is repeated until nothing is left.
pub const REPAIRABLE_ROWS: usize = 100_000;

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
    /// Who hears how far it is.
    pub watcher: &'a dyn Watcher,
    /// About how many rows a range has: [`RANGE_ROWS`].
    pub range_rows: u64,
}

/// Hears how far a pass is, and may end it.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// Called when rows of a range differ and are about to be settled: their number.
    async fn rechecking(&self, so_far: &TableResult, rows: u64);
    /// Called when ranges were compared and settled; `false` ends the pass early (pause, stop).
    async fn passed(&self, so_far: &TableResult) -> bool;
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
    /// Confirmed differences, at most [`REPAIRABLE_ROWS`]; without those that an earlier engine found.
    pub drift: Vec<Drift>,
    /// False when the pass was ended early.
    pub finished: bool,
    /// Key up to which everything is compared and settled, with the method in whose order it is meant.
    reached: Option<(Key, String)>,
}

impl TableResult {
    /// Nothing compared yet.
    pub fn begin(map: &TableMap) -> Self {
        let verification = TableVerification::begin(map.source.clone(), Utc::now());
        Self { verification, drift: Vec::new(), finished: false, reached: None }
    }

    /// What an earlier engine compared.
    pub fn resume(pass: TablePass) -> Self {
        let verification = TableVerification { resumed: true, ..pass.found };
        Self { verification, drift: Vec::new(), finished: false, reached: Some((pass.upto, pass.method)) }
    }

    /// How far it is, for going on later; `None` before the first range and for tables without a key.
    pub fn pass(&self) -> Option<TablePass> {
        let (upto, method) = self.reached.clone()?;
        Some(TablePass { found: self.verification.clone(), upto, method })
    }
}

impl Comparison<'_> {
    /// Compares one table, from its beginning or from where an `earlier` pass was ended.
    ///
    /// # Errors
    /// [`StoreError`] when a side cannot be read or the sides have no hash in common.
    pub async fn table(&self, index: usize, earlier: Option<TableResult>) -> Result<TableResult, StoreError> {
        let Some(map) = self.maps.get(index) else {
            return Err(StoreError::new(
                self.source.id(),
                Operation::Compare,
                ErrorKind::NotFound,
                format!("the pipeline has no table number {index}"),
            ));
        };
        let method = self.common_method(map).await?;
        // A key means a place only in the order of its method.
        let earlier = earlier.filter(|e| e.reached.as_ref().is_some_and(|(_, known)| *known == method));
        let mut result = earlier.unwrap_or_else(|| TableResult::begin(map));
        let within = KeyRange { after: result.reached.as_ref().map(|(key, _)| key.clone()), upto: None };
        let ranges = self.source.checksum().ranges(map, MapSide::Source, &within, self.range_rows, &method).await?;
        result.verification.chunks_total = Some(result.verification.chunks_done + ranges.len() as u64);
        let in_order = self.reads_in_order(map, &method).await?;
        let mut waiting = ranges.chunks(if in_order { 1 } else { RANGES_A_SCAN });
        let mut under_way = FuturesOrdered::new();
        loop {
            while under_way.len() < RANGES_UNDER_WAY
                && let Some(ranges) = waiting.next()
            {
                under_way.push_back(self.sums(map, ranges, &method));
            }
            let Some((ranges, here, there)) = under_way.try_next().await? else { break };
            let mut differing = Vec::new();
            for ((range, here), there) in ranges.iter().zip(&here).zip(&there) {
                result.verification.rows_compared += here.rows;
                if here != there {
                    differing.push((range.clone(), here.rows.max(there.rows)));
                }
            }
            for range in self.narrow(map, differing, in_order, &method).await? {
                self.settle(index, map, &range, &method, &mut result).await?;
            }
            result.verification.chunks_done += ranges.len() as u64;
            if let Some(upto) = ranges.last().and_then(|range| range.upto.clone()) {
                result.reached = Some((upto, method.clone()));
            }
            if !self.watcher.passed(&result).await {
                // What is under way comes to its end, so that its connections can be used again.
                while under_way.try_next().await?.is_some() {}
                return Ok(result);
            }
        }
        result.verification.full_pass_at = Some(Utc::now());
        result.finished = true;
        Ok(result)
    }

    /// Sums of the same ranges on both sides, computed at the same time.
    async fn sums<'r>(
        &self,
        map: &TableMap,
        ranges: &'r [KeyRange],
        method: &str,
    ) -> Result<(&'r [KeyRange], Vec<RangeSum>, Vec<RangeSum>), StoreError> {
        let (here, there) = tokio::try_join!(
            self.source.checksum().sums(map, MapSide::Source, ranges, method),
            self.target.checksum().sums(map, MapSide::Target, ranges, method)
        )?;
        Ok((ranges, here, there))
    }

    async fn reads_in_order(&self, map: &TableMap, method: &str) -> Result<bool, StoreError> {
        let (here, there) = tokio::try_join!(
            self.source.checksum().reads_in_order(map, MapSide::Source, method),
            self.target.checksum().reads_in_order(map, MapSide::Target, method)
        )?;
        Ok(here && there)
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

    /// Makes differing ranges (with their rows) fit for hashing row by row. In the order of an index large ones are cut, and parts that are
    /// equal by now are left out; where each statement is a scan of the table, neighbours are joined.
    async fn narrow(
        &self,
        map: &TableMap,
        differing: Vec<(KeyRange, u64)>,
        in_order: bool,
        method: &str,
    ) -> Result<Vec<KeyRange>, StoreError> {
        let mut narrowed: Vec<(KeyRange, u64)> = Vec::new();
        for (range, rows) in differing {
            if map.key.is_empty() {
                narrowed.push((range, rows));
            } else if !in_order {
                match narrowed.last_mut().filter(|(last, n)| last.upto == range.after && *n + rows <= self.range_rows) {
                    Some((last, n)) => {
                        last.upto = range.upto;
                        *n += rows;
                    }
                    None => narrowed.push((range, rows)),
                }
            } else if rows <= 2 * NARROW_ROWS {
                narrowed.push((range, rows));
            } else {
                let parts = self.source.checksum().ranges(map, MapSide::Source, &range, NARROW_ROWS, method).await?;
                let (parts, here, there) = self.sums(map, &parts, method).await?;
                let sums = here.iter().zip(&there);
                let unequal = parts.iter().zip(sums).filter(|(_, (here, there))| here != there);
                narrowed.extend(unequal.map(|(part, (here, _))| (part.clone(), here.rows)));
            }
        }
        Ok(narrowed.into_iter().map(|(range, _)| range).collect())
    }

    /// Finds the rows of a differing range whose hashes differ. Keys are matched as values, not by sort order (V01, V11).
    async fn suspects(&self, map: &TableMap, range: &KeyRange, method: &str) -> Result<Vec<Suspect>, StoreError> {
        let (here, there) = tokio::try_join!(
            self.source.checksum().row_sums(map, MapSide::Source, range, method),
            self.target.checksum().row_sums(map, MapSide::Target, range, method)
        )?;
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
        result: &mut TableResult,
    ) -> Result<(), StoreError> {
        let found = if map.key.is_empty() {
            // Rows without a key are settled as a multiset in one go.
            recheck_multiset(self, map, range, method).await?
        } else {
            let suspects = self.suspects(map, range, method).await?;
            if !suspects.is_empty() {
                self.watcher.rechecking(result, suspects.len() as u64).await;
            }
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
}

/// Compares single rows that were touched last, with both sides at rest: for the check under the freeze.
///
/// # Errors
/// [`StoreError`] when a side cannot be read.
pub async fn rows_at_rest(
    source: &StoreRef,
    target: &StoreRef,
    maps: &[TableMap],
    recent: &[(usize, Key)],
) -> Result<Vec<Drift>, StoreError> {
    let mut by_table: HashMap<usize, Vec<Key>> = HashMap::new();
    for (table, key) in recent {
        by_table.entry(*table).or_default().push(key.clone());
    }
    let mut drift = Vec::new();
    for (table, mut keys) in by_table {
        let Some(map) = maps.get(table) else { continue };
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        let (here, there) = tokio::try_join!(
            source.checksum().rows(map, MapSide::Source, &keys),
            target.checksum().rows(map, MapSide::Target, &keys)
        )?;
        for ((key, here), there) in keys.into_iter().zip(here).zip(there) {
            if let Some(kind) = difference(here.as_ref(), there.as_ref()) {
                drift.push(Drift { table, key, kind });
            }
        }
    }
    Ok(drift)
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
