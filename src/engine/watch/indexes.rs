//! One look at a store's indexes: what the rules say of them, with the planner's answers where it gives any.

use crate::advice::access::audit::waive;
use crate::advice::dialect::Dialect;
use crate::advice::indexes::inspection::{Inspection, Replica};
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::{candidates, catalogue_rules, foreign_key, full_scans, judge, key_commands, unused};
use crate::engine::core::CoreRef;
use crate::engine::watch::baseline::Baseline;
use crate::engine::watch::own_work::OwnWork;
use crate::engine::watch::planner_answers::{PlannerAnswers, QUESTIONS};
use crate::engine::watch::replicas;
use crate::engine::watch::tally::Tally;
use crate::model::finding::{Audit, Finding, Verdict};
use crate::model::hotspot::HotSpots;
use crate::model::ids::StoreId;
use crate::model::index::Indexes;
use crate::model::observation::{Observation, Window};
use crate::model::statement::StatementSource;
use crate::stores::StoreRef;
use crate::stores::error::StoreError;
use crate::stores::observe::IndexStats;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Lines of a server's statements that advice looks at: the heaviest ones.
const STATEMENTS: usize = 500;

/// A reading of a store's indexes, shared with those that compare it with another store's.
#[derive(Clone, Debug)]
pub struct IndexReading {
    /// Its language.
    pub dialect: Dialect,
    /// What was read.
    pub indexes: Indexes,
    /// When.
    pub at: DateTime<Utc>,
}

impl IndexReading {
    /// Nothing but the reading, for the rules.
    pub fn inspection<'a>(&'a self, store: &'a StoreId) -> Inspection<'a> {
        Inspection::new(store, self.dialect, &self.indexes, self.at)
    }
}

/// What is remembered between two looks at the indexes of one store.
pub struct Inspector {
    dialect: Dialect,
    past: Past,
    answers: PlannerAnswers,
    /// What the migration reads by itself.
    pub own_work: OwnWork,
}

/// What earlier looks saw.
#[derive(Debug, Default)]
struct Past {
    baseline: Baseline,
    /// Indexes of the first look: how old these are nobody knows.
    old: BTreeSet<String>,
    /// When each of the others was seen first.
    first_seen: BTreeMap<String, DateTime<Utc>>,
}

impl Inspector {
    /// Nothing yet.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, past: Past::default(), answers: PlannerAnswers::default(), own_work: OwnWork::default() }
    }

    /// Looks and judges. The reading goes to the views as well: a move compares the indexes of both its sides.
    ///
    /// # Errors
    /// The store's. A planner that cannot be asked is no error: what it would have said is estimated, and `missing` says so.
    pub async fn look(
        &mut self,
        core: &CoreRef,
        store: &StoreRef,
        stats: &dyn IndexStats,
        tally: &mut Tally<'_>,
    ) -> Result<Observation<Audit>, StoreError> {
        let Observation { value: indexes, at, mut missing, mut cost } = stats.indexes().await?;
        let reading = Arc::new(IndexReading { dialect: self.dialect, indexes, at });
        self.past.learn_ages(&reading);
        let spots = tally.since_begin(STATEMENTS).await;
        let replicas = replicas::of(core, store.id(), &reading);
        let counters =
            replicas.read.iter().map(|(id, reading)| Replica { name: id.as_str(), indexes: &reading.indexes });
        let inspection = Inspection {
            replicas: counters.collect(),
            replicas_unread: replicas.unread.clone(),
            ..self.past.inspection(store.id(), &reading, spots.as_ref(), &self.own_work)
        };
        let (workload, wanted) = beside_others(|| {
            let workload = Workload::of(&inspection);
            let wanted = candidates::candidates(&inspection, &workload);
            (workload, wanted)
        });
        // What was sampled has lost its parameters' places and cannot be planned.
        let can_be_planned = spots.as_ref().is_some_and(|spots| spots.source != StatementSource::Sampled);
        let questions = if can_be_planned { candidates::questions(&wanted, QUESTIONS) } else { Vec::new() };
        let answers = self.answers.ask(stats, &questions, at).await;
        missing.extend(answers.missing);
        cost.statements += answers.cost.statements;
        cost.elapsed_us += answers.cost.elapsed_us;
        // The server's part of the asking is not told: all of it is an upper bound.
        cost.server_us = cost.server_us.map(|us| us + answers.cost.elapsed_us);
        let mut findings = beside_others(|| {
            let mut findings = catalogue_rules::look(&inspection, &workload);
            findings.extend(judge::judge(&inspection, &workload, &wanted, &answers.given));
            foreign_key::pair(&inspection, &wanted, &mut findings);
            findings.extend(not_judged(&inspection));
            findings
        });
        for finding in &mut findings {
            waive(finding, &core.profile.waivers, at.date_naive());
        }
        Finding::sort(&mut findings);
        core.views.keep_indexes(store.id(), reading.clone());
        self.past.baseline.take(reading);
        Ok(Observation { value: Audit { findings, read_at: Some(at), changes: Vec::new() }, at, missing, cost })
    }

    /// Reads what a replica counted, for the advice on its primary. Its indexes are that one's.
    ///
    /// # Errors
    /// The store's.
    pub async fn count(
        &mut self,
        core: &CoreRef,
        store: &StoreId,
        stats: &dyn IndexStats,
        primary: &StoreId,
    ) -> Result<Observation<Audit>, StoreError> {
        let Observation { value: indexes, at, missing, cost } = stats.indexes().await?;
        let reading = IndexReading { dialect: self.dialect, indexes, at };
        let sentence = "what its server scans counts with the advice on its primary";
        let mut finding =
            reading.inspection(store).not_checkable(unused::RULE, store.as_str(), sentence, String::new());
        finding.verdict =
            Verdict::NotApplicable { why: format!("its indexes are those of {primary}, which it follows") };
        core.views.keep_indexes(store, Arc::new(reading));
        Ok(Observation {
            value: Audit { findings: vec![finding], read_at: Some(at), changes: Vec::new() },
            at,
            missing,
            cost,
        })
    }

    /// What stands for advice on a store without indexes: its commands, as they were last read.
    pub async fn commands(&self, core: &CoreRef, store: &StoreId, tally: &mut Tally<'_>) -> Observation<Audit> {
        let now = Utc::now();
        let spots = tally.since_begin(STATEMENTS).await;
        let since = spots.as_ref().map_or(now, |spots| spots.from);
        let indexes = Indexes {
            window: Window { since, proof: "commands are counted since then".to_owned() },
            epoch: String::new(),
            replicas_unread: Vec::new(),
            follows_as: None,
            tables: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        };
        let reading = IndexReading { dialect: self.dialect, indexes, at: now };
        let inspection = Inspection { spots: spots.as_ref(), ..reading.inspection(store) };
        let mut findings = key_commands::look(&inspection);
        if spots.is_none() {
            let why = "the commands were not read yet".to_owned();
            let sentence = "commands that grow with the data are not judged";
            findings.push(inspection.not_checkable(key_commands::RULE, store.as_str(), sentence, why));
        }
        for finding in &mut findings {
            waive(finding, &core.profile.waivers, now.date_naive());
        }
        Finding::sort(&mut findings);
        Observation::whole(Audit { findings, read_at: Some(now), changes: Vec::new() }, now)
    }
}

/// Thinks without keeping the other tasks of this thread waiting: a store may have thousands of indexes and statements.
fn beside_others<T>(think: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(think),
        // A runtime of one thread has nowhere to move the others to.
        _ => think(),
    }
}

impl Past {
    fn inspection<'a>(
        &'a self,
        store: &'a StoreId,
        reading: &'a IndexReading,
        spots: Option<&'a HotSpots>,
        own_work: &OwnWork,
    ) -> Inspection<'a> {
        let plain = reading.inspection(store);
        let since = self.baseline.reading().map_or(reading.indexes.window.since, |earlier| earlier.at);
        Inspection {
            earlier: self.baseline.reading().map(|earlier| (&earlier.indexes, earlier.at)),
            first_seen: self.first_seen.clone(),
            own_scans: own_work.since(since, plain.catalogue()),
            spots,
            ..plain
        }
    }

    /// An index that the first look did not see is as old as the look that did.
    fn learn_ages(&mut self, reading: &IndexReading) {
        let names = || reading.indexes.indexes.iter().map(|index| &index.name);
        if self.baseline.reading().is_none() {
            self.old = names().cloned().collect();
            return;
        }
        let present: BTreeSet<&String> = names().collect();
        // One that is dropped and made again is a new one.
        self.old.retain(|name| present.contains(name));
        self.first_seen.retain(|name, _| present.contains(name));
        for name in names().filter(|name| !self.old.contains(*name)) {
            self.first_seen.entry(name.clone()).or_insert(reading.at);
        }
    }
}

/// The tables whose scans are not judged, because the migration read them itself.
fn not_judged(inspection: &Inspection<'_>) -> Option<Finding> {
    let tables: Vec<String> = inspection.own_scans.keys().cloned().collect();
    if tables.is_empty() || inspection.dialect != Dialect::Postgres {
        return None;
    }
    let sentence = format!("whole scans of {} tables are not judged", tables.len());
    let why = "the migration copied or compared them in this interval, and reads them whole itself".to_owned();
    let mut finding = inspection.not_checkable(full_scans::RULE, "tables in work", &sentence, why);
    finding.evidence = tables;
    Some(finding)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::index::{Index, IndexDuty};
    use crate::model::lag::Reading;
    use chrono::TimeDelta;

    /// A reading at that second of indexes with these names.
    pub fn reading(second: i64, names: &[&str]) -> Arc<IndexReading> {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let index = |name: &&str| Index {
            table: "public.t".to_owned(),
            name: (*name).to_owned(),
            method: "btree".to_owned(),
            parts: Vec::new(),
            include: Vec::new(),
            predicate: String::new(),
            nulls_not_distinct: false,
            duty: IndexDuty::default(),
            valid: true,
            being_built: false,
            hidden: false,
            bytes: Reading::Known(0),
            scans: Reading::Known(0),
            last_scan: None,
            definition: String::new(),
        };
        let indexes = Indexes {
            window: Window { since: DateTime::UNIX_EPOCH, proof: String::new() },
            epoch: String::new(),
            replicas_unread: Vec::new(),
            follows_as: None,
            tables: Vec::new(),
            indexes: names.iter().map(index).collect(),
            foreign_keys: Vec::new(),
        };
        Arc::new(IndexReading { dialect: Dialect::Postgres, indexes, at })
    }

    #[test]
    fn only_an_index_that_appears_later_has_a_known_age() {
        let mut past = Past::default();
        let mut ages = |second: i64, names: &[&str]| {
            let reading = reading(second, names);
            past.learn_ages(&reading);
            past.baseline.take(reading);
            let seconds = |(name, at): (&String, &DateTime<Utc>)| (name.clone(), at.timestamp());
            past.first_seen.iter().map(seconds).collect::<Vec<_>>()
        };
        assert_eq!(ages(0, &["a", "b"]), []);
        assert_eq!(ages(300, &["a", "b", "c"]), [("c".to_owned(), 300)]);
        assert_eq!(ages(600, &["a", "c"]), [("c".to_owned(), 300)]);
        assert_eq!(ages(900, &["a", "b", "c"]), [("b".to_owned(), 900), ("c".to_owned(), 300)]);
    }
}
