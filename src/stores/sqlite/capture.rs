//! Change capture by triggers: making it, looking after it, removing it. The log itself is described in [`super::log`].

use super::catalogue::{self, CatalogueTable};
use super::connect::{Database, Mode};
use super::control;
use super::inventory::existing;
use super::log::{self, Layout};
use super::quote::{folded, text};
use super::row::{self, Args};
use super::session::Session;
use super::snapshot::SqliteSnapshot;
use super::store::SqliteStore;
use super::stream::LogStream;
use crate::model::change::Position;
use crate::model::lag::Reading;
use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{Capture, CaptureOrigin, CaptureSpec, ChangeStream, Result, Retention, Snapshot};
use async_trait::async_trait;
use std::sync::Arc;

/// Columns of a table with their types, as the registry keeps them to notice a changed schema.
pub type Shape = Vec<(String, String)>;

/// What the registry says about a capture.
#[derive(Debug)]
pub struct Registered {
    /// Log rows up to this one are gone.
    pub trimmed: u64,
    /// The tables' columns when the capture was made.
    pub shapes: Vec<Shape>,
}

#[async_trait]
impl Capture for SqliteStore {
    async fn statements(&self, spec: &CaptureSpec) -> Result<Vec<(String, String)>> {
        let mut session = self.db.open(Mode::Read, Operation::Prepare).await?;
        let (statements, _) = statements(&mut session, spec).await?;
        Ok(statements)
    }

    async fn prepare(&self, spec: &CaptureSpec, snapshot: bool) -> Result<(CaptureOrigin, Option<Box<dyn Snapshot>>)> {
        let mut session = self.db.open(Mode::Write, Operation::Prepare).await?;
        check_file(&mut session).await?;
        session.begin_immediate(session.patience()).await?;
        match make(&mut session, spec).await {
            Ok(()) => session.commit().await?,
            Err(e) => {
                session.roll_back().await;
                return Err(e);
            }
        }
        session.close().await?;
        if !snapshot {
            // The log was empty in the very transaction that made the triggers: whatever is written later is in it.
            return Ok((self.origin(0), None));
        }
        let (position, view) = SqliteSnapshot::open(&self.db, spec).await?;
        Ok((self.origin(position), Some(Box::new(view))))
    }

    async fn snapshot(&self, spec: &CaptureSpec) -> Result<(CaptureOrigin, Box<dyn Snapshot>)> {
        let mut session = self.db.open(Mode::Read, Operation::Prepare).await?;
        verify(&mut session, spec).await?;
        let (position, view) = SqliteSnapshot::open(&self.db, spec).await?;
        Ok((self.origin(position), Box::new(view)))
    }

    async fn stream(&self, spec: &CaptureSpec, from: Position) -> Result<Box<dyn ChangeStream>> {
        let from = log_row(&self.db, from)?;
        Ok(Box::new(LogStream::open(Arc::clone(&self.db), spec.clone(), from).await?))
    }

    async fn retention(&self, spec: &CaptureSpec) -> Result<Retention> {
        let mut session = self.db.open(Mode::Read, Operation::Capture).await?;
        let registered = verify(&mut session, spec).await?;
        let end = log_end(&mut session, spec).await?;
        Ok(Retention {
            log_end: Position::LogRow(end),
            resumable_from: Reading::Known(Position::LogRow(registered.trimmed)),
            // Numbers are given without gaps, so this is the count of rows without reading them.
            retained: Reading::Known(end.saturating_sub(registered.trimmed)),
            room: Reading::Known(None),
            disk_free: self.db.disk_free(),
        })
    }

    async fn probe_marker(&self, spec: &CaptureSpec, token: &str) -> Result<Position> {
        if self.db.held.is_held() {
            // It would only wait for the end of our own freeze.
            return Err(self.db.error(Operation::Capture, ErrorKind::Contention, "the writers are held by a freeze"));
        }
        let mut session = self.db.open(Mode::Write, Operation::Capture).await?;
        session.begin_immediate(session.patience()).await?;
        match write_marker(&mut session, spec, token).await {
            Ok(row) => {
                session.commit().await?;
                Ok(Position::LogRow(row))
            }
            Err(e) => {
                session.roll_back().await;
                Err(e)
            }
        }
    }

    async fn drop_capture(&self, spec: &CaptureSpec) -> Result<()> {
        if self.db.file_identity().is_none() {
            return Ok(());
        }
        let mut session = self.db.open(Mode::Write, Operation::Prepare).await?;
        session.begin_immediate(session.patience()).await?;
        match remove(&mut session, spec).await {
            Ok(()) => session.commit().await,
            Err(e) => {
                session.roll_back().await;
                Err(e)
            }
        }
    }
}

impl SqliteStore {
    fn origin(&self, position: u64) -> CaptureOrigin {
        CaptureOrigin {
            server_identity: self.db.canonical().display().to_string(),
            position: Position::LogRow(position),
        }
    }
}

/// The log row of a position of this engine.
pub fn log_row(db: &Database, position: Position) -> Result<u64> {
    match position {
        Position::LogRow(row) => Ok(row),
        Position::Lsn(_) => Err(db.error(
            Operation::Capture,
            ErrorKind::Protocol,
            format!("position {position} is not one of a SQLite log"),
        )),
    }
}

/// Refuses files whose capture could not be right or would stop the application.
async fn check_file(session: &mut Session) -> Result<()> {
    let encoding = session.pragma("encoding").await?.to_string();
    if encoding != "UTF-8" {
        return Err(session.fail(ErrorKind::Unsupported, format!("its text is {encoding}, not UTF-8")));
    }
    let journal = session.pragma("journal_mode").await?.to_string();
    if journal != "wal" {
        // In a rollback journal a long read keeps every writer out: the copy would stop the application.
        let why = format!("journal_mode is {journal}; run PRAGMA journal_mode = WAL on it");
        return Err(session.fail(ErrorKind::Unsupported, why));
    }
    Ok(())
}

fn check_spec(session: &Session, spec: &CaptureSpec) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if spec.name.is_empty() || spec.name.len() > 50 || !spec.name.chars().all(allowed) {
        return Err(session
            .fail(ErrorKind::Protocol, "a capture's name has 1 to 50 of a-z, 0-9 and _")
            .about(&spec.name));
    }
    Ok(())
}

fn check_map(session: &Session, map: &TableMap, found: &CatalogueTable) -> Result<()> {
    if map.key.is_empty() {
        return Err(session
            .fail(
                ErrorKind::Unsupported,
                "the table has no key; give it a primary key or a UNIQUE index over NOT NULL columns",
            )
            .about(map.source.to_string()));
    }
    let absent = map.columns.iter().find(|column| found.column(&column.source).is_none());
    match absent {
        Some(column) => Err(session
            .fail(ErrorKind::NotFound, format!("there is no column {}", column.source))
            .about(map.source.to_string())),
        None => Ok(()),
    }
}

/// All statements of a capture with their undo, and the shapes of its tables.
async fn statements(session: &mut Session, spec: &CaptureSpec) -> Result<(Vec<(String, String)>, Vec<Shape>)> {
    check_spec(session, spec)?;
    // Shared with other captures and dropped with the last of them, hence without an undo of their own here.
    let shared = |statement: &str| (statement.to_owned(), String::new());
    let mut statements = vec![shared(control::CREATE), shared(control::FILL), shared(log::CREATE_REGISTRY)];
    statements.extend(Layout::of(spec).tables());
    let mut shapes = Vec::with_capacity(spec.tables.len());
    for (index, map) in spec.tables.iter().enumerate() {
        let found = existing(session, &map.source).await?;
        check_map(session, map, &found)?;
        statements.extend(log::triggers(spec, index, map, &found));
        shapes.push(shape(&found));
    }
    let tables = serde_json::to_string(&shapes).map_err(|e| session.fail(ErrorKind::Protocol, e.to_string()))?;
    statements.push((
        format!(
            "INSERT INTO godwit_capture (name, tables, trimmed) VALUES ({}, {}, 0)",
            text(&spec.name),
            text(&tables)
        ),
        format!("DELETE FROM godwit_capture WHERE name = {}", text(&spec.name)),
    ));
    Ok((statements, shapes))
}

async fn make(session: &mut Session, spec: &CaptureSpec) -> Result<()> {
    let layout = Layout::of(spec);
    let taken = session
        .first(
            "SELECT name FROM sqlite_schema WHERE name IN (?1, ?2)",
            Args::new().text(&layout.log).text(&layout.displaced),
        )
        .await?;
    if let Some(taken) = taken {
        return Err(session.fail(ErrorKind::Exists, "the capture exists already").about(row::text(&taken, 0)));
    }
    let (statements, _) = statements(session, spec).await?;
    for (statement, _) in &statements {
        session.script(statement).await?;
    }
    Ok(())
}

async fn remove(session: &mut Session, spec: &CaptureSpec) -> Result<()> {
    check_spec(session, spec)?;
    let layout = Layout::of(spec);
    let prefix = format!("godwit_log_{}:", spec.name);
    let triggers = session
        .rows(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, length(?1)) = ?1",
            Args::new().text(prefix),
        )
        .await?;
    for trigger in &triggers {
        session.script(&format!("DROP TRIGGER {}", super::quote::ident(row::text(trigger, 0)))).await?;
    }
    for table in [&layout.log, &layout.displaced] {
        session.script(&format!("DROP TABLE IF EXISTS {}", super::quote::ident(table))).await?;
    }
    if has_registry(session).await? {
        session.run("DELETE FROM godwit_capture WHERE name = ?1", Args::new().text(&spec.name)).await?;
        if session.first("SELECT 1 FROM godwit_capture LIMIT 1", Args::new()).await?.is_none() {
            session.script("DROP TABLE godwit_capture").await?;
        }
    }
    control::drop_if_unused(session).await
}

async fn has_registry(session: &mut Session) -> Result<bool> {
    Ok(session.first("SELECT 1 FROM sqlite_schema WHERE name = 'godwit_capture'", Args::new()).await?.is_some())
}

/// A table's columns for the registry.
pub fn shape(found: &CatalogueTable) -> Shape {
    found.columns.iter().map(|c| (c.name.clone(), c.type_name.clone())).collect()
}

/// Proves that the capture is whole: its registry row, its log and every trigger of every table that still exists.
///
/// # Errors
/// [`ErrorKind::LogLost`] when a part is missing: from then on changes may have passed by.
pub async fn verify(session: &mut Session, spec: &CaptureSpec) -> Result<Registered> {
    let layout = Layout::of(spec);
    let lost =
        |session: &Session, what: String| -> StoreError { session.fail(ErrorKind::LogLost, what).about(&spec.name) };
    if !has_registry(session).await? {
        return Err(lost(session, "the capture does not exist (no table godwit_capture)".to_owned()));
    }
    let found = session
        .first("SELECT trimmed, tables FROM godwit_capture WHERE name = ?1", Args::new().text(&spec.name))
        .await?;
    let Some(found) = found else {
        return Err(lost(session, "the capture does not exist (no row in godwit_capture)".to_owned()));
    };
    let objects =
        session.rows("SELECT name, tbl_name FROM sqlite_schema WHERE name LIKE 'godwit%'", Args::new()).await?;
    let is_there = |name: &str| objects.iter().any(|r| row::text(r, 0) == name);
    for table in [&layout.log, &layout.displaced] {
        if !is_there(table) {
            return Err(lost(session, format!("the table {table} is gone")));
        }
    }
    for (index, map) in spec.tables.iter().enumerate() {
        let on_table = |name: &str| {
            objects.iter().any(|r| row::text(r, 0) == name && folded(row::text(r, 1)) == folded(&map.source.name))
        };
        let missing = log::MOMENTS.iter().map(|m| log::trigger_name(&spec.name, index, m)).find(|name| !on_table(name));
        if let Some(name) = missing {
            // Rebuilding a table (the usual way of altering one in SQLite) drops its triggers with it.
            return Err(lost(session, format!("the trigger {name} on {} is gone: was the table rebuilt?", map.source)));
        }
    }
    let shapes = serde_json::from_str(row::text(&found, 1))
        .map_err(|e| session.fail(ErrorKind::Protocol, format!("godwit_capture is damaged: {e}")))?;
    Ok(Registered { trimmed: row::uint(&found, 0), shapes })
}

/// How a captured table differs from what the registry remembers, if it does.
pub async fn drift_of(session: &mut Session, map: &TableMap, before: &Shape) -> Result<Option<String>> {
    let Some(found) = catalogue::find(session, &map.source).await? else {
        return Ok(Some(format!("the table {} is gone", map.source)));
    };
    let now = shape(&found);
    let added = now.iter().find(|(name, _)| !before.iter().any(|(old, _)| old == name));
    let dropped = before.iter().find(|(name, _)| !now.iter().any(|(new, _)| new == name));
    let retyped = now.iter().find_map(|(name, new)| {
        before.iter().find(|(old, was)| old == name && was != new).map(|(_, was)| (name, was, new))
    });
    Ok(match (added, dropped, retyped) {
        (Some((new, _)), Some((old, _)), _) => Some(format!("column {old} is gone and column {new} is new")),
        (Some((new, kind)), None, _) => Some(format!("column {new} {kind} was added")),
        (None, Some((old, _)), _) => Some(format!("column {old} is gone")),
        (None, None, Some((name, was, new))) => Some(format!("column {name} was {was} and is {new}")),
        (None, None, None) => None,
    })
}

/// Number of the last log row ever written, 0 before the first. Read inside a transaction it is the end of a consistent prefix.
pub async fn log_end(session: &mut Session, spec: &CaptureSpec) -> Result<u64> {
    let end = session
        .first("SELECT seq FROM sqlite_sequence WHERE name = ?1", Args::new().text(Layout::of(spec).log))
        .await?;
    Ok(end.map_or(0, |r| row::uint(&r, 0)))
}

/// In an open write transaction: writes a marker and returns its log row.
pub async fn write_marker(session: &mut Session, spec: &CaptureSpec, token: &str) -> Result<u64> {
    let layout = Layout::of(spec);
    let there =
        session.first("SELECT 1 FROM sqlite_schema WHERE name = ?1", Args::new().text(&layout.log)).await?.is_some();
    if !there {
        return Err(session.fail(ErrorKind::LogLost, "the capture does not exist").about(&spec.name));
    }
    session.run(&layout.marker_statement(), Args::new().text(token)).await?;
    log_end(session, spec).await
}
