//! The one connection that looks at the server. It sends only commands that read, and never `MONITOR` or `KEYS`. `SCAN` and `CONFIG GET` are
//! sent by the access audit alone, a little of them, and only where an operator granted what the audit's account does not have by default.

use crate::model::observation::{Cost, Missing, Observation};
use crate::stores::Result;
use crate::stores::error::Operation;
use crate::stores::redis::connect::Connector;
use crate::stores::redis::error::is_refusal;
use crate::stores::redis::info::Info;
use crate::stores::refused::Refused;
use chrono::Utc;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// The looking half of a Redis store.
pub struct Watch {
    connector: Arc<Connector>,
    session: Mutex<Option<Session>>,
}

/// An open looking connection, with what the server refused to it.
struct Session {
    connection: MultiplexedConnection,
    refused: Refused,
}

impl Watch {
    /// Does not connect.
    pub fn new(connector: Arc<Connector>) -> Self {
        Self { connector, session: Mutex::new(None) }
    }

    /// Looks: connects if need be and runs `read`. A connection on which something failed is closed, so that the next look begins
    /// with a fresh one.
    ///
    /// # Errors
    /// The store's, with [`Operation::Inspect`].
    pub async fn look<T, F>(&self, read: F) -> Result<Observation<T>>
    where
        F: AsyncFnOnce(&mut Reader) -> std::result::Result<T, RedisError>,
    {
        let mut session = self.session.lock().await;
        let open = match session.take() {
            Some(open) => open,
            None => {
                let connection = self.connector.dedicated(Operation::Inspect, "watch").await?;
                Session { connection, refused: Refused::default() }
            }
        };
        let started = Instant::now();
        let mut reader = Reader { session: open, cost: Cost::default(), missing: Vec::new() };
        let value = read(&mut reader).await.map_err(self.connector.failed(Operation::Inspect))?;
        let Reader { session: open, mut cost, missing } = reader;
        cost.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        *session = Some(open);
        Ok(Observation { value, at: Utc::now(), missing, cost })
    }
}

/// Reads inside one look.
pub struct Reader {
    session: Session,
    cost: Cost,
    missing: Vec<Missing>,
}

impl Reader {
    /// Notes something that cannot be seen.
    pub fn lacks(&mut self, missing: Missing) {
        self.missing.push(missing);
    }

    /// Sends a command, word by word.
    ///
    /// # Errors
    /// The driver's.
    pub async fn ask(&mut self, words: &[&str]) -> std::result::Result<Value, RedisError> {
        self.cost.statements += 1;
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.session.connection).await
    }

    /// The same for a command that the account may not have, or the server not know: then `None`, with `missing` noted, and the
    /// server is not asked again for a while.
    ///
    /// # Errors
    /// The driver's, except a refusal.
    pub async fn ask_or(
        &mut self,
        words: &[&str],
        missing: impl FnOnce() -> Missing,
    ) -> std::result::Result<Option<Value>, RedisError> {
        let missing = missing();
        if self.session.refused.recently(&missing.id) {
            self.lacks(missing);
            return Ok(None);
        }
        match self.ask(words).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_refusal(&error) => {
                self.session.refused.note(&missing.id);
                self.lacks(missing);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// `INFO` of some sections. Servers before 7.0 take one at a time.
    ///
    /// # Errors
    /// The driver's.
    pub async fn info(&mut self, sections: &[&str]) -> std::result::Result<Info, RedisError> {
        let mut info = Info::default();
        for section in sections {
            info.merge(Info::parse(&text(&self.ask(&["INFO", section]).await?)));
        }
        Ok(info)
    }
}

/// A string of the server; what is not UTF-8 in it is replaced.
pub fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Int(n) => n.to_string(),
        _ => String::new(),
    }
}

/// A number of the server, which may come as a string.
pub fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        other => text(other).parse().ok(),
    }
}

/// The items of an array; none for anything else.
pub fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}
