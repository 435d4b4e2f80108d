//! Change capture by triggers: making it, looking after it, removing it. The log itself is described in [`super::log`].

use super::catalogue::CatalogueTable;
use super::connect::{Database, Mode};
use super::control;
use super::inventory::existing;
use super::log::{self, Layout};
use super::quote::text;
use super::row::{self, Args};
use super::session::Session;
use super::shape::{self, Recorded, lost};
use super::snapshot::SqliteSnapshot;
use super::store::SqliteStore;
use super::stream::LogStream;
use crate::model::change::Position;
use crate::model::lag::Reading;
use crate::model::schema_change::SchemaChange;
use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{Capture, CaptureOrigin, CaptureSpec, ChangeStream, Result, Retention, Snapshot};
use async_trait::async_trait;
use std::sync::Arc;

/// What the registry says about a capture.
#[derive(Debug)]
pub struct Registered {
    /// Log rows up to this one are gone.
    pub trimmed: u64,
    /// What is captured of each table.
    pub tables: Vec<Recorded>,
}

#[async_trait]
impl Capture for SqliteStore {
    async fn statements(&self, spec: &CaptureSpec) -> Result<Vec<(String, String)>> {
        let mut session = self.db.open(Mode::Read, Operation::Prepare).await?;
        statements(&mut session, spec).await
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

    async fn differences(&self, spec: &CaptureSpec) -> Result<Vec<SchemaChange>> {
        let mut session = self.db.open(Mode::Read, Operation::Capture).await?;
        let registered = registered(&mut session, spec).await?;
        shape::differences(&mut session, spec, &registered.tables).await
    }

    async fn remap(&self, spec: &CaptureSpec, left_out: &[(usize, String)]) -> Result<()> {
        if self.db.held.is_held() {
            return Err(self.db.error(Operation::Prepare, ErrorKind::Contention, "the writers are held by a freeze"));
        }
        let mut session = self.db.open(Mode::Write, Operation::Prepare).await?;
        session.begin_immediate(session.patience()).await?;
        // Nobody can write between the end of the log and the new triggers.
        let followed = async {
            let registered = verify(&mut session, spec).await?;
            let end = log_end(&mut session, spec).await?;
            shape::follow(&mut session, spec, registered.tables, left_out, end).await
        };
        match followed.await {
            Ok(()) => session.commit().await,
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

/// All statements of a capture with their undo.
async fn statements(session: &mut Session, spec: &CaptureSpec) -> Result<Vec<(String, String)>> {
    check_spec(session, spec)?;
    // Shared with other captures and dropped with the last of them, hence without an undo of their own here.
    let shared = |statement: &str| (statement.to_owned(), String::new());
    let mut statements = vec![shared(control::CREATE), shared(control::FILL), shared(log::CREATE_REGISTRY)];
    statements.extend(Layout::of(spec).tables());
    let mut recorded = Vec::with_capacity(spec.tables.len());
    for (index, map) in spec.tables.iter().enumerate() {
        let found = existing(session, &map.source).await?;
        check_map(session, map, &found)?;
        let known = Recorded::new(map, found.columns.iter().map(|c| c.name.clone()));
        statements.extend(log::triggers(spec, index, map, &found, &known.cells()));
        recorded.push(known);
    }
    let tables = serde_json::to_string(&recorded).map_err(|e| session.fail(ErrorKind::Protocol, e.to_string()))?;
    statements.push((
        format!(
            "INSERT INTO godwit_capture (name, tables, trimmed) VALUES ({}, {}, 0)",
            text(&spec.name),
            text(&tables)
        ),
        format!("DELETE FROM godwit_capture WHERE name = {}", text(&spec.name)),
    ));
    Ok(statements)
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
    for (statement, _) in &statements(session, spec).await? {
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

/// Proves that the capture is whole: its registry row, its log and every trigger of every table that still exists.
///
/// # Errors
/// [`ErrorKind::LogLost`] when a part is missing: from then on changes may have passed by.
pub async fn verify(session: &mut Session, spec: &CaptureSpec) -> Result<Registered> {
    let registered = registered(session, spec).await?;
    for (index, map) in spec.tables.iter().enumerate() {
        shape::check_triggers(session, spec, index, map).await?;
    }
    Ok(registered)
}

/// What the registry says, if the log is there.
///
/// # Errors
/// [`ErrorKind::LogLost`] when a part is missing.
pub async fn registered(session: &mut Session, spec: &CaptureSpec) -> Result<Registered> {
    let layout = Layout::of(spec);
    if !has_registry(session).await? {
        return Err(lost(session, spec, "the capture does not exist (no table godwit_capture)".to_owned()));
    }
    let found = session
        .first("SELECT trimmed, tables FROM godwit_capture WHERE name = ?1", Args::new().text(&spec.name))
        .await?;
    let Some(found) = found else {
        return Err(lost(session, spec, "the capture does not exist (no row in godwit_capture)".to_owned()));
    };
    let there = session
        .rows("SELECT name FROM sqlite_schema WHERE name LIKE 'godwit%' AND type = 'table'", Args::new())
        .await?;
    for table in [&layout.log, &layout.displaced] {
        if !there.iter().any(|r| row::text(r, 0) == table) {
            return Err(lost(session, spec, format!("the table {table} is gone")));
        }
    }
    let tables = shape::parse(row::text(&found, 1), spec).map_err(|e| session.fail(ErrorKind::Protocol, e))?;
    Ok(Registered { trimmed: row::uint(&found, 0), tables })
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
