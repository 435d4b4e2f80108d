//! Re-checking suspicious rows until they are quiet. A row that differs while it changes is not drift; a row that differs while
//! its source is at rest and the pipeline has passed is.

use crate::model::table::TableMap;
use crate::model::value::Key;
use crate::model::verification::DriftKind;
use crate::stores::error::StoreError;
use crate::stores::{KeyRange, MapSide};
use crate::verify::compare::{Comparison, difference};
use std::collections::HashMap;

/// A row whose hashes differed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Its key.
    pub key: Key,
}

/// Rounds before a row counts as unresolved.
const ROUNDS: u32 = 8;

/// Keys read in one statement.
const KEYS_AT_ONCE: usize = 500;

/// Settles suspects with a key: source image, barrier, target image, source image again. Only when the two source images are equal
/// does the target's say anything.
///
/// # Errors
/// [`StoreError`] when a side cannot be read.
pub async fn recheck_keyed(
    comparison: &Comparison<'_>,
    map: &TableMap,
    suspects: Vec<Suspect>,
) -> Result<Vec<(Key, DriftKind)>, StoreError> {
    let mut found = Vec::new();
    let mut open: Vec<Key> = suspects.into_iter().map(|s| s.key).collect();
    for _ in 0..ROUNDS {
        if open.is_empty() {
            return Ok(found);
        }
        let mut restless = Vec::new();
        for keys in open.chunks(KEYS_AT_ONCE) {
            let source = comparison.source.checksum();
            let before = source.rows(map, MapSide::Source, keys).await?;
            if comparison.barrier.pass().await.is_err() {
                // Without the barrier nothing can be said; the rows stay open.
                restless.extend(keys.iter().cloned());
                continue;
            }
            let there = comparison.target.checksum().rows(map, MapSide::Target, keys).await?;
            let after = source.rows(map, MapSide::Source, keys).await?;
            for (((key, before), there), after) in keys.iter().zip(before).zip(there).zip(after) {
                if before != after {
                    restless.push(key.clone());
                } else if let Some(kind) = difference(before.as_ref(), there.as_ref()) {
                    found.push((key.clone(), kind));
                }
            }
        }
        open = restless;
    }
    found.extend(open.into_iter().map(|key| (key, DriftKind::Unresolved)));
    Ok(found)
}

/// Settles a range of a table without a key as a multiset of row hashes.
///
/// # Errors
/// [`StoreError`] when a side cannot be read.
pub async fn recheck_multiset(
    comparison: &Comparison<'_>,
    map: &TableMap,
    range: &KeyRange,
    method: &str,
) -> Result<Vec<(Key, DriftKind)>, StoreError> {
    let (source, target) = (comparison.source.checksum(), comparison.target.checksum());
    let mut differing = Vec::new();
    for _ in 0..ROUNDS {
        let before = counted(source.row_sums(map, MapSide::Source, range, method).await?);
        let passed = comparison.barrier.pass().await.is_ok();
        let there = counted(target.row_sums(map, MapSide::Target, range, method).await?);
        let after = counted(source.row_sums(map, MapSide::Source, range, method).await?);
        differing = multiset_difference(&before, &there);
        if before == after && passed {
            return Ok(differing);
        }
    }
    Ok(differing.into_iter().map(|(key, _)| (key, DriftKind::Unresolved)).collect())
}

fn counted(sums: Vec<(Key, u128)>) -> HashMap<Key, i64> {
    let mut counts = HashMap::new();
    for (key, _) in sums {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

fn multiset_difference(source: &HashMap<Key, i64>, target: &HashMap<Key, i64>) -> Vec<(Key, DriftKind)> {
    let mut found = Vec::new();
    let keys: std::collections::HashSet<&Key> = source.keys().chain(target.keys()).collect();
    for key in keys {
        let surplus = source.get(key).unwrap_or(&0) - target.get(key).unwrap_or(&0);
        let kind = if surplus > 0 { DriftKind::Missing } else { DriftKind::Extra };
        for _ in 0..surplus.abs() {
            found.push((key.clone(), kind));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::Value;

    #[test]
    fn equal_rows_without_a_key_are_counted_not_merged() {
        let row = |n: i64| (vec![Value::Int(n)], 0u128);
        let source = counted(vec![row(1), row(1), row(2)]);
        let target = counted(vec![row(1), row(3)]);
        let mut kinds: Vec<_> = multiset_difference(&source, &target).into_iter().collect();
        kinds.sort_by_key(|(key, _)| format!("{key:?}"));
        assert_eq!(
            kinds,
            [
                (vec![Value::Int(1)], DriftKind::Missing),
                (vec![Value::Int(2)], DriftKind::Missing),
                (vec![Value::Int(3)], DriftKind::Extra)
            ]
        );
    }
}
