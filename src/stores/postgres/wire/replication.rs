//! The streaming replication sub-protocol inside `CopyBoth`.

use super::connection::{Connection, unexpected};
use super::cursor::Cursor;
use super::failure::{Failure, Outcome, ServerError};
use bytes::{Buf, BufMut, Bytes};
use postgres_protocol::message::frontend;
use std::time::Duration;
use tokio::time::Instant;

/// What a walsender sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message of the output plugin.
    Data {
        /// The plugin's message.
        payload: Bytes,
    },
    /// A sign of life.
    Keepalive {
        /// Everything up to here has been decoded and, where it concerns us, sent.
        end: u64,
        /// The server wants a status now.
        reply_requested: bool,
    },
}

/// A running replication stream.
pub struct ReplicationStream {
    connection: Connection,
    /// When the last byte came.
    last_heard: Instant,
}

impl Connection {
    /// Turns this connection (opened for [`Purpose::Replication`](super::startup::Purpose::Replication)) into a stream.
    pub async fn start_replication(mut self, command: &str) -> Outcome<ReplicationStream> {
        self.begin()?;
        frontend::query(command, &mut self.outbox)?;
        self.flush().await?;
        match self.message().await? {
            (b'W', _) => Ok(ReplicationStream { connection: self, last_heard: Instant::now() }),
            (b'E', body) => Err(self.recover(&body).await),
            (tag, _) => Err(unexpected(tag, "START_REPLICATION")),
        }
    }
}

impl ReplicationStream {
    /// How long the server has been silent.
    pub fn silence(&self) -> Duration {
        self.last_heard.elapsed()
    }

    /// The next event that has already arrived in whole.
    pub fn take(&mut self) -> Outcome<Option<Event>> {
        loop {
            let Some((tag, mut body)) = self.connection.take_message()? else { return Ok(None) };
            match tag {
                b'd' => {
                    let mut cursor = Cursor::new(&body);
                    match cursor.u8()? {
                        b'w' => {
                            // Start of the data, end of the log, send time: the plugin's own messages say what we need of it.
                            cursor.take(24)?;
                            body.advance(25);
                            return Ok(Some(Event::Data { payload: body }));
                        }
                        b'k' => {
                            let end = cursor.u64()?;
                            cursor.i64()?;
                            return Ok(Some(Event::Keepalive { end, reply_requested: cursor.u8()? != 0 }));
                        }
                        other => return Err(unexpected(other, "streaming replication")),
                    }
                }
                b'N' | b'S' => {}
                b'E' => return Err(Failure::Server(Box::new(ServerError::decode(&body)?))),
                b'c' | b'C' | b'Z' => return Err(Failure::Closed),
                tag => return Err(unexpected(tag, "streaming replication")),
            }
        }
    }

    /// Reads what has arrived without waiting; false when there is nothing new.
    pub fn fill_now(&mut self) -> Outcome<bool> {
        let filled = self.connection.fill_now()?;
        if filled {
            self.last_heard = Instant::now();
        }
        Ok(filled)
    }

    /// Waits for more bytes, at most this long; false when none came.
    pub async fn fill(&mut self, wait: Duration) -> Outcome<bool> {
        self.connection.set_patience(wait);
        match self.connection.fill().await {
            Ok(()) => {
                self.last_heard = Instant::now();
                Ok(true)
            }
            Err(Failure::TimedOut(_)) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Sends a standby status update: `received` has been read, `durable` is safe on the target and may be recycled.
    pub async fn send_status(&mut self, received: u64, durable: u64, want_reply: bool, wait: Duration) -> Outcome<()> {
        let out = &mut self.connection.outbox;
        out.put_u8(b'd');
        out.put_i32(4 + 34);
        out.put_u8(b'r');
        out.put_u64(received);
        out.put_u64(durable);
        out.put_u64(durable);
        out.put_i64(postgres_epoch_us());
        out.put_u8(u8::from(want_reply));
        self.connection.set_patience(wait);
        self.connection.flush().await
    }
}

/// Microseconds since 2000-01-01, PostgreSQL's epoch. Only shown in the server's views.
fn postgres_epoch_us() -> i64 {
    const EPOCH_US: i64 = 946_684_800_000_000;
    chrono::Utc::now().timestamp_micros() - EPOCH_US
}
