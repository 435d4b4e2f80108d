//! Repair: writes the source's row over the target's, row by row, through the same applier as the pipeline.
//!
//! The caller holds the pipeline still while this runs. A row that changed on the source meanwhile is written in its newest form; the
//! change that is still in the log is then applied once more, which ends in the same row.

use crate::model::change::{Cell, RowChange};
use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{ApplySpec, MapSide, StoreRef};
use crate::verify::compare::Drift;

/// Rows written in one transaction.
const ROWS_AT_ONCE: usize = 500;

/// Repairs rows; returns how many were written or removed.
///
/// # Errors
/// [`StoreError`]; batches before the failing one stay repaired.
pub async fn repair(
    source: &StoreRef,
    target: &StoreRef,
    apply: &ApplySpec,
    maps: &[TableMap],
    drift: &[Drift],
) -> Result<u64, StoreError> {
    let state = target.target().state(apply).await?;
    let Some(position) = state.applied.or(state.origin.map(|o| o.position)) else {
        return Err(StoreError::new(
            target.id(),
            Operation::Checkpoint,
            ErrorKind::NotFound,
            "the target has no checkpoint of this pipeline",
        ));
    };
    let mut applier = target.target().applier(apply).await?;
    let mut repaired = 0;
    for batch in drift.chunks(ROWS_AT_ONCE) {
        let mut changes = Vec::with_capacity(batch.len());
        for (table, map) in maps.iter().enumerate() {
            let keys: Vec<_> = batch.iter().filter(|d| d.table == table).map(|d| d.key.clone()).collect();
            if keys.is_empty() {
                continue;
            }
            if map.key.is_empty() {
                return Err(StoreError::new(
                    target.id(),
                    Operation::Apply,
                    ErrorKind::Unsupported,
                    "rows of a table without a key cannot be told apart and are not repaired: add a key, or copy the table again",
                )
                .about(map.target.to_string()));
            }
            let rows = source.checksum().rows(map, MapSide::Source, &keys).await?;
            for (key, row) in keys.into_iter().zip(rows) {
                changes.push(match row {
                    Some(row) => {
                        RowChange::Update { table, old_key: key, row: row.into_iter().map(Cell::Value).collect() }
                    }
                    None => RowChange::Delete { table, old_key: key },
                });
            }
        }
        let count = changes.len() as u64;
        applier.push(changes).await?;
        applier.commit(position).await?;
        repaired += count;
    }
    Ok(repaired)
}
