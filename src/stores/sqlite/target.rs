//! Checkpoints in the target file, and loading chunks. Rows and their checkpoint are committed together.

use super::apply::SqliteApplier;
use super::catalogue;
use super::connect::{Database, Mode, Session};
use super::control;
use super::insert::Insert;
use super::inventory::existing;
use super::quote::ident;
use super::row::{self, Args};
use super::store::SqliteStore;
use crate::model::change::Position;
use crate::model::table::{TableMap, TableName};
use crate::model::value::Row;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{
    ApplySpec, CaptureOrigin, ChangeApplier, Chunk, ChunkData, ChunkLoader, ChunkPlan, Loaded, Result, Target,
    TargetState,
};
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Makes the checkpoint tables; harmless when they are there. Tables are named by the JSON form of their source name.
const CREATE: [&str; 5] = [
    control::CREATE,
    control::FILL,
    "CREATE TABLE IF NOT EXISTS godwit_checkpoint \
     (name TEXT PRIMARY KEY NOT NULL, origin TEXT, applied TEXT, consistent_from TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS godwit_plan \
     (name TEXT NOT NULL, tbl TEXT NOT NULL, plan TEXT NOT NULL, PRIMARY KEY (name, tbl)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS godwit_chunk \
     (name TEXT NOT NULL, tbl TEXT NOT NULL, ordinal INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, \
     PRIMARY KEY (name, tbl, ordinal)) WITHOUT ROWID",
];

fn to_json<T: Serialize>(session: &Session, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| session.fail(ErrorKind::Protocol, e.to_string()))
}

fn from_json<T: DeserializeOwned>(session: &Session, text: &str, what: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| session.fail(ErrorKind::Protocol, format!("the checkpoint's {what} is damaged: {e}")))
}

fn optional<T: DeserializeOwned>(session: &Session, row: &Row, column: usize, what: &str) -> Result<Option<T>> {
    row::opt_text(row, column).map(|text| from_json(session, text, what)).transpose()
}

fn table_json(session: &Session, spec: &ApplySpec, table: usize) -> Result<String> {
    to_json(session, &map_of(session, spec, table)?.source)
}

fn map_of<'a>(session: &Session, spec: &'a ApplySpec, table: usize) -> Result<&'a TableMap> {
    spec.tables.get(table).ok_or_else(|| session.fail(ErrorKind::Protocol, format!("there is no table number {table}")))
}

/// Opens the target for writing and makes sure that the checkpoint tables are there.
pub async fn open(db: &Database, operation: Operation) -> Result<Session> {
    let mut session = db.open(Mode::Create, operation).await?;
    let made = session
        .first("SELECT count(*) FROM sqlite_schema WHERE name IN ('godwit_control', 'godwit_chunk')", Args::new())
        .await?;
    if made.is_none_or(|r| row::int(&r, 0) < 2) {
        session.transaction(&CREATE.map(str::to_owned)).await?;
    }
    Ok(session)
}

/// Reads what is known of a pipeline.
pub async fn read_state(session: &mut Session, name: &str) -> Result<TargetState> {
    let mut state = TargetState::default();
    let checkpoint = session
        .first("SELECT origin, applied, consistent_from FROM godwit_checkpoint WHERE name = ?1", Args::new().text(name))
        .await?;
    if let Some(found) = checkpoint {
        state.origin = optional(session, &found, 0, "origin")?;
        state.applied = optional(session, &found, 1, "position")?;
        state.consistent_from = optional(session, &found, 2, "consistent position")?;
    }
    let plans = session.rows("SELECT tbl, plan FROM godwit_plan WHERE name = ?1", Args::new().text(name)).await?;
    for found in &plans {
        let table: TableName = from_json(session, row::text(found, 0), "table")?;
        state.plans.push((table, from_json(session, row::text(found, 1), "plan")?));
    }
    let chunks = session
        .rows(
            "SELECT tbl, ordinal, rows, bytes FROM godwit_chunk WHERE name = ?1 ORDER BY tbl, ordinal",
            Args::new().text(name),
        )
        .await?;
    for found in &chunks {
        let table: TableName = from_json(session, row::text(found, 0), "table")?;
        let loaded = Loaded { rows: row::uint(found, 2), bytes: row::uint(found, 3) };
        state.chunks.push((table, row::uint(found, 1), loaded));
    }
    Ok(state)
}

#[async_trait]
impl Target for SqliteStore {
    async fn state(&self, spec: &ApplySpec) -> Result<TargetState> {
        let mut session = open(&self.db, Operation::Checkpoint).await?;
        read_state(&mut session, &spec.name).await
    }

    async fn begin(&self, spec: &ApplySpec, origin: &CaptureOrigin) -> Result<()> {
        let mut session = open(&self.db, Operation::Checkpoint).await?;
        let origin = to_json(&session, origin)?;
        let name = super::quote::text(&spec.name);
        session
            .transaction(&[
                format!("DELETE FROM godwit_chunk WHERE name = {name}"),
                format!("DELETE FROM godwit_plan WHERE name = {name}"),
                format!("DELETE FROM godwit_checkpoint WHERE name = {name}"),
                format!(
                    "INSERT INTO godwit_checkpoint (name, origin) VALUES ({name}, {})",
                    super::quote::text(&origin)
                ),
            ])
            .await
    }

    async fn save_consistent_from(&self, spec: &ApplySpec, position: Position) -> Result<()> {
        let mut session = open(&self.db, Operation::Checkpoint).await?;
        let position = to_json(&session, &position)?;
        let args = Args::new().text(&spec.name).text(position);
        session.begin_immediate(session.patience()).await?;
        let sql = "UPDATE godwit_checkpoint SET consistent_from = ?2 WHERE name = ?1";
        match session.run(sql, args).await {
            Ok(1) => session.commit().await,
            Ok(_) => {
                session.roll_back().await;
                Err(session.fail(ErrorKind::NotFound, "the pipeline has no checkpoint yet").about(&spec.name))
            }
            Err(e) => {
                session.roll_back().await;
                Err(e)
            }
        }
    }

    async fn save_plan(&self, spec: &ApplySpec, table: usize, plan: &ChunkPlan) -> Result<()> {
        let mut session = open(&self.db, Operation::Checkpoint).await?;
        let (name, plan) = (super::quote::text(&spec.name), super::quote::text(&to_json(&session, plan)?));
        let table = super::quote::text(&table_json(&session, spec, table)?);
        session
            .transaction(&[
                format!("DELETE FROM godwit_chunk WHERE name = {name} AND tbl = {table}"),
                format!("INSERT OR REPLACE INTO godwit_plan (name, tbl, plan) VALUES ({name}, {table}, {plan})"),
            ])
            .await
    }

    async fn loader(&self, spec: &ApplySpec) -> Result<Box<dyn ChunkLoader>> {
        let mut session = open(&self.db, Operation::LoadChunk).await?;
        session.without_deadline();
        Ok(Box::new(SqliteLoader { session, spec: spec.clone(), open: None }))
    }

    fn load_parallelism(&self) -> usize {
        1
    }

    async fn clear_table(&self, spec: &ApplySpec, table: usize) -> Result<()> {
        let mut session = open(&self.db, Operation::LoadChunk).await?;
        session.without_deadline();
        let target = map_of(&session, spec, table)?.target.clone();
        let target = existing(&mut session, &target).await?;
        let (name, source) = (super::quote::text(&spec.name), super::quote::text(&table_json(&session, spec, table)?));
        session
            .transaction(&[
                format!("UPDATE godwit_control SET applying = {name}"),
                format!("DELETE FROM {}", ident(&target.name)),
                // Its chunks are gone with its rows: a crash after this must not find them finished.
                format!("DELETE FROM godwit_chunk WHERE name = {name} AND tbl = {source}"),
                "UPDATE godwit_control SET applying = NULL".to_owned(),
            ])
            .await
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
        let mut session = open(&self.db, Operation::Checkpoint).await?;
        session.begin_immediate(session.patience()).await?;
        match forget(&mut session, &spec.name).await {
            Ok(()) => session.commit().await,
            Err(e) => {
                session.roll_back().await;
                Err(e)
            }
        }
    }
}

async fn forget(session: &mut Session, name: &str) -> Result<()> {
    for table in ["godwit_chunk", "godwit_plan", "godwit_checkpoint"] {
        session.run(&format!("DELETE FROM {table} WHERE name = ?1"), Args::new().text(name)).await?;
    }
    if session.first("SELECT 1 FROM godwit_checkpoint LIMIT 1", Args::new()).await?.is_none() {
        session.script("DROP TABLE godwit_chunk; DROP TABLE godwit_plan; DROP TABLE godwit_checkpoint").await?;
    }
    control::drop_if_unused(session).await
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
        let table = table_json(&self.session, &self.spec, chunk.table)?;
        let args = Args::new().text(&self.spec.name).text(table).int(chunk.ordinal);
        self.session
            .run(
                "INSERT OR REPLACE INTO godwit_chunk (name, tbl, ordinal, rows, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
                args.int(chunk.loaded.rows).int(chunk.loaded.bytes),
            )
            .await?;
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
