//! The state of a migration as the fold of its journal: the engine and every client compute the same one.

use crate::model::comparison::ComparisonRecord;
use crate::model::ending::{self, EndingRecord};
use crate::model::event::{Entry, Event, PhaseDeclared, PipelineDeclared};
use crate::model::ids::{PhaseId, PipelineId, Seq, StepId};
use crate::model::index_order::{self, FindingName, IndexOrder};
use crate::model::phase::{IllegalTransition, PhaseEvent, PhaseKind, PhaseStatus};
use crate::model::pipeline::{PipelineEvent, PipelineRecord};
use crate::model::plan::Plan;
use crate::model::step::{StepRecord, StepStatus};
use crate::model::verification::TableVerification;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A phase as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Its name.
    pub id: PhaseId,
    /// What it does.
    pub kind: PhaseKind,
    /// Pipelines it is about.
    pub pipelines: Vec<PipelineId>,
    /// Approvals it needs.
    pub approvals: u32,
    /// Where it stands.
    pub status: PhaseStatus,
    /// The plan that was printed last, forward or back.
    pub plan: Option<Plan>,
    /// Hash of the plan under which it is being taken back; it may be another phase's, when later phases go with it.
    pub rollback_plan: Option<String>,
    /// Its steps in the order in which they were first begun.
    pub steps: Vec<StepRecord>,
    /// Indexes that were taken into its plan, in that order. A roll back takes what was built back and leaves the decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<IndexOrder>,
    /// When its status last changed.
    pub changed_at: DateTime<Utc>,
    /// Journal row of that change: what commands compare with.
    pub changed_seq: Seq,
    /// When it last started running.
    pub started_at: Option<DateTime<Utc>>,
}

impl PhaseRecord {
    /// The record of one step.
    pub fn step(&self, id: &StepId) -> Option<&StepRecord> {
        self.steps.iter().find(|s| s.id == *id)
    }

    /// Steps whose outcome the journal does not tell.
    pub fn in_doubt(&self) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(|s| matches!(s.status, StepStatus::Intended | StepStatus::Undoing))
    }

    /// What it builds of a finding of the index advice.
    pub fn index_taken(&self, finding: &FindingName) -> Option<&IndexOrder> {
        self.indexes.iter().find(|order| finding.is_of(&order.rule, &order.store, &order.subject))
    }

    /// True once the building of an index that it took has begun, and was not undone.
    pub fn has_begun(&self, order: &IndexOrder) -> bool {
        self.step(&order.step()).is_some_and(|step| step.status != StepStatus::Undone)
    }

    /// True when the step is recorded as done (and not taken back).
    pub fn is_done(&self, id: &StepId) -> bool {
        self.step(id).is_some_and(|s| s.status == StepStatus::Done)
    }
}

/// The engine that owns the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRecord {
    /// Process id.
    pub pid: u32,
    /// Host.
    pub host: String,
    /// Version.
    pub version: String,
    /// When it started.
    pub since: DateTime<Utc>,
    /// False after an orderly stop.
    pub running: bool,
}

/// A migration as its journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migration {
    /// Its name.
    pub name: String,
    /// `env` of the profile.
    pub env: Option<String>,
    /// Digest of the profile.
    pub digest: String,
    /// The ladder.
    pub phases: Vec<PhaseRecord>,
    /// Pipelines in file order.
    pub declared: Vec<PipelineDeclared>,
    /// Their records.
    pub pipelines: BTreeMap<PipelineId, PipelineRecord>,
    /// Verification of every table that was ever compared, by pipeline and source table.
    pub verification: BTreeMap<PipelineId, Vec<TableVerification>>,
    /// Comparisons by pipeline: asked for, how far, how the last one failed.
    #[serde(default)]
    pub comparisons: BTreeMap<PipelineId, ComparisonRecord>,
    /// The last endings of sessions, oldest first.
    #[serde(default)]
    pub endings: Vec<EndingRecord>,
    /// The engine.
    pub engine: Option<EngineRecord>,
    /// Last applied row.
    pub head: Seq,
    /// Events of kinds that this binary does not know.
    pub unknown_events: u64,
}

/// A journal row that does not follow from the ones before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoldError {
    /// Rows must be applied one after the other.
    Gap {
        /// Last applied.
        head: Seq,
        /// Given.
        found: Seq,
    },
    /// The phase is not part of the ladder.
    UnknownPhase {
        /// Row.
        seq: Seq,
        /// Name.
        phase: PhaseId,
    },
    /// The status does not allow the event.
    Illegal {
        /// Row.
        seq: Seq,
        /// Phase.
        phase: PhaseId,
        /// Which.
        source: IllegalTransition,
    },
}

impl std::fmt::Display for FoldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gap { head, found } => {
                write!(f, "journal row {found} follows row {head}: a row is missing or out of order")
            }
            Self::UnknownPhase { seq, phase } => {
                write!(f, "journal row {seq} names the phase {phase}, which the profile does not have")
            }
            Self::Illegal { seq, phase, source } => write!(f, "journal row {seq}, phase {phase}: {source}"),
        }
    }
}

impl std::error::Error for FoldError {}

impl Migration {
    /// The record of a phase.
    pub fn phase(&self, id: &PhaseId) -> Option<&PhaseRecord> {
        self.phases.iter().find(|p| p.id == *id)
    }

    /// The phase that builds an index of which is decided now: the first that builds any and whose plan is not made.
    pub fn phase_for_indexes(&self) -> Option<&PhaseRecord> {
        self.phases.iter().find(|phase| phase.kind.builds_indexes() && phase.status.takes_decisions())
    }

    /// The phase that took a finding of the index advice, with what it builds.
    pub fn index_taken(&self, finding: &FindingName) -> Option<(&PhaseRecord, &IndexOrder)> {
        self.phases.iter().find_map(|phase| Some((phase, phase.index_taken(finding)?)))
    }

    /// Checks that `event` may be appended now, without changing anything.
    ///
    /// # Errors
    /// What [`Migration::apply`] would say.
    pub fn admits(&self, event: &Event) -> Result<(), FoldError> {
        let seq = Seq(self.head.0 + 1);
        match event {
            Event::Phase { phase, event } => {
                let record = self.phase(phase).ok_or_else(|| FoldError::UnknownPhase { seq, phase: phase.clone() })?;
                record.status.next(event).map_err(|source| FoldError::Illegal { seq, phase: phase.clone(), source })?;
                Ok(())
            }
            Event::Step { phase, .. } | Event::Index { phase, .. } => {
                self.phase(phase).ok_or_else(|| FoldError::UnknownPhase { seq, phase: phase.clone() })?;
                Ok(())
            }
            Event::ProfileLoaded { .. }
            | Event::EngineStarted { .. }
            | Event::EngineStopped { .. }
            | Event::CommandRejected { .. }
            | Event::Planned { .. }
            | Event::Pipeline { .. }
            | Event::Verified { .. }
            | Event::Comparison { .. }
            | Event::Repaired { .. }
            | Event::Session { .. }
            | Event::Unknown => Ok(()),
        }
    }

    /// Applies the next journal row.
    ///
    /// # Errors
    /// [`FoldError`] when the row does not follow; the state is then unchanged.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), FoldError> {
        if entry.seq.0 != self.head.0 + 1 {
            return Err(FoldError::Gap { head: self.head, found: entry.seq });
        }
        self.admits(&entry.event)?;
        match &entry.event {
            Event::ProfileLoaded { name, env, digest, phases, pipelines } => {
                self.name.clone_from(name);
                self.env.clone_from(env);
                self.digest.clone_from(digest);
                self.declare(phases, pipelines, entry);
            }
            Event::EngineStarted { pid, version, host, .. } => {
                self.engine = Some(EngineRecord {
                    pid: *pid,
                    host: host.clone(),
                    version: version.clone(),
                    since: entry.at,
                    running: true,
                });
                ending::engine_started(&mut self.endings);
            }
            Event::EngineStopped { .. } => {
                if let Some(engine) = &mut self.engine {
                    engine.running = false;
                }
            }
            Event::Phase { phase, event } => {
                if let Some(record) = self.phases.iter_mut().find(|p| p.id == *phase) {
                    record.status = record.status.next(event).map_err(|source| FoldError::Illegal {
                        seq: entry.seq,
                        phase: phase.clone(),
                        source,
                    })?;
                    record.changed_at = entry.at;
                    record.changed_seq = entry.seq;
                    if matches!(event, PhaseEvent::Started) {
                        record.started_at = Some(entry.at);
                    }
                    if let PhaseEvent::RollbackStarted { plan, .. } = event {
                        record.rollback_plan = Some(plan.clone());
                    }
                    if matches!(event, PhaseEvent::RolledBack) {
                        // Nothing of it stands any more: a new run begins with its first step. The journal keeps the history.
                        record.steps.clear();
                    }
                }
            }
            Event::Step { phase, step, event, .. } => {
                if let Some(record) = self.phases.iter_mut().find(|p| p.id == *phase) {
                    match record.steps.iter_mut().find(|s| s.id == *step) {
                        Some(known) => known.apply(event, entry.at),
                        None => {
                            let mut new = StepRecord::new(step.clone(), entry.at);
                            new.apply(event, entry.at);
                            record.steps.push(new);
                        }
                    }
                }
            }
            Event::Pipeline { pipeline, event } => {
                self.pipelines.entry(pipeline.clone()).or_default().apply(event);
                // What was compared so far is about other data, or about sides that have changed places.
                let void = matches!(
                    event,
                    PipelineEvent::Mapped { .. }
                        | PipelineEvent::CopyComplete { .. }
                        | PipelineEvent::Traffic { .. }
                        | PipelineEvent::Removed
                );
                if let Some(record) = self.comparisons.get_mut(pipeline).filter(|_| void) {
                    record.pass = None;
                }
            }
            Event::Comparison { pipeline, event } => {
                self.comparisons.entry(pipeline.clone()).or_default().apply(event, entry.at);
            }
            Event::Verified { pipeline, tables } => {
                let known = self.verification.entry(pipeline.clone()).or_default();
                for table in tables {
                    known.retain(|t| t.table != table.table);
                    known.push(table.clone());
                }
                if let Some(record) = self.comparisons.get_mut(pipeline) {
                    record.close(tables);
                }
            }
            Event::Session { store, session, event } => {
                ending::fold(&mut self.endings, entry.seq, store, session, event);
            }
            Event::Index { phase, event } => {
                if let Some(record) = self.phases.iter_mut().find(|p| p.id == *phase) {
                    index_order::fold(&mut record.indexes, event);
                }
            }
            Event::Unknown => self.unknown_events += 1,
            Event::Planned { plan } => {
                if let Some(record) = self.phases.iter_mut().find(|p| p.id == plan.phase) {
                    record.plan = Some(plan.clone());
                }
            }
            Event::CommandRejected { .. } | Event::Repaired { .. } => {}
        }
        self.head = entry.seq;
        Ok(())
    }

    /// Takes the ladder of a (changed) profile over: phases that are known keep their status.
    fn declare(&mut self, phases: &[PhaseDeclared], pipelines: &[PipelineDeclared], entry: &Entry) {
        let mut known = std::mem::take(&mut self.phases);
        for declared in phases {
            let record = match known.iter().position(|p| p.id == declared.id && p.kind == declared.kind) {
                Some(at) => {
                    let mut record = known.swap_remove(at);
                    record.pipelines.clone_from(&declared.pipelines);
                    record.approvals = declared.approvals;
                    record
                }
                None => PhaseRecord {
                    id: declared.id.clone(),
                    kind: declared.kind,
                    pipelines: declared.pipelines.clone(),
                    approvals: declared.approvals,
                    status: PhaseStatus::Pending,
                    plan: None,
                    rollback_plan: None,
                    steps: Vec::new(),
                    indexes: Vec::new(),
                    changed_at: entry.at,
                    changed_seq: entry.seq,
                    started_at: None,
                },
            };
            self.phases.push(record);
        }
        self.declared = pipelines.to_vec();
        for pipeline in pipelines {
            self.pipelines.entry(pipeline.id.clone()).or_default();
        }
    }
}
