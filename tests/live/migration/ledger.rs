//! What an application knows of its own writes: for each row, what may be in the database after everything that it was told.

use std::collections::{BTreeMap, BTreeSet};

/// A row's version; `None`: there is no such row.
pub type Version = Option<i64>;

/// What a write was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is committed.
    Acknowledged,
    /// It is not.
    Refused,
    /// The connection broke on the way: it may have happened or not.
    Nothing,
}

/// By the row's name: the versions that it may have. One version means that the application knows it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rows: BTreeMap<String, BTreeSet<Version>>,
    acknowledged: usize,
}

impl Ledger {
    /// The one version that a row has, or that it is not known.
    pub fn known(&self, name: &str) -> Option<Version> {
        let versions = self.rows.get(name)?;
        if versions.len() == 1 { versions.first().copied() } else { None }
    }

    /// Notes a write that would turn `before` into `after`.
    pub fn note(&mut self, name: &str, before: Version, after: Version, told: Told) {
        let versions = match told {
            Told::Acknowledged => BTreeSet::from([after]),
            Told::Refused => BTreeSet::from([before]),
            Told::Nothing => BTreeSet::from([before, after]),
        };
        self.acknowledged += usize::from(told == Told::Acknowledged);
        self.rows.insert(name.to_owned(), versions);
    }

    /// How many writes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// What is wrong with the rows that are found: lost, changed back, twice, or never acknowledged.
    pub fn faults(&self, found: &[(String, i64)]) -> Vec<String> {
        let mut versions: BTreeMap<&str, i64> = BTreeMap::new();
        let mut faults = Vec::new();
        for (name, version) in found {
            if versions.insert(name, *version).is_some() {
                faults.push(format!("{name} is there twice"));
            }
            if !self.rows.contains_key(name) {
                faults.push(format!("nobody wrote {name}"));
            }
        }
        for (name, possible) in &self.rows {
            let found = versions.get(name.as_str()).copied();
            if !possible.contains(&found) {
                faults.push(format!("{name} has version {found:?} and not one of {possible:?}"));
            }
        }
        faults
    }
}

#[test]
fn a_ledger_tells_what_was_lost_and_what_nobody_wrote() {
    let mut ledger = Ledger::default();
    ledger.note("a", None, Some(0), Told::Acknowledged);
    ledger.note("a", Some(0), Some(1), Told::Nothing);
    ledger.note("b", None, Some(0), Told::Refused);
    assert_eq!((ledger.known("a"), ledger.known("b"), ledger.acknowledged()), (None, Some(None), 1));
    let found = |name: &str, version| (name.to_owned(), version);
    assert!(ledger.faults(&[found("a", 0)]).is_empty() && ledger.faults(&[found("a", 1)]).is_empty());
    assert_eq!(ledger.faults(&[]), ["a has version None and not one of {Some(0), Some(1)}"]);
    assert_eq!(ledger.faults(&[found("a", 1), found("a", 1), found("c", 0)]), ["a is there twice", "nobody wrote c"]);
    assert_eq!(ledger.faults(&[found("a", 1), found("b", 0)]).len(), 1);
}
