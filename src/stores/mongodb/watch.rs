//! Looking at the server: only commands that read, each with a time-out on both sides, one after the other.
//!
//! Never sent: `$queryStats` (Atlas only), `showCredentials` (returns SCRAM keys), `find` on anything but `system.profile`.

use crate::model::observation::{Cost, Missing, Observation};
use crate::stores::Result;
use crate::stores::error::Operation;
use crate::stores::mongodb::connect::Connector;
use crate::stores::mongodb::error::{NAMESPACE_NOT_FOUND, code_of, is_refusal};
use crate::stores::refused::Refused;
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Longest time for one command that only looks; a server that takes longer must not be asked.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Documents that are read of one answer at most.
const MOST_DOCUMENTS: usize = 20_000;

/// The looking half of a MongoDB store.
pub struct Watch {
    connector: Arc<Connector>,
    /// Held while somebody looks; what the server refused is in it.
    turn: Mutex<Refused>,
}

impl Watch {
    /// Does not connect.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, turn: Mutex::default() }
    }

    /// Looks: runs `read` when nobody else does.
    ///
    /// # Errors
    /// The store's, with [`Operation::Inspect`].
    pub async fn look<T, F>(&self, read: F) -> Result<Observation<T>>
    where
        F: AsyncFnOnce(&mut Reader) -> std::result::Result<T, Error>,
    {
        let mut turn = self.turn.lock().await;
        let client = self.connector.client().await?.clone();
        let limit = LOOK_TIMEOUT.min(self.connector.command_limit());
        let started = Instant::now();
        let refused = std::mem::take(&mut *turn);
        let mut reader = Reader { client, limit, refused, cost: Cost::default(), missing: Vec::new() };
        let outcome = read(&mut reader).await;
        let Reader { mut cost, missing, refused, .. } = reader;
        *turn = refused;
        let value = outcome.map_err(self.connector.failed(Operation::Inspect))?;
        cost.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Observation { value, at: Utc::now(), missing, cost })
    }
}

/// Reads inside one look.
pub struct Reader {
    client: Client,
    limit: Duration,
    refused: Refused,
    cost: Cost,
    missing: Vec<Missing>,
}

/// Something that may be refused.
struct Asking {
    what: String,
    missing: Missing,
}

/// The run of a server process: what its counters belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Differs between any two processes; empty: the server does not tell (before 4.4).
    pub id: String,
    /// When it started, to the second.
    pub started_at: Option<DateTime<Utc>>,
}

impl Reader {
    /// For an action: the same time-outs, a client of its own.
    pub fn acting(client: Client, limit: Duration) -> Self {
        Self {
            client,
            limit: LOOK_TIMEOUT.min(limit),
            refused: Refused::default(),
            cost: Cost::default(),
            missing: Vec::new(),
        }
    }

    /// Notes something that cannot be seen, once.
    pub fn lacks(&mut self, missing: Missing) {
        if !self.missing.iter().any(|noted| noted.id == missing.id) {
            self.missing.push(missing);
        }
    }

    /// Runs a command.
    ///
    /// # Errors
    /// The driver's; one of I/O when the time is over.
    pub async fn run(&mut self, database: &str, command: Document) -> std::result::Result<Document, Error> {
        self.cost.statements += 1;
        let command = self.limited(command);
        let database = self.client.database(database);
        tokio::time::timeout(self.limit, async { database.run_command(command).await })
            .await
            .unwrap_or_else(|_| Err(self.late()))
    }

    /// Runs a command that answers with a cursor, and reads it to its end, or to the most that is read of one.
    ///
    /// # Errors
    /// As [`Reader::run`].
    pub async fn all(&mut self, database: &str, command: Document) -> std::result::Result<Vec<Document>, Error> {
        self.cost.statements += 1;
        let command = self.limited(command);
        let database = self.client.database(database);
        let read = async {
            let mut cursor = database.run_cursor_command(command).await?;
            let mut documents = Vec::new();
            while let Some(document) = cursor.try_next().await? {
                documents.push(document);
                if documents.len() == MOST_DOCUMENTS {
                    break;
                }
            }
            Ok(documents)
        };
        let read = tokio::time::timeout(self.limit, read).await.unwrap_or_else(|_| Err(self.late()));
        match read {
            // Dropped since it was listed: it has nothing to show.
            Err(error) if code_of(&error) == Some(NAMESPACE_NOT_FOUND) => Ok(Vec::new()),
            read => read,
        }
    }

    /// The same for what the account may not have, or the server not know: then `None`, with `missing` noted, and the server is not
    /// asked again for a while.
    ///
    /// # Errors
    /// As [`Reader::run`], except a refusal.
    pub async fn all_or(
        &mut self,
        database: &str,
        command: Document,
        missing: impl FnOnce() -> Missing,
    ) -> std::result::Result<Option<Vec<Document>>, Error> {
        let Some(asking) = self.asking(database, missing()) else { return Ok(None) };
        let outcome = self.all(database, command).await;
        self.unless_refused(outcome, asking)
    }

    /// See [`Reader::all_or`].
    ///
    /// # Errors
    /// As [`Reader::run`], except a refusal.
    pub async fn run_or(
        &mut self,
        database: &str,
        command: Document,
        missing: impl FnOnce() -> Missing,
    ) -> std::result::Result<Option<Document>, Error> {
        let Some(asking) = self.asking(database, missing()) else { return Ok(None) };
        let outcome = self.run(database, command).await;
        self.unless_refused(outcome, asking)
    }

    /// `None`, with `missing` noted, when the server refused it in this database a short time ago.
    fn asking(&mut self, database: &str, missing: Missing) -> Option<Asking> {
        let what = format!("{database} {}", missing.id);
        if self.refused.recently(&what) {
            self.lacks(missing);
            return None;
        }
        Some(Asking { what, missing })
    }

    fn unless_refused<T>(
        &mut self,
        outcome: std::result::Result<T, Error>,
        asking: Asking,
    ) -> std::result::Result<Option<T>, Error> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_refusal(&error) => {
                self.refused.note(&asking.what);
                self.lacks(asking.missing);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Which run of which process answers. Needs no right.
    ///
    /// # Errors
    /// As [`Reader::run`].
    pub async fn hello(&mut self) -> std::result::Result<(Document, Run), Error> {
        let hello = self.run("admin", doc! { "hello": 1 }).await?;
        let process =
            hello.get_document("topologyVersion").ok().and_then(|version| version.get_object_id("processId").ok());
        let run = match process {
            // The process makes the number when it starts, and its first four bytes are that time.
            Some(process) => Run {
                id: process.to_hex(),
                started_at: DateTime::from_timestamp_millis(process.timestamp().timestamp_millis()),
            },
            None => Run::default(),
        };
        Ok((hello, run))
    }

    fn limited(&self, mut command: Document) -> Document {
        let limit = i64::try_from(self.limit.as_millis()).unwrap_or(i64::MAX);
        command.insert("maxTimeMS", Bson::Int64(limit));
        command
    }

    fn late(&self) -> Error {
        let why = format!("no answer within {} ms", self.limit.as_millis());
        Error::from(std::io::Error::new(std::io::ErrorKind::TimedOut, why))
    }
}

/// Databases whose collections are the server's own.
pub fn is_internal(database: &str) -> bool {
    matches!(database, "admin" | "config" | "local")
}

/// The database of a namespace.
pub fn database_of(namespace: &str) -> &str {
    namespace.split_once('.').map_or(namespace, |(database, _)| database)
}
