//! Lines of a list of findings: what they are, how they are named, and where they are in the view.

use crate::model::finding::{Audit, Finding};
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, Observation, StoreReading};

/// The name of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKey {
    /// A finding by rule, store and subject.
    Finding(String, StoreId, String),
    /// What cannot be seen of a store.
    Store(StoreId),
}

/// Where a line is in the view: the store's place in the view's order, and the finding's in its audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Finding { store: usize, at: usize },
    Store { store: usize },
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub enum FindingRow<'a> {
    /// A finding with the reading that it is from.
    Finding(&'a Finding, &'a Observation<Audit>),
    /// A store of which something cannot be seen.
    Store(&'a StoreId, &'a StoreReading<Audit>),
}

impl FindingRow<'_> {
    pub(super) fn is(&self, key: &LineKey) -> bool {
        match (self, key) {
            (Self::Finding(finding, _), LineKey::Finding(rule, store, subject)) => {
                finding.subject == *subject && finding.rule == *rule && finding.store == *store
            }
            (Self::Store(id, _), LineKey::Store(store)) => *id == store,
            _ => false,
        }
    }

    pub(super) fn key(&self) -> LineKey {
        match self {
            Self::Finding(finding, _) => {
                LineKey::Finding(finding.rule.clone(), finding.store.clone(), finding.subject.clone())
            }
            Self::Store(id, _) => LineKey::Store((*id).clone()),
        }
    }

    /// The store that it is about.
    pub fn store(&self) -> &StoreId {
        match self {
            Self::Finding(finding, _) => &finding.store,
            Self::Store(id, _) => id,
        }
    }
}

/// The name of a line that the view does not have: none has it.
pub(super) fn nothing() -> LineKey {
    LineKey::Store(StoreId(String::new()))
}

/// Lines of a list, looked up only where they are drawn.
#[derive(Debug)]
pub struct FindingRows<'a> {
    pub(super) readings: Vec<(&'a StoreId, &'a StoreReading<Audit>)>,
    pub(super) places: &'a [Place],
}

impl<'a> FindingRows<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many of them are findings.
    pub fn findings(&self) -> usize {
        self.places.iter().filter(|place| matches!(place, Place::Finding { .. })).count()
    }

    /// The line at `index`.
    pub fn get(&self, index: usize) -> Option<FindingRow<'a>> {
        self.at(*self.places.get(index)?)
    }

    pub(super) fn at(&self, place: Place) -> Option<FindingRow<'a>> {
        match place {
            Place::Finding { store, at } => {
                let read = self.readings.get(store)?.1.latest.as_ref()?;
                Some(FindingRow::Finding(read.value.findings.get(at)?, read))
            }
            Place::Store { store } => self.readings.get(store).map(|(id, reading)| FindingRow::Store(id, reading)),
        }
    }
}

/// The line of a name, wherever it is; `None`: the view has it no more.
pub(super) fn find<'a>(view: &'a ByStore<Audit>, key: &LineKey) -> Option<FindingRow<'a>> {
    let store = match key {
        LineKey::Finding(_, store, _) | LineKey::Store(store) => store,
    };
    let (id, reading) = view.get_key_value(store)?;
    match key {
        LineKey::Store(_) => Some(FindingRow::Store(id, reading)),
        LineKey::Finding(..) => {
            let read = reading.latest.as_ref()?;
            read.value.findings.iter().map(|finding| FindingRow::Finding(finding, read)).find(|row| row.is(key))
        }
    }
}
