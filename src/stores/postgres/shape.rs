//! How a relation in the change log lines up with a [`TableMap`]: by column name, checked once per relation message.

use crate::model::change::{Cell, RowChange};
use crate::model::table::TableMap;
use crate::model::value::{Key, Value};
use crate::stores::postgres::pgoutput::{Field, OldImage, Relation, Tuple};
use std::collections::HashMap;

/// Spellings of the types that a relation may use, by oid and modifier.
pub type TypeNames = HashMap<(u32, i32), String>;

/// A relation of the log as far as it matters for one mapped table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Index into the pipeline's list.
    pub table: usize,
    /// For each mapped column, where it stands in the log's rows; `None`: these rows were written before the column was there.
    places: Vec<Option<usize>>,
    /// Which of the log's columns the replica identity holds.
    identity: Vec<bool>,
    /// For each key column of the map, where it stands in the log's rows; empty: the whole row is the key.
    key: Vec<usize>,
}

/// What a relation message says about a mapped table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alignment {
    /// `None` when rows can no longer be mapped.
    pub shape: Option<Shape>,
    /// How the columns differ from the mapping, one clause each.
    pub differences: Vec<String>,
}

/// Compares a relation with its map. A relation without some mapped columns is still usable: whether it is history (the column was
/// added later) or news (it was dropped) is for the catalogue to say.
/// `left_out` are the source columns that were left out on purpose when the capture was made.
pub fn align(
    table: usize,
    map: &TableMap,
    left_out: &[String],
    relation: &Relation<'_>,
    types: &TypeNames,
) -> Alignment {
    let mut differences = Vec::new();
    let mut places = Vec::with_capacity(map.columns.len());
    let mut usable = true;
    for column in &map.columns {
        let Some(place) = relation.columns.iter().position(|c| c.name == column.source) else {
            differences.push(format!("column {} is gone", column.source));
            places.push(None);
            continue;
        };
        let found = &relation.columns[place];
        match types.get(&(found.type_oid, found.modifier)) {
            Some(name) if *name == column.source_type => {}
            Some(name) => {
                differences.push(format!("column {} is now {name}, it was {}", column.source, column.source_type));
            }
            None => differences.push(format!("column {} has a type that no longer exists", column.source)),
        }
        places.push(Some(place));
    }
    for column in &relation.columns {
        let mapped = map.columns.iter().any(|c| c.source == column.name);
        if !mapped && !left_out.iter().any(|name| name == column.name) {
            let name = types.get(&(column.type_oid, column.modifier)).map_or("of an unknown type", String::as_str);
            differences.push(format!("column {} ({name}) was added", column.name));
        }
    }
    let identity: Vec<bool> = relation.columns.iter().map(|c| c.key || relation.full_identity).collect();
    let mut key = Vec::with_capacity(map.key.len());
    if map.key.is_empty() && !relation.full_identity {
        differences.push("its replica identity is no longer FULL, so rows cannot be told apart".to_owned());
        usable = false;
    }
    // Without a key the whole old row is looked for, so that none of its columns may be unknown.
    if map.key.is_empty() && places.contains(&None) {
        usable = false;
    }
    for &column in &map.key {
        match places.get(column).copied().flatten().filter(|&place| identity.get(place) == Some(&true)) {
            Some(place) => key.push(place),
            None => {
                let name = map.columns.get(column).map_or("?", |c| c.source.as_str());
                differences.push(format!("key column {name} is no longer part of its replica identity"));
                usable = false;
            }
        }
    }
    Alignment { shape: usable.then_some(Shape { table, places, identity, key }), differences }
}

impl Shape {
    /// A new row. `None` when the message has fewer columns than its relation.
    pub fn insert(&self, new: &Tuple<'_>) -> Option<RowChange> {
        Some(RowChange::Insert { table: self.table, row: self.row(None, new)? })
    }

    /// A changed row.
    pub fn update(&self, old: Option<&OldImage<'_>>, new: &Tuple<'_>) -> Option<RowChange> {
        let row = self.row(old, new)?;
        // Without an old image the identity did not change, and then its values are in the new one.
        let old_key = match old {
            Some(old) => self.key_values(old)?,
            None if self.key.is_empty() => return None,
            None => self.key.iter().map(|&place| value(new.get(place)?)).collect::<Option<Key>>()?,
        };
        Some(RowChange::Update { table: self.table, old_key, row })
    }

    /// A deleted row.
    pub fn delete(&self, old: &OldImage<'_>) -> Option<RowChange> {
        Some(RowChange::Delete { table: self.table, old_key: self.key_values(old)? })
    }

    fn row(&self, old: Option<&OldImage<'_>>, new: &Tuple<'_>) -> Option<Vec<Cell>> {
        self.places
            .iter()
            .map(|&place| {
                let Some(place) = place else { return Some(Cell::Unchanged) };
                Some(match new.get(place)? {
                    Field::Unchanged => self.old_value(old, place).map_or(Cell::Unchanged, Cell::Value),
                    field => Cell::Value(value(field)?),
                })
            })
            .collect()
    }

    /// A value that the new image does not carry, from the old one. A key image says NULL for every column outside the identity,
    /// and that NULL means nothing.
    fn old_value(&self, old: Option<&OldImage<'_>>, place: usize) -> Option<Value> {
        match old? {
            OldImage::Row(fields) => value(fields.get(place)?),
            OldImage::Key(fields) if self.identity.get(place) == Some(&true) => value(fields.get(place)?),
            OldImage::Key(_) => None,
        }
    }

    fn key_values(&self, old: &OldImage<'_>) -> Option<Key> {
        if self.key.is_empty() {
            let OldImage::Row(fields) = old else { return None };
            return self.places.iter().map(|&place| value(fields.get(place?)?)).collect();
        }
        self.key.iter().map(|&place| value(old.fields().get(place)?)).collect()
    }
}

fn value(field: &Field<'_>) -> Option<Value> {
    match field {
        Field::Null => Some(Value::Null),
        Field::Unchanged => None,
        Field::Text(text) => Some(Value::Literal((*text).to_owned())),
    }
}

#[cfg(test)]
mod tests;
