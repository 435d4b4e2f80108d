//! The one session that looks at the server.
//!
//! Invariants: it never writes (its transactions are read-only); it never waits long for a lock; each statement has a time-out; what differs
//! between MariaDB, MySQL and their versions is probed at connect, not guessed from the version.

use crate::model::observation::{Cost, Missing, Observation};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mysql::capability::Capability;
use crate::stores::mysql::connect::{Connector, lines};
use crate::stores::mysql::error::{kind_of, number};
use crate::stores::mysql::line::Line;
use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlConnection;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A session to which something was refused is opened again after this time: global rights and plugins are seen by new sessions only, and
/// asking more often writes more refusals into the server's log.
const ASK_AGAIN: Duration = Duration::from_secs(120);

/// Two computations of the server's start differ by less than this: it tells its uptime in whole seconds.
pub const START_TOLERANCE_S: u64 = 5;

/// Names of applications that are remembered at most.
const PROGRAMS_KEPT: usize = 20_000;

/// What a statement that looks came back with.
pub type Read<T> = std::result::Result<T, sqlx::Error>;

/// The looking half of a store.
pub struct Watch {
    connector: Arc<Connector>,
    session: Mutex<Option<Look>>,
    /// The server's start in seconds since the epoch, as computed first: uptime in whole seconds would make it waver.
    started: PlainMutex<Option<u64>>,
}

/// An open looking session.
pub struct Look {
    connection: MySqlConnection,
    capability: Capability,
    opened: Instant,
    /// Something was missing when it was used.
    lacks: bool,
    /// What was refused, by id: it is not asked for again in this session.
    refused: BTreeSet<String>,
    started_s: u64,
    /// `program_name` of sessions, by connection id: it does not change while a session lives.
    programs: BTreeMap<u64, String>,
}

impl Watch {
    /// Does not connect.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, session: Mutex::new(None), started: PlainMutex::new(None) }
    }

    /// Looks: opens the session if need be and runs `read`. A session that failed is closed, so that the next look begins with a fresh one.
    ///
    /// # Errors
    /// The store's, with [`Operation::Inspect`].
    pub async fn look<T, F>(&self, read: F) -> Result<Observation<T>>
    where
        F: AsyncFnOnce(&mut Reader<'_>) -> Read<T>,
    {
        let mut session = self.session.lock().await;
        let kept = session.take().filter(|look| !(look.lacks && look.opened.elapsed() > ASK_AGAIN));
        let mut look = match kept {
            Some(look) => look,
            None => self.open().await?,
        };
        let started = Instant::now();
        let mut reader = Reader {
            look: &mut look,
            limit: self.connector.limit(),
            scope: self.connector.address().database.as_deref(),
            cost: Cost::default(),
            missing: Vec::new(),
        };
        let read = read(&mut reader).await;
        let Reader { mut cost, mut missing, .. } = reader;
        cost.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let value = read.map_err(self.connector.failed(Operation::Inspect))?;
        missing.sort();
        missing.dedup();
        look.lacks |= !missing.is_empty();
        *session = Some(look);
        Ok(Observation { value, at: Utc::now(), missing, cost })
    }

    async fn open(&self) -> Result<Look> {
        let mut connection = self.connector.dedicated(Operation::Inspect).await?;
        let failed = self.connector.failed(Operation::Inspect);
        let capability = Capability::probe(&mut connection, self.connector.limit()).await.map_err(&failed)?;
        let started_s = self.settled_start(capability.started_s);
        Ok(Look {
            connection,
            capability,
            opened: Instant::now(),
            lacks: false,
            refused: BTreeSet::new(),
            started_s,
            programs: BTreeMap::new(),
        })
    }

    /// The start that was computed first, unless the server has started anew.
    fn settled_start(&self, computed: u64) -> u64 {
        let mut known = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let start = known.filter(|first| first.abs_diff(computed) <= START_TOLERANCE_S).unwrap_or(computed);
        *known = Some(start);
        start
    }
}

/// Reads inside one look.
pub struct Reader<'a> {
    look: &'a mut Look,
    limit: Duration,
    scope: Option<&'a str>,
    cost: Cost,
    missing: Vec<Missing>,
}

impl Reader<'_> {
    /// What the server has.
    pub fn server(&self) -> &Capability {
        &self.look.capability
    }

    /// The database that the store is about; `None`: all of the server's.
    pub fn scope(&self) -> Option<String> {
        self.scope.map(str::to_owned)
    }

    /// When the server started, in seconds since the epoch.
    pub fn started_s(&self) -> u64 {
        self.look.started_s
    }

    /// When the server started.
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(i64::try_from(self.look.started_s).ok()?, 0)
    }

    /// Application names by connection id.
    pub fn programs(&mut self) -> &mut BTreeMap<u64, String> {
        if self.look.programs.len() > PROGRAMS_KEPT {
            self.look.programs.clear();
        }
        &mut self.look.programs
    }

    /// Notes something that cannot be seen.
    pub fn lacks(&mut self, missing: Missing) {
        self.missing.push(missing);
    }

    /// Runs a query and counts what it cost. The text is built from constants of this folder, numbers, and what [`literal`] quotes.
    ///
    /// # Errors
    /// The driver's.
    pub async fn lines(&mut self, sql: impl Into<String>) -> Read<Vec<Line>> {
        self.cost.statements += 1;
        lines(&mut self.look.connection, self.limit, sql.into()).await
    }

    /// The same where a right, a table or time may be wanting: then `missing` is noted and the answer is `None`. What was refused is not
    /// asked for again while this session lasts.
    ///
    /// # Errors
    /// The driver's, when the session is of no use any more.
    pub async fn lines_or(
        &mut self,
        missing: impl FnOnce() -> Missing,
        sql: impl Into<String>,
    ) -> Read<Option<Vec<Line>>> {
        let missing = missing();
        let read = self.lines_if(&missing.id, sql).await?;
        if read.is_none() {
            self.lacks(missing);
        }
        Ok(read)
    }

    /// The same without noting anything, for what can be read in another way as well. `id` names it among what was refused.
    ///
    /// # Errors
    /// The driver's, when the session is of no use any more.
    pub async fn lines_if(&mut self, id: &str, sql: impl Into<String>) -> Read<Option<Vec<Line>>> {
        if self.look.refused.contains(id) {
            return Ok(None);
        }
        match self.lines(sql).await {
            Ok(lines) => Ok(Some(lines)),
            Err(error) => match number(&error).map(kind_of) {
                Some(ErrorKind::Denied | ErrorKind::NotFound) => {
                    tracing::debug!(%error, "a reading was refused");
                    self.look.refused.insert(id.to_owned());
                    Ok(None)
                }
                Some(ErrorKind::TimedOut | ErrorKind::Contention) => {
                    tracing::debug!(%error, "a reading took too long");
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }
}

/// A text as an SQL literal. Backslashes are doubled: the session's `sql_mode` is empty, so that they escape.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// `at` less an age in seconds.
pub fn ago(at: DateTime<Utc>, seconds: Option<f64>) -> Option<DateTime<Utc>> {
    let micros = (seconds?.max(0.0) * 1e6) as i64;
    at.checked_sub_signed(chrono::Duration::microseconds(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_cannot_be_left() {
        assert_eq!(literal("a'b\\"), "'a''b\\\\'");
    }

    #[test]
    fn an_age_is_never_in_the_future() {
        let now = Utc::now();
        assert_eq!(ago(now, Some(-3.0)), Some(now));
        assert_eq!(ago(now, None), None);
        assert_eq!(ago(now, Some(1.5)), Some(now - chrono::Duration::milliseconds(1_500)));
    }
}
