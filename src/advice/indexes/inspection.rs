//! What the rules look at.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::indexes::rates::Rates;
use crate::model::finding::{Finding, Severity, Verdict};
use crate::model::hotspot::HotSpots;
use crate::model::ids::StoreId;
use crate::model::index::{Index, Indexes, TableUse};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Shortest time for which a counter of zero is evidence: it covers the end of a month.
pub const WINDOW_DAYS: i64 = 35;

/// Scans of the whole table that the migration itself made in the interval: its copies and comparisons read everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnScans {
    /// How many.
    pub scans: u64,
    /// Rows that they read.
    pub rows: u64,
}

/// A replica whose counters were read.
#[derive(Clone, Debug)]
pub struct Replica<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its reading.
    pub indexes: &'a Indexes,
}

/// One store's indexes with all that is known around them.
#[derive(Clone, Debug)]
pub struct Inspection<'a> {
    /// The store.
    pub store: &'a StoreId,
    /// Its language.
    pub dialect: Dialect,
    /// The reading.
    pub indexes: &'a Indexes,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// An earlier reading with its time: rates are of the time between.
    pub earlier: Option<(&'a Indexes, DateTime<Utc>)>,
    /// Replicas that were asked as well.
    pub replicas: Vec<Replica<'a>>,
    /// Those that nobody could ask, with the reason where there is one.
    pub replicas_unread: Vec<String>,
    /// When an index was seen for the first time; servers do not tell how old one is.
    pub first_seen: BTreeMap<String, DateTime<Utc>>,
    /// What the migration read by itself, by table.
    pub own_scans: BTreeMap<String, OwnScans>,
    /// The statements of the last interval.
    pub spots: Option<&'a HotSpots>,
    /// Made of the readings when it is first asked for.
    pub found: Found<'a>,
}

/// Tables and indexes by name. Stores have thousands of them, and each rule asks for each.
#[derive(Clone, Debug, Default)]
pub struct Found<'a> {
    now: OnceLock<Catalogue<'a>>,
    earlier: OnceLock<Option<Catalogue<'a>>>,
    writes: OnceLock<f64>,
}

impl<'a> Inspection<'a> {
    /// Of a reading with nothing else known.
    pub fn new(store: &'a StoreId, dialect: Dialect, indexes: &'a Indexes, at: DateTime<Utc>) -> Self {
        Self {
            store,
            dialect,
            indexes,
            at,
            earlier: None,
            replicas: Vec::new(),
            replicas_unread: indexes.replicas_unread.clone(),
            first_seen: BTreeMap::new(),
            own_scans: BTreeMap::new(),
            spots: None,
            found: Found::default(),
        }
    }

    /// Tables and indexes by name.
    pub fn catalogue(&self) -> &Catalogue<'a> {
        self.found.now.get_or_init(|| Catalogue::new(self.indexes))
    }

    /// Those of the earlier reading.
    pub fn earlier_catalogue(&self) -> Option<&Catalogue<'a>> {
        let earlier = || self.earlier.map(|(indexes, _)| Catalogue::new(indexes));
        self.found.earlier.get_or_init(earlier).as_ref()
    }

    /// Rows written to all tables in a second, as far as it is known.
    pub fn all_writes(&self) -> f64 {
        let writes = |table: &TableUse| self.rates(&table.table).map_or(0.0, |rates| rates.writes());
        *self.found.writes.get_or_init(|| self.indexes.tables.iter().map(writes).sum())
    }

    /// What happens to a table in a second.
    pub fn rates(&self, table: &str) -> Option<Rates> {
        Rates::of(self, table)
    }

    /// Days for which the counters are proved to have counted.
    pub fn proved_days(&self) -> i64 {
        (self.at - self.indexes.window.since).num_days()
    }

    /// A failing finding about `subject` of this store.
    pub fn finding(&self, rule: &str, severity: Severity, subject: &str, sentence: String) -> Finding {
        Finding::new(rule, severity, self.store, subject, sentence)
    }

    /// A rule that could not be looked at here.
    pub fn not_checkable(&self, rule: &str, subject: &str, sentence: &str, why: String) -> Finding {
        let mut finding = Finding::new(rule, Severity::Info, self.store, subject, sentence);
        finding.verdict = Verdict::NotCheckable { why };
        finding.window = Some(self.indexes.window.clone());
        finding
    }
}

/// Whether an index does something beside being scanned.
pub fn has_duty(index: &Index) -> bool {
    let duty = &index.duty;
    duty.unique
        || duty.primary
        || duty.constraint.is_some()
        || duty.exclusion
        || duty.replica_identity
        || duty.clustered
        || duty.part_of.is_some()
        || duty.expires
        || duty.shard_key
}
