//! The pump: reads changes from the source's log and applies them in commit order, with the checkpoint in the same transaction.

use crate::model::change::{CaptureItem, Position, RowChange};
use crate::model::value::Key;
use crate::pipelines::copier::control::{Control, Wish};
use crate::pipelines::copier::moved;
use crate::pipelines::copier::route::CopierRoute;
use crate::pipelines::copier::status::{CopierStatus, StatusData};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{ChangeApplier, ChangeStream};
use chrono::Utc;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Changes handed to the target in one go; also bounds memory inside a large transaction.
const PUSH_CHANGES: usize = 4096;

/// A checkpoint without changes is written at most this often while the source's log moves on without us (W01).
const IDLE_CHECKPOINT: Duration = Duration::from_secs(5);

/// What one run of the pump works with.
pub struct Pump<'a> {
    /// From where to where.
    pub route: &'a CopierRoute,
    /// Readings.
    pub status: &'a CopierStatus,
    /// Pause and stop.
    pub control: Control,
    /// End as soon as this marker has come out of the log.
    pub until: Option<&'a str>,
    /// Set by whoever finds that the captured tables are not what they were: the run ends before it reads on.
    pub schema_changed: &'a AtomicBool,
}

/// How a run ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PumpEnd {
    /// On request.
    Wished(Wish),
    /// The marker came out; everything before it is durable on the target.
    Passed,
    /// A captured table is not what it was. Nothing of the new shape was applied.
    SchemaChanged,
}

/// State of one run between batches.
struct Run {
    stream: Box<dyn ChangeStream>,
    applier: Box<dyn ChangeApplier>,
    /// Changes of the source transaction(s) in work that were not pushed yet.
    pending: Vec<RowChange>,
    /// Whether changes of a source transaction were taken whose commit has not come yet.
    inside: bool,
    /// Whether the target has changes that no commit covers yet.
    uncommitted: bool,
    /// Position of the last source commit that was read.
    committed: Position,
    /// Last durable position.
    applied: Position,
    /// Read but not checkpointed, nothing to apply up to here.
    idle: Option<Position>,
    checkpointed: Instant,
}

impl Pump<'_> {
    /// Applies changes until there is a reason to end.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of an unfinished batch stays, and the next run goes on from the target's checkpoint.
    pub async fn run(&self) -> Result<PumpEnd, StoreError> {
        let result = self.run_connected().await;
        self.status.update(|s| s.streaming = false);
        result
    }

    async fn run_connected(&self) -> Result<PumpEnd, StoreError> {
        let route = self.route;
        let state = route.target.target().state(&route.apply).await?;
        let Some(origin) = state.origin else {
            return Err(StoreError::new(
                route.target.id(),
                Operation::Checkpoint,
                ErrorKind::NotFound,
                "the target has no checkpoint of this pipeline: nothing was copied here",
            ));
        };
        let from = state.applied.unwrap_or(origin.position);
        let applier = route.target.target().applier(&route.apply).await?;
        let stream = route.source.capture().stream(&route.capture, from).await?;
        self.status.update(|s| {
            s.applied = Some(from);
            s.consistent_from = state.consistent_from;
            s.applied_by_table.resize(route.apply.tables.len(), 0);
            s.streaming = true;
        });
        let mut run = Run {
            stream,
            applier,
            pending: Vec::new(),
            inside: false,
            uncommitted: false,
            committed: from,
            applied: from,
            idle: None,
            checkpointed: Instant::now(),
        };
        loop {
            let wish = self.control.wish();
            // A wish is met between source transactions, so that nothing is applied by half.
            if wish != Wish::Run && !run.inside {
                return Ok(PumpEnd::Wished(wish));
            }
            if !run.inside {
                if self.schema_changed.load(Ordering::Relaxed) {
                    return Ok(PumpEnd::SchemaChanged);
                }
                if self.until.is_some_and(|token| self.status.ask(|s| s.marker(token).is_some())) {
                    return Ok(PumpEnd::Passed);
                }
            }
            let items = run.stream.next().await?;
            if !self.take(&mut run, items).await? {
                run.applier.rollback().await?;
                return Ok(PumpEnd::SchemaChanged);
            }
            if !run.inside
                && run.checkpointed.elapsed() >= IDLE_CHECKPOINT
                && let Some(idle) = run.idle.take().filter(|p| *p > run.applied)
            {
                self.commit(&mut run, idle).await?;
            }
        }
    }

    /// Takes one batch: the last complete transaction in it is committed before a partial one behind it is begun. False at a changed
    /// schema: what is read then is read again once it is settled what becomes of it.
    async fn take(&self, run: &mut Run, items: Vec<CaptureItem>) -> Result<bool, StoreError> {
        let last_commit = items.iter().rposition(|i| matches!(i, CaptureItem::Commit { .. }));
        for (at, item) in items.into_iter().enumerate() {
            match item {
                CaptureItem::Change(change) => {
                    run.inside = true;
                    run.pending.push(change);
                    if run.pending.len() >= PUSH_CHANGES {
                        self.push(run).await?;
                    }
                }
                CaptureItem::Commit { position, .. } => {
                    run.inside = false;
                    run.committed = position;
                    run.idle = Some(position);
                    if Some(at) == last_commit {
                        self.push(run).await?;
                        self.commit(run, position).await?;
                    }
                }
                CaptureItem::Marker { token, .. } => {
                    // Changes come in whole transactions, so all that was committed before the marker has its `Commit` before it. The
                    // marker's own position is no checkpoint: its transaction may still be open.
                    if run.uncommitted || !run.pending.is_empty() {
                        let position = run.committed;
                        self.push(run).await?;
                        self.commit(run, position).await?;
                    }
                    self.status.marker_passed(token);
                }
                CaptureItem::Progress { position } => run.idle = Some(position),
                CaptureItem::SchemaChange(change) => {
                    tracing::info!(pipeline = %self.route.pipeline, %change, "the captured schema changed");
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn push(&self, run: &mut Run) -> Result<(), StoreError> {
        if run.pending.is_empty() {
            return Ok(());
        }
        let changes = std::mem::take(&mut run.pending);
        self.status.remember(&self.route.apply.tables, &changes);
        let mut by_table = vec![0u64; self.route.apply.tables.len()];
        for change in &changes {
            for table in tables_of(change) {
                if let Some(count) = by_table.get_mut(table) {
                    *count += 1;
                }
            }
        }
        // Only while a resumed copy catches up can a row be missing that nobody removed.
        let incomplete = if self.status.ask(StatusData::is_consistent) {
            BTreeMap::new()
        } else {
            moved::incomplete(&changes, &self.route.apply.tables)
        };
        let applied = run.applier.push(changes).await?;
        run.uncommitted = true;
        if applied.anomalies > 0 && !incomplete.is_empty() {
            self.fetch(run, incomplete).await?;
        }
        self.status.update(|s| {
            s.applied_changes += applied.changes;
            for (total, count) in s.applied_by_table.iter_mut().zip(&by_table) {
                *total += count;
            }
            // Before the consistent point repeats are expected.
            if s.is_consistent() {
                s.anomalies += applied.anomalies;
            }
        });
        Ok(())
    }

    /// Brings rows that moved between two snapshots from the source. What follows in the log may be older than they are, so the target
    /// counts as consistent only from where they were read.
    async fn fetch(&self, run: &mut Run, keys: BTreeMap<usize, Vec<Key>>) -> Result<(), StoreError> {
        let route = self.route;
        let rows = moved::read(route, keys).await?;
        let read_at = route.source.capture().retention(&route.capture).await?.log_end;
        run.applier.expect_repeats(read_at).await?;
        self.status.update(|s| s.consistent_from = Some(read_at));
        if !rows.is_empty() {
            run.applier.push(rows).await?;
        }
        Ok(())
    }

    async fn commit(&self, run: &mut Run, position: Position) -> Result<(), StoreError> {
        if !run.uncommitted && position <= run.applied {
            return Ok(());
        }
        run.applier.commit(position).await?;
        run.uncommitted = false;
        run.applied = position;
        run.checkpointed = Instant::now();
        self.status.update(|s| {
            s.applied = Some(position);
            s.moved_at = Some(Utc::now());
        });
        run.stream.confirm(position).await
    }
}

fn tables_of(change: &RowChange) -> Vec<usize> {
    match change {
        RowChange::Insert { table, .. } | RowChange::Update { table, .. } | RowChange::Delete { table, .. } => {
            vec![*table]
        }
        RowChange::Truncate { tables } => tables.clone(),
    }
}
