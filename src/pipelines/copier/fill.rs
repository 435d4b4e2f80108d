//! Carrying over what a column held when it was added: its values came with no row change, so that no log tells them.
//!
//! Done while nothing is applied, and after every row that was written without the column has been: what is read on the source is then
//! never older than the target, and whatever changes later is behind in the log with its value. Only the column itself is written.

use crate::model::change::{Cell, RowChange};
use crate::model::table::TableMap;
use crate::model::value::Key;
use crate::pipelines::copier::control::{Control, Wish};
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{KeyRange, MapSide};
use std::collections::HashMap;

/// Rows compared at once.
const RANGE_ROWS: u64 = 20_000;

/// Rows written in one transaction.
const ROWS_AT_ONCE: usize = 500;

/// Carries one column over. Returns the rows that were written; `None` when a stop was wanted before the end.
///
/// # Errors
/// [`StoreError`]; what was written stays, and beginning again is harmless.
pub async fn column(
    route: &CopierRoute,
    table: usize,
    column: usize,
    control: &Control,
) -> Result<Option<u64>, StoreError> {
    let (source, target) = (&route.source, &route.target);
    let map = route.apply.tables.get(table).ok_or_else(|| no_such(route, table))?;
    let narrow = narrowed(map, column);
    let state = target.target().state(&route.apply).await?;
    let Some(position) = state.applied.or(state.origin.map(|o| o.position)) else {
        let text = "the target has no checkpoint of this pipeline";
        return Err(StoreError::new(target.id(), Operation::Checkpoint, ErrorKind::NotFound, text));
    };
    let here = source.checksum().methods(&narrow, MapSide::Source).await?;
    let there = target.checksum().methods(&narrow, MapSide::Target).await?;
    let Some(method) = here.into_iter().find(|m| there.contains(m)) else {
        let text = "the two sides have no checksum method in common";
        return Err(StoreError::new(target.id(), Operation::Compare, ErrorKind::Unsupported, text));
    };
    let mut applier = target.target().applier(&route.apply).await?;
    let mut written = 0;
    let whole = KeyRange::default();
    for range in source.checksum().ranges(&narrow, MapSide::Source, &whole, RANGE_ROWS, &method).await? {
        if control.wish() == Wish::Stop {
            return Ok(None);
        }
        for keys in differing(route, &narrow, &range, &method).await?.chunks(ROWS_AT_ONCE) {
            let rows = source.checksum().rows(&narrow, MapSide::Source, keys).await?;
            let mut changes = Vec::with_capacity(keys.len());
            for (key, row) in keys.iter().zip(rows) {
                // A row that is gone will go on the target as well.
                let Some(value) = row.and_then(|mut row| row.pop()) else { continue };
                changes.push(RowChange::Update { table, old_key: key.clone(), row: image(map, column, key, value) });
            }
            if changes.is_empty() {
                continue;
            }
            written += changes.len() as u64;
            applier.push(changes).await?;
            applier.commit(position).await?;
        }
    }
    Ok(Some(written))
}

/// The key and the one column, which comes last.
fn narrowed(map: &TableMap, column: usize) -> TableMap {
    let places = map.key.iter().copied().chain(std::iter::once(column));
    TableMap {
        source: map.source.clone(),
        target: map.target.clone(),
        columns: places.filter_map(|at| map.columns.get(at).cloned()).collect(),
        key: (0..map.key.len()).collect(),
    }
}

/// A row image that carries the key, which stays, and the column.
fn image(map: &TableMap, column: usize, key: &Key, value: crate::model::value::Value) -> Vec<Cell> {
    let mut row = vec![Cell::Unchanged; map.columns.len()];
    for (at, value) in map.key.iter().zip(key) {
        if let Some(cell) = row.get_mut(*at) {
            *cell = Cell::Value(value.clone());
        }
    }
    if let Some(cell) = row.get_mut(column) {
        *cell = Cell::Value(value);
    }
    row
}

/// Keys of rows that are on both sides with different values.
async fn differing(
    route: &CopierRoute,
    map: &TableMap,
    range: &KeyRange,
    method: &str,
) -> Result<Vec<Key>, StoreError> {
    let (here, there) = (route.source.checksum(), route.target.checksum());
    let (one, other) = futures_util::future::try_join(
        here.sums(map, MapSide::Source, std::slice::from_ref(range), method),
        there.sums(map, MapSide::Target, std::slice::from_ref(range), method),
    )
    .await?;
    if one == other {
        return Ok(Vec::new());
    }
    let (one, other) = futures_util::future::try_join(
        here.row_sums(map, MapSide::Source, range, method),
        there.row_sums(map, MapSide::Target, range, method),
    )
    .await?;
    let other: HashMap<Key, u128> = other.into_iter().collect();
    Ok(one
        .into_iter()
        .filter(|(key, hash)| other.get(key).is_some_and(|present| present != hash))
        .map(|(key, _)| key)
        .collect())
}

fn no_such(route: &CopierRoute, table: usize) -> StoreError {
    let text = format!("there is no table number {table}");
    StoreError::new(route.target.id(), Operation::Apply, ErrorKind::Protocol, text)
}
