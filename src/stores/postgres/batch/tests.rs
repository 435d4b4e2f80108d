use super::*;
use crate::stores::postgres::dml::fixture;

fn literal(n: i32) -> Value {
    Value::Literal(n.to_string())
}

fn row(id: i32, v: i32) -> Vec<Cell> {
    vec![Cell::Value(literal(id)), Cell::Value(literal(v))]
}

fn insert(table: usize, id: i32) -> RowChange {
    RowChange::Insert { table, row: row(id, 0) }
}

fn update(table: usize, old: i32, new: i32) -> RowChange {
    RowChange::Update { table, old_key: vec![literal(old)], row: row(new, 1) }
}

fn delete(table: usize, id: i32) -> RowChange {
    RowChange::Delete { table, old_key: vec![literal(id)] }
}

/// A keyed table, another keyed one, and one without a key.
fn tables() -> Vec<TargetTable> {
    vec![fixture(0, &["id", "v"], &[0]), fixture(1, &["id", "v"], &[0]), fixture(2, &["id", "v"], &[])]
}

/// The kinds of the statements with their tables, such as `insert 0`.
fn outline(batch: &Batch<'_>) -> Vec<String> {
    let name = |action: &Action<'_>| match action {
        Action::Insert { table, rows } => format!("insert {table} x{}", rows.len()),
        Action::Update { table, rows, .. } => format!("update {table} x{}", rows.len()),
        Action::Delete { table, keys } => format!("delete {table} x{}", keys.len()),
        Action::Erase { table, keys } => format!("erase {table} x{}", keys.len()),
        Action::Move { table, .. } => format!("move {table}"),
        Action::ChangeOne { table, row, .. } => {
            format!("one {table} {}", if row.is_some() { "update" } else { "delete" })
        }
        Action::Truncate { tables } => format!("truncate {tables:?}"),
    };
    batch.actions.iter().map(name).collect()
}

#[test]
fn tables_are_folded_apart_and_deletes_come_first() {
    let changes = [insert(0, 1), insert(1, 1), update(0, 7, 7), delete(0, 8), insert(0, 2), insert(2, 5), insert(2, 5)];
    let batch = Batch::new(&changes, &tables());
    assert_eq!(outline(&batch), ["delete 0 x1", "update 0 x1", "insert 0 x2", "insert 1 x1", "insert 2 x2"]);
    assert!(batch.is_simple());
}

#[test]
fn a_moved_key_keeps_its_place_in_the_order() {
    let changes = [insert(0, 1), update(0, 1, 2), insert(0, 1)];
    let batch = Batch::new(&changes, &tables());
    assert_eq!(outline(&batch), ["insert 0 x1", "move 0", "insert 0 x1"]);
    assert!(!batch.is_simple());
    assert!(Batch::new(&changes[1..2], &tables()).is_simple());
}

#[test]
fn rows_without_a_key_change_one_by_one_and_in_order() {
    let whole = |id: i32| vec![literal(id), literal(0)];
    let changes = [
        insert(2, 1),
        RowChange::Delete { table: 2, old_key: whole(1) },
        insert(2, 3),
        RowChange::Update { table: 2, old_key: whole(3), row: row(4, 4) },
    ];
    assert_eq!(
        outline(&Batch::new(&changes, &tables())),
        ["insert 2 x1", "one 2 delete", "insert 2 x1", "one 2 update"]
    );
}

#[test]
fn truncate_drops_what_was_waiting_for_its_tables_only() {
    let changes = [insert(0, 1), insert(1, 1), RowChange::Truncate { tables: vec![0] }, insert(0, 2)];
    assert_eq!(outline(&Batch::new(&changes, &tables())), ["truncate [0]", "insert 0 x1", "insert 1 x1"]);
}

#[test]
fn updates_are_grouped_by_the_columns_they_carry() {
    let partial =
        RowChange::Update { table: 0, old_key: vec![literal(3)], row: vec![Cell::Value(literal(3)), Cell::Unchanged] };
    let changes = [update(0, 1, 1), partial, update(0, 2, 2)];
    assert_eq!(outline(&Batch::new(&changes, &tables())), ["update 0 x1", "update 0 x2"]);
}

#[test]
fn counts_tell_what_is_missing_and_what_is_to_be_done() {
    let changes = [update(0, 1, 1), update(0, 2, 2), delete(0, 3), insert(0, 4), insert(0, 5), delete(0, 5)];
    let tables = tables();
    let batch = Batch::new(&changes, &tables);
    assert_eq!(outline(&batch), ["delete 0 x1", "erase 0 x1", "update 0 x2", "insert 0 x1"]);
    assert!(!batch.falls_short(&[1, 0, 2, 1]));
    let mut anomalies = 0;
    assert!(batch.follow_ups(&[1, 0, 2, 1], Tolerance::None, &mut anomalies).is_empty());
    assert_eq!(anomalies, 0);
    // The deleted row was missing, the erased one was there, one updated row was missing, the inserted one was there.
    let follow_ups = batch.follow_ups(&[0, 1, 1, 0], Tolerance::Existing, &mut anomalies);
    assert!(matches!(follow_ups[..], [FollowUp::Insert { table: 0, .. }, FollowUp::Overwrite { table: 0, .. }]));
    assert_eq!(anomalies, 4);
}
