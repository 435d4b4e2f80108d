//! Operations gathered over many looks into counters, one for each collection, shape and login.

use crate::model::statement::{StatementCounter, StatementSource};
use crate::stores::mongodb::operation::Operation;
use crate::stores::mongodb::watch::database_of;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Counters that are kept; operations of further shapes are counted together.
const SHAPES_KEPT: usize = 5_000;

/// Under what is counted that has no room of its own.
const OTHERS: &str = "(others)";

/// What was gathered of one run of a server from one source.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The run of the server that it belongs to.
    pub run: String,
    /// Where it is from.
    pub source: StatementSource,
    /// The time of the oldest operation that was read, or of the first look.
    pub since: DateTime<Utc>,
    /// Entries that went by unread.
    pub lost: u64,
    /// Log lines that had been written at the last look.
    pub lines: Option<u64>,
    /// How far each database's profile was read: the last entry's time, and how many had it.
    pub profile: BTreeMap<String, (DateTime<Utc>, usize)>,
    /// Running operations that were seen, with the time that is counted for them, and whether their full scan is.
    pub running: BTreeMap<String, (u64, bool)>,
    /// Counters by id.
    pub counters: BTreeMap<String, StatementCounter>,
}

impl Gathered {
    /// Nothing yet.
    pub fn new(run: &str, source: StatementSource, now: DateTime<Utc>) -> Self {
        Self {
            run: run.to_owned(),
            source,
            since: now,
            lost: 0,
            lines: None,
            profile: BTreeMap::new(),
            running: BTreeMap::new(),
            counters: BTreeMap::new(),
        }
    }

    /// Counts one operation.
    pub fn count(&mut self, operation: &Operation) {
        if let Some(at) = operation.at {
            self.since = self.since.min(at);
        }
        let counter = self.counter(operation);
        counter.calls += 1;
        counter.total_us += operation.micros as f64;
        let add = |to: &mut Option<u64>, more: u64| *to = Some(to.unwrap_or(0) + more);
        add(&mut counter.rows, operation.documents);
        add(&mut counter.examined, operation.examined);
        add(&mut counter.errors, u64::from(operation.failed));
        add(&mut counter.without_index, u64::from(operation.full_scan));
    }

    /// Counts what a running operation has taken since it was last seen.
    pub fn sample(&mut self, id: &str, operation: &Operation) {
        let before = self.running.get(id).copied();
        let (counted, scan_counted) = before.unwrap_or((0, false));
        let scans = scan_counted || operation.full_scan;
        self.running.insert(id.to_owned(), (operation.micros.max(counted), scans));
        let counter = self.counter(operation);
        counter.calls += u64::from(before.is_none());
        counter.total_us += operation.micros.saturating_sub(counted) as f64;
        // The plan may not have been made at the first look.
        if scans && !scan_counted {
            counter.without_index = Some(counter.without_index.unwrap_or(0) + 1);
        }
    }

    fn counter(&mut self, operation: &Operation) -> &mut StatementCounter {
        let login = operation.login.as_deref().unwrap_or_default();
        let own =
            format!("{}/{}/{:016x}/{login}", operation.namespace, operation.hash, xxh3_64(operation.shape.as_bytes()));
        let has_room = self.counters.len() < SHAPES_KEPT || self.counters.contains_key(&own);
        let (id, shape) = if has_room { (own, operation.shape.as_str()) } else { (OTHERS.to_owned(), OTHERS) };
        self.counters.entry(id.clone()).or_insert_with(|| StatementCounter {
            id,
            login: operation.login.clone().filter(|_| has_room),
            database: database_of(&operation.namespace).to_owned(),
            text: shape.to_owned(),
            calls: 0,
            total_us: 0.0,
            squares_us2: None,
            rows: None,
            examined: None,
            errors: None,
            without_index: None,
            blocks_read: None,
            percentiles: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(shape: &str, micros: u64) -> Operation {
        Operation {
            namespace: "shop.orders".to_owned(),
            hash: "AB".to_owned(),
            shape: shape.to_owned(),
            login: None,
            at: None,
            micros,
            documents: 2,
            examined: 100,
            failed: false,
            full_scan: true,
        }
    }

    #[test]
    fn operations_of_one_shape_are_one_counter() {
        let mut gathered = Gathered::new("a", StatementSource::SlowLog, Utc::now());
        gathered.count(&operation("x", 5));
        gathered.count(&operation("x", 6));
        gathered.count(&operation("y", 7));
        let counters: Vec<_> = gathered.counters.values().map(|c| (c.text.as_str(), c.calls, c.total_us)).collect();
        assert!(counters.contains(&("x", 2, 11.0)) && counters.contains(&("y", 1, 7.0)), "{counters:?}");
        assert_eq!(gathered.counters.values().map(|c| c.examined.unwrap()).sum::<u64>(), 300);
    }

    #[test]
    fn a_running_operation_counts_once_and_its_time_never_twice() {
        let mut gathered = Gathered::new("a", StatementSource::Sampled, Utc::now());
        for (micros, full_scan) in [(10, false), (25, true), (25, true)] {
            gathered.sample("op 7", &Operation { full_scan, ..operation("x", micros) });
        }
        let counter = gathered.counters.values().next().unwrap();
        assert_eq!((counter.calls, counter.total_us, counter.without_index), (1, 25.0, Some(1)));
    }

    #[test]
    fn what_has_no_room_is_counted_together() {
        let mut gathered = Gathered::new("a", StatementSource::SlowLog, Utc::now());
        for n in 0..SHAPES_KEPT + 5 {
            gathered.count(&operation(&n.to_string(), 1));
        }
        assert_eq!(gathered.counters.len(), SHAPES_KEPT + 1);
        assert_eq!(gathered.counters[OTHERS].calls, 5);
    }
}
