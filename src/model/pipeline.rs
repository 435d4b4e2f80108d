//! A pipeline's four separate fields: state, stage, traffic, writable. Never one.

use crate::model::change::Position;
use crate::model::ids::Operator;
use crate::model::reason::Reason;
use crate::model::table::TableMap;
use serde::{Deserialize, Serialize};

/// What the pipeline's process does. Requested is not confirmed: `Pausing` is not `Paused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PipelineState {
    /// Nothing runs and nothing is meant to.
    #[default]
    Stopped,
    /// Connecting and comparing checkpoints.
    Starting,
    /// Moving data, or waiting for data to move.
    Running,
    /// A pause was requested; batches in flight are being finished.
    Pausing,
    /// Nothing moves; the source keeps its log (the runway shows for how long).
    Paused,
    /// Lost a connection or met a passing error; tries again by itself.
    Retrying {
        /// Why.
        reason: Reason,
        /// Attempts since it last moved.
        attempt: u32,
    },
    /// Stopped by an error that only a person can mend.
    Failed {
        /// Why.
        reason: Reason,
    },
}

impl PipelineState {
    /// The word for screens.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Retrying { .. } => "retrying",
            Self::Failed { .. } => "failed",
        }
    }
}

/// How far the data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// No capture exists.
    #[default]
    Idle,
    /// Rows are being copied from the snapshot.
    Copy,
    /// Changes since the snapshot are being applied.
    CatchUp,
    /// The target follows the source.
    Live,
    /// Writers are held for a cutover.
    Frozen,
    /// The target serves; its changes flow back to the source.
    Reverse,
}

impl Stage {
    /// The word for screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Copy => "copy",
            Self::CatchUp => "catch-up",
            Self::Live => "live",
            Self::Frozen => "frozen",
            Self::Reverse => "reverse",
        }
    }
}

/// Which side the applications are routed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// The old side.
    #[default]
    Source,
    /// The new side.
    Target,
}

impl Traffic {
    /// The word for screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }

    /// The other side.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Source => Self::Target,
            Self::Target => Self::Source,
        }
    }
}

/// Facts about a pipeline that go to the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "pipeline_event", rename_all = "snake_case")]
pub enum PipelineEvent {
    /// Its process changed state.
    State {
        /// The new state.
        #[serde(flatten)]
        state: PipelineState,
    },
    /// It entered a stage.
    Stage {
        /// The new stage.
        stage: Stage,
    },
    /// The mapping was fixed from the source's catalogue: later changes of the source's schema do not slip into it.
    Mapped {
        /// One entry a table; changes and chunks refer to them by position.
        tables: Vec<TableMap>,
    },
    /// A capture was made; everything after `position` will be carried over.
    Origin {
        /// Start of the capture.
        position: Position,
        /// Which side is captured.
        captured: Traffic,
    },
    /// Every planned chunk is committed on the target: proved by the plan, not by a loop that ended.
    CopyComplete {
        /// Rows loaded.
        rows: u64,
        /// Chunks loaded.
        chunks: u64,
    },
    /// The fence on the serving side is committed and the other side is open: traffic belongs there.
    Traffic {
        /// The side that serves now.
        serves: Traffic,
    },
    /// The target may (or may no longer) be written by applications.
    Writable {
        /// New value.
        writable: bool,
    },
    /// The source's schema changed.
    SchemaChange {
        /// Source table.
        table: String,
        /// What changed.
        detail: String,
        /// What was done about it.
        action: String,
    },
    /// A throttle knob was turned.
    Throttle {
        /// Name of the knob.
        knob: String,
        /// New value as typed; `off` takes the limit off, also the profile's; `default` brings back what the profile says.
        value: String,
        /// Who.
        by: Operator,
    },
    /// The pipeline and its captures were removed.
    Removed,
}

/// A pipeline as the journal tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRecord {
    /// What its process does.
    pub state: PipelineState,
    /// How far the data is.
    pub stage: Stage,
    /// Which side serves.
    pub traffic: Traffic,
    /// May the target be written by applications?
    pub writable: bool,
    /// Which side is captured now.
    pub captured: Option<Traffic>,
    /// Start of that capture.
    pub origin: Option<Position>,
    /// The fixed mapping; `None` before the build phase.
    pub tables: Option<Vec<TableMap>>,
    /// Rows of the completed copy.
    pub copied_rows: Option<u64>,
    /// Throttle knobs set by operators, by name.
    pub knobs: std::collections::BTreeMap<String, String>,
}

impl PipelineRecord {
    /// Applies one event.
    pub fn apply(&mut self, event: &PipelineEvent) {
        match event {
            PipelineEvent::State { state } => self.state = state.clone(),
            PipelineEvent::Stage { stage } => self.stage = *stage,
            // A pipeline has at least one table: none means that the mapping was taken back.
            PipelineEvent::Mapped { tables } => self.tables = (!tables.is_empty()).then(|| tables.clone()),
            PipelineEvent::Origin { position, captured } => {
                self.origin = Some(*position);
                self.captured = Some(*captured);
            }
            PipelineEvent::CopyComplete { rows, .. } => self.copied_rows = Some(*rows),
            PipelineEvent::Traffic { serves } => self.traffic = *serves,
            PipelineEvent::Writable { writable } => self.writable = *writable,
            PipelineEvent::SchemaChange { .. } => {}
            PipelineEvent::Throttle { knob, value, .. } => {
                if value == "default" {
                    self.knobs.remove(knob);
                } else {
                    self.knobs.insert(knob.clone(), value.clone());
                }
            }
            PipelineEvent::Removed => {
                let traffic = self.traffic;
                let writable = self.writable;
                let tables = self.tables.take();
                *self = Self { traffic, writable, tables, ..Self::default() };
            }
        }
    }
}
