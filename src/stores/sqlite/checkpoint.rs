//! What a target remembers about its pipelines: three tables in the target file.
//!
//! While this store is frozen its write lock is taken by the freeze itself. A reverse pipeline is set up in exactly that time, and
//! its checkpoint lies in the frozen file. So during a freeze checkpoints are written inside the freeze's own transaction: they
//! become durable with the fence, the point of no return, and vanish with a freeze that is given up.

use super::connect::{Database, Mode};
use super::control;
use super::held::Lock;
use super::row::{self, Args};
use super::session::Session;
use crate::model::change::Position;
use crate::model::table::TableName;
use crate::model::value::Row;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{CaptureOrigin, ChunkPlan, Loaded, Result, TargetState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedMutexGuard;

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

/// A transaction on the checkpoints: one of its own, or a savepoint in the transaction of the freeze.
pub struct Checkpoints {
    place: Place,
}

enum Place {
    Own(Session),
    Frozen(OwnedMutexGuard<Lock>),
}

impl Checkpoints {
    /// Begins, making the file and the tables if need be.
    pub async fn begin(db: &Database, operation: Operation) -> Result<Self> {
        let mut begun = match db.held.lock().await {
            Some(lock) => Self { place: Place::Frozen(lock) },
            None => Self { place: Place::Own(db.open(Mode::Create, operation).await?) },
        };
        match &mut begun.place {
            Place::Own(session) => session.begin_immediate(session.patience()).await?,
            Place::Frozen(lock) => lock.session(db)?.script("SAVEPOINT godwit_checkpoint").await?,
        }
        for statement in CREATE {
            begun.session(db)?.script(statement).await?;
        }
        Ok(begun)
    }

    /// The session in which the transaction is open. A dropped transaction of its own is rolled back.
    pub fn session(&mut self, db: &Database) -> Result<&mut Session> {
        match &mut self.place {
            Place::Own(session) => Ok(session),
            Place::Frozen(lock) => lock.session(db),
        }
    }

    /// Ends the transaction: commits after success, else rolls back.
    pub async fn end<T>(mut self, db: &Database, outcome: Result<T>) -> Result<T> {
        match (&mut self.place, outcome) {
            (Place::Own(session), Ok(value)) => session.commit().await.map(|()| value),
            (Place::Own(session), Err(e)) => {
                session.roll_back().await;
                Err(e)
            }
            (Place::Frozen(lock), Ok(value)) => {
                lock.session(db)?.script("RELEASE godwit_checkpoint").await.map(|()| value)
            }
            (Place::Frozen(lock), Err(e)) => {
                lock.session(db)?.script("ROLLBACK TO godwit_checkpoint; RELEASE godwit_checkpoint").await?;
                Err(e)
            }
        }
    }
}

/// Opens the target for writing rows and makes sure that the checkpoint tables are there.
pub async fn open(db: &Database, operation: Operation) -> Result<Session> {
    let mut session = db.open(Mode::Create, operation).await?;
    if !are_made(&mut session).await? {
        session.transaction(&CREATE.map(str::to_owned)).await?;
    }
    Ok(session)
}

async fn are_made(session: &mut Session) -> Result<bool> {
    let made = session
        .first("SELECT count(*) FROM sqlite_schema WHERE name IN ('godwit_control', 'godwit_chunk')", Args::new())
        .await?;
    Ok(made.is_some_and(|r| row::int(&r, 0) == 2))
}

/// Reads what is known of a pipeline, making the tables if they are missing.
pub async fn read(db: &Database, name: &str) -> Result<TargetState> {
    if db.held.is_held() {
        let mut frozen = Checkpoints::begin(db, Operation::Checkpoint).await?;
        let state = read_in(frozen.session(db)?, name).await;
        return frozen.end(db, state).await;
    }
    let mut session = open(db, Operation::Checkpoint).await?;
    read_in(&mut session, name).await
}

/// Reads what is known of a pipeline in this session; nothing when the tables are missing.
pub async fn read_in(session: &mut Session, name: &str) -> Result<TargetState> {
    let mut state = TargetState::default();
    if !are_made(session).await? {
        return Ok(state);
    }
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

/// Stores a pipeline's origin and forgets everything else about it.
pub async fn store_origin(session: &mut Session, name: &str, origin: &CaptureOrigin) -> Result<()> {
    forget_rows(session, name).await?;
    let origin = to_json(session, origin)?;
    let sql = "INSERT INTO godwit_checkpoint (name, origin) VALUES (?1, ?2)";
    session.run(sql, Args::new().text(name).text(origin)).await.map(|_| ())
}

/// Stores the position up to which everything is applied.
pub async fn store_applied(session: &mut Session, name: &str, position: Position) -> Result<()> {
    update(session, name, "applied", position).await
}

/// Stores the position from which on nothing repeats.
pub async fn store_consistent_from(session: &mut Session, name: &str, position: Position) -> Result<()> {
    update(session, name, "consistent_from", position).await
}

async fn update(session: &mut Session, name: &str, column: &str, position: Position) -> Result<()> {
    let sql = format!("UPDATE godwit_checkpoint SET {column} = ?2 WHERE name = ?1");
    let args = Args::new().text(name).text(to_json(session, &position)?);
    match session.run(&sql, args).await? {
        1 => Ok(()),
        _ => Err(session.fail(ErrorKind::NotFound, "the pipeline has no checkpoint").about(name)),
    }
}

/// Stores a table's plan and forgets its finished chunks.
pub async fn store_plan(session: &mut Session, name: &str, table: &TableName, plan: &ChunkPlan) -> Result<()> {
    forget_chunks(session, name, table).await?;
    let args = Args::new().text(name).text(to_json(session, table)?).text(to_json(session, plan)?);
    let sql = "INSERT OR REPLACE INTO godwit_plan (name, tbl, plan) VALUES (?1, ?2, ?3)";
    session.run(sql, args).await.map(|_| ())
}

/// Stores a finished chunk.
pub async fn store_chunk(
    session: &mut Session,
    name: &str,
    table: &TableName,
    ordinal: u64,
    loaded: Loaded,
) -> Result<()> {
    let args = Args::new().text(name).text(to_json(session, table)?).int(ordinal).int(loaded.rows).int(loaded.bytes);
    let sql = "INSERT OR REPLACE INTO godwit_chunk (name, tbl, ordinal, rows, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
    session.run(sql, args).await.map(|_| ())
}

/// Forgets the finished chunks of one table.
pub async fn forget_chunks(session: &mut Session, name: &str, table: &TableName) -> Result<()> {
    let args = Args::new().text(name).text(to_json(session, table)?);
    session.run("DELETE FROM godwit_chunk WHERE name = ?1 AND tbl = ?2", args).await.map(|_| ())
}

/// Forgets a pipeline, and the tables with the last one.
pub async fn forget(session: &mut Session, name: &str) -> Result<()> {
    forget_rows(session, name).await?;
    if session.first("SELECT 1 FROM godwit_checkpoint LIMIT 1", Args::new()).await?.is_none() {
        session.script("DROP TABLE godwit_chunk; DROP TABLE godwit_plan; DROP TABLE godwit_checkpoint").await?;
    }
    control::drop_if_unused(session).await
}

async fn forget_rows(session: &mut Session, name: &str) -> Result<()> {
    for table in ["godwit_chunk", "godwit_plan", "godwit_checkpoint"] {
        session.run(&format!("DELETE FROM {table} WHERE name = ?1"), Args::new().text(name)).await?;
    }
    Ok(())
}

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
