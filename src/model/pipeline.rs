//! A pipeline's four separate fields: state, stage, traffic, writable. Never one.

use crate::model::change::Position;
use crate::model::ids::Operator;
use crate::model::reason::Reason;
use crate::model::schema::SchemaStatement;
use crate::model::schema_change::{PendingColumn, SchemaNote};
use crate::model::table::{TableMap, TableName};
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
    /// Writers are held for a switch. Entered before they are held, left with the fence or with the undo, also after a crash.
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
    /// What was on the side that a cutover enters, before it entered: tables that a roll back finds beyond these were made meanwhile.
    Inventoried {
        /// All tables of the store, also those that are nothing of the migration's.
        tables: Vec<TableName>,
        /// Everything else that has a name, such as `view sales.totals`.
        others: Vec<String>,
    },
    /// A roll back begins that takes these tables, made on the target since the cutover, along to the source. None: it takes none.
    Carrying {
        /// Their mapping, in the pipeline's own direction.
        tables: Vec<TableMap>,
        /// What builds them on the source. Kept here so that they can be taken down again whatever becomes of the originals.
        statements: Vec<SchemaStatement>,
    },
    /// The source serves and has them: from now on they belong to the mapping like the others.
    Adopted {
        /// Their mapping.
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
    /// The captured side's schema changed. Written before anything is done about it.
    SchemaChange {
        /// What changed, and what the policy makes of it.
        #[serde(flatten)]
        note: SchemaNote,
    },
    /// The values of a column that was mapped on the way are on the other side.
    ColumnCarried {
        /// Table on the captured side.
        table: TableName,
        /// Column on the captured side.
        column: String,
        /// Rows whose value had to be written.
        rows: u64,
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

/// What a cutover found on the side that it entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// All tables of the store.
    pub tables: Vec<TableName>,
    /// Everything else that has a name.
    pub others: Vec<String>,
}

/// Tables made on the target since the cutover, on their way to the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Their mapping, in the pipeline's own direction.
    pub tables: Vec<TableMap>,
    /// What builds them on the source.
    pub statements: Vec<SchemaStatement>,
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
    /// What the last cutover found on the target; `None` before the first, and in journals of older versions.
    pub found: Option<Found>,
    /// What the roll back in work takes along.
    pub carried: Carried,
    /// Source tables of the mapping that the profile does not name: a roll back took them along from the target.
    pub adopted: Vec<TableName>,
    /// Rows of the completed copy.
    pub copied_rows: Option<u64>,
    /// Throttle knobs set by operators, by name.
    pub knobs: std::collections::BTreeMap<String, String>,
    /// Schema changes since the mapping was fixed, oldest first, each with what became of it last.
    #[serde(default)]
    pub schema: Vec<SchemaNote>,
    /// Columns whose values are still to be carried over.
    #[serde(default)]
    pub pending: Vec<PendingColumn>,
}

impl PipelineRecord {
    /// Applies one event.
    pub fn apply(&mut self, event: &PipelineEvent) {
        match event {
            PipelineEvent::State { state } => self.state = state.clone(),
            PipelineEvent::Stage { stage } => self.stage = *stage,
            // A pipeline has at least one table: none means that the mapping was taken back.
            PipelineEvent::Mapped { tables } => {
                self.tables = (!tables.is_empty()).then(|| tables.clone());
                self.adopted.retain(|name| tables.iter().any(|map| map.source == *name));
                if tables.is_empty() {
                    self.schema.clear();
                    self.pending.clear();
                }
            }
            PipelineEvent::Inventoried { tables, others } => {
                self.found = Some(Found { tables: tables.clone(), others: others.clone() });
            }
            PipelineEvent::Carrying { tables, statements } => {
                self.carried = Carried { tables: tables.clone(), statements: statements.clone() };
            }
            PipelineEvent::Adopted { tables } => {
                let known = self.tables.get_or_insert_default();
                for map in tables {
                    if !known.iter().any(|k| k.source == map.source) {
                        known.push(map.clone());
                        self.adopted.push(map.source.clone());
                    }
                }
                self.carried = Carried::default();
            }
            PipelineEvent::Origin { position, captured } => {
                self.origin = Some(*position);
                self.captured = Some(*captured);
            }
            PipelineEvent::CopyComplete { rows, .. } => self.copied_rows = Some(*rows),
            PipelineEvent::Traffic { serves } => self.traffic = *serves,
            PipelineEvent::Writable { writable } => self.writable = *writable,
            PipelineEvent::SchemaChange { note } => self.note(note),
            PipelineEvent::ColumnCarried { table, column, .. } => {
                self.pending.retain(|p| p.table != *table || p.column != *column);
            }
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
                // The mapping stays, and with it what is known about it; a new copy brings every value along.
                let adopted = std::mem::take(&mut self.adopted);
                let found = self.found.take();
                let schema = std::mem::take(&mut self.schema);
                *self = Self { traffic, writable, tables, adopted, found, schema, ..Self::default() };
            }
        }
    }

    /// One sentence for each schema change since the mapping was fixed, and for each column whose values are still to come.
    pub fn schema_sentences(&self) -> Vec<String> {
        let notes = self.schema.iter().map(|n| format!("{}; {}", n.change, n.outcome));
        let pending = self
            .pending
            .iter()
            .map(|p| format!("{}: the values of column {} are still being carried over", p.table, p.column));
        notes.chain(pending).collect()
    }

    fn note(&mut self, note: &SchemaNote) {
        let made_before = |n: &SchemaNote| n.captured == note.captured && n.change == note.change;
        let before: Vec<SchemaNote> = self.schema.extract_if(.., |n| made_before(n)).collect();
        let made: Vec<_> = before.iter().flat_map(|n| n.made.clone()).collect();
        let mut note = note.clone();
        if note.then.is_empty() {
            note.then = before.into_iter().flat_map(|n| n.then).collect();
        }
        // What an interrupted attempt made is still ours.
        let new: Vec<_> = note.made.drain(..).filter(|s| !made.contains(s)).collect();
        note.made = made.into_iter().chain(new).collect();
        if let Some(column) = note.fills() {
            let table = note.change.table.clone();
            self.pending.retain(|p| p.table != table || p.column != column);
            self.pending.push(PendingColumn {
                captured: note.captured,
                table,
                column: column.to_owned(),
                then: note.then.clone(),
            });
        }
        self.schema.push(note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &str) -> TableMap {
        TableMap { source: TableName::bare(name), target: TableName::bare(name), columns: Vec::new(), key: Vec::new() }
    }

    #[test]
    fn what_a_roll_back_carried_belongs_to_the_mapping_once() {
        let mut record = PipelineRecord::default();
        record.apply(&PipelineEvent::Mapped { tables: vec![map("orders")] });
        record.apply(&PipelineEvent::Carrying { tables: vec![map("returns")], statements: Vec::new() });
        assert_eq!(record.carried.tables, [map("returns")]);
        for _ in 0..2 {
            // An engine that dies behind the first one journals it again.
            record.apply(&PipelineEvent::Adopted { tables: vec![map("returns")] });
        }
        assert_eq!(record.tables, Some(vec![map("orders"), map("returns")]));
        assert_eq!(record.adopted, [TableName::bare("returns")]);
        assert_eq!(record.carried, Carried::default());
        record.apply(&PipelineEvent::Mapped { tables: Vec::new() });
        assert!(record.tables.is_none() && record.adopted.is_empty());
    }
}
