//! What can go wrong on a connection, and how it becomes a [`StoreError`].

use super::cursor::{Cursor, Malformed};
use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::error::kind_of;
use crate::stores::sanitise;
use std::io;
use std::time::Duration;

/// Result of everything in this client.
pub type Outcome<T> = Result<T, Failure>;

/// A failed exchange. Only [`Failure::Server`] leaves the connection usable.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server refused the statement; the connection is in step again.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server ended the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Nothing came for as long as the caller was ready to wait.
    #[error("no answer from the server within {0:?}")]
    TimedOut(Duration),
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// The login needs something that this client does not have.
    #[error("login: {0}")]
    Login(String),
    /// The peer broke the protocol.
    #[error("protocol: {0}")]
    Protocol(String),
    /// An earlier exchange on this connection was given up half-way.
    #[error("the connection was left in the middle of an earlier exchange")]
    Abandoned,
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Protocol(malformed.to_string())
    }
}

impl Failure {
    /// The class of failure, for the policy.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Server(error) => kind_of(&error.code),
            Self::Io(_) | Self::Closed | Self::TimedOut(_) | Self::Abandoned => ErrorKind::Unreachable,
            Self::Tls(_) | Self::Login(_) => ErrorKind::Denied,
            Self::Protocol(_) => ErrorKind::Protocol,
        }
    }

    /// The server's SQLSTATE, if it was the server that refused.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.code),
            _ => None,
        }
    }

    /// The error that leaves this engine's folder.
    pub fn at(self, store: &StoreId, operation: Operation) -> StoreError {
        StoreError::new(store, operation, self.kind(), sanitise::clean(&self.to_string()))
    }
}

/// The server's own error report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `WARNING`, ... untranslated.
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// Primary message.
    pub message: String,
    /// Detail, may be empty.
    pub detail: String,
    /// Hint, may be empty.
    pub hint: String,
    /// Where it happened (COPY: table, line and column), may be empty.
    pub context: String,
}

impl ServerError {
    /// Decodes the body of an ErrorResponse or NoticeResponse.
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let mut error = Self::default();
        loop {
            let slot = match cursor.u8()? {
                0 => return Ok(error),
                b'V' => &mut error.severity,
                b'C' => &mut error.code,
                b'M' => &mut error.message,
                b'D' => &mut error.detail,
                b'H' => &mut error.hint,
                b'W' => &mut error.context,
                _ => {
                    cursor.lossy_text()?;
                    continue;
                }
            };
            *slot = cursor.lossy_text()?;
        }
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        for (label, text) in [("detail", &self.detail), ("hint", &self.hint), ("where", &self.context)] {
            if !text.is_empty() {
                write!(f, "; {label}: {text}")?;
            }
        }
        write!(f, " (SQLSTATE {})", self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reports_are_read_and_written_as_one_line() {
        let body = b"SFEHLER\0VERROR\0C23505\0Mduplicate key\0DKey (id)=(1)\0WCOPY t, line 1\0Rfoo\0\0";
        let error = ServerError::decode(body).unwrap();
        assert_eq!(error.to_string(), "duplicate key; detail: Key (id)=(1); where: COPY t, line 1 (SQLSTATE 23505)");
        let failure = Failure::Server(Box::new(error));
        assert_eq!((failure.kind(), failure.sqlstate()), (ErrorKind::Rejected, Some("23505")));
        let error = failure.at(&StoreId::from("shop"), Operation::LoadChunk);
        assert!(error.to_string().starts_with("shop: cannot load a chunk: duplicate key"));
    }

    #[test]
    fn a_lost_connection_is_retried() {
        for failure in [Failure::Closed, Failure::Abandoned, Failure::TimedOut(Duration::from_secs(1))] {
            assert_eq!(failure.kind(), ErrorKind::Unreachable);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ServerError::decode(&body);
        }
    }
}
