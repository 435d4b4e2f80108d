//! Applies changes in target transactions, by sets.
//!
//! A batch is folded to one operation per key and table (`fold::Fold`) and sent as a few statements in one round trip, behind a savepoint.
//! Order between tables does not matter, because a replica session checks no foreign keys; order within a table does, and is kept by
//! the fold. When the server refuses the batch, it is tried again with inserts that tolerate existing rows, and at last one change at a
//! time in source order: then unique values that wander between rows fit, or the error names the very change.

use crate::model::change::{Cell, Position, RowChange};
use crate::model::table::TableMap;
use crate::model::value::{Key, Value};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::batch::{Batch, Tolerance};
use crate::stores::postgres::checkpoint;
use crate::stores::postgres::dml::TargetTable;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::{Failure, Outcome};
use crate::stores::postgres::wire::link::Link;
use crate::stores::postgres::wire::pipeline::{Pipeline, Stopped, TEXT};
use crate::stores::{Applied, ApplySpec, ChangeApplier, Result, StoreError};
use async_trait::async_trait;

/// After a batch in which an insert met an existing row, so many batches tolerate that from the start: repeats come in runs.
const TOLERANT_BATCHES: u32 = 64;

/// The one session that applies changes.
pub struct PgApplier {
    link: Link,
    spec: ApplySpec,
    connection: Connection,
    /// By table index.
    tables: Vec<TargetTable>,
    /// A transaction is open, and in it the savepoint `godwit`.
    open: bool,
    tolerant: u32,
    /// The table whose statement failed last.
    suspect: Option<usize>,
}

/// Settings of the session: plans that do not depend on a batch's size (an index lookup per row), no compilation, deferrable constraints
/// looked at when the source's transaction is whole.
pub(super) const SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET enable_seqscan = off; SET enable_memoize = off; SET jit = off; SET work_mem = '64MB'; SET lock_timeout = '60s'";

impl PgApplier {
    /// Takes over a session that is prepared with [`SESSION`] and holds the origin.
    pub(super) async fn new(link: Link, spec: ApplySpec, mut connection: Connection) -> Result<Self> {
        let mut tables = Vec::with_capacity(spec.tables.len());
        for (index, map) in spec.tables.iter().enumerate() {
            let loaded = TargetTable::load(&mut connection, index, map).await;
            tables.push(loaded.map_err(|f| {
                let kind = if matches!(f, Failure::Protocol(_)) { ErrorKind::SchemaChanged } else { f.kind() };
                StoreError { kind, ..f.at(&link.options.id, Operation::Apply) }.about(map.target.to_string())
            })?);
        }
        Ok(Self { link, spec, connection, tables, open: false, tolerant: 0, suspect: None })
    }

    fn failed(&self, failure: Failure) -> StoreError {
        failure.at(&self.link.options.id, Operation::Apply)
    }

    /// The error for a batch that failed as a whole.
    fn batch_failed(&self, failure: Failure) -> StoreError {
        let error = self.failed(failure);
        match self.suspect.and_then(|table| self.spec.tables.get(table)) {
            Some(map) => error.about(map.target.to_string()),
            None => error,
        }
    }

    /// Runs a batch behind a savepoint. The counts are those of the batch's own statements.
    async fn attempt(&mut self, batch: &Batch<'_>, tolerance: Tolerance) -> std::result::Result<Vec<u64>, Failure> {
        let mut pipeline = Pipeline::default();
        let mut before = 2;
        if self.open {
            // Savepoints of one name nest; the one of the batch before is no longer needed.
            pipeline.once("RELEASE SAVEPOINT godwit")?;
        } else {
            pipeline.once("BEGIN")?;
            pipeline.once("SET CONSTRAINTS ALL DEFERRED")?;
            before += 1;
        }
        pipeline.once("SAVEPOINT godwit")?;
        if let Err(failure) = batch.queue(&mut self.tables, &mut pipeline, tolerance) {
            self.tables.iter_mut().for_each(TargetTable::forget_prepared);
            return Err(failure);
        }
        match self.connection.run(pipeline).await {
            Ok(counts) => {
                self.open = true;
                Ok(counts.into_iter().skip(before).collect())
            }
            Err(Stopped { completed, failure }) => {
                self.open |= completed >= before;
                self.suspect = completed.checked_sub(before).and_then(|at| batch.table_of(at));
                self.tables.iter_mut().for_each(TargetTable::forget_prepared);
                Err(failure)
            }
        }
    }

    /// Runs what the counts call for after a batch; the rows whose absence (or presence) was unexpected are counted.
    async fn follow_up(&mut self, batch: &Batch<'_>, counts: &[u64], tolerance: Tolerance) -> Outcome<u64> {
        let (mut pipeline, mut anomalies) = (Pipeline::default(), batch.anomalies());
        let follow_ups = batch.follow_ups(counts, tolerance, &mut anomalies);
        for follow_up in &follow_ups {
            follow_up.queue(&mut self.tables, &mut pipeline)?;
        }
        if pipeline.is_empty() {
            return Ok(anomalies);
        }
        match self.connection.run(pipeline).await {
            Ok(_) => Ok(anomalies),
            Err(stopped) => {
                self.tables.iter_mut().for_each(TargetTable::forget_prepared);
                Err(stopped.failure)
            }
        }
    }

    async fn back_to_savepoint(&mut self) -> Outcome<()> {
        self.connection.query("ROLLBACK TO SAVEPOINT godwit").await.map(|_| ())
    }

    /// Applies a batch as a whole; `None` when it must be applied one change at a time.
    async fn apply_whole(&mut self, changes: &[RowChange]) -> Outcome<Option<Applied>> {
        let batch = Batch::new(changes, &self.tables);
        let mut tolerance = if self.tolerant > 0 { Tolerance::Existing } else { Tolerance::None };
        self.tolerant = self.tolerant.saturating_sub(1);
        loop {
            match self.attempt(&batch, tolerance).await {
                Ok(counts) => {
                    if !batch.is_simple() && batch.falls_short(&counts) {
                        break;
                    }
                    return match self.follow_up(&batch, &counts, tolerance).await {
                        Ok(anomalies) => Ok(Some(Applied { changes: changes.len() as u64, anomalies })),
                        Err(failure) if self.may_retry(&failure) => break,
                        Err(failure) => Err(failure),
                    };
                }
                Err(failure) if !self.may_retry(&failure) => return Err(failure),
                Err(_) if tolerance == Tolerance::None => {
                    self.back_to_savepoint().await?;
                    tolerance = Tolerance::Existing;
                    self.tolerant = TOLERANT_BATCHES;
                }
                Err(_) => break,
            }
        }
        self.back_to_savepoint().await?;
        Ok(None)
    }

    /// True when the server refused a row, the transaction still stands, and the savepoint with it.
    fn may_retry(&self, failure: &Failure) -> bool {
        self.open && matches!(failure, Failure::Server(_)) && failure.kind() == ErrorKind::Rejected
    }

    async fn note_repeats(&mut self, position: Position) -> Outcome<()> {
        if !self.open {
            self.connection.query("BEGIN; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT godwit").await?;
            self.open = true;
        }
        checkpoint::save_consistent_from(&mut self.connection, &self.spec.name, position).await
    }

    async fn apply_one(&mut self, change: &RowChange) -> Result<Applied> {
        let changes = std::slice::from_ref(change);
        let batch = Batch::new(changes, &self.tables);
        let outcome = match self.attempt(&batch, Tolerance::Existing).await {
            Ok(counts) => self.follow_up(&batch, &counts, Tolerance::Existing).await,
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(anomalies) => Ok(Applied { changes: 1, anomalies }),
            Err(failure) => Err(self.failed(failure).about(describe(change, &self.spec.tables))),
        }
    }

    async fn apply(&mut self, changes: &[RowChange]) -> Result<Applied> {
        if let Some(applied) = self.apply_whole(changes).await.map_err(|f| self.batch_failed(f))? {
            return Ok(applied);
        }
        let mut total = Applied::default();
        for change in changes {
            let applied = self.apply_one(change).await?;
            total.changes += applied.changes;
            total.anomalies += applied.anomalies;
        }
        Ok(total)
    }
}

#[async_trait]
impl ChangeApplier for PgApplier {
    async fn push(&mut self, changes: Vec<RowChange>) -> Result<Applied> {
        if changes.is_empty() {
            return Ok(Applied::default());
        }
        match self.apply(&changes).await {
            Ok(applied) => Ok(applied),
            Err(error) => {
                // The first error is the one that matters; a connection that cannot roll back has lost its transaction anyway.
                if let Err(second) = self.rollback().await {
                    tracing::debug!(error = %second, "the transaction ended with its connection");
                }
                Err(error)
            }
        }
    }

    async fn expect_repeats(&mut self, position: Position) -> Result<()> {
        let noted = self.note_repeats(position).await;
        if let Err(failure) = noted {
            let error = StoreError { operation: Operation::Checkpoint, ..self.failed(failure) };
            if let Err(second) = self.rollback().await {
                tracing::debug!(error = %second, "the transaction ended with its connection");
            }
            return Err(error);
        }
        Ok(())
    }

    async fn commit(&mut self, position: Position) -> Result<()> {
        let text = checkpoint::to_json(&position).map_err(|f| self.failed(f))?;
        let mut pipeline = Pipeline::default();
        let queue = |pipeline: &mut Pipeline, open: bool| -> Outcome<()> {
            if !open {
                pipeline.once("BEGIN")?;
            }
            pipeline.prepare("", checkpoint::ADVANCE, &[TEXT, TEXT])?;
            pipeline.execute("", [Some(self.spec.name.as_bytes()), Some(text.as_bytes())])?;
            pipeline.once("COMMIT")
        };
        queue(&mut pipeline, self.open).map_err(|f| self.failed(f))?;
        match self.connection.run(pipeline).await {
            Ok(_) => {
                self.open = false;
                Ok(())
            }
            Err(Stopped { failure, .. }) => {
                let gone = failure.sqlstate() == Some("22012");
                let mut error = StoreError { operation: Operation::Checkpoint, ..self.failed(failure) };
                if gone {
                    error.message = format!("there is no checkpoint for {}: somebody removed it", self.spec.name);
                    error.kind = ErrorKind::NotFound;
                }
                if let Err(second) = self.rollback().await {
                    tracing::debug!(error = %second, "the transaction ended with its connection");
                }
                Err(error)
            }
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        self.open = false;
        self.connection.query("ROLLBACK").await.map(|_| ()).map_err(|f| self.failed(f))
    }
}

/// Which change an error is about.
fn describe(change: &RowChange, maps: &[TableMap]) -> String {
    let (verb, table, key) = match change {
        RowChange::Insert { table, row } => ("insert into", *table, maps.get(*table).map(|map| key_of(map, row))),
        RowChange::Update { table, old_key, .. } => ("update of", *table, Some(old_key.clone())),
        RowChange::Delete { table, old_key } => ("delete from", *table, Some(old_key.clone())),
        RowChange::Truncate { tables } => return format!("truncate of {} tables", tables.len()),
    };
    let name = maps.get(table).map_or_else(String::new, |map| map.target.to_string());
    let key: Vec<String> = key.unwrap_or_default().iter().map(Value::to_string).collect();
    crate::stores::sanitise::clean(&format!("{verb} {name}, key ({})", key.join(", ")))
}

fn key_of(map: &TableMap, row: &[Cell]) -> Key {
    let value = |&at: &usize| match row.get(at) {
        Some(Cell::Value(value)) => value.clone(),
        Some(Cell::Unchanged) | None => Value::Null,
    };
    map.key.iter().map(value).collect()
}
