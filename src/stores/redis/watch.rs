//! The one connection that looks at the server. It sends only commands that read, and never `MONITOR` or `KEYS`. `SCAN` and `CONFIG GET` are
//! sent by the access audit alone, a little of them, and only where an operator granted what the audit's account does not have by default.

use crate::model::observation::{Cost, Missing, Observation};
use crate::stores::Result;
use crate::stores::error::Operation;
use crate::stores::redis::connect::Connector;
use crate::stores::redis::error::{is_refusal, is_syntax};
use crate::stores::redis::info::Info;
use crate::stores::redis::sections::Sections;
use crate::stores::refused::Refused;
use chrono::{DateTime, Utc};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// The cheapest question.
const PING: &str = "PING";

/// The looking half of a Redis store.
pub struct Watch {
    connector: Arc<Connector>,
    session: Mutex<Option<Session>>,
}

/// An open looking connection, with what the server refused to it and what it told of itself.
struct Session {
    connection: MultiplexedConnection,
    refused: Refused,
    sections: Sections,
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
                Session { connection, refused: Refused::default(), sections: Sections::default() }
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

    /// `INFO` of some sections, in one command where the server can; what hardly changes may be one or two minutes old.
    ///
    /// # Errors
    /// The driver's.
    pub async fn info(&mut self, sections: &[&str]) -> std::result::Result<Info, RedisError> {
        let (mut info, mut wanted) = (Info::default(), Vec::new());
        for section in sections {
            match self.session.sections.young(section, Instant::now()) {
                Some(kept) => info.merge(kept.clone()),
                None => wanted.push((*section).to_owned()),
            }
        }
        while !wanted.is_empty() {
            let asked = self.session.sections.next(&wanted).to_vec();
            let words: Vec<&str> = std::iter::once("INFO").chain(asked.iter().map(String::as_str)).collect();
            let (before, started) = (Utc::now(), Instant::now());
            match self.ask(&words).await {
                Ok(answer) => {
                    let at = before + started.elapsed() / 2;
                    if let Some(read) = self.session.sections.take(&asked, &text(&answer), started, at) {
                        info.merge(read);
                        wanted.drain(..asked.len());
                    }
                }
                Err(error) if asked.len() > 1 && is_syntax(&error) => self.session.sections.takes_one_only(),
                Err(error) => return Err(error),
            }
        }
        Ok(info)
    }

    /// When the server gave a section that is kept, by our clock.
    pub fn given_at(&self, section: &str) -> Option<DateTime<Utc>> {
        self.session.sections.given_at(section)
    }

    /// A section that is kept is not to be used again.
    pub fn forget(&mut self, section: &str) {
        self.session.sections.forget(section);
    }

    /// Makes sure that the server has answered in this look.
    ///
    /// # Errors
    /// The driver's.
    pub async fn hear(&mut self) -> std::result::Result<(), RedisError> {
        if self.cost.statements > 0 {
            return Ok(());
        }
        // An account without the right to it was not made by `godwit grants`; what it may do, it has done before.
        if !self.session.refused.recently(PING) {
            match self.ask(&[PING]).await {
                Err(error) if is_refusal(&error) => self.session.refused.note(PING),
                outcome => return outcome.map(|_| ()),
            }
        }
        self.forget("server");
        self.info(&["server"]).await.map(|_| ())
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
