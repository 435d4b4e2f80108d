//! The one session that looks at the server.
//!
//! Invariants: it never writes (`default_transaction_read_only`); each look is one short transaction with a time-out, so that it holds
//! nothing back; what differs between server versions is probed from the catalogue at connect, not guessed from the version.

use crate::model::observation::{Cost, Observation};
use crate::stores::Result;
use crate::stores::error::Operation;
use crate::stores::postgres::connect::Connector;
use chrono::Utc;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Executor, Row};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Longest time for one statement that only looks; a server that takes longer must not be asked.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// What the looking session is pinned to, beside what all sessions are pinned to.
///
/// `stats_fetch_consistency` is not there before 15 and not for everybody, so it is tried apart.
const LOOKING: &str = "SET default_transaction_read_only = on; SET lock_timeout = '100ms'; SET idle_in_transaction_session_timeout = '10s'";

/// Views whose columns differ between versions, and `acl.` with each right that there is on a table.
const PROBED: &str = "SELECT c.relname || '.' || a.attname
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
     WHERE a.attnum > 0 AND NOT a.attisdropped
       AND c.relnamespace = 'pg_catalog'::regnamespace
       AND c.relname IN ('pg_stat_activity', 'pg_locks', 'pg_replication_slots', 'pg_stat_replication', 'pg_stat_subscription',
                         'pg_stat_all_tables', 'pg_stat_all_indexes', 'pg_stat_database', 'pg_index', 'pg_auth_members',
                         'pg_subscription', 'pg_parameter_acl', 'pg_stat_progress_copy', 'pg_stat_progress_create_index')
     UNION ALL SELECT 'acl.' || privilege_type FROM aclexplode(acldefault('r', 10))";

/// The looking half of a PostgreSQL store.
pub struct Watch {
    connector: Arc<Connector>,
    session: Mutex<Option<Look>>,
}

/// An open looking session.
pub struct Look {
    connection: PgConnection,
    columns: BTreeSet<String>,
    /// `server_version_num`.
    version: i32,
    /// The shortest time that a statement without work took: the way there and back.
    round_trip: Duration,
    /// Version and identity, once they were asked for.
    facts: Option<(String, String)>,
}

impl Look {
    /// True when a system view has a column (`VIEW.COLUMN`), or tables have a right (`acl.RIGHT`).
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// `column` if the view has it, else `otherwise`: for building the text of a query.
    pub fn or<'a>(&self, view: &str, column: &'a str, otherwise: &'a str) -> &'a str {
        if self.has(&format!("{view}.{column}")) { column } else { otherwise }
    }

    /// `server_version_num`, for messages only.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Version and identity as they were remembered.
    pub fn facts(&self) -> Option<&(String, String)> {
        self.facts.as_ref()
    }

    /// The connection.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Watch {
    /// Does not connect.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, session: Mutex::new(None) }
    }

    /// Its connections.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// Looks: opens the session if need be, and runs `read` in one read-only transaction. A session that failed is closed, so that
    /// the next look begins with a fresh one.
    ///
    /// # Errors
    /// The store's, with [`Operation::Inspect`].
    pub async fn look<T, F>(&self, read: F) -> Result<Observation<T>>
    where
        F: AsyncFnOnce(&mut Reader<'_>) -> std::result::Result<T, sqlx::Error>,
    {
        let mut session = self.session.lock().await;
        let mut look = match session.take() {
            Some(look) => look,
            None => self.open().await?,
        };
        let started = Instant::now();
        let mut reader = Reader { look: &mut look, cost: Cost::default(), asking: Duration::ZERO, missing: Vec::new() };
        let read = reader.transaction(read).await;
        let Reader { mut cost, missing, .. } = reader;
        cost.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let value = read.map_err(self.connector.failed(Operation::Inspect))?;
        *session = Some(look);
        Ok(Observation { value, at: Utc::now(), missing, cost })
    }

    async fn open(&self) -> Result<Look> {
        let mut connection = self.connector.dedicated(Operation::Inspect, "watch").await?;
        let failed = self.connector.failed(Operation::Inspect);
        let limit = LOOK_TIMEOUT.min(self.connector.options().statement_timeout).as_millis();
        let pin = format!("{LOOKING}; SET statement_timeout = {limit}");
        connection.execute(AssertSqlSafe(pin)).await.map_err(&failed)?;
        // Its own statements are no hot spots; the setting is a superuser's, so a refusal is expected.
        if let Err(error) = connection.execute("SET pg_stat_statements.track = 'none'").await {
            tracing::debug!(store = %self.connector.id(), %error, "the looking session is counted in pg_stat_statements");
        }
        let columns: Vec<String> = sqlx::query_scalar(PROBED).fetch_all(&mut connection).await.map_err(&failed)?;
        // A database without an encoding refuses to send bytes that are no UTF-8 as such; asked for none, it sends them as they are.
        let (version, encoding): (i32, String) =
            sqlx::query_as("SELECT current_setting('server_version_num')::int4, current_setting('server_encoding')")
                .fetch_one(&mut connection)
                .await
                .map_err(&failed)?;
        if encoding == "SQL_ASCII" {
            connection.execute("SET client_encoding = 'SQL_ASCII'").await.map_err(&failed)?;
        }
        Ok(Look { connection, columns: columns.into_iter().collect(), version, round_trip: Duration::MAX, facts: None })
    }
}

/// Reads inside one look.
pub struct Reader<'a> {
    look: &'a mut Look,
    cost: Cost,
    /// Time in which the server had something of ours to do, the way there and back included.
    asking: Duration,
    missing: Vec<crate::model::observation::Missing>,
}

impl Reader<'_> {
    /// What the server has.
    pub fn server(&self) -> &Look {
        self.look
    }

    /// Remembers version and identity while the session lives.
    pub fn remember(&mut self, facts: (String, String)) {
        self.look.facts = Some(facts);
    }

    /// Notes something that cannot be seen.
    pub fn lacks(&mut self, missing: crate::model::observation::Missing) {
        self.missing.push(missing);
    }

    /// Runs a query and counts what it cost. The text is built from constants of this folder only.
    ///
    /// # Errors
    /// The driver's.
    pub async fn rows(&mut self, sql: String) -> std::result::Result<Vec<PgRow>, sqlx::Error> {
        self.cost.statements += 1;
        let begun = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(sql)).persistent(true).fetch_all(&mut self.look.connection).await;
        self.asking += begun.elapsed();
        rows
    }

    /// The same for a query that the server may refuse without harm: `None` then, and the look goes on.
    ///
    /// # Errors
    /// The driver's, when the session is of no use any more.
    pub async fn rows_or_refusal(&mut self, sql: String) -> std::result::Result<Option<Vec<PgRow>>, sqlx::Error> {
        self.look.connection.execute("SAVEPOINT look").await?;
        match self.rows(sql).await {
            Ok(rows) => {
                self.look.connection.execute("RELEASE look").await?;
                Ok(Some(rows))
            }
            Err(sqlx::Error::Database(error)) => {
                tracing::debug!(%error, "a reading was refused");
                self.look.connection.execute("ROLLBACK TO look").await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn transaction<T, F>(&mut self, read: F) -> std::result::Result<T, sqlx::Error>
    where
        F: AsyncFnOnce(&mut Self) -> std::result::Result<T, sqlx::Error>,
    {
        let begun = Instant::now();
        self.look.connection.execute("BEGIN READ ONLY").await?;
        self.look.round_trip = self.look.round_trip.min(begun.elapsed());
        let value = read(self).await;
        // The clock of the server since BEGIN runs on while we think and while the answers travel; the server rests then.
        let spent = match &value {
            Ok(_) => {
                let row = sqlx::query("SELECT (extract(epoch FROM clock_timestamp() - now()) * 1e6)::int8")
                    .fetch_one(&mut self.look.connection)
                    .await?;
                row.try_get::<i64, _>(0)?
            }
            Err(_) => 0,
        };
        let on_the_way = self.look.round_trip.saturating_mul(self.cost.statements).as_micros();
        let most = u128::try_from(spent).unwrap_or(0).min(self.asking.as_micros());
        let worked = most.saturating_sub(on_the_way);
        self.cost.server_us = value.is_ok().then(|| u64::try_from(worked).unwrap_or(u64::MAX));
        self.look.connection.execute("COMMIT").await?;
        value
    }
}
