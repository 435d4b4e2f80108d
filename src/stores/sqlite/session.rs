//! One connection with a deadline for each of its statements.

use super::error::{is_busy, store_error};
use super::row::{self, Args};
use crate::model::value::{Row, Value};
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{OpenOptions, Result};
use futures_util::TryStreamExt;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a waiting session sleeps between two tries for the write lock. Short, because SQLite's lock has no queue: whoever
/// asks when it is free gets it, and applications' own busy handlers sleep for up to 100 ms.
const LOCK_POLL: Duration = Duration::from_millis(1);

/// Virtual machine instructions between two looks at the deadline: well under a millisecond.
const OPS_PER_LOOK: i32 = 4_000;

/// When the running statement must end, in milliseconds after `epoch`; 0: never.
#[derive(Debug)]
struct Deadline {
    epoch: Instant,
    at_ms: AtomicU64,
}

impl Deadline {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn has_passed(&self) -> bool {
        match self.at_ms.load(Ordering::Relaxed) {
            0 => false,
            at => self.now_ms() >= at,
        }
    }
}

/// One connection with a deadline for each statement. Dropping it rolls an open transaction back and closes the connection;
/// a statement that still runs is interrupted.
pub struct Session {
    /// `None` only while it is being dropped.
    conn: Option<SqliteConnection>,
    deadline: Arc<Deadline>,
    options: OpenOptions,
    operation: Operation,
}

impl Session {
    /// A session on an open connection.
    pub async fn new(conn: SqliteConnection, options: OpenOptions, operation: Operation) -> Result<Self> {
        let deadline = Arc::new(Deadline { epoch: Instant::now(), at_ms: AtomicU64::new(0) });
        let mut session = Self { conn: Some(conn), deadline, options, operation };
        session.watch_deadline().await?;
        Ok(session)
    }

    async fn watch_deadline(&mut self) -> Result<()> {
        let deadline = Arc::clone(&self.deadline);
        let conn = self.conn.as_mut().ok_or_else(|| closed(&self.options, self.operation))?;
        match conn.lock_handle().await {
            Ok(mut handle) => {
                handle.set_progress_handler(OPS_PER_LOOK, move || !deadline.has_passed());
                Ok(())
            }
            Err(e) => Err(store_error(&self.options.id, self.operation, &e)),
        }
    }

    /// Statements have no deadline from here on: copies, index builds.
    pub fn without_deadline(&mut self) {
        self.options.statement_timeout = Duration::ZERO;
    }

    /// An error of this session's operation.
    pub fn fail(&self, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(&self.options.id, self.operation, kind, message)
    }

    /// Turns a driver error into one of this session's operation.
    pub fn explain(&self, error: &sqlx::Error) -> StoreError {
        store_error(&self.options.id, self.operation, error)
    }

    /// Runs one statement with bound values; returns the number of rows that it changed.
    pub async fn run(&mut self, sql: &str, args: Args) -> Result<u64> {
        self.try_run(sql, args).await.map_err(|e| self.explain(&e))
    }

    /// As [`Session::run`], for callers that look at SQLite's code.
    pub async fn try_run(&mut self, sql: &str, args: Args) -> std::result::Result<u64, sqlx::Error> {
        let conn = self.armed()?;
        conn.execute(sqlx::query_with(AssertSqlSafe(sql), args.0)).await.map(|done| done.rows_affected())
    }

    /// Runs statements without values, separated by semicolons, back to back on the connection's own thread.
    pub async fn script(&mut self, sql: &str) -> Result<()> {
        self.try_script(sql).await.map_err(|e| self.explain(&e))
    }

    /// As [`Session::script`], for callers that look at SQLite's code.
    pub async fn try_script(&mut self, sql: &str) -> std::result::Result<(), sqlx::Error> {
        let conn = self.armed()?;
        conn.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.map(|_| ())
    }

    /// Rows as SQLite's driver has them, for callers that name the key of a value that cannot be read.
    pub async fn raw_rows(&mut self, sql: &str, args: Args) -> Result<Vec<SqliteRow>> {
        let rows = match self.armed() {
            Ok(conn) => conn.fetch_all(sqlx::query_with(AssertSqlSafe(sql), args.0)).await,
            Err(e) => Err(e),
        };
        rows.map_err(|e| self.explain(&e))
    }

    /// Rows of a catalogue or of Godwit's own tables.
    pub async fn rows(&mut self, sql: &str, args: Args) -> Result<Vec<Row>> {
        let raw = self.raw_rows(sql, args).await?;
        let decoded: std::result::Result<Vec<Row>, row::Unreadable> =
            raw.iter().map(|r| row::values(r, 0..sqlx::Row::len(r))).collect();
        decoded.map_err(|e| self.fail(ErrorKind::Rejected, format!("{} in the answer to {sql}", e.reason)))
    }

    /// The first row, if there is one.
    pub async fn first(&mut self, sql: &str, args: Args) -> Result<Option<Row>> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// The answer of a pragma; NULL where it has none. Not as a table-valued function: those exist only for some pragmas.
    pub async fn pragma(&mut self, name: &str) -> Result<Value> {
        let answer = self.first(&format!("PRAGMA {name}"), Args::new()).await?;
        Ok(answer.and_then(|row| row.into_iter().next()).unwrap_or(Value::Null))
    }

    /// Calls `each` for every row without keeping them; the deadline covers the whole of it.
    pub async fn each_row<F>(&mut self, sql: &str, args: Args, mut each: F) -> Result<()>
    where
        F: FnMut(&SqliteRow) -> Result<()> + Send,
    {
        let (options, operation) = (self.options.clone(), self.operation);
        let explain = |e: &sqlx::Error| store_error(&options.id, operation, e);
        let conn = self.armed().map_err(|e| explain(&e))?;
        let mut stream = conn.fetch(sqlx::query_with(AssertSqlSafe(sql), args.0));
        while let Some(row) = stream.try_next().await.map_err(|e| explain(&e))? {
            each(&row)?;
        }
        Ok(())
    }

    /// Begins a transaction that holds the write lock, waiting for it at most `patience`. The wait polls instead of using
    /// SQLite's busy handler, which sleeps longer and longer and is starved by busy writers.
    pub async fn begin_immediate(&mut self, patience: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            match self.try_script("BEGIN IMMEDIATE").await {
                Ok(()) => return Ok(()),
                Err(e) if is_busy(&e) => {
                    if started.elapsed() >= patience {
                        let waited = format!("another connection held the write lock for {} ms", patience.as_millis());
                        return Err(self.fail(ErrorKind::Contention, waited));
                    }
                    tokio::time::sleep(LOCK_POLL).await;
                }
                Err(e) => return Err(self.explain(&e)),
            }
        }
    }

    /// Longest wait for the write lock in ordinary operation.
    pub fn patience(&self) -> Duration {
        if self.options.statement_timeout.is_zero() { Duration::from_secs(60) } else { self.options.statement_timeout }
    }

    /// Runs statements in one transaction that holds the write lock; rolls back when one fails.
    pub async fn transaction(&mut self, statements: &[String]) -> Result<()> {
        self.begin_immediate(self.patience()).await?;
        for statement in statements {
            if let Err(e) = self.script(statement).await {
                self.roll_back().await;
                return Err(e);
            }
        }
        self.commit().await
    }

    /// Commits; on error the transaction is gone.
    pub async fn commit(&mut self) -> Result<()> {
        if let Err(e) = self.script("COMMIT").await {
            self.roll_back().await;
            return Err(e);
        }
        Ok(())
    }

    /// Gives the open transaction up. If even that fails the connection is closed, which does the same.
    pub async fn roll_back(&mut self) {
        if let Err(e) = self.try_script("ROLLBACK").await {
            // SQLite has already rolled back by itself after some errors; then there is nothing left to do.
            let nothing_open = e.to_string().contains("no transaction is active");
            if !nothing_open {
                self.conn = None;
            }
        }
    }

    /// Closes the connection and waits until SQLite has let go of the file and its locks.
    pub async fn close(mut self) -> Result<()> {
        match self.conn.take() {
            Some(conn) => conn.close().await.map_err(|e| store_error(&self.options.id, self.operation, &e)),
            None => Ok(()),
        }
    }

    fn armed(&mut self) -> std::result::Result<&mut SqliteConnection, sqlx::Error> {
        let timeout = self.options.statement_timeout;
        let at = if timeout.is_zero() {
            0
        } else {
            self.deadline.now_ms().saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)).max(1)
        };
        self.deadline.at_ms.store(at, Ordering::Relaxed);
        self.conn.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A dropped future leaves its statement running on the connection's thread: end it, so that its locks go too.
        self.deadline.at_ms.store(1, Ordering::Relaxed);
    }
}

fn closed(options: &OpenOptions, operation: Operation) -> StoreError {
    StoreError::new(&options.id, operation, ErrorKind::Unreachable, "the connection is closed")
}
