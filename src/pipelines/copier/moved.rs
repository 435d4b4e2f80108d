//! Rows that a resumed copy missed because they moved between its two snapshots.
//!
//! A copy that was interrupted goes on with a second snapshot and keeps the chunks that it has. A row that lay in a chunk still to be
//! copied, and whose new version went into one that was copied already, is in neither snapshot's share. Its update is in the log, and brings
//! the row back, unless the log leaves columns out that did not change (PostgreSQL's TOAST). Such a row is read on the source as it
//! is now. That is newer than the log at this place, so what follows in the log meets it again: until the position at which it was read,
//! repeats are expected.

use crate::model::change::{Cell, RowChange};
use crate::model::table::TableMap;
use crate::model::value::Key;
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::MapSide;
use crate::stores::error::StoreError;
use std::collections::{BTreeMap, HashSet};

/// Keys of updates that leave columns out, by table. Tables without a key are copied as a whole and have no such rows.
pub fn incomplete(changes: &[RowChange], tables: &[TableMap]) -> BTreeMap<usize, Vec<Key>> {
    let mut keys: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
    for change in changes {
        let RowChange::Update { table, row, .. } = change else { continue };
        let Some(map) = tables.get(*table).filter(|map| !map.key.is_empty()) else { continue };
        if !row.iter().any(|cell| matches!(cell, Cell::Unchanged)) {
            continue;
        }
        let key: Option<Key> = map
            .key
            .iter()
            .map(|&at| match row.get(at) {
                Some(Cell::Value(value)) => Some(value.clone()),
                Some(Cell::Unchanged) | None => None,
            })
            .collect();
        keys.entry(*table).or_default().extend(key);
    }
    keys
}

/// Reads these rows on the captured side as they are now, as changes that write them whole. Rows that are gone are left out: their removal, or
/// their new key, is still to come in the log.
///
/// # Errors
/// The source's.
pub async fn read(route: &CopierRoute, keys: BTreeMap<usize, Vec<Key>>) -> Result<Vec<RowChange>, StoreError> {
    let mut changes = Vec::new();
    for (table, mut keys) in keys {
        let Some(map) = route.apply.tables.get(table) else { continue };
        let mut seen = HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        let rows = route.source.checksum().rows(map, MapSide::Source, &keys).await?;
        changes.extend(
            rows.into_iter()
                .flatten()
                .map(|row| RowChange::Insert { table, row: row.into_iter().map(Cell::Value).collect() }),
        );
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::{ColumnMap, TableName};
    use crate::model::value::Value;

    fn map(key: &[usize]) -> TableMap {
        let column = |name: &str| ColumnMap {
            source: name.into(),
            target: name.into(),
            source_type: "text".into(),
            target_type: "text".into(),
        };
        let name = TableName::in_schema("public", "t");
        TableMap { source: name.clone(), target: name, columns: ["id", "big"].map(column).to_vec(), key: key.to_vec() }
    }

    #[test]
    fn only_updates_that_leave_something_out_are_named() {
        let id = |n: i64| Cell::Value(Value::Int(n));
        let update =
            |n: i64, big: Cell| RowChange::Update { table: 0, old_key: vec![Value::Int(n)], row: vec![id(n), big] };
        let changes = [
            update(1, Cell::Unchanged),
            update(2, id(9)),
            RowChange::Insert { table: 0, row: vec![id(3), id(9)] },
            RowChange::Delete { table: 0, old_key: vec![Value::Int(4)] },
        ];
        assert_eq!(incomplete(&changes, &[map(&[0])]), BTreeMap::from([(0, vec![vec![Value::Int(1)]])]));
        assert!(incomplete(&changes, &[map(&[])]).is_empty(), "without a key nothing can be looked up");
    }
}
