//! Connections to one server: the one that looks, and one more while an action runs.
//!
//! Invariant: no connection announces a client library (`CLIENT SETINFO`): a monitoring account has no right to, and each refusal
//! would be an entry in the server's ACL log.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::redis::error::from_redis;
use crate::stores::{OpenOptions, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};
use std::time::Duration;

/// All of Godwit's connections begin with this in `CLIENT LIST`, so that it can leave itself out of what it shows.
pub const APPLICATION: &str = "godwit";

/// Longest time for one command; a server that takes longer must not be asked.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to one server.
#[derive(Debug)]
pub struct Connector {
    options: OpenOptions,
    info: ConnectionInfo,
}

impl Connector {
    /// Reads the URL; does not connect.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the URL cannot be read; the error never repeats it.
    pub fn new(options: OpenOptions, url: &str) -> Result<Self> {
        // The driver's reason may quote the URL, password included.
        let info = url.into_connection_info().map_err(|_| {
            StoreError::new(
                &options.id,
                Operation::Connect,
                ErrorKind::Rejected,
                "the url cannot be read: it has the form redis://USER@HOST:PORT/DB (rediss:// with TLS, redis+unix:///PATH for a socket; valkey:// likewise)",
            )
        })?;
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        Ok(Self { options, info: info.set_redis_settings(settings) })
    }

    /// The store's name in the profile.
    pub fn id(&self) -> &StoreId {
        &self.options.id
    }

    /// Number of the database that the URL names.
    pub fn database(&self) -> i64 {
        self.info.redis_settings().db()
    }

    /// Host and port, or the socket's path.
    pub fn server(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => "an address of a kind that Godwit does not know".to_owned(),
        }
    }

    /// Server and database, without login.
    pub fn address(&self) -> String {
        format!("{}/{}", self.server(), self.database())
    }

    /// An error of this store.
    pub fn error(&self, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(self.id(), operation, kind, message)
    }

    /// Turns the driver's error into a store's, for `map_err`.
    pub fn failed(&self, operation: Operation) -> impl Fn(RedisError) -> StoreError {
        move |error| from_redis(self.id(), operation, &error)
    }

    /// A connection that calls itself `godwit-PURPOSE`. Each of its commands has a time-out.
    ///
    /// # Errors
    /// The store's, with `operation`.
    pub async fn dedicated(&self, operation: Operation, purpose: &str) -> Result<MultiplexedConnection> {
        let failed = self.failed(operation);
        let client = Client::open(self.info.clone()).map_err(&failed)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.connect_timeout))
            .set_response_timeout(Some(LOOK_TIMEOUT.min(self.options.statement_timeout)));
        let connect = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = match tokio::time::timeout(self.options.connect_timeout, connect).await {
            Ok(outcome) => outcome.map_err(&failed)?,
            Err(_) => {
                let limit = self.options.connect_timeout.as_millis();
                return Err(self.error(operation, ErrorKind::Unreachable, format!("no connection within {limit} ms")));
            }
        };
        let named: std::result::Result<(), RedisError> = redis::cmd("CLIENT")
            .arg("SETNAME")
            .arg(format!("{APPLICATION}-{purpose}"))
            .query_async(&mut connection)
            .await;
        match named {
            // Without the right to it the connection is only anonymous.
            Err(error) if error.code() == Some("NOPERM") => {
                tracing::debug!(store = %self.id(), %error, "the connection has no name");
                Ok(connection)
            }
            outcome => outcome.map(|()| connection).map_err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> OpenOptions {
        OpenOptions {
            id: "cache".into(),
            statement_timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_address_has_no_login() {
        for url in ["redis://u:hunter2@db:7000/3", "rediss://u:hunter2@db:7000/3", "valkey://:hunter2@db:7000/3"] {
            let connector = Connector::new(options(), url).unwrap();
            assert_eq!(connector.address(), "db:7000/3");
        }
        let socket = Connector::new(options(), "redis+unix:///run/redis.sock?user=u&pass=hunter2&db=3").unwrap();
        assert_eq!(socket.address(), "/run/redis.sock/3");
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        for url in ["redis://u:hunter2@db:port/3", "http://u:hunter2@db", "hunter2"] {
            let error = Connector::new(options(), url).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Rejected);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
