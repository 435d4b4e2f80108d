use super::*;
use crate::model::table::{ColumnMap, TableName};
use crate::stores::postgres::pgoutput::RelationColumn;

fn map(columns: &[(&str, &str)], key: &[usize]) -> TableMap {
    TableMap {
        source: TableName::in_schema("public", "t"),
        target: TableName::in_schema("public", "t"),
        columns: columns
            .iter()
            .map(|(name, type_name)| ColumnMap {
                source: (*name).to_owned(),
                target: (*name).to_owned(),
                source_type: (*type_name).to_owned(),
                target_type: (*type_name).to_owned(),
            })
            .collect(),
        key: key.to_vec(),
    }
}

fn relation<'a>(columns: &[(&'a str, u32, bool)], full_identity: bool) -> Relation<'a> {
    let columns =
        columns.iter().map(|&(name, type_oid, key)| RelationColumn { key, name, type_oid, modifier: -1 }).collect();
    Relation { id: 1, schema: "public", name: "t", full_identity, columns }
}

fn types() -> TypeNames {
    TypeNames::from([((23, -1), "integer".to_owned()), ((25, -1), "text".to_owned())])
}

fn literal(text: &str) -> Value {
    Value::Literal(text.to_owned())
}

#[test]
fn columns_are_found_by_name() {
    let map = map(&[("body", "text"), ("id", "integer")], &[1]);
    let found = align(
        4,
        &map,
        &["extra".into()],
        &relation(&[("id", 23, true), ("extra", 25, false), ("body", 25, false)], false),
        &types(),
    );
    assert!(found.differences.is_empty(), "{:?}", found.differences);
    let shape = found.shape.unwrap();
    let row = shape.insert(&vec![Field::Text("1"), Field::Text("x"), Field::Null]).unwrap();
    assert_eq!(row, RowChange::Insert { table: 4, row: vec![Cell::Value(Value::Null), Cell::Value(literal("1"))] });
    assert_eq!(shape.insert(&vec![Field::Text("1")]), None);
}

#[test]
fn added_removed_and_retyped_columns_are_told() {
    let map = map(&[("id", "integer"), ("a", "integer"), ("b", "text")], &[0]);
    let found =
        align(0, &map, &[], &relation(&[("id", 23, true), ("a", 25, false), ("c", 25, false)], false), &types());
    assert_eq!(
        found.differences,
        ["column a is now text, it was integer", "column b is gone", "column c (text) was added"]
    );
    // What is missing may be history; whether it is, the catalogue says.
    let row = found.shape.unwrap().insert(&vec![Field::Text("1"), Field::Text("x"), Field::Null]).unwrap();
    let one = || Cell::Value(literal("1"));
    assert_eq!(row, RowChange::Insert { table: 0, row: vec![one(), Cell::Value(literal("x")), Cell::Unchanged] });
    let unknown =
        align(0, &map, &[], &relation(&[("id", 99, true), ("a", 23, false), ("b", 25, false)], false), &types());
    assert_eq!(unknown.differences, ["column id has a type that no longer exists"]);
    assert!(unknown.shape.is_some());
}

#[test]
fn a_lost_identity_is_told() {
    let keyed = map(&[("id", "integer")], &[0]);
    assert_eq!(align(0, &keyed, &[], &relation(&[("id", 23, false)], false), &types()).shape, None);
    let keyless = map(&[("id", "integer")], &[]);
    assert_eq!(align(0, &keyless, &[], &relation(&[("id", 23, true)], false), &types()).shape, None);
    assert!(align(0, &keyless, &[], &relation(&[("id", 23, false)], true), &types()).shape.is_some());
}

#[test]
fn unchanged_values_come_from_the_old_row_or_stay_unchanged() {
    let map = map(&[("id", "integer"), ("big", "text")], &[0]);
    let shape = align(0, &map, &[], &relation(&[("id", 23, true), ("big", 25, false)], false), &types()).shape.unwrap();
    let new = vec![Field::Text("2"), Field::Unchanged];
    let key_image = OldImage::Key(vec![Field::Text("1"), Field::Null]);
    let RowChange::Update { old_key, row, .. } = shape.update(Some(&key_image), &new).unwrap() else { panic!() };
    assert_eq!((old_key, row), (vec![literal("1")], vec![Cell::Value(literal("2")), Cell::Unchanged]));
    let row_image = OldImage::Row(vec![Field::Text("1"), Field::Text("long")]);
    let RowChange::Update { row, .. } = shape.update(Some(&row_image), &new).unwrap() else { panic!() };
    assert_eq!(row[1], Cell::Value(literal("long")));
    let RowChange::Update { old_key, .. } = shape.update(None, &new).unwrap() else { panic!() };
    assert_eq!(old_key, vec![literal("2")]);
}

#[test]
fn keyless_rows_are_identified_as_a_whole() {
    let map = map(&[("a", "integer"), ("b", "text")], &[]);
    let shape = align(0, &map, &[], &relation(&[("b", 25, false), ("a", 23, false)], true), &types()).shape.unwrap();
    let old = OldImage::Row(vec![Field::Text("x"), Field::Null]);
    assert_eq!(shape.delete(&old), Some(RowChange::Delete { table: 0, old_key: vec![Value::Null, literal("x")] }));
    assert_eq!(shape.delete(&OldImage::Key(vec![Field::Text("x"), Field::Null])), None);
    assert_eq!(shape.update(None, &vec![Field::Null, Field::Null]), None);
}
