//! Verify: every row of every table, on both sides, while they move.

use crate::engine::barrier::{PATIENCE, PipelineBarrier};
use crate::engine::core::CoreRef;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::event::Event;
use crate::model::ids::{Operator, PipelineId, StepId};
use crate::model::pipeline::{PipelineEvent, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::sample::VerifyProgress;
use crate::model::verification::DriftCounts;
use crate::pipelines::copier::control::{Control, Lane, Wish};
use crate::verify::compare::{Comparison, Drift, TableResult};
use crate::verify::repair;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::time::Duration;

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
        let pass = Pass { core, pipeline: &self.pipeline, only: &[], since, control: &context.control };
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
    /// Confirmed differences.
    pub drift: Vec<Drift>,
}

/// One verification pass over a pipeline.
pub struct Pass<'a> {
    /// The engine.
    pub core: &'a CoreRef,
    /// The pipeline.
    pub pipeline: &'a PipelineId,
    /// Source table names; all when empty.
    pub only: &'a [String],
    /// Tables with a full pass after this moment are not compared again.
    pub since: Option<DateTime<Utc>>,
    /// Pause and stop.
    pub control: &'a Control,
}

impl Pass<'_> {
    /// Runs the pass; each table's result is journaled as it ends.
    ///
    /// # Errors
    /// [`StepError::Interrupted`] on a stop; else what failed.
    pub async fn run(&self) -> Result<PassSummary, StepError> {
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
            let name = forward.get(index).map_or_else(|| map.source.to_string(), |m| m.source.to_string());
            if !self.only.is_empty() && !self.only.contains(&name) {
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
            let comparison = Comparison {
                source: &route.source,
                target: &route.target,
                maps: &route.apply.tables,
                barrier: &barrier,
                progress: &|progress| self.show(progress),
            };
            let result = self.table(&comparison, index, before, &mut lane).await?;
            before.0 += result.verification.chunks_done;
            before.1 += result.verification.chunks_total.unwrap_or(0);
            summary.tables += 1;
            summary.rows += result.verification.rows_compared;
            summary.counts.merge(result.verification.drift);
            summary.drift.extend(result.drift);
            let mut verification = result.verification;
            // Results are kept under the forward name of the table, whichever side serves.
            if let Some(map) = forward.get(index) {
                verification.table = map.source.clone();
            }
            core.samples.send_modify(|s| {
                if let Some(sample) = s.pipelines.get_mut(self.pipeline) {
                    sample.changed_since_pass.insert(name.clone(), 0);
                }
            });
            let event = Event::Verified { pipeline: self.pipeline.clone(), tables: vec![verification] };
            core.dispatcher.append(vec![event]).await?;
        }
        core.samples.send_modify(|s| {
            s.verifying.remove(self.pipeline);
        });
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

    /// One table, started again when a pause ended it early.
    async fn table(
        &self,
        comparison: &Comparison<'_>,
        index: usize,
        before: (u64, u64),
        lane: &mut Lane,
    ) -> Result<TableResult, StepError> {
        loop {
            let result = comparison.table(index, before).await?;
            if result.finished {
                return Ok(result);
            }
            if lane.unless_paused().await == Wish::Stop {
                return Err(StepError::Interrupted);
            }
        }
    }

    /// Rows compared, when a full and clean pass of the table is recent enough.
    fn known(&self, table: &str) -> Option<u64> {
        let since = self.since?;
        let state = self.core.dispatcher.state();
        let known = state.verification.get(self.pipeline)?.iter().find(|t| t.table.to_string() == table)?;
        (known.is_verified() && known.full_pass_at? >= since).then_some(known.rows_compared)
    }

    fn show(&self, progress: VerifyProgress) -> bool {
        self.core.samples.send_modify(|s| {
            s.verifying.insert(self.pipeline.clone(), progress);
        });
        self.control.wish() == Wish::Run
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
