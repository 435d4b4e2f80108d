//! What the migration read by itself: its copies and comparisons read whole tables, which must not look like the application's doing.
//!
//! How many scans that were cannot be told from what a server counts: a range of pages is counted by its rows and not as a scan, each parallel worker
//! counts for itself, and a comparison is a scan or not as the planner likes. So nothing is subtracted: the scans of a table are left out for just the
//! intervals in which the migration read that table.

use crate::advice::catalogue::Catalogue;
use crate::advice::indexes::inspection::OwnScans;
use crate::config::profile::Pipeline;
use crate::engine::core::CoreRef;
use crate::model::ids::StoreId;
use crate::model::phase::PhaseKind;
use crate::model::pipeline::Stage;
use crate::model::progress::CopyProgress;
use crate::model::step::StepStatus;
use crate::model::verification::TableVerification;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// When each table of a store was last read by the migration, by its name in the profile or as the store prints it.
#[derive(Debug, Default)]
pub struct OwnWork {
    last: BTreeMap<String, DateTime<Utc>>,
    /// Those that were in work when this was last asked: what ended since then has been in work until now.
    busy: BTreeSet<String>,
}

/// What a pipeline does on one side, now and until now.
#[derive(Default)]
struct Work<'a> {
    /// It copies, and so far.
    copied: Option<CopyProgress>,
    /// It is compared.
    is_compared: bool,
    /// What comparisons found, those that have ended included.
    verified: &'a [TableVerification],
    /// A phase is in work whose steps read this side's tables: a copy is read back, keys are checked.
    is_stepping: bool,
    /// When the last of such steps ended, as the journal says.
    stepped: Option<DateTime<Utc>>,
}

impl OwnWork {
    /// Notes what is in work now, and what ended since this was last called.
    pub fn note(&mut self, core: &CoreRef, store: &StoreId, now: DateTime<Utc>) {
        let state = core.dispatcher.state();
        let mut busy = BTreeSet::new();
        for pipeline in core.profile.pipelines.iter().filter(|p| p.from == *store || p.to == *store) {
            let is_source = pipeline.from == *store;
            let phases = || state.phases.iter().filter(|phase| phase.pipelines.contains(&pipeline.id));
            let copies = state.pipelines.get(&pipeline.id).is_some_and(|record| record.stage == Stage::Copy);
            let samples = core.samples.borrow();
            let progress = || samples.pipelines.get(&pipeline.id).map(|sample| sample.copy.clone()).unwrap_or_default();
            let work = Work {
                copied: copies.then(progress),
                is_compared: samples.verifying.contains_key(&pipeline.id),
                verified: state.verification.get(&pipeline.id).map_or(&[], Vec::as_slice),
                is_stepping: phases().any(|phase| reads(phase.kind, is_source) && phase.status.is_active()),
                // Between two looks a small copy begins and ends.
                stepped: phases()
                    .filter(|phase| phase.kind == PhaseKind::Backfill || reads(phase.kind, is_source))
                    .flat_map(|phase| &phase.steps)
                    .map(|step| step.at)
                    .max(),
            };
            self.take(pipeline, is_source, &work, &mut busy);
        }
        // Building an index is a scan as well.
        for phase in &state.phases {
            let orders = phase.indexes.iter().filter(|order| order.store == *store);
            for (order, step) in orders.filter_map(|order| Some((order, phase.step(&order.step())?))) {
                if step.status == StepStatus::Intended {
                    busy.insert(order.build.table.clone());
                }
                self.ended(&order.build.table, step.at);
            }
        }
        self.end(busy, now);
    }

    fn ended(&mut self, table: &str, at: DateTime<Utc>) {
        let last = self.last.entry(table.to_owned()).or_insert(at);
        *last = at.max(*last);
    }

    /// Takes one pipeline in: the tables that it reads now, and when it last ended comparing each.
    fn take(&mut self, pipeline: &Pipeline, is_source: bool, work: &Work<'_>, busy: &mut BTreeSet<String>) {
        for rule in &pipeline.tables {
            let name = if is_source { &rule.from } else { &rule.to };
            let compared = work.verified.iter().find(|found| found.table.to_string() == rule.from);
            let compared = compared.and_then(|found| found.full_pass_at);
            if let Some(at) = compared.max(work.stepped) {
                self.ended(name, at);
            }
            // The source has no more to do with a table whose chunks are all there; the target is read back at the end.
            let is_copied = |copy: &CopyProgress| {
                let mut tables = copy.tables.iter().filter(|table| table.table.to_string() == rule.from);
                is_source && tables.next().is_some_and(|table| table.chunks_total == Some(table.chunks_done))
            };
            let is_read = work.copied.as_ref().is_some_and(|copy| !is_copied(copy));
            // Which table a comparison is at is told when a part of it is done: the next one may be in work by then.
            if is_read || work.is_compared || work.is_stepping {
                busy.insert(name.clone());
            }
        }
    }

    fn end(&mut self, busy: BTreeSet<String>, now: DateTime<Utc>) {
        let before = std::mem::replace(&mut self.busy, busy);
        for name in before.into_iter().chain(self.busy.iter().cloned()) {
            self.last.insert(name, now);
        }
    }

    /// The tables that were read since `begin`, by the names that the store prints. None of their scans counts as the application's.
    pub fn since(&self, begin: DateTime<Utc>, catalogue: &Catalogue<'_>) -> BTreeMap<String, OwnScans> {
        let all = OwnScans { scans: u64::MAX, rows: u64::MAX };
        let busy = self.last.iter().filter(|(_, last)| **last >= begin);
        busy.filter_map(|(name, _)| Some((catalogue.table(name)?.table.clone(), all))).collect()
    }
}

/// Whether a phase's steps read tables of a side beyond the copy's own reading of the source, of which more is known. A target is nobody else's to
/// read for as long as it is filled.
fn reads(kind: PhaseKind, is_source: bool) -> bool {
    match kind {
        PhaseKind::Cutover => true,
        PhaseKind::Backfill | PhaseKind::Sync => !is_source,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::profile::{SchemaChangePolicy, TableRule, Throttle};
    use crate::model::progress::TableProgress;
    use crate::model::table::TableName;
    use chrono::TimeDelta;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn pipeline() -> Pipeline {
        let rule = |name: &str| TableRule {
            from: format!("public.{name}"),
            to: format!("sales.{name}"),
            rename: Vec::new(),
            exclude: Vec::new(),
        };
        Pipeline {
            id: "orders".into(),
            from: "legacy".into(),
            to: "orders-db".into(),
            tables: vec![rule("orders"), rule("lines")],
            on_schema_change: SchemaChangePolicy::Stop,
            leave_behind: Vec::new(),
            throttle: Throttle { target_lag: None, source_load: None, rows_per_second: None, workers: None },
            chunk_bytes: 1,
        }
    }

    fn public(name: &str) -> TableName {
        TableName { schema: Some("public".to_owned()), name: name.to_owned() }
    }

    /// Chunks done of three, of `orders` and `lines`.
    fn copying(orders: u64, lines: u64) -> Work<'static> {
        let table = |name: &str, chunks_done| TableProgress {
            table: public(name),
            chunks_done,
            chunks_total: Some(3),
            rows_done: 0,
            bytes_done: 0,
            estimated_rows: None,
        };
        let copied = Some(CopyProgress { tables: vec![table("orders", orders), table("lines", lines)] });
        Work { copied, ..Work::default() }
    }

    fn idle(verified: &[TableVerification]) -> Work<'_> {
        Work { verified, ..Work::default() }
    }

    fn look(own: &mut OwnWork, is_source: bool, work: &Work<'_>, second: i64) {
        let mut busy = BTreeSet::new();
        own.take(&pipeline(), is_source, work, &mut busy);
        own.end(busy, at(second));
    }

    fn read_since(own: &OwnWork, second: i64) -> Vec<&str> {
        own.last.iter().filter(|(_, last)| **last >= at(second)).map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn a_table_is_left_out_as_long_as_it_is_copied_and_no_longer() {
        let mut own = OwnWork::default();
        look(&mut own, true, &copying(1, 0), 10);
        assert_eq!(read_since(&own, 0), ["public.lines", "public.orders"]);
        // It ended between the two looks, and may have been read until the second.
        look(&mut own, true, &copying(3, 1), 20);
        assert_eq!(read_since(&own, 15), ["public.lines", "public.orders"]);
        look(&mut own, true, &copying(3, 2), 30);
        assert_eq!(read_since(&own, 25), ["public.lines"], "the application's scans of the other one count again");
        look(&mut own, true, &idle(&[]), 40);
        assert_eq!(read_since(&own, 35), ["public.lines"]);
        look(&mut own, true, &idle(&[]), 50);
        assert!(read_since(&own, 45).is_empty());
    }

    #[test]
    fn the_target_is_read_back_at_the_end_of_a_copy() {
        let mut own = OwnWork::default();
        for second in [10, 20, 30] {
            look(&mut own, false, &copying(3, 1), second);
        }
        assert_eq!(read_since(&own, 25), ["sales.lines", "sales.orders"]);
    }

    #[test]
    fn steps_count_while_they_are_in_work_and_even_where_nobody_saw_them() {
        let mut own = OwnWork::default();
        look(&mut own, false, &Work { is_stepping: true, ..Work::default() }, 10);
        assert_eq!(read_since(&own, 10), ["sales.lines", "sales.orders"]);
        look(&mut own, false, &Work { stepped: Some(at(12)), ..Work::default() }, 20);
        look(&mut own, false, &Work { stepped: Some(at(33)), ..Work::default() }, 40);
        assert_eq!(read_since(&own, 33).len(), 2, "they began and ended between two looks");
        look(&mut own, false, &Work { stepped: Some(at(33)), ..Work::default() }, 50);
        assert!(read_since(&own, 34).is_empty());
    }

    #[test]
    fn a_comparison_counts_while_it_runs_and_even_where_nobody_saw_it_run() {
        let mut own = OwnWork::default();
        look(&mut own, true, &Work { is_compared: true, ..idle(&[]) }, 10);
        assert_eq!(read_since(&own, 10).len(), 2);
        let ended =
            TableVerification { full_pass_at: Some(at(33)), ..TableVerification::begin(public("lines"), at(32)) };
        for second in [20, 30, 40, 50] {
            look(&mut own, true, &idle(std::slice::from_ref(&ended)), second);
        }
        assert_eq!(read_since(&own, 31), ["public.lines"], "it began and ended between two looks");
        assert!(read_since(&own, 34).is_empty());
    }
}
