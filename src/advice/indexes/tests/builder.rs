//! Builds readings of stores in a few words.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::delta::since_begin;
use crate::advice::hotspots::fingerprint::Operations;
use crate::advice::hotspots::namer::Namer;
use crate::advice::hotspots::ranking;
use crate::advice::indexes::catalogue_rules;
use crate::advice::indexes::inspection::{Inspection, OwnScans, Replica};
use crate::advice::indexes::shape::plain;
use crate::advice::indexes::workload::Workload;
use crate::advice::ownership::Ownership;
use crate::model::finding::{Finding, Verdict};
use crate::model::hotspot::{HotOrder, HotSpots};
use crate::model::ids::StoreId;
use crate::model::index::{ColumnUse, ForeignKey, Index, IndexDuty, IndexPart, Indexes, TableUse};
use crate::model::lag::Reading;
use crate::model::observation::{Observation, Window};
use crate::model::statement::{Coverage, StatementCounter, StatementSource, Statements};
use chrono::{DateTime, Duration, Utc};
use std::collections::BTreeMap;

/// The day on which the counters of the fixtures began, and the moment of the reading.
pub const DAYS: i64 = 40;

pub fn now() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + Duration::days(DAYS)
}

pub fn days_ago(days: i64) -> DateTime<Utc> {
    now() - Duration::days(days)
}

/// A store with all that the rules look at.
pub struct Store {
    pub id: StoreId,
    pub dialect: Dialect,
    pub read: Indexes,
    pub earlier: Option<Indexes>,
    pub replicas: Vec<(String, Indexes)>,
    pub first_seen: BTreeMap<String, DateTime<Utc>>,
    pub own_scans: BTreeMap<String, OwnScans>,
    pub statements: Vec<StatementCounter>,
}

impl Store {
    pub fn new(dialect: Dialect) -> Self {
        Self {
            id: StoreId::from("shop"),
            dialect,
            read: Indexes {
                window: Window { since: days_ago(DAYS), proof: "the server started then".to_owned() },
                epoch: "e".to_owned(),
                replicas_unread: Vec::new(),
                follows_as: None,
                tables: Vec::new(),
                indexes: Vec::new(),
                foreign_keys: Vec::new(),
            },
            earlier: None,
            replicas: Vec::new(),
            first_seen: BTreeMap::new(),
            own_scans: BTreeMap::new(),
            statements: Vec::new(),
        }
    }

    pub fn table(mut self, table: TableUse) -> Self {
        self.read.tables.push(table);
        self
    }

    pub fn index(mut self, index: Index) -> Self {
        self.read.indexes.push(index);
        self
    }

    pub fn key(mut self, name: &str, table: &str, columns: &[&str], parent: &str) -> Self {
        self.read.foreign_keys.push(ForeignKey {
            name: name.to_owned(),
            table: table.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            parent: parent.to_owned(),
            cascades: false,
        });
        self
    }

    pub fn statement(mut self, text: &str, calls: u64, mean_us: f64) -> Self {
        self.statements.push(counter(text, calls, mean_us));
        self
    }

    /// Makes the present reading the later of two, an hour apart, in which nothing but `change` happened.
    pub fn after_an_hour(mut self, change: impl FnOnce(&mut Indexes)) -> Self {
        self.earlier = Some(self.read.clone());
        change(&mut self.read);
        self
    }

    /// The statements over an interval of an hour.
    pub fn spots(&self) -> HotSpots {
        let source = match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => StatementSource::PgStatStatements,
            Dialect::MariaDb | Dialect::MySql => StatementSource::PerformanceSchema,
            Dialect::MongoDb => StatementSource::Profiler,
            Dialect::Redis => StatementSource::CommandStats,
        };
        let statements = Statements {
            source,
            window: Window { since: now() - Duration::hours(1), proof: "an hour".to_owned() },
            epoch: "e".to_owned(),
            coverage: Coverage { evicted: None, unlisted_share: None, note: None },
            counters: self.statements.clone(),
        };
        let interval = since_begin(&Observation::whole(statements, now()));
        let ownership = Ownership::default();
        ranking::rank(interval, &mut Namer::new(self.dialect, &ownership), &Operations::default(), HotOrder::Total)
    }

    pub fn inspection<'a>(&'a self, spots: &'a HotSpots) -> Inspection<'a> {
        Inspection {
            earlier: self.earlier.as_ref().map(|earlier| (earlier, now() - Duration::hours(1))),
            replicas: self.replicas.iter().map(|(name, indexes)| Replica { name, indexes }).collect(),
            first_seen: self.first_seen.clone(),
            own_scans: self.own_scans.clone(),
            spots: Some(spots),
            ..Inspection::new(&self.id, self.dialect, &self.read, now())
        }
    }

    /// What the rules of the catalogue find.
    pub fn findings(&self) -> Vec<Finding> {
        let spots = self.spots();
        let inspection = self.inspection(&spots);
        catalogue_rules::look(&inspection, &Workload::of(&inspection))
    }

    /// `rule subject` of what fails.
    pub fn failing(&self) -> Vec<String> {
        failing(&self.findings())
    }
}

pub fn failing(findings: &[Finding]) -> Vec<String> {
    let failing = findings.iter().filter(|finding| finding.verdict == Verdict::Fail);
    failing.map(|finding| format!("{} {}", finding.rule, finding.subject)).collect()
}

pub fn counter(text: &str, calls: u64, mean_us: f64) -> StatementCounter {
    StatementCounter {
        id: text.to_owned(),
        login: None,
        database: "shop".to_owned(),
        text: text.to_owned(),
        calls,
        total_us: mean_us * calls as f64,
        squares_us2: None,
        rows: Some(calls),
        examined: None,
        errors: None,
        without_index: None,
        blocks_read: None,
        percentiles: None,
    }
}

/// A table of a million rows and 100 MB whose columns are `name:distinct values`.
pub fn table(name: &str, columns: &[(&str, f64)]) -> TableUse {
    let none = || Reading::Known(0);
    TableUse {
        table: name.to_owned(),
        rows: Reading::Known(1_000_000),
        bytes: Reading::Known(100 * 1024 * 1024),
        full_scans: Reading::Known(1_000),
        full_scan_rows: Reading::Known(1_000_000_000),
        index_scans: Reading::Known(1_000_000),
        inserted: none(),
        updated: none(),
        updated_in_place: none(),
        deleted: none(),
        columns: columns.iter().map(|(name, distinct)| column(name, *distinct)).collect(),
    }
}

pub fn column(name: &str, distinct: f64) -> ColumnUse {
    ColumnUse {
        name: name.to_owned(),
        kind: "integer".to_owned(),
        width: Some(4.0),
        distinct: Some(distinct),
        nulls: Some(0.0),
        common: Vec::new(),
        nullable: true,
    }
}

/// A whole ordered index of 50 MB that is scanned every minute. `-a` is descending, `(x)` an expression.
pub fn index(table: &str, name: &str, columns: &[&str]) -> Index {
    Index {
        table: table.to_owned(),
        name: name.to_owned(),
        method: "btree".to_owned(),
        parts: columns.iter().map(|column| part(column)).collect(),
        include: Vec::new(),
        predicate: String::new(),
        nulls_not_distinct: false,
        duty: IndexDuty::default(),
        valid: true,
        being_built: false,
        hidden: false,
        bytes: Reading::Known(50 * 1024 * 1024),
        scans: Reading::Known(57_600),
        last_scan: None,
        definition: format!(
            "CREATE INDEX {} ON {table} USING btree ({})",
            name.rsplit('.').next().unwrap(),
            columns.join(", ")
        ),
    }
}

fn part(column: &str) -> IndexPart {
    match column.strip_prefix('-') {
        Some(name) => IndexPart { descending: true, nulls_first: true, ..plain(name) },
        None if column.contains('(') => IndexPart { is_expression: true, ..plain(column) },
        None => plain(column),
    }
}

/// The same index with something changed.
pub trait With: Sized {
    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl With for Index {}
impl With for TableUse {}
impl With for Store {}

pub fn unscanned(table: &str, name: &str, columns: &[&str]) -> Index {
    index(table, name, columns).with(|index| index.scans = Reading::Known(0))
}
