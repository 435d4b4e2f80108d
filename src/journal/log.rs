//! Appending to the journal and reading it back.

use crate::journal::chain::{self, GENESIS};
use crate::journal::error::JournalError;
use crate::journal::upcast;
use crate::model::event::{Entry, Event};
use crate::model::fold::Migration;
use crate::model::ids::Seq;
use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, Row, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Newest file layout that this binary knows (`PRAGMA user_version`).
const LAYOUT: i64 = 1;

/// An open journal. There is one writer per file: the dispatcher of the engine that holds the lock.
pub struct Journal {
    path: PathBuf,
    connection: SqliteConnection,
    head: Seq,
    head_hash: String,
}

/// Result of a full check of the chain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ChainReport {
    /// Rows read, all of them good.
    pub rows: u64,
    /// Hash of the last row: write it down elsewhere to prove later that nothing before it was changed.
    pub head_hash: String,
    /// Rows of kinds that this binary does not know.
    pub unknown_rows: u64,
}

impl Journal {
    /// Opens (or creates) the journal for writing. WAL with full sync: an append that returned is on disk.
    ///
    /// # Errors
    /// [`JournalError`]; the chain's last row is verified, the whole chain only by [`check`].
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = connect(path, false).await?;
        let mut journal = Self { path: path.to_owned(), connection, head: Seq(0), head_hash: GENESIS.to_owned() };
        let layout = journal.layout().await?;
        if layout > LAYOUT {
            return Err(JournalError::TooNew { path: path.to_owned(), found: layout, known: LAYOUT });
        }
        if layout == 0 {
            journal
                .connection
                .execute(sqlx::raw_sql(include_str!("schema/1.sql")))
                .await
                .map_err(|source| JournalError::File { path: path.to_owned(), source })?;
        }
        journal.read_head().await?;
        Ok(journal)
    }

    /// Opens an existing journal for reading, beside a running engine.
    ///
    /// # Errors
    /// [`JournalError`] when there is none or it cannot be read.
    pub async fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let connection = connect(path, true).await?;
        let mut journal = Self { path: path.to_owned(), connection, head: Seq(0), head_hash: GENESIS.to_owned() };
        let layout = journal.layout().await?;
        if layout > LAYOUT {
            return Err(JournalError::TooNew { path: path.to_owned(), found: layout, known: LAYOUT });
        }
        journal.read_head().await?;
        Ok(journal)
    }

    /// Last row.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Hash of the last row.
    pub fn head_hash(&self) -> &str {
        &self.head_hash
    }

    /// Appends events as one transaction. When it returns, they are on disk.
    ///
    /// # Errors
    /// [`JournalError`]; nothing was appended, and the caller must stop: what it would do next has no record.
    pub async fn append(&mut self, events: &[Event], at: DateTime<Utc>) -> Result<Vec<Entry>, JournalError> {
        let stamp = at.to_rfc3339_opts(SecondsFormat::Micros, true);
        // The row holds microseconds; the entry handed out must be the one that a replay will read.
        let at = DateTime::parse_from_rfc3339(&stamp).map_or(at, |t| t.with_timezone(&Utc));
        let mut seq = self.head.0;
        let mut hash = self.head_hash.clone();
        let mut entries = Vec::with_capacity(events.len());
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            seq += 1;
            let body = serde_json::to_string(event)?;
            hash = chain::row_hash(&hash, seq, &stamp, upcast::FORM, &body);
            rows.push((seq, body, hash.clone()));
            entries.push(Entry { seq: Seq(seq), at, event: event.clone() });
        }
        let path = self.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let mut tx = self.connection.begin().await.map_err(failed)?;
        for (seq, body, hash) in &rows {
            sqlx::query("INSERT INTO journal (seq, at, form, body, hash) VALUES (?, ?, ?, ?, ?)")
                .bind(i64::try_from(*seq).unwrap_or(i64::MAX))
                .bind(&stamp)
                .bind(upcast::FORM)
                .bind(body)
                .bind(hash)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)?;
        self.head = Seq(seq);
        self.head_hash = hash;
        Ok(entries)
    }

    /// Rows after `since`, at most `limit`, in order. The chain over them is verified.
    ///
    /// # Errors
    /// [`JournalError::Broken`] at the first row that does not fit.
    pub async fn read_since(&mut self, since: Seq, limit: u64) -> Result<Vec<Entry>, JournalError> {
        let mut previous = if since.0 == 0 { GENESIS.to_owned() } else { self.hash_of(since).await? };
        let rows = sqlx::query("SELECT seq, at, form, body, hash FROM journal WHERE seq > ? ORDER BY seq LIMIT ?")
            .bind(i64::try_from(since.0).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut self.connection)
            .await
            .map_err(|source| JournalError::File { path: self.path.clone(), source })?;
        let mut entries = Vec::with_capacity(rows.len());
        let mut expected = since.0;
        for row in rows {
            expected += 1;
            let (entry, hash) = self.read_row(&row, expected, &previous)?;
            previous = hash;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The state of the migration: every row applied in order.
    ///
    /// # Errors
    /// [`JournalError`] when the chain is broken or the rows do not follow from one another.
    pub async fn replay(&mut self) -> Result<Migration, JournalError> {
        let mut migration = Migration::default();
        loop {
            let entries = self.read_since(migration.head, 1000).await?;
            if entries.is_empty() {
                return Ok(migration);
            }
            for entry in entries {
                migration.apply(&entry).map_err(|source| JournalError::Fold { path: self.path.clone(), source })?;
            }
        }
    }

    /// Reads and verifies one row; returns it with its hash.
    fn read_row(
        &self,
        row: &sqlx::sqlite::SqliteRow,
        expected: u64,
        previous: &str,
    ) -> Result<(Entry, String), JournalError> {
        let broken = |what: String| JournalError::Broken { path: self.path.clone(), seq: expected, what };
        let unreadable = |error: sqlx::Error| broken(format!("a column cannot be read: {error}"));
        let seq = row.try_get::<i64, _>(0).map_err(unreadable)?;
        if u64::try_from(seq).ok() != Some(expected) {
            return Err(broken(format!("row {seq} stands in its place: rows are missing")));
        }
        let at: String = row.try_get(1).map_err(unreadable)?;
        let form: i64 = row.try_get(2).map_err(unreadable)?;
        let body: String = row.try_get(3).map_err(unreadable)?;
        let hash: String = row.try_get(4).map_err(unreadable)?;
        if chain::row_hash(previous, expected, &at, form, &body) != hash {
            return Err(broken("its hash does not match its content and the row before it".to_owned()));
        }
        let stamp = DateTime::parse_from_rfc3339(&at).map_err(|e| broken(format!("its time cannot be read: {e}")))?;
        let event = upcast::read(form, &body).map_err(|e| broken(format!("its event cannot be read: {e}")))?;
        Ok((Entry { seq: Seq(expected), at: stamp.with_timezone(&Utc), event }, hash))
    }

    async fn hash_of(&mut self, seq: Seq) -> Result<String, JournalError> {
        sqlx::query("SELECT hash FROM journal WHERE seq = ?")
            .bind(i64::try_from(seq.0).unwrap_or(i64::MAX))
            .fetch_optional(&mut self.connection)
            .await
            .and_then(|row| row.map(|r| r.try_get(0)).transpose())
            .map_err(|source| JournalError::File { path: self.path.clone(), source })?
            .ok_or_else(|| JournalError::Broken {
                path: self.path.clone(),
                seq: seq.0,
                what: "the row is missing".to_owned(),
            })
    }

    async fn layout(&mut self) -> Result<i64, JournalError> {
        sqlx::query("PRAGMA user_version")
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|source| JournalError::File { path: self.path.clone(), source })
    }

    async fn read_head(&mut self) -> Result<(), JournalError> {
        let row = sqlx::query("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut self.connection)
            .await
            .map_err(|source| JournalError::File { path: self.path.clone(), source })?;
        if let Some(row) = row {
            let unreadable = |source| JournalError::File { path: self.path.clone(), source };
            self.head = Seq(u64::try_from(row.try_get::<i64, _>(0).map_err(unreadable)?).unwrap_or(0));
            self.head_hash = row.try_get(1).map_err(unreadable)?;
        }
        Ok(())
    }
}

/// Verifies the whole chain of a journal file.
///
/// # Errors
/// [`JournalError::Broken`] names the first bad row.
pub async fn check(path: &Path) -> Result<ChainReport, JournalError> {
    let mut journal = Journal::open_read_only(path).await?;
    let mut report = ChainReport { rows: 0, head_hash: GENESIS.to_owned(), unknown_rows: 0 };
    loop {
        let entries = journal.read_since(Seq(report.rows), 1000).await?;
        if entries.is_empty() {
            journal.read_head().await?;
            report.head_hash = journal.head_hash.clone();
            return Ok(report);
        }
        report.rows += entries.len() as u64;
        report.unknown_rows += entries.iter().filter(|e| matches!(e.event, Event::Unknown)).count() as u64;
    }
}

async fn connect(path: &Path, read_only: bool) -> Result<SqliteConnection, JournalError> {
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(!read_only)
        .read_only(read_only)
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();
    if !read_only {
        options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    }
    options.connect().await.map_err(|source| JournalError::File { path: path.to_owned(), source })
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
