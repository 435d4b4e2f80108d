//! Verify: every row of every table, on both sides, while they move.

use crate::engine::barrier::{PATIENCE, PipelineBarrier};
use crate::engine::core::CoreRef;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::comparison::ComparisonEvent;
use crate::model::event::Event;
use crate::model::ids::{Operator, PipelineId, StepId};
use crate::model::pipeline::{PipelineEvent, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::sample::VerifyProgress;
use crate::model::table::TableName;
use crate::model::verification::{DriftCounts, TablePass, TableVerification};
use crate::pipelines::copier::control::{Control, Lane, Wish};
use crate::verify::compare::{Comparison, Drift, RANGE_ROWS, TableResult, Watcher};
use crate::verify::repair;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Compares all tables of one pipeline.
pub struct CompareStep {
    /// Pipeline.
    pub pipeline: PipelineId,
}

#[async_trait]
impl Step for CompareStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: StepId(format!("{}/compare", self.pipeline)),
            title: "Compare every row on both sides by checksums".to_owned(),
            does: vec!["-- reads only; differing rows are re-checked until they are quiet".to_owned()],
            undo: Vec::new(),
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let core = &context.core;
        // Tables that were compared since the phase began need not be compared again after a restart.
        let since = core.dispatcher.state().phase(&context.phase).and_then(|p| p.started_at);
        let pass = Pass {
            core,
            pipeline: &self.pipeline,
            only: &[],
            since,
            for_repair: false,
            control: &context.control,
            reached_every: REACHED_EVERY,
        };
        let summary = pass.run().await?;
        if summary.counts.total() > 0 {
            let c = summary.counts;
            return Err(StepError::mend(
                format!(
                    "pipeline {}: {} rows missing, {} extra, {} changed, {} unresolved",
                    self.pipeline, c.missing, c.extra, c.changed, c.unresolved
                ),
                "look at the sample, find out who wrote there, then `godwit verify --repair` and retry",
            ));
        }
        Ok(Outcome::seen(format!("{} rows in {} tables are equal", summary.rows, summary.tables)))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing was changed".to_owned())
    }

    fn is_pausable(&self) -> bool {
        true
    }
}

/// What a pass found.
#[derive(Clone, Debug, Default)]
pub struct PassSummary {
    /// Tables compared completely.
    pub tables: usize,
    /// Rows compared.
    pub rows: u64,
    /// Differing rows.
    pub counts: DriftCounts,
    /// Confirmed differences; without those that an earlier engine found before the pass was interrupted.
    pub drift: Vec<Drift>,
}

/// How often a pass writes to the journal how far it is. An engine that is killed loses at most this much of a comparison.
pub const REACHED_EVERY: Duration = Duration::from_secs(15);

/// One verification pass over a pipeline.
pub struct Pass<'a> {
    /// The engine.
    pub core: &'a CoreRef,
    /// The pipeline.
    pub pipeline: &'a PipelineId,
    /// Source table names; all when empty.
    pub only: &'a [String],
    /// When this comparison began, if an earlier engine began it: what was compared since then need not be compared again.
    pub since: Option<DateTime<Utc>>,
    /// Every difference must be known by its key, for a repair: a table in which an earlier engine found some starts again.
    pub for_repair: bool,
    /// Pause and stop.
    pub control: &'a Control,
    /// How often it is journaled how far the pass is.
    pub reached_every: Duration,
}

impl Pass<'_> {
    /// Runs the pass; each table's result is journaled as it ends.
    ///
    /// # Errors
    /// [`StepError::Interrupted`] on a stop; else what failed.
    pub async fn run(&self) -> Result<PassSummary, StepError> {
        let summary = self.run_shown().await;
        self.core.samples.send_modify(|s| {
            s.verifying.remove(self.pipeline);
        });
        summary
    }

    async fn run_shown(&self) -> Result<PassSummary, StepError> {
        let core = self.core;
        let Some(forward) = core.maps(self.pipeline) else {
            return Err(StepError::mend(
                format!("pipeline {} has no mapping yet", self.pipeline),
                "run the build and backfill phases first",
            ));
        };
        if let Some(column) = core.record(self.pipeline).pending.first() {
            return Err(StepError::retry(
                format!(
                    "pipeline {}: the values of {}.{} are still being carried over",
                    self.pipeline, column.table, column.column
                ),
                "wait until the journal says that they are on the other side, then retry",
            ));
        }
        // The side that serves is the truth; the other one is compared with it.
        let serving = core.record(self.pipeline).traffic;
        let route = core.route(self.pipeline, serving, &forward)?;
        let barrier = PipelineBarrier { core: core.clone(), pipeline: self.pipeline.clone(), patience: PATIENCE };
        let mut summary = PassSummary::default();
        let mut before = (0, 0);
        let mut lane = self.control.enter();
        for (index, map) in route.apply.tables.iter().enumerate() {
            let name = forward.get(index).map_or_else(|| map.source.clone(), |m| m.source.clone());
            if !self.only.is_empty() && !self.only.contains(&name.to_string()) {
                continue;
            }
            if let Some(known) = self.known(&name) {
                summary.tables += 1;
                summary.rows += known;
                continue;
            }
            if lane.unless_paused().await == Wish::Stop {
                return Err(StepError::Interrupted);
            }
            self.wait_for_lag(&mut lane).await?;
            let watch = PassWatch { pass: self, name: name.clone(), before, written: Mutex::new(Instant::now()) };
            let comparison = Comparison {
                source: &route.source,
                target: &route.target,
                maps: &route.apply.tables,
                barrier: &barrier,
                watcher: &watch,
                range_rows: RANGE_ROWS,
            };
            let earlier = self.earlier(&name);
            if earlier.is_none() {
                core.fleet.room(self.pipeline).status.pass_begins(index);
            }
            let result = self.table(&comparison, index, earlier, &mut lane).await?;
            core.fleet.room(self.pipeline).status.pass_ends(index);
            before.0 += result.verification.chunks_done;
            before.1 += result.verification.chunks_total.unwrap_or(0);
            summary.tables += 1;
            summary.rows += result.verification.rows_compared;
            summary.counts.merge(result.verification.drift);
            summary.drift.extend(result.drift);
            // Results are kept under the forward name of the table, whichever side serves.
            let verification = TableVerification { table: name, ..result.verification };
            let event = Event::Verified { pipeline: self.pipeline.clone(), tables: vec![verification] };
            core.dispatcher.append(vec![event]).await?;
        }
        Ok(summary)
    }

    /// Comparing costs both sides; while the pipeline lags more than its knob `target_lag` allows, the next table waits.
    async fn wait_for_lag(&self, lane: &mut Lane) -> Result<(), StepError> {
        loop {
            let limit = self.core.fleet.room(self.pipeline).knobs.borrow().target_lag;
            let lag =
                self.core.samples.borrow().pipelines.get(self.pipeline).and_then(|s| s.lag.lag_ms.known().copied());
            match (limit, lag) {
                (Some(limit), Some(lag)) if u128::from(lag) > limit.as_millis() => {}
                _ => return Ok(()),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
            if lane.unless_paused().await == Wish::Stop {
                return Err(StepError::Interrupted);
            }
        }
    }

    /// One table; after a pause it goes on where it was.
    async fn table(
        &self,
        comparison: &Comparison<'_>,
        index: usize,
        mut earlier: Option<TableResult>,
        lane: &mut Lane,
    ) -> Result<TableResult, StepError> {
        loop {
            let result = comparison.table(index, earlier.take()).await?;
            if result.finished {
                return Ok(result);
            }
            if lane.unless_paused().await == Wish::Stop {
                return Err(StepError::Interrupted);
            }
            earlier = Some(result);
        }
    }

    /// Rows compared, when a full and clean pass of the table is recent enough.
    fn known(&self, table: &TableName) -> Option<u64> {
        let since = self.since?;
        let state = self.core.dispatcher.state();
        let known = state.verification.get(self.pipeline)?.iter().find(|t| t.table == *table)?;
        (known.is_verified() && known.full_pass_at? >= since).then_some(known.rows_compared)
    }

    /// Where an earlier engine was in this table when it ended.
    fn earlier(&self, table: &TableName) -> Option<TableResult> {
        let state = self.core.dispatcher.state();
        let pass = state.comparisons.get(self.pipeline)?.to_resume(&table.to_string(), self.since?)?;
        let unknown_keys = self.for_repair && pass.found.drift.total() > 0;
        (!unknown_keys).then(|| TableResult::resume(pass.clone()))
    }
}

/// Shows how far a table's pass is, and writes it down from time to time.
struct PassWatch<'a> {
    pass: &'a Pass<'a>,
    /// Forward name of the table.
    name: TableName,
    /// Ranges done and planned in the tables before this one.
    before: (u64, u64),
    /// When the journal last got it.
    written: Mutex<Instant>,
}

impl PassWatch<'_> {
    fn show(&self, so_far: &TableResult, rechecking: u64) {
        let found = &so_far.verification;
        let progress = VerifyProgress {
            table: self.name.to_string(),
            chunks_done: self.before.0 + found.chunks_done,
            chunks_total: self.before.1 + found.chunks_total.unwrap_or(0),
            rechecking,
        };
        self.pass.core.samples.send_modify(|s| {
            s.verifying.insert(self.pass.pipeline.clone(), progress);
        });
    }

    /// True when the time has come to write it down; counts from now on again.
    fn is_due(&self, wish: Wish) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let due = wish != Wish::Run || written.elapsed() >= self.pass.reached_every;
        if due {
            *written = Instant::now();
        }
        due
    }
}

#[async_trait]
impl Watcher for PassWatch<'_> {
    async fn rechecking(&self, so_far: &TableResult, rows: u64) {
        self.show(so_far, rows);
    }

    async fn passed(&self, so_far: &TableResult) -> bool {
        self.show(so_far, 0);
        let wish = self.pass.control.wish();
        let unfinished = so_far.verification.chunks_total != Some(so_far.verification.chunks_done);
        if unfinished
            && self.is_due(wish)
            && let Some(mut reached) = so_far.pass().filter(TablePass::can_be_kept)
        {
            reached.found.table = self.name.clone();
            let event = ComparisonEvent::Reached { pass: reached };
            let event = Event::Comparison { pipeline: self.pass.pipeline.clone(), event };
            if let Err(error) = self.pass.core.dispatcher.append(vec![event]).await {
                // The engine ends when its journal cannot be written; then the next one compares this table from its last note on.
                tracing::error!(pipeline = %self.pass.pipeline, %error, "how far the comparison is could not be journaled");
            }
        }
        wish == Wish::Run
    }
}

/// Repairs the confirmed differences of a pass, with the pipeline held still meanwhile.
///
/// # Errors
/// [`StepError`]; rows repaired before the failure stay repaired.
pub async fn repair_drift(
    core: &CoreRef,
    pipeline: &PipelineId,
    drift: &[Drift],
    by: &Operator,
) -> Result<u64, StepError> {
    let Some(forward) = core.maps(pipeline) else { return Ok(0) };
    let serving = core.record(pipeline).traffic;
    let route = core.route(pipeline, serving, &forward)?;
    let ran = core.fleet.captured(pipeline).is_some();
    // The applier's place on the target is taken by the pump; it has to make room.
    core.fleet.stop(pipeline).await;
    let repaired = repair::repair(&route.source, &route.target, &route.apply, &route.apply.tables, drift).await;
    if ran {
        core.fleet.start(core, pipeline, serving, route.clone()).await;
    }
    let repaired = repaired?;
    for (table, map) in forward.iter().enumerate() {
        let keys: Vec<Vec<String>> = drift
            .iter()
            .filter(|d| d.table == table)
            .map(|d| d.key.iter().map(ToString::to_string).collect())
            .collect();
        if keys.is_empty() {
            continue;
        }
        let rows = keys.len() as u64;
        let keys = keys.into_iter().take(crate::verify::compare::SAMPLE_ROWS).collect();
        let event =
            Event::Repaired { pipeline: pipeline.clone(), table: map.source.to_string(), keys, rows, by: by.clone() };
        core.dispatcher.append(vec![event]).await?;
    }
    if serving == Traffic::Target {
        core.note(pipeline, PipelineEvent::Stage { stage: crate::model::pipeline::Stage::Reverse }).await;
    }
    Ok(repaired)
}
