//! The end of a comparison that was asked for: every table in scope has a result that is newer than the request.

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::model::event::{Entry, Event};
use crate::model::fold::Migration;
use crate::model::ids::PipelineId;
use crate::model::sample::Samples;
use crate::model::table::TableName;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// A comparison that shows neither progress nor a result for so long has ended without one: the engine's log says why.
const QUIET: TimeDelta = TimeDelta::seconds(15);

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Pipelines; all when empty.
    pub pipelines: Vec<PipelineId>,
    /// Source tables; all when empty.
    pub tables: Vec<String>,
    /// Differing tables are repaired and compared again.
    pub repair: bool,
}

/// Results that came since the request.
#[derive(Debug, Default)]
pub struct Comparison {
    /// By table: how many results, and whether the last one proves it equal.
    results: BTreeMap<(PipelineId, TableName), (usize, bool)>,
    /// When a result or progress was last seen, by the engine's clock.
    seen_at: Option<DateTime<Utc>>,
}

impl Comparison {
    /// Takes a row in.
    pub fn note(&mut self, entry: &Entry) {
        let Event::Verified { pipeline, tables } = &entry.event else { return };
        self.seen_at = Some(entry.at);
        for table in tables {
            let result = self.results.entry((pipeline.clone(), table.table.clone())).or_default();
            *result = (result.0 + 1, table.is_verified());
        }
    }

    /// Whether all results are there: 0 when every table is proved equal, else 1.
    pub fn judge(&mut self, scope: &Scope, migration: &Migration, samples: Option<&Samples>) -> Option<Outcome> {
        let results: Vec<Option<(usize, bool)>> =
            tables_in(scope, migration).into_iter().map(|table| self.results.get(&table).copied()).collect();
        let whole = results.iter().all(|result| match result {
            None => false,
            // A repaired table is compared once more.
            Some((count, equal)) => !scope.repair || *equal || *count >= 2,
        });
        if whole {
            let equal = results.iter().all(|result| result.is_some_and(|(_, equal)| equal));
            return Some(Ok(if equal { Exit::Ok } else { Exit::Finding }));
        }
        let samples = samples?;
        let running = samples.verifying.keys().any(|id| scope.pipelines.is_empty() || scope.pipelines.contains(id));
        let now = samples.at?;
        let seen_at = if running { now } else { self.seen_at.unwrap_or(now) };
        self.seen_at = Some(seen_at);
        (now - seen_at > QUIET).then(|| {
            Err(Failure::new(
                Exit::PhaseFailed,
                "the comparison ended without a result for every table; the engine's log says why",
            ))
        })
    }
}

/// The tables that a comparison is about.
fn tables_in(scope: &Scope, migration: &Migration) -> Vec<(PipelineId, TableName)> {
    let mut tables = Vec::new();
    for (id, record) in &migration.pipelines {
        if !scope.pipelines.is_empty() && !scope.pipelines.contains(id) {
            continue;
        }
        for map in record.tables.iter().flatten() {
            if scope.tables.is_empty() || scope.tables.contains(&map.source.to_string()) {
                tables.push((id.clone(), map.source.clone()));
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::Seq;
    use crate::model::pipeline::PipelineRecord;
    use crate::model::table::TableMap;
    use crate::model::verification::{DriftCounts, TableVerification};

    fn migration() -> Migration {
        let map = |name: &str| TableMap {
            source: TableName::bare(name),
            target: TableName::bare(name),
            columns: Vec::new(),
            key: Vec::new(),
        };
        let record = PipelineRecord { tables: Some(vec![map("a"), map("b")]), ..PipelineRecord::default() };
        Migration { pipelines: [(PipelineId::from("p"), record)].into(), ..Migration::default() }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_435_200 + seconds, 0).unwrap()
    }

    fn result(table: &str, missing: u64) -> Entry {
        let verification = TableVerification {
            table: TableName::bare(table),
            chunks_done: 1,
            chunks_total: Some(1),
            rows_compared: 5,
            drift: DriftCounts { missing, ..DriftCounts::default() },
            sample: Vec::new(),
            full_pass_at: Some(at(0)),
            changed_since: Some(0),
        };
        let event = Event::Verified { pipeline: "p".into(), tables: vec![verification] };
        Entry { seq: Seq(1), at: at(0), event }
    }

    fn scope(tables: &[&str], repair: bool) -> Scope {
        Scope { pipelines: Vec::new(), tables: tables.iter().map(|t| (*t).to_owned()).collect(), repair }
    }

    #[test]
    fn one_table_of_two_is_not_the_end() {
        let mut comparison = Comparison::default();
        comparison.note(&result("a", 0));
        assert_eq!(comparison.judge(&scope(&[], false), &migration(), None), None);
        assert_eq!(comparison.judge(&scope(&["a"], false), &migration(), None), Some(Ok(Exit::Ok)));
        comparison.note(&result("b", 1));
        assert_eq!(comparison.judge(&scope(&[], false), &migration(), None), Some(Ok(Exit::Finding)));
    }

    #[test]
    fn a_repaired_table_is_judged_by_its_second_result() {
        let mut comparison = Comparison::default();
        comparison.note(&result("a", 1));
        assert_eq!(comparison.judge(&scope(&["a"], true), &migration(), None), None);
        comparison.note(&result("a", 0));
        assert_eq!(comparison.judge(&scope(&["a"], true), &migration(), None), Some(Ok(Exit::Ok)));
    }

    #[test]
    fn a_comparison_that_died_does_not_keep_anybody_waiting() {
        let mut comparison = Comparison::default();
        let samples = |seconds| Samples { at: Some(at(seconds)), ..Samples::default() };
        assert_eq!(comparison.judge(&scope(&[], false), &migration(), Some(&samples(0))), None);
        assert_eq!(comparison.judge(&scope(&[], false), &migration(), Some(&samples(14))), None);
        let outcome = comparison.judge(&scope(&[], false), &migration(), Some(&samples(16)));
        assert_eq!(outcome.and_then(Result::err).map(|f| f.exit), Some(Exit::PhaseFailed));
    }
}
