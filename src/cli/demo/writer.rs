//! One application task that writes: carries operations out where the routing file says, waits rather than fails, and
//! enters what was acknowledged in the ledger.

use crate::cli::demo::layout::Files;
use crate::cli::demo::ledger::{Acknowledged, Ledger, Record};
use crate::cli::demo::operation::Operation;
use crate::cli::demo::routing::Follower;
use crate::cli::demo::shop;
use chrono::Utc;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long SQLite itself waits for a lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one write is tried before it is given up. Far beyond any downtime budget: giving up is a failure of the demo.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same after the stop was asked for.
const PATIENCE_AT_STOP: Duration = Duration::from_secs(10);
/// Pause after a write met a fence: the route follows within milliseconds.
const MOVED_PAUSE: Duration = Duration::from_millis(5);
/// Pause after any other failure.
const TROUBLE_PAUSE: Duration = Duration::from_millis(50);

/// What all tasks share.
#[derive(Debug)]
pub struct Shared {
    /// Where the demo's files are.
    pub files: Files,
    /// Set when the tasks are to end.
    pub stop: CancellationToken,
    ledger: Mutex<Ledger>,
}

impl Shared {
    /// Opens the ledger.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn new(files: Files, stop: CancellationToken) -> io::Result<Self> {
        let ledger = Mutex::new(Ledger::open(&files.ledger())?);
        Ok(Self { files, stop, ledger })
    }

    /// Enters a record. Never awaits while it holds the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be written: the tasks must then end, because what they acknowledge would not be known.
    pub fn record(&self, record: &Record) -> io::Result<()> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).append(record)
    }

    /// Makes the ledger durable.
    ///
    /// # Errors
    /// When that fails.
    pub fn sync(&self) -> io::Result<()> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).sync()
    }
}

/// What a failed attempt means for the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The table is fenced: it has moved, and the routing file says (or will say) where to.
    Moved,
    /// Somebody else holds the lock.
    Busy,
    /// Anything else: a new connection may help.
    Other,
}

impl Trouble {
    /// Reads it from the database's answer: Godwit's fence raises an error whose text says `moved`; SQLite's codes 5 and 6 (in the
    /// low byte) are locks.
    pub fn of(error: &sqlx::Error) -> Self {
        let Some(database) = error.as_database_error() else { return Self::Other };
        if database.message().to_lowercase().contains("moved") {
            return Self::Moved;
        }
        let code: Option<i32> = database.code().and_then(|code| code.parse().ok());
        if code.is_some_and(|code| matches!(code & 0xFF, 5 | 6)) { Self::Busy } else { Self::Other }
    }
}

/// Connections that follow the routing file, one a service.
#[derive(Debug)]
pub struct Routed {
    /// The routing file.
    pub follower: Follower,
    open: HashMap<String, (PathBuf, SqliteConnection)>,
}

impl Routed {
    /// Begins with the routing file as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(files: &Files) -> io::Result<Self> {
        Ok(Self { follower: Follower::new(&files.routing())?, open: HashMap::new() })
    }

    /// The connection to a service's database as the routing file says now.
    ///
    /// # Errors
    /// When the file or the database cannot be opened.
    pub async fn connection(&mut self, service: &str) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.follower.refresh()?;
        let path = self.follower.current.of(service)?.to_owned();
        if self.open.get(service).is_none_or(|(at, _)| *at != path) {
            self.forget(service).await;
            let connection = shop::open(&path, BUSY_TIMEOUT).await?;
            self.open.insert(service.to_owned(), (path, connection));
        }
        match self.open.get_mut(service) {
            Some((_, connection)) => Ok(connection),
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Closes the connection of a service.
    pub async fn forget(&mut self, service: &str) {
        if let Some((_, connection)) = self.open.remove(service) {
            // Whatever closing says, the connection is not used again and its transaction is gone with it.
            let _ = connection.close().await;
        }
    }

    /// Closes all connections.
    pub async fn close(mut self) {
        let services: Vec<String> = self.open.keys().cloned().collect();
        for service in services {
            self.forget(&service).await;
        }
    }
}

/// A task that writes.
#[derive(Debug)]
pub struct Writer {
    name: &'static str,
    number: u64,
    routed: Routed,
    shared: Arc<Shared>,
}

impl Writer {
    /// A writer whose operations are called `NAME-000001` and so on; the name must be its own.
    ///
    /// # Errors
    /// When the routing file cannot be read.
    pub fn new(name: &'static str, shared: &Arc<Shared>) -> io::Result<Self> {
        Ok(Self { name, number: 0, routed: Routed::new(&shared.files)?, shared: Arc::clone(shared) })
    }

    /// Carries one operation out, trying as long as it takes, and enters it in the ledger. `None` when it was given up.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub async fn perform(&mut self, operation: Operation) -> io::Result<Option<Acknowledged>> {
        self.number += 1;
        let op = format!("{}-{:06}", self.name, self.number);
        let (started_ms, started) = (Utc::now().timestamp_millis(), Instant::now());
        let mut attempts = 0;
        loop {
            attempts += 1;
            let outcome = match self.routed.connection(operation.service()).await {
                Ok(connection) => operation.carry_out(&op, connection).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(key) => {
                    let acknowledged = Acknowledged {
                        op,
                        service: operation.service().to_owned(),
                        table: operation.table().to_owned(),
                        key,
                        operation,
                        started_ms,
                        acked_ms: Utc::now().timestamp_millis(),
                        wait_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                        attempts,
                        epoch: self.routed.follower.current.epoch,
                    };
                    self.shared.record(&Record::Acknowledged(acknowledged.clone()))?;
                    return Ok(Some(acknowledged));
                }
                Err(error) if started.elapsed() >= self.patience() => {
                    self.shared.record(&Record::GivenUp { op, operation, why: error.to_string() })?;
                    return Ok(None);
                }
                Err(error) => self.recover(&operation, &error).await,
            }
        }
    }

    /// Closes the connections.
    pub async fn close(self) {
        self.routed.close().await;
    }

    fn patience(&self) -> Duration {
        if self.shared.stop.is_cancelled() { PATIENCE_AT_STOP } else { PATIENCE }
    }

    async fn recover(&mut self, operation: &Operation, error: &sqlx::Error) {
        match Trouble::of(error) {
            Trouble::Moved | Trouble::Busy => tokio::time::sleep(MOVED_PAUSE).await,
            Trouble::Other => {
                // The outcome of a commit that failed is not known; the operation's id tells the next attempt.
                self.routed.forget(operation.service()).await;
                tokio::time::sleep(TROUBLE_PAUSE).await;
            }
        }
    }
}
