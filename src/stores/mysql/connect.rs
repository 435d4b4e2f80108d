//! Connections: one that looks, and one more only while an action runs.
//!
//! Invariant: every session that leaves this file has the settings of [`SESSION`], so that what it reads does not depend on the server's,
//! the database's or the account's configuration, and it neither writes by mistake nor waits long for anybody's lock.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::mysql::address::{Address, Tls};
use crate::stores::mysql::error::from_sqlx;
use crate::stores::mysql::line::Line;
use crate::stores::{OpenOptions, Result};
use secrecy::ExposeSecret;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use std::time::Duration;

/// Longest time for one statement that only looks; a server that takes longer must not be asked.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// What every session is pinned to.
///
/// The zone is the server's own: `innodb_trx` shows its times in it whatever the session's zone is, so that only there `now()` and they can
/// be subtracted. The lock time-outs are for tables that are being altered: looking never queues behind them.
const SESSION: &str = "SET SESSION time_zone = 'SYSTEM', sql_mode = '', lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, \
     group_concat_max_len = 65536";

/// A statement that looks must change nothing.
const READ_ONLY: &str = "SET SESSION TRANSACTION READ ONLY";

/// Opens connections to one server.
pub struct Connector {
    options: OpenOptions,
    address: Address,
}

impl Connector {
    /// Does not connect.
    pub fn new(options: OpenOptions, address: Address) -> Self {
        Self { options, address }
    }

    /// The store's name in the profile.
    pub fn id(&self) -> &StoreId {
        &self.options.id
    }

    /// Where it connects to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Longest time for one statement.
    pub fn limit(&self) -> Duration {
        LOOK_TIMEOUT.min(self.options.statement_timeout)
    }

    /// An error of this store.
    pub fn error(&self, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(self.id(), operation, kind, message)
    }

    /// Turns the driver's error into a store's, for `map_err`.
    pub fn failed(&self, operation: Operation) -> impl Fn(sqlx::Error) -> StoreError {
        move |error| from_sqlx(self.id(), operation, &error)
    }

    /// A pinned session of one's own.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], [`ErrorKind::Denied`] and their like.
    pub async fn dedicated(&self, operation: Operation) -> Result<MySqlConnection> {
        let options = self.connect_options();
        let connect = async {
            let mut connection = MySqlConnection::connect_with(&options).await?;
            for sql in [SESSION, READ_ONLY] {
                lines(&mut connection, self.limit(), sql.to_owned()).await?;
            }
            self.bound(&mut connection).await?;
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
    pub async fn close(&self, connection: MySqlConnection) {
        if let Err(error) = connection.close().await {
            tracing::debug!(store = %self.id(), %error, "a connection was gone before it was closed");
        }
    }

    /// The server's own statement time-out: seconds for all statements in MariaDB, milliseconds for SELECT in MySQL. Whichever of the two
    /// variables is not known is the other product's.
    async fn bound(&self, connection: &mut MySqlConnection) -> std::result::Result<(), sqlx::Error> {
        let limit = self.limit();
        let of_mariadb = format!("SET SESSION max_statement_time = {}", limit.as_secs_f64());
        let of_mysql = format!("SET SESSION max_execution_time = {}", limit.as_millis());
        if let Err(error) = lines(connection, limit, of_mariadb).await {
            tracing::debug!(store = %self.id(), %error, "not MariaDB");
            lines(connection, limit, of_mysql).await?;
        }
        Ok(())
    }

    fn connect_options(&self) -> MySqlConnectOptions {
        let address = &self.address;
        let mut options = MySqlConnectOptions::new()
            .host(&address.host)
            .port(address.port)
            .username(&address.user)
            .ssl_mode(match address.tls {
                Tls::Disabled => MySqlSslMode::Disabled,
                Tls::Preferred => MySqlSslMode::Preferred,
                Tls::Required => MySqlSslMode::Required,
                Tls::VerifyIdentity => MySqlSslMode::VerifyIdentity,
            })
            // The session is pinned by SESSION; the driver's own settings would be a statement more.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            .disable_statement_logging();
        if let Some(socket) = &address.socket {
            options = options.socket(socket);
        }
        if let Some(authority) = &address.authority {
            options = options.ssl_ca(authority);
        }
        if let Some(password) = &address.password {
            options = options.password(password.expose_secret());
        }
        options
    }
}

/// Runs one statement by the text protocol. The server's time-out does not hold for every kind of statement, so that ours does, a little
/// later; then the session is of no use any more.
///
/// # Errors
/// The driver's; a time-out is [`sqlx::Error::Io`].
pub async fn lines(
    connection: &mut MySqlConnection,
    limit: Duration,
    sql: String,
) -> std::result::Result<Vec<Line>, sqlx::Error> {
    let read = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection);
    match tokio::time::timeout(limit + Duration::from_secs(1), read).await {
        Ok(rows) => rows?.iter().map(Line::of).collect(),
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} ms", limit.as_millis() + 1_000),
        ))),
    }
}
