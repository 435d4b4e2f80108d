//! Events: facts that go to the journal. Readings do not.

use crate::model::comparison::ComparisonEvent;
use crate::model::ending::SessionEvent;
use crate::model::ids::{Operator, PhaseId, PipelineId, Seq, StepId, StoreId};
use crate::model::index_order::IndexEvent;
use crate::model::phase::{PhaseEvent, PhaseKind};
use crate::model::pipeline::PipelineEvent;
use crate::model::plan::{Direction, Plan};
use crate::model::session::SessionKey;
use crate::model::step::StepEvent;
use crate::model::verification::TableVerification;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A phase as declared when the migration was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseDeclared {
    /// Its name.
    pub id: PhaseId,
    /// What it does.
    pub kind: PhaseKind,
    /// Pipelines it is about.
    pub pipelines: Vec<PipelineId>,
    /// Approvals it needs.
    pub approvals: u32,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// First row of a journal, and again whenever the profile changed.
    ProfileLoaded {
        /// Migration name.
        name: String,
        /// `env` of the profile.
        env: Option<String>,
        /// Digest of the profile.
        digest: String,
        /// The ladder.
        phases: Vec<PhaseDeclared>,
        /// Pipelines in file order, with source and target store.
        pipelines: Vec<PipelineDeclared>,
    },
    /// An engine took the journal over.
    EngineStarted {
        /// Process id.
        pid: u32,
        /// Godwit's version.
        version: String,
        /// Host name.
        host: String,
        /// Unix user.
        user: Operator,
    },
    /// The engine stopped in an orderly way. Its absence tells of a crash.
    EngineStopped {
        /// Why.
        why: String,
    },
    /// A command was refused; accepted ones show in what they caused.
    CommandRejected {
        /// Who.
        by: Operator,
        /// What was asked.
        command: String,
        /// The sentence that the operator got.
        why: String,
    },
    /// A plan was printed for approval: what the approvers saw.
    Planned {
        /// The plan.
        plan: Plan,
    },
    /// Something happened to a phase.
    Phase {
        /// Which.
        phase: PhaseId,
        /// What.
        #[serde(flatten)]
        event: PhaseEvent,
    },
    /// Something happened to a step.
    Step {
        /// Phase.
        phase: PhaseId,
        /// Step.
        step: StepId,
        /// Forward or back.
        direction: Direction,
        /// What.
        #[serde(flatten)]
        event: StepEvent,
    },
    /// Something happened to a pipeline.
    Pipeline {
        /// Which.
        pipeline: PipelineId,
        /// What.
        #[serde(flatten)]
        event: PipelineEvent,
    },
    /// A verification pass over some tables ended.
    Verified {
        /// Pipeline.
        pipeline: PipelineId,
        /// One entry a table.
        tables: Vec<TableVerification>,
    },
    /// Something happened to the comparison of a pipeline's tables.
    Comparison {
        /// Which.
        pipeline: PipelineId,
        /// What.
        #[serde(flatten)]
        event: ComparisonEvent,
    },
    /// Rows of the target were overwritten with the source's, or removed.
    Repaired {
        /// Pipeline.
        pipeline: PipelineId,
        /// Source table.
        table: String,
        /// At most 20 keys.
        keys: Vec<Vec<String>>,
        /// Rows repaired.
        rows: u64,
        /// Who asked.
        by: Operator,
    },
    /// Something was done to a session of a store. Older binaries show it as an event that they do not know.
    Session {
        /// Store.
        store: StoreId,
        /// Which session.
        session: SessionKey,
        /// What.
        #[serde(flatten)]
        event: SessionEvent,
    },
    /// Somebody decided about the indexes that a phase builds.
    Index {
        /// Phase.
        phase: PhaseId,
        /// What.
        #[serde(flatten)]
        event: IndexEvent,
    },
    /// An event kind that this binary does not know: written by a newer one. It stays in the journal as it is and changes nothing here.
    #[serde(other)]
    Unknown,
}

/// A pipeline as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineDeclared {
    /// Its name.
    pub id: PipelineId,
    /// Source store.
    pub from: String,
    /// Target store.
    pub to: String,
}

/// An event with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Row number.
    pub seq: Seq,
    /// When it was appended (UTC).
    pub at: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
