//! Logging in, with every session setting that could change what a value looks like pinned.

use super::connection::{Connection, unexpected};
use super::cursor::Cursor;
use super::failure::{Failure, Outcome, ServerError};
use super::transport::dial;
use crate::stores::postgres::address::Address;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use postgres_protocol::message::frontend;
use secrecy::ExposeSecret;
use std::time::Duration;

/// What a connection is for; it decides on the settings that are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Statements, each with a time-out on the server; zero means none.
    Statements {
        /// `statement_timeout`.
        timeout: Duration,
    },
    /// The replication protocol (with SQL) of a logical walsender.
    Replication,
    /// A pooler's admin console, which knows no settings.
    Console,
}

/// Settings that fix the text form of every value, so that what one server writes the other reads back exactly, whatever its
/// configuration or an `ALTER ROLE ... SET` says (V12). Sent in the startup packet, which outranks both.
///
/// `IntervalStyle = postgres` is lossless because every field carries its own sign; it is what pg_dump relies on.
/// `search_path = pg_catalog` makes `regclass` and the like come out qualified, and no name can be captured by another schema.
/// `row_security = off` turns silently filtered rows into an error.
const PINNED: [(&str, &str); 17] = [
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("search_path", "pg_catalog"),
    ("row_security", "off"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
];

/// A walsender whose client is paused (throttled) must not be cut off by the server's default of one minute.
const WAL_SENDER_TIMEOUT: &str = "5min";

/// How long a client waits beyond the server's own time-out before it takes the connection for dead.
const GRACE: Duration = Duration::from_secs(10);

/// Wait for the next byte where no statement time-out applies.
const UNBOUNDED_PATIENCE: Duration = Duration::from_secs(24 * 3600);

impl Connection {
    /// Connects and logs in within `connect_timeout`.
    pub async fn open(address: &Address, purpose: Purpose, connect_timeout: Duration) -> Outcome<Self> {
        tokio::time::timeout(connect_timeout, Self::establish(address, purpose))
            .await
            .map_err(|_| Failure::TimedOut(connect_timeout))?
    }

    async fn establish(address: &Address, purpose: Purpose) -> Outcome<Self> {
        let patience = match purpose {
            Purpose::Statements { timeout } if !timeout.is_zero() => timeout + GRACE,
            Purpose::Statements { .. } | Purpose::Replication | Purpose::Console => UNBOUNDED_PATIENCE,
        };
        let mut connection = Self::new(dial(address).await?, patience);
        connection.begin()?;
        let timeout = match purpose {
            Purpose::Statements { timeout } => timeout.as_millis().to_string(),
            Purpose::Replication | Purpose::Console => "0".to_owned(),
        };
        let mut parameters = vec![
            ("user", address.user.as_str()),
            ("database", address.database.as_str()),
            ("application_name", address.application_name.as_str()),
        ];
        if purpose != Purpose::Console {
            parameters.extend(PINNED);
            parameters.push(("statement_timeout", &timeout));
        }
        if purpose == Purpose::Replication {
            parameters.extend([("replication", "database"), ("wal_sender_timeout", WAL_SENDER_TIMEOUT)]);
        }
        frontend::startup_message(parameters, &mut connection.outbox)?;
        connection.flush().await?;
        connection.authenticate(address).await?;
        connection.await_ready().await?;
        Ok(connection)
    }

    /// Reads a login message; an error there is final.
    async fn login_message(&mut self) -> Outcome<(u8, bytes::Bytes)> {
        loop {
            match self.take_message()? {
                None => self.fill().await?,
                Some((b'E', body)) => return Err(Failure::Server(Box::new(ServerError::decode(&body)?))),
                // NegotiateProtocolVersion: the server knows fewer protocol extensions than we might, and we use none.
                Some((b'N' | b'v', _)) => {}
                Some(message) => return Ok(message),
            }
        }
    }

    async fn authenticate(&mut self, address: &Address) -> Outcome<()> {
        let password = || match &address.password {
            Some(password) => Ok(password.expose_secret()),
            None => {
                Err(Failure::Login(format!("the server wants a password for {} and the URL has none", address.user)))
            }
        };
        loop {
            let (tag, body) = self.login_message().await?;
            if tag != b'R' {
                return Err(unexpected(tag, "login"));
            }
            let mut cursor = Cursor::new(&body);
            match cursor.i32()? {
                0 => return Ok(()),
                3 => {
                    frontend::password_message(password()?.as_bytes(), &mut self.outbox)?;
                    self.flush().await?;
                }
                5 => {
                    let salt: [u8; 4] = cursor.take(4)?.try_into().unwrap_or_default();
                    let hash = md5_hash(address.user.as_bytes(), password()?.as_bytes(), salt);
                    frontend::password_message(hash.as_bytes(), &mut self.outbox)?;
                    self.flush().await?;
                }
                10 => self.scram(password()?, cursor).await?,
                other => {
                    return Err(Failure::Login(format!(
                        "the server asks for authentication method {other} (GSSAPI, SSPI, ...), which Godwit does not have; \
                         use scram-sha-256 in pg_hba.conf"
                    )));
                }
            }
        }
    }

    /// SCRAM-SHA-256 without channel binding: the exchange also proves to us that the server knows the password's verifier.
    async fn scram(&mut self, password: &str, mut offered: Cursor<'_>) -> Outcome<()> {
        let mut known = false;
        while !known {
            match offered.text()? {
                "" => break,
                mechanism => known = mechanism == "SCRAM-SHA-256",
            }
        }
        if !known {
            return Err(Failure::Login("the server offers no SCRAM-SHA-256".into()));
        }
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        frontend::sasl_initial_response("SCRAM-SHA-256", scram.message(), &mut self.outbox)?;
        self.flush().await?;
        let body = self.sasl_answer(11).await?;
        scram.update(&body).map_err(|e| Failure::Login(e.to_string()))?;
        frontend::sasl_response(scram.message(), &mut self.outbox)?;
        self.flush().await?;
        let body = self.sasl_answer(12).await?;
        scram
            .finish(&body)
            .map_err(|e| Failure::Login(format!("the server could not prove that it knows the password: {e}")))
    }

    async fn sasl_answer(&mut self, code: i32) -> Outcome<Vec<u8>> {
        let (tag, body) = self.login_message().await?;
        let mut cursor = Cursor::new(&body);
        if tag != b'R' || cursor.i32()? != code {
            return Err(unexpected(tag, "SCRAM login"));
        }
        Ok(cursor.rest().to_vec())
    }

    /// Reads the parameters after a successful login.
    async fn await_ready(&mut self) -> Outcome<()> {
        loop {
            match self.take_message()? {
                None => self.fill().await?,
                Some((b'E', body)) => return Err(Failure::Server(Box::new(ServerError::decode(&body)?))),
                Some((b'S', body)) => {
                    let mut cursor = Cursor::new(&body);
                    if cursor.text()? == "server_version" {
                        self.version = cursor.text()?.to_owned();
                    }
                }
                Some((b'K', body)) => self.pid = Cursor::new(&body).i32()?,
                Some((b'Z', body)) => {
                    self.settle(body.first().copied());
                    return Ok(());
                }
                Some((b'N', _)) => {}
                Some((tag, _)) => return Err(unexpected(tag, "login")),
            }
        }
    }
}
