//! A store's way to new connections.

use super::connection::Connection;
use super::failure::Outcome;
use super::startup::Purpose;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::address::Address;
use crate::stores::postgres::capability;
use crate::stores::{OpenOptions, Result};
use std::time::Duration;

/// Where the server is and under which bounds one talks to it. Cheap to clone; opens nothing by itself.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where and as whom.
    pub address: Address,
    /// Store name and time-outs.
    pub options: OpenOptions,
}

impl Link {
    /// For one server.
    pub fn new(address: Address, options: OpenOptions) -> Self {
        Self { address, options }
    }

    /// A connection for ordinary statements under the store's statement time-out.
    pub async fn statements(&self, operation: Operation) -> Result<Connection> {
        self.open(Purpose::Statements { timeout: self.options.statement_timeout }, operation).await
    }

    /// A connection for work that takes its time (COPY, held snapshots, waiting for running transactions): no statement time-out on the
    /// server, and `patience` for each wait on ours.
    pub async fn bulk(&self, operation: Operation, patience: Duration) -> Result<Connection> {
        let mut connection = self.open(Purpose::Statements { timeout: Duration::ZERO }, operation).await?;
        connection.set_patience(patience);
        Ok(connection)
    }

    /// A walsender in this store's database.
    pub async fn replication(&self, operation: Operation) -> Result<Connection> {
        self.open(Purpose::Replication, operation).await
    }

    async fn open(&self, purpose: Purpose, operation: Operation) -> Result<Connection> {
        Connection::open(&self.address, purpose, self.options.connect_timeout).await.map_err(|failure| {
            let error = failure.at(&self.options.id, Operation::Connect).about(self.address.redacted());
            StoreError {
                operation: if error.kind == ErrorKind::Unreachable { Operation::Connect } else { operation },
                ..error
            }
        })
    }

    /// The server's identity in the form of [`ServerFacts::identity`](crate::stores::ServerFacts::identity).
    pub async fn identity(&self, connection: &mut Connection) -> Outcome<String> {
        let answer = connection.query(capability::DATABASE).await?;
        let system = match answer.value("may_read") {
            Some("t") => connection.query(capability::SYSTEM).await?.value("system").and_then(|id| id.parse().ok()),
            _ => None,
        };
        Ok(capability::identity(&self.address, system, answer.value("database").unwrap_or_default()))
    }

    /// An error about this store.
    pub fn error(&self, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(&self.options.id, operation, kind, message)
    }
}
