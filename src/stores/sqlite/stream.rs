//! Reading the change log.
//!
//! Where a batch may end: SQLite tells a trigger nothing about transactions, but every read sees whole transactions only. So the
//! last log row at the moment of a read ends a transaction, and everything up to it is a consistent prefix of the commit
//! order. A `Commit` is reported there. A backlog (after a copy, after a pause) has no such points inside it, and applying all
//! of it in one target transaction would let the target's own log grow and would start again from the beginning after a
//! crash. So inside a backlog a `Commit` is reported every [`CUT_ROWS`] rows, possibly in the middle of a source transaction.
//! That is harmless here: the target is not served before a cutover has drained the log up to a marker, which is a consistent
//! point; verification re-checks what still moves; the applier checks no foreign keys; and row order is kept, so no unique
//! index meets a state that the source did not go through.

use super::capture::{log_end, registered, verify};
use super::connect::{Database, Mode};
use super::held::HeldMarker;
use super::log::Layout;
use super::piece::PieceSize;
use super::row::{self, Args, Unreadable};
use super::session::Session;
use super::shape;
use crate::model::change::{CaptureItem, Cell, Position, RowChange};
use crate::model::table::TableMap;
use crate::model::value::{Row, Value};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{CaptureSpec, ChangeStream, Result};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most log rows in one batch.
const BATCH_ROWS: u64 = 2_000;
/// Log rows of a backlog after which a `Commit` is reported although the prefix may end inside a transaction.
const CUT_ROWS: u64 = 10_000;
/// How long `next` waits for something before it returns an empty batch.
const QUIET: Duration = Duration::from_millis(100);
/// Shortest and longest sleep between two looks at the log.
const POLL: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));
/// Between two looks whether the path still names the file that is being read.
const FILE_LOOK: Duration = Duration::from_secs(1);
/// The log is trimmed when this many rows are confirmed, or after this time: each trim takes the application's write lock.
const TRIM_ROWS: u64 = 5_000;
const TRIM_AFTER: Duration = Duration::from_secs(5);
/// Longest wait of a trim for the write lock. It gives way: the next one does the same work.
const TRIM_PATIENCE: Duration = Duration::from_millis(20);

/// A stream of changes from one log.
pub struct LogStream {
    db: Arc<Database>,
    spec: CaptureSpec,
    layout: Layout,
    read_statement: String,
    session: Session,
    /// Log rows up to this one were delivered.
    delivered: u64,
    /// Everything up to this row is a consistent prefix; at least `delivered`.
    consistent: u64,
    /// Changes were delivered after the last `Commit`.
    open_changes: u64,
    /// The next `Commit` is at least this far away inside a backlog.
    since_commit: u64,
    /// `PRAGMA data_version` at the last look; unchanged means that nobody committed anything.
    data_version: Value,
    /// `PRAGMA schema_version` at the last check of the triggers and shapes.
    schema_version: Value,
    /// Where the log has each mapped column, by table: its `c` column and the last row without it.
    places: Vec<Vec<Option<(usize, u64)>>>,
    /// Device and inode of the file that is being read.
    file: Option<(u64, u64)>,
    looked_at_file: Instant,
    trimmed: u64,
    trimmed_at: Instant,
    trimmer: Option<Session>,
    size: PieceSize,
    /// Markers of freezes that this stream has reported.
    reported: Vec<HeldMarker>,
}

impl LogStream {
    /// Opens a stream after log row `from`.
    pub async fn open(db: Arc<Database>, spec: CaptureSpec, from: u64) -> Result<Self> {
        let mut session = db.open(Mode::Read, Operation::Capture).await?;
        let registered = verify(&mut session, &spec).await?;
        let end = log_end(&mut session, &spec).await?;
        let out_of_reach = if from < registered.trimmed {
            Some(format!("changes up to log row {} are trimmed, {from} is needed", registered.trimmed))
        } else if from > end {
            Some(format!("the log ends at row {end}, {from} was applied already: was the file restored from a backup?"))
        } else {
            None
        };
        if let Some(why) = out_of_reach {
            return Err(session.fail(ErrorKind::LogLost, why).about(&spec.name));
        }
        let layout = Layout::of(&spec).with_cells(shape::width(&registered.tables));
        let places = |(map, known): (&TableMap, &shape::Recorded)| {
            map.columns.iter().map(|c| known.place(&c.source)).collect::<Vec<_>>()
        };
        Ok(Self {
            file: db.file_identity(),
            read_statement: layout.read_statement(),
            places: spec.tables.iter().zip(&registered.tables).map(places).collect(),
            trimmed: registered.trimmed,
            db,
            spec,
            layout,
            session,
            delivered: from,
            consistent: from,
            open_changes: 0,
            since_commit: 0,
            data_version: Value::Null,
            // Not known: the first look compares, so that what changed while nobody looked is told before any row.
            schema_version: Value::Null,
            looked_at_file: Instant::now(),
            trimmed_at: Instant::now(),
            trimmer: None,
            size: PieceSize::up_to(BATCH_ROWS),
            reported: Vec::new(),
        })
    }

    /// Markers of a freeze that everything delivered so far has passed. All changes before them are committed: this is only
    /// called at the end of a consistent prefix.
    fn held_markers(&mut self) -> Vec<CaptureItem> {
        let mut passed = self.db.held.passed(&self.spec.name, self.delivered);
        passed.retain(|marker| !self.reported.contains(marker));
        self.reported.extend(passed.iter().cloned());
        let position = Position::LogRow(self.delivered);
        passed.into_iter().map(|marker| CaptureItem::Marker { token: marker.token, position }).collect()
    }

    /// Looks for a new consistent prefix. Returns what changed about the schema, if anything.
    async fn look(&mut self) -> Result<Vec<CaptureItem>> {
        if self.looked_at_file.elapsed() >= FILE_LOOK {
            self.looked_at_file = Instant::now();
            if self.db.file_identity() != self.file {
                // The connection would read the old file for ever and look idle.
                let why = "the file was replaced or removed under its name";
                return Err(self.session.fail(ErrorKind::LogLost, why).about(&self.spec.name));
            }
        }
        let version = self.session.pragma("data_version").await?;
        if version == self.data_version {
            return Ok(Vec::new());
        }
        // Invariant: the version is read before the log's end, so a commit between the two is seen at the next look.
        self.data_version = version;
        let schema = self.session.pragma("schema_version").await?;
        let mut items = Vec::new();
        if schema != self.schema_version {
            items = self.check_schema().await?;
            self.schema_version = schema;
        }
        self.consistent = log_end(&mut self.session, &self.spec).await?.max(self.consistent);
        Ok(items)
    }

    async fn check_schema(&mut self) -> Result<Vec<CaptureItem>> {
        let registered = registered(&mut self.session, &self.spec).await?;
        let found = shape::differences(&mut self.session, &self.spec, &registered.tables).await?;
        Ok(found.into_iter().map(CaptureItem::SchemaChange).collect())
    }

    async fn read(&mut self) -> Result<Vec<CaptureItem>> {
        let args = Args::new().int(self.delivered).int(self.consistent).int(self.size.rows());
        let rows = self.session.raw_rows(&self.read_statement, args).await?;
        let mut items = Vec::with_capacity(rows.len() + 1);
        let mut at = None;
        let full = rows.len() as u64 == self.size.rows();
        let mut bytes = 0;
        for raw in &rows {
            let (seq, item) = self.decode(raw, &mut at)?;
            if let CaptureItem::Marker { .. } = item {
                // A marker is a transaction of its own, so the one before it has ended.
                self.end_transaction(&mut items, seq.saturating_sub(1), at);
            } else {
                self.open_changes += 1;
                bytes += bytes_of(&item);
            }
            items.push(item);
            self.delivered = seq;
            self.since_commit += 1;
        }
        self.size.measured(rows.len() as u64, bytes);
        if !full {
            self.delivered = self.consistent;
        }
        let at_end = self.delivered == self.consistent;
        if at_end && self.open_changes == 0 {
            items.push(CaptureItem::Progress { position: Position::LogRow(self.delivered) });
            self.since_commit = 0;
        } else if at_end || self.since_commit >= CUT_ROWS {
            self.end_transaction(&mut items, self.delivered, at);
        }
        Ok(items)
    }

    fn end_transaction(&mut self, items: &mut Vec<CaptureItem>, position: u64, at: Option<DateTime<Utc>>) {
        if self.open_changes > 0 {
            items.push(CaptureItem::Commit { position: Position::LogRow(position), committed_at: at });
            self.open_changes = 0;
            self.since_commit = 0;
        }
    }

    fn decode(&self, raw: &SqliteRow, at: &mut Option<DateTime<Utc>>) -> Result<(u64, CaptureItem)> {
        let protocol = |what: String| self.session.fail(ErrorKind::Protocol, what).about(&self.spec.name);
        let head = row::values(raw, 0..4).map_err(|e| protocol(format!("the log is damaged: {}", e.reason)))?;
        let seq = row::uint(&head, 0);
        if let Some(Value::Float(julian)) = head.get(1) {
            *at = from_julian(*julian);
        }
        let op = row::text(&head, 2);
        if op == "m" {
            let token = row::value(raw, 4).map_err(|e| protocol(format!("the log is damaged: {}", e.reason)))?;
            let token = match token {
                Value::Text(token) => token,
                _ => return Err(protocol(format!("log row {seq} is a marker without a token"))),
            };
            return Ok((seq, CaptureItem::Marker { token, position: Position::LogRow(seq) }));
        }
        let table = row::uint(&head, 3) as usize;
        let map = self.spec.tables.get(table).ok_or_else(|| protocol(format!("log row {seq} names table {table}")))?;
        let key_at = 4..4 + map.key.len();
        let cells_from = 4 + self.layout.keys;
        let places = self.places.get(table).map_or(&[][..], Vec::as_slice);
        // A key in the log is also in the row, whose error names it better; so keys are only read where there is no row.
        let name_of = |e: &Unreadable| {
            let index = if key_at.contains(&e.column) {
                map.key.get(e.column - key_at.start).copied()
            } else {
                e.column
                    .checked_sub(cells_from)
                    .and_then(|c| places.iter().position(|p| p.is_some_and(|(at, _)| at == c)))
            };
            index.and_then(|i| map.columns.get(i)).map_or("?", |c| c.source.as_str()).to_owned()
        };
        let refuse = |e: Unreadable| {
            let key = readable_key(raw, key_at.clone());
            self.session
                .fail(ErrorKind::Rejected, format!("column {} of the row with key {key}: {}", name_of(&e), e.reason))
                .about(map.source.to_string())
        };
        let key = row::values(raw, key_at.clone()).map_err(refuse)?;
        if key.iter().any(Value::is_null) {
            return Err(self
                .session
                .fail(ErrorKind::Rejected, "a row has NULL in its key, so it cannot be told from others; give it a key")
                .about(map.source.to_string()));
        }
        let cell = |place: &Option<(usize, u64)>| match place {
            Some((at, since)) if seq > *since => row::value(raw, cells_from + at).map(Cell::Value).map_err(refuse),
            // Written before the column was captured: what it held then, nobody knows.
            _ => Ok(Cell::Unchanged),
        };
        let cells = || places.iter().map(cell).collect::<Result<Vec<Cell>>>();
        let change = match op {
            "i" => RowChange::Insert { table, row: cells()? },
            "u" => RowChange::Update { table, old_key: key, row: cells()? },
            "d" => RowChange::Delete { table, old_key: key },
            other => return Err(protocol(format!("log row {seq} has the operation {other}"))),
        };
        Ok((seq, CaptureItem::Change(change)))
    }

    /// Deletes confirmed log rows in short transactions.
    async fn trim(&mut self, upto: u64) -> Result<()> {
        if self.trimmer.is_none() {
            self.trimmer = Some(self.db.open(Mode::Write, Operation::Capture).await?);
        }
        let Some(session) = self.trimmer.as_mut() else { return Ok(()) };
        while self.trimmed < upto {
            let step = upto.min(self.trimmed + TRIM_ROWS);
            match session.begin_immediate(TRIM_PATIENCE).await {
                Ok(()) => {}
                // The application is writing or the writers are frozen; the rows do no harm until the next time.
                Err(e) if e.kind == ErrorKind::Contention => return Ok(()),
                Err(e) => return Err(e),
            }
            if let Err(e) = delete_upto(session, &self.layout, &self.spec.name, step).await {
                session.roll_back().await;
                return Err(e);
            }
            session.commit().await?;
            self.trimmed = step;
        }
        Ok(())
    }
}

#[async_trait]
impl ChangeStream for LogStream {
    async fn next(&mut self) -> Result<Vec<CaptureItem>> {
        let started = Instant::now();
        let mut pause = POLL.0;
        loop {
            if self.delivered < self.consistent {
                return self.read().await;
            }
            let items = self.look().await?;
            if !items.is_empty() {
                return Ok(items);
            }
            if self.delivered < self.consistent {
                continue;
            }
            let markers = self.held_markers();
            if !markers.is_empty() {
                return Ok(markers);
            }
            if started.elapsed() >= QUIET {
                return Ok(Vec::new());
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.db.held.changed() => {}
            }
            pause = (pause * 2).min(POLL.1);
        }
    }

    async fn confirm(&mut self, position: Position) -> Result<()> {
        let confirmed = super::capture::log_row(&self.db, position)?;
        // Never beyond what was delivered: a confirmation from another life of the pipeline must not cut unread rows.
        let upto = confirmed.min(self.delivered);
        let waiting = upto.saturating_sub(self.trimmed);
        if waiting >= TRIM_ROWS || (waiting > 0 && self.trimmed_at.elapsed() >= TRIM_AFTER) {
            self.trimmed_at = Instant::now();
            self.trim(upto).await?;
        }
        Ok(())
    }
}

async fn delete_upto(session: &mut Session, layout: &Layout, capture: &str, upto: u64) -> Result<()> {
    let log = super::quote::ident(&layout.log);
    session.run(&format!("DELETE FROM {log} WHERE seq <= ?1"), Args::new().int(upto)).await?;
    session.run("UPDATE godwit_capture SET trimmed = ?2 WHERE name = ?1", Args::new().text(capture).int(upto)).await?;
    // Between transactions no statement is under way, so what is still noted was left behind by OR IGNORE.
    session.run(&format!("DELETE FROM {}", super::quote::ident(&layout.displaced)), Args::new()).await?;
    Ok(())
}

fn bytes_of(item: &CaptureItem) -> u64 {
    let cell = |cell: &Cell| match cell {
        Cell::Value(value) => row::size_of(value),
        Cell::Unchanged => 0,
    };
    match item {
        CaptureItem::Change(RowChange::Insert { row, .. } | RowChange::Update { row, .. }) => {
            row.iter().map(cell).sum()
        }
        _ => 0,
    }
}

fn readable_key(raw: &SqliteRow, at: std::ops::Range<usize>) -> String {
    let parts: Row = at.map(|i| row::value(raw, i).unwrap_or(Value::Text("(unreadable)".to_owned()))).collect();
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A Julian day as SQLite writes it, with its precision of milliseconds.
fn from_julian(julian: f64) -> Option<DateTime<Utc>> {
    let since_epoch_ms = (julian - 2_440_587.5) * 86_400_000.0;
    DateTime::from_timestamp_millis(since_epoch_ms.round() as i64)
}
