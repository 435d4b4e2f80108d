//! The target's side of a pipeline: checkpoints, and loading chunks. Rows and their checkpoint are committed together.

use super::apply::SqliteApplier;
use super::catalogue;
use super::checkpoint::{self, Checkpoints};
use super::control;
use super::insert::Insert;
use super::inventory::existing;
use super::quote::ident;
use super::row::{self, Args};
use super::session::Session;
use super::store::SqliteStore;
use crate::model::change::Position;
use crate::model::table::TableMap;
use crate::model::value::Row;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{
    ApplySpec, CaptureOrigin, ChangeApplier, Chunk, ChunkData, ChunkLoader, ChunkPlan, Loaded, Result, Target,
    TargetState,
};
use async_trait::async_trait;

impl SqliteStore {
    fn map_of<'s>(&self, spec: &'s ApplySpec, table: usize) -> Result<&'s TableMap> {
        let missing = || format!("there is no table number {table}");
        spec.tables.get(table).ok_or_else(|| self.db.error(Operation::Checkpoint, ErrorKind::Protocol, missing()))
    }
}

#[async_trait]
impl Target for SqliteStore {
    async fn state(&self, spec: &ApplySpec) -> Result<TargetState> {
        checkpoint::read(&self.db, &spec.name).await
    }

    async fn begin(&self, spec: &ApplySpec, origin: &CaptureOrigin) -> Result<()> {
        let mut open = Checkpoints::begin(&self.db, Operation::Checkpoint).await?;
        let stored = checkpoint::store_origin(open.session(&self.db)?, &spec.name, origin).await;
        open.end(&self.db, stored).await
    }

    async fn save_consistent_from(&self, spec: &ApplySpec, position: Position) -> Result<()> {
        let mut open = Checkpoints::begin(&self.db, Operation::Checkpoint).await?;
        let stored = checkpoint::store_consistent_from(open.session(&self.db)?, &spec.name, position).await;
        open.end(&self.db, stored).await
    }

    async fn save_plan(&self, spec: &ApplySpec, table: usize, plan: &ChunkPlan) -> Result<()> {
        let source = &self.map_of(spec, table)?.source;
        let mut open = Checkpoints::begin(&self.db, Operation::Checkpoint).await?;
        let stored = checkpoint::store_plan(open.session(&self.db)?, &spec.name, source, plan).await;
        open.end(&self.db, stored).await
    }

    async fn loader(&self, spec: &ApplySpec) -> Result<Box<dyn ChunkLoader>> {
        let mut session = checkpoint::open(&self.db, Operation::LoadChunk).await?;
        session.without_deadline();
        Ok(Box::new(SqliteLoader { session, spec: spec.clone(), open: None }))
    }

    fn load_parallelism(&self) -> usize {
        1
    }

    async fn clear_table(&self, spec: &ApplySpec, table: usize) -> Result<()> {
        let map = self.map_of(spec, table)?;
        let mut open = Checkpoints::begin(&self.db, Operation::LoadChunk).await?;
        let cleared = clear(open.session(&self.db)?, &spec.name, map).await;
        open.end(&self.db, cleared).await
    }

    /// Rows are loaded by key, so two snapshots cannot leave two of one key.
    async fn remove_duplicates(&self, _spec: &ApplySpec, _table: usize) -> Result<u64> {
        Ok(0)
    }

    async fn applier(&self, spec: &ApplySpec) -> Result<Box<dyn ChangeApplier>> {
        Ok(Box::new(SqliteApplier::open(&self.db, spec).await?))
    }

    async fn forget(&self, spec: &ApplySpec) -> Result<()> {
        if self.db.file_identity().is_none() {
            return Ok(());
        }
        let mut open = Checkpoints::begin(&self.db, Operation::Checkpoint).await?;
        let forgotten = checkpoint::forget(open.session(&self.db)?, &spec.name).await;
        open.end(&self.db, forgotten).await
    }
}

async fn clear(session: &mut Session, name: &str, map: &TableMap) -> Result<()> {
    session.without_deadline();
    let target = existing(session, &map.target).await?;
    control::enter(session, name).await?;
    session.script(&format!("DELETE FROM {}", ident(&target.name))).await?;
    // Its chunks are gone with its rows: a crash after this must not find them finished.
    checkpoint::forget_chunks(session, name, &map.source).await?;
    control::leave(session).await
}

fn map_of<'a>(session: &Session, spec: &'a ApplySpec, table: usize) -> Result<&'a TableMap> {
    spec.tables.get(table).ok_or_else(|| session.fail(ErrorKind::Protocol, format!("there is no table number {table}")))
}

/// A chunk that is being loaded.
struct OpenChunk {
    table: usize,
    ordinal: u64,
    insert: Insert,
    waiting: Vec<Row>,
    loaded: Loaded,
}

/// The one loader of a SQLite target.
struct SqliteLoader {
    session: Session,
    spec: ApplySpec,
    open: Option<OpenChunk>,
}

impl SqliteLoader {
    /// Writes waiting rows: all of them, or only whole statements.
    async fn flush(session: &mut Session, chunk: &mut OpenChunk, map: &TableMap, all: bool) -> Result<()> {
        while chunk.waiting.len() >= if all { 1 } else { chunk.insert.most_rows() } {
            let size = chunk.insert.next_size(chunk.waiting.len());
            let mut args = Args::new();
            for value in chunk.waiting.drain(..size).flatten() {
                args.push(value).map_err(|why| session.fail(ErrorKind::Rejected, why).about(map.target.to_string()))?;
            }
            session.run(&chunk.insert.sql(size), args).await.map_err(|e| e.about(map.target.to_string()))?;
        }
        Ok(())
    }

    async fn write(&mut self, data: ChunkData) -> Result<()> {
        let Some(chunk) = self.open.as_mut() else {
            return Err(self.session.fail(ErrorKind::Protocol, "no chunk was started"));
        };
        let map = map_of(&self.session, &self.spec, chunk.table)?;
        let rows = match data {
            ChunkData::Rows(rows) => rows,
            ChunkData::Raw(_) => {
                let why = "SQLite cannot load another engine's bulk format";
                return Err(self.session.fail(ErrorKind::Unsupported, why).about(map.target.to_string()));
            }
        };
        if let Some(short) = rows.iter().find(|row| row.len() != map.columns.len()) {
            let why = format!("a row has {} values for {} columns", short.len(), map.columns.len());
            return Err(self.session.fail(ErrorKind::Protocol, why).about(map.target.to_string()));
        }
        chunk.loaded.rows += rows.len() as u64;
        chunk.loaded.bytes += rows.iter().flatten().map(row::size_of).sum::<u64>();
        chunk.waiting.extend(rows);
        Self::flush(&mut self.session, chunk, map, false).await
    }

    async fn complete(&mut self) -> Result<Loaded> {
        let Some(mut chunk) = self.open.take() else {
            return Err(self.session.fail(ErrorKind::Protocol, "no chunk was started"));
        };
        let map = map_of(&self.session, &self.spec, chunk.table)?;
        Self::flush(&mut self.session, &mut chunk, map, true).await?;
        checkpoint::store_chunk(&mut self.session, &self.spec.name, &map.source, chunk.ordinal, chunk.loaded).await?;
        control::leave(&mut self.session).await?;
        self.session.commit().await?;
        Ok(chunk.loaded)
    }
}

#[async_trait]
impl ChunkLoader for SqliteLoader {
    async fn start(&mut self, chunk: &Chunk) -> Result<()> {
        if self.open.is_some() {
            self.abort().await?;
        }
        let map = map_of(&self.session, &self.spec, chunk.table)?.clone();
        self.session.begin_immediate(self.session.patience()).await?;
        let begun = async {
            control::enter(&mut self.session, &self.spec.name).await?;
            let found = catalogue::find(&mut self.session, &map.target).await?;
            found.ok_or_else(|| {
                self.session.fail(ErrorKind::NotFound, "there is no such table").about(map.target.to_string())
            })
        };
        match begun.await {
            Ok(_) => {
                // REPLACE, not an upsert: after a crash the rest of a table may come from a second, later snapshot, and then a
                // row loaded earlier can hold a unique value that has moved on. It is changed in the log that is applied next.
                let insert = Insert::new("INSERT OR REPLACE", &map);
                let (table, ordinal) = (chunk.table, chunk.ordinal);
                self.open = Some(OpenChunk { table, ordinal, insert, waiting: Vec::new(), loaded: Loaded::default() });
                Ok(())
            }
            Err(e) => {
                self.session.roll_back().await;
                Err(e)
            }
        }
    }

    async fn push(&mut self, data: ChunkData) -> Result<()> {
        let written = self.write(data).await;
        if written.is_err() {
            self.abort().await?;
        }
        written
    }

    async fn finish(&mut self) -> Result<Loaded> {
        let finished = self.complete().await;
        if finished.is_err() {
            self.session.roll_back().await;
        }
        finished
    }

    async fn abort(&mut self) -> Result<()> {
        if self.open.take().is_some() {
            self.session.roll_back().await;
        }
        Ok(())
    }
}
