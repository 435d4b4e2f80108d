//! Connections for everything but the data path: a small pool whose sessions are pinned, and sessions of one's own.
//!
//! Invariant: every session that leaves this file has the settings of [`SESSION`]. Text forms of values, ranges of time
//! stamps and the meaning of unqualified names do not depend on the server's, the database's or the role's configuration (V02, V12).

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::address::{Address, Tls};
use crate::stores::postgres::error::from_sqlx;
use crate::stores::{OpenOptions, Result};
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Postgres};
use std::sync::OnceLock;
use std::time::Duration;

/// Connections that the pool opens at most: checks, sums and samples share them.
const POOL_SIZE: u32 = 6;
/// An idle connection is given back to the server after this time.
const POOL_IDLE: Duration = Duration::from_secs(60);
/// All of Godwit's sessions begin with this in `pg_stat_activity`, so that it can leave itself out of what it shows.
pub const APPLICATION: &str = "godwit";

/// What every session is pinned to.
///
/// `row_security = off` makes a query fail where a policy would silently hide rows; `jit` is off because compiling costs more than a chunk's sum.
/// `idle_session_timeout` is not there before 14.
const SESSION: &str = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3; \
     SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption = 'content'; SET array_nulls = on; SET standard_conforming_strings = on; SET search_path = pg_catalog; SET row_security = off; \
     SET jit = off; SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
     SELECT set_config('idle_session_timeout', '0', false) WHERE current_setting('idle_session_timeout', true) IS NOT NULL";

/// Opens connections to one database.
pub struct Connector {
    options: OpenOptions,
    address: Address,
    /// Made at the first use: the pool wants to be born inside a runtime, and opening a store must not need one.
    pool: OnceLock<PgPool>,
}

impl Connector {
    /// Does not connect.
    pub fn new(options: OpenOptions, address: Address) -> Self {
        Self { options, address, pool: OnceLock::new() }
    }

    /// The store's name in the profile.
    pub fn id(&self) -> &StoreId {
        &self.options.id
    }

    /// Where it connects to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Time-outs.
    pub fn options(&self) -> &OpenOptions {
        &self.options
    }

    /// An error of this store.
    pub fn error(&self, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(self.id(), operation, kind, message)
    }

    /// Turns the driver's error into a store's, for `map_err`.
    pub fn failed(&self, operation: Operation) -> impl Fn(sqlx::Error) -> StoreError {
        move |error| from_sqlx(self.id(), operation, error)
    }

    /// A pooled connection. What waits for it knows `operation`; a server that cannot be reached is reported with its own reason.
    pub async fn acquire(&self, operation: Operation) -> Result<PoolConnection<Postgres>> {
        match self.pool().acquire().await {
            Ok(connection) => Ok(connection),
            // The pool keeps retrying a refused connection and then says only that time ran out: ask once more for the reason.
            Err(sqlx::Error::PoolTimedOut) => {
                let reason = self.dedicated(Operation::Connect, "probe").await;
                match reason {
                    Err(error) => Err(error),
                    Ok(probe) => {
                        self.close(probe).await;
                        Err(self.error(
                            operation,
                            ErrorKind::Exhausted,
                            format!("all {POOL_SIZE} connections of Godwit are in use"),
                        ))
                    }
                }
            }
            Err(error) => Err(from_sqlx(self.id(), Operation::Connect, error)),
        }
    }

    /// A session of one's own, shown in `pg_stat_activity` as `godwit PURPOSE`.
    pub async fn dedicated(&self, operation: Operation, purpose: &str) -> Result<PgConnection> {
        let options = self.connect_options().application_name(&format!("{APPLICATION} {purpose}"));
        let connect = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            pin(&mut connection, self.options.statement_timeout).await?;
            Ok(connection)
        };
        match tokio::time::timeout(self.options.connect_timeout, connect).await {
            Ok(outcome) => outcome.map_err(self.failed(operation)),
            Err(_) => {
                let limit = self.options.connect_timeout.as_millis();
                Err(self.error(operation, ErrorKind::Unreachable, format!("no connection within {limit} ms")))
            }
        }
    }

    /// Ends a session of one's own politely; a failure means that it has ended already.
    pub async fn close(&self, connection: PgConnection) {
        if let Err(error) = connection.close().await {
            tracing::debug!(store = %self.id(), %error, "a connection was gone before it was closed");
        }
    }

    fn pool(&self) -> &PgPool {
        self.pool.get_or_init(|| {
            let timeout = self.options.statement_timeout;
            PgPoolOptions::new()
                .max_connections(POOL_SIZE)
                .idle_timeout(POOL_IDLE)
                .acquire_timeout(self.options.connect_timeout)
                .after_connect(move |connection, _| Box::pin(pin(connection, timeout)))
                .connect_lazy_with(self.connect_options().application_name(APPLICATION))
        })
    }

    fn connect_options(&self) -> PgConnectOptions {
        let address = &self.address;
        // Only the address decides, never a ~/.pgpass that the operator's shell has and the engine's service has not.
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(address.port)
            .username(&address.user)
            .database(&address.database)
            .ssl_mode(match address.tls {
                Tls::Disable => PgSslMode::Disable,
                Tls::Prefer => PgSslMode::Prefer,
                Tls::Require => PgSslMode::Require,
                Tls::VerifyFull => PgSslMode::VerifyFull,
            })
            .disable_statement_logging();
        options = if address.is_socket() { options.socket(&address.host) } else { options.host(&address.host) };
        if let Some(password) = &address.password {
            options = options.password(password.expose_secret());
        }
        options
    }
}

/// Applies [`SESSION`] and the statement time-out. Lock waits end a little earlier than the statement, so that the error names the lock.
async fn pin(connection: &mut PgConnection, statement_timeout: Duration) -> std::result::Result<(), sqlx::Error> {
    let limit = statement_timeout.as_millis();
    let lock = (limit * 9 / 10).max(1);
    let sql = format!("{SESSION}; SET statement_timeout = {limit}; SET lock_timeout = {lock}");
    connection.execute(AssertSqlSafe(sql)).await.map(|_| ())
}
