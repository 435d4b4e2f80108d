//! Phases and pipelines: what `godwit status` prints.

use crate::model::comparison::ComparisonRecord;
use crate::model::fold::{Migration, PhaseRecord};
use crate::model::ids::Seq;
use crate::model::lag::Reading;
use crate::model::phase::{PhaseKind, PhaseStatus};
use crate::model::sample::Samples;
use crate::model::step::StepStatus;
use crate::report::columns::Columns;
use crate::report::moment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt::Write;

/// The JSON form, schema `godwit.status/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// `godwit.status/1`.
    pub schema: &'static str,
    /// Migration name.
    pub migration: String,
    /// `env` of the profile.
    pub env: Option<String>,
    /// Last journal row.
    pub head: Seq,
    /// The engine, as the journal tells it; `answers` tells whether it was asked.
    pub engine: Option<EngineLine>,
    /// The ladder.
    pub phases: Vec<PhaseLine>,
    /// Pipelines in file order.
    pub pipelines: Vec<PipelineLine>,
}

/// The engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EngineLine {
    /// True when it answered this command.
    pub answers: bool,
    /// Process id.
    pub pid: u32,
    /// Host.
    pub host: String,
    /// Version.
    pub version: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseLine {
    /// Name.
    pub id: String,
    /// Kind.
    pub kind: PhaseKind,
    /// Status word.
    pub status: &'static str,
    /// Why it stands there, or what it waits for; empty when the word says it all.
    pub detail: String,
    /// Hash of the plan that awaits approval.
    pub plan: Option<String>,
    /// Steps done.
    pub steps_done: usize,
    /// Steps begun.
    pub steps_begun: usize,
    /// When its status last changed.
    pub changed_at: DateTime<Utc>,
    /// The journal row of that change: what `--expect-seq` is compared with.
    pub changed_seq: Seq,
}

/// One pipeline: four separate fields, never one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineLine {
    /// Name.
    pub id: String,
    /// Source store.
    pub from: String,
    /// Target store.
    pub to: String,
    /// What its process does.
    pub state: &'static str,
    /// How far the data is.
    pub stage: &'static str,
    /// Which side serves.
    pub traffic: &'static str,
    /// May the target be written?
    pub writable: bool,
    /// End-to-end lag in milliseconds.
    pub lag_ms: Reading<u64>,
    /// True when the source moves on and the target does not.
    pub stalled: bool,
    /// The comparison that was asked for outside a phase; `None` when there was none, or it ended with results.
    pub comparison: Option<ComparisonLine>,
    /// Schema changes since the mapping was fixed, with what became of each.
    pub schema_changes: Vec<String>,
}

/// A comparison without a result yet, or ever.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparisonLine {
    /// `running` or `failed`.
    pub state: &'static str,
    /// When it was asked for, or failed.
    pub since: DateTime<Utc>,
    /// Who asked, or why it failed.
    pub detail: String,
}

/// Puts the status together. `answers` is false when it is told from the journal file alone.
pub fn status(migration: &Migration, samples: Option<&Samples>, answers: bool) -> Status {
    Status {
        schema: "godwit.status/1",
        migration: migration.name.clone(),
        env: migration.env.clone(),
        head: migration.head,
        engine: migration.engine.as_ref().map(|engine| EngineLine {
            answers,
            pid: engine.pid,
            host: engine.host.clone(),
            version: engine.version.clone(),
            since: engine.since,
        }),
        phases: migration.phases.iter().map(phase_line).collect(),
        pipelines: migration
            .declared
            .iter()
            .map(|declared| {
                let record = migration.pipelines.get(&declared.id).cloned().unwrap_or_default();
                let sample = samples.and_then(|s| s.pipelines.get(&declared.id));
                PipelineLine {
                    id: declared.id.to_string(),
                    from: declared.from.clone(),
                    to: declared.to.clone(),
                    state: record.state.word(),
                    stage: record.stage.word(),
                    traffic: record.traffic.word(),
                    writable: record.writable,
                    lag_ms: sample.map_or_else(
                        || Reading::Unknown("no reading since the engine started".to_owned()),
                        |s| s.lag.lag_ms.clone(),
                    ),
                    stalled: sample.is_some_and(|s| s.stalled),
                    comparison: migration.comparisons.get(&declared.id).and_then(comparison),
                    schema_changes: record.schema_sentences(),
                }
            })
            .collect(),
    }
}

fn comparison(record: &ComparisonRecord) -> Option<ComparisonLine> {
    match (&record.asked, &record.failed) {
        (Some(asked), _) => {
            Some(ComparisonLine { state: "running", since: asked.at, detail: format!("asked for by {}", asked.by) })
        }
        (None, Some(failed)) => {
            Some(ComparisonLine { state: "failed", since: failed.at, detail: failed.reason.to_string() })
        }
        (None, None) => None,
    }
}

fn phase_line(phase: &PhaseRecord) -> PhaseLine {
    PhaseLine {
        id: phase.id.to_string(),
        kind: phase.kind,
        status: phase.status.word(),
        detail: detail(phase),
        plan: match &phase.status {
            PhaseStatus::AwaitingApproval { plan, .. } => Some(plan.clone()),
            _ => None,
        },
        steps_done: phase.steps.iter().filter(|s| s.status == StepStatus::Done).count(),
        steps_begun: phase.steps.len(),
        changed_at: phase.changed_at,
        changed_seq: phase.changed_seq,
    }
}

/// Why a phase stands where it stands, and what it waits for.
pub fn detail(phase: &PhaseRecord) -> String {
    match &phase.status {
        PhaseStatus::Blocked { reasons } => reasons.join("; "),
        PhaseStatus::AwaitingApproval { plan, requested_by, approvals } => format!(
            "plan {} requested by {requested_by}, {} of {} approvals",
            plan.get(..12).unwrap_or(plan),
            approvals.len(),
            phase.approvals
        ),
        PhaseStatus::Failed { reason, .. } | PhaseStatus::Stuck { reason } => reason.to_string(),
        PhaseStatus::Skipped { by, why } => format!("by {by}: {why}"),
        PhaseStatus::Running | PhaseStatus::Pausing | PhaseStatus::Resuming | PhaseStatus::RollingBack => phase
            .steps
            .iter()
            .rev()
            .find(|s| matches!(s.status, StepStatus::Intended | StepStatus::Undoing))
            .map_or_else(String::new, |step| format!("at {}", step.id)),
        PhaseStatus::Pending
        | PhaseStatus::Ready
        | PhaseStatus::Paused
        | PhaseStatus::Succeeded
        | PhaseStatus::RolledBack => String::new(),
    }
}

impl Status {
    /// The text form.
    pub fn text(&self) -> String {
        let env = self.env.as_ref().map_or_else(String::new, |env| format!(" ({env})"));
        let engine = match &self.engine {
            Some(e) if e.answers => format!("engine pid {} on {} since {}", e.pid, e.host, moment::stamp(e.since)),
            Some(e) => format!("no engine answers; the last one was pid {} on {}", e.pid, e.host),
            None => "no engine has run yet".to_owned(),
        };
        let mut phases = Columns::new(&["PHASE", "STATUS", "STEPS", "SINCE", "ROW", "DETAIL"]);
        for phase in &self.phases {
            phases.row([
                phase.id.clone(),
                phase.status.to_owned(),
                format!("{}/{}", phase.steps_done, phase.steps_begun),
                moment::stamp(phase.changed_at),
                phase.changed_seq.to_string(),
                phase.detail.clone(),
            ]);
        }
        let mut pipelines =
            Columns::new(&["PIPELINE", "FROM", "TO", "STATE", "STAGE", "TRAFFIC", "TARGET WRITABLE", "LAG"]);
        for pipeline in &self.pipelines {
            pipelines.row([
                pipeline.id.clone(),
                pipeline.from.clone(),
                pipeline.to.clone(),
                pipeline.state.to_owned(),
                pipeline.stage.to_owned(),
                pipeline.traffic.to_owned(),
                if pipeline.writable { "yes" } else { "no" }.to_owned(),
                lag(&pipeline.lag_ms, pipeline.stalled),
            ]);
        }
        let mut comparisons = String::new();
        for (pipeline, line) in self.pipelines.iter().filter_map(|p| Some((&p.id, p.comparison.as_ref()?))) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                comparisons,
                "\ncomparison of {pipeline}: {} since {}: {}",
                line.state,
                moment::stamp(line.since),
                line.detail
            );
        }
        let mut text = format!(
            "migration {}{env}, journal row {}, {engine}\n\n{}\n{}{comparisons}",
            self.migration,
            self.head,
            phases.text(),
            pipelines.text()
        );
        for pipeline in &self.pipelines {
            for change in &pipeline.schema_changes {
                text.push_str(&format!("{}: schema changed, {change}\n", pipeline.id));
            }
        }
        text
    }
}

fn lag(reading: &Reading<u64>, stalled: bool) -> String {
    let text = match reading {
        Reading::Known(ms) => moment::span(*ms),
        Reading::Unknown(why) => format!("unknown: {why}"),
    };
    if stalled { format!("STALLED, {text}") } else { text }
}
