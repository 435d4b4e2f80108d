//! Folds the changes of one keyed table into one operation for each key, so that a batch can be applied by sets.
//!
//! Pure. Invariant (property-tested): applying the folded operations to any table gives what applying the changes one after the other
//! would give, where an insert meets an existing row as an update and an update of a missing row inserts it when its image is whole.

use crate::model::change::Cell;
use crate::model::value::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What is left to do for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Net {
    /// The row is new.
    Insert(Vec<Cell>),
    /// The row exists; cells may be unchanged.
    Update(Vec<Cell>),
    /// The row exists and goes.
    Delete,
    /// The row came and went within the batch: usually there is nothing to do, but a repeated batch may find it.
    Erase,
}

/// A change of one row whose key stays the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new row.
    Insert(Vec<Cell>),
    /// A changed row.
    Update(Vec<Cell>),
    /// A removed row.
    Delete,
}

/// The operations of a batch, in the order in which their keys were first seen.
#[derive(Clone, Debug, Default)]
pub struct Fold {
    places: HashMap<Key, usize>,
    operations: Vec<(Key, Net)>,
    /// Changes that made no sense after the ones before them.
    anomalies: u64,
}

impl Fold {
    /// Adds the next change of the source's order.
    pub fn add(&mut self, key: Key, step: Step) {
        match self.places.entry(key) {
            Entry::Vacant(vacant) => {
                let net = match step {
                    Step::Insert(row) => Net::Insert(row),
                    Step::Update(row) => Net::Update(row),
                    Step::Delete => Net::Delete,
                };
                self.operations.push((vacant.key().clone(), net));
                vacant.insert(self.operations.len() - 1);
            }
            Entry::Occupied(place) => {
                let Some((_, net)) = self.operations.get_mut(*place.get()) else { return };
                let (next, sane) = combine(std::mem::replace(net, Net::Delete), step);
                *net = next;
                self.anomalies += u64::from(!sane);
            }
        }
    }

    /// Changes that made no sense after the ones before them.
    pub fn anomalies(&self) -> u64 {
        self.anomalies
    }

    /// The operations.
    pub fn into_operations(self) -> Vec<(Key, Net)> {
        self.operations
    }
}

/// True when an image carries every value.
pub fn is_whole(row: &[Cell]) -> bool {
    row.iter().all(|cell| matches!(cell, Cell::Value(_)))
}

/// One change after what was folded so far; false when the pair makes no sense on a source (an insert of a row that is there, ...).
fn combine(before: Net, step: Step) -> (Net, bool) {
    match (before, step) {
        (Net::Insert(old), Step::Update(new)) => (Net::Insert(merge(old, new)), true),
        (Net::Insert(_), Step::Delete) => (Net::Erase, true),
        (Net::Insert(_), Step::Insert(new)) => (Net::Insert(new), false),
        (Net::Update(old), Step::Update(new)) => (Net::Update(merge(old, new)), true),
        (Net::Update(_), Step::Delete) => (Net::Delete, true),
        (Net::Update(_), Step::Insert(new)) => (Net::Update(new), false),
        // Deleted and made anew: the row that is there gets every value.
        (Net::Delete, Step::Insert(new)) => (Net::Update(new), true),
        (Net::Erase, Step::Insert(new)) => (Net::Insert(new), true),
        (Net::Delete | Net::Erase, Step::Update(new)) if is_whole(&new) => (Net::Update(new), false),
        (Net::Delete, Step::Update(_) | Step::Delete) => (Net::Delete, false),
        (Net::Erase, Step::Update(_) | Step::Delete) => (Net::Erase, false),
    }
}

/// The later image over the earlier one.
fn merge(old: Vec<Cell>, new: Vec<Cell>) -> Vec<Cell> {
    old.into_iter().zip(new).map(|(old, new)| if new == Cell::Unchanged { old } else { new }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::Value;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Model = BTreeMap<String, Vec<String>>;

    fn key(k: u8) -> Key {
        vec![Value::Literal(k.to_string())]
    }

    fn name(key: &Key) -> String {
        key[0].to_string()
    }

    fn texts(row: &[Cell], old: Option<&Vec<String>>) -> Vec<String> {
        row.iter()
            .enumerate()
            .map(|(at, cell)| match cell {
                Cell::Value(value) => value.to_string(),
                Cell::Unchanged => old.unwrap()[at].clone(),
            })
            .collect()
    }

    fn put(model: &mut Model, key: &Key, row: &[Cell]) {
        match model.get(&name(key)).cloned() {
            Some(old) => drop(model.insert(name(key), texts(row, Some(&old)))),
            None if is_whole(row) => drop(model.insert(name(key), texts(row, None))),
            None => {}
        }
    }

    fn one_by_one(mut model: Model, steps: &[(u8, Step)]) -> Model {
        for (k, step) in steps {
            match step {
                Step::Insert(row) | Step::Update(row) => put(&mut model, &key(*k), row),
                Step::Delete => drop(model.remove(&k.to_string())),
            }
        }
        model
    }

    fn by_sets(mut model: Model, steps: &[(u8, Step)]) -> Model {
        let mut fold = Fold::default();
        for (k, step) in steps {
            fold.add(key(*k), step.clone());
        }
        for (key, net) in fold.into_operations() {
            match net {
                Net::Insert(row) | Net::Update(row) => put(&mut model, &key, &row),
                Net::Delete | Net::Erase => drop(model.remove(&name(&key))),
            }
        }
        model
    }

    fn step() -> impl Strategy<Value = Step> {
        let value = || (0u8..5).prop_map(|v| Cell::Value(Value::Literal(v.to_string())));
        let whole = || (value(), value()).prop_map(|(a, b)| vec![a, b]);
        prop_oneof![
            whole().prop_map(Step::Insert),
            whole().prop_map(Step::Update),
            value().prop_map(|a| Step::Update(vec![a, Cell::Unchanged])),
            Just(Step::Delete),
        ]
    }

    proptest! {
        #[test]
        fn folding_changes_nothing(
            steps in proptest::collection::vec((0u8..4, step()), 0..40),
            present in proptest::collection::btree_map(0u8..4, "[a-c]", 0..4),
        ) {
            let start: Model = present.into_iter().map(|(k, v)| (k.to_string(), vec![v.clone(), v])).collect();
            prop_assert_eq!(by_sets(start.clone(), &steps), one_by_one(start, &steps));
        }
    }

    #[test]
    fn a_row_that_came_and_went_is_erased() {
        let mut fold = Fold::default();
        fold.add(key(1), Step::Insert(vec![]));
        fold.add(key(1), Step::Delete);
        assert_eq!(fold.clone().into_operations(), [(key(1), Net::Erase)]);
        assert_eq!(fold.anomalies(), 0);
        fold.add(key(1), Step::Delete);
        assert_eq!(fold.anomalies(), 1);
    }
}
