//! One connection: framed messages in and out, and the rule that keeps questions and answers in step.

use super::failure::{Failure, Outcome, ServerError};
use super::transport::Transport;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::FutureExt;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Room for one read from the socket. Large, so that a fast COPY needs few system calls.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// A message from the server longer than this is taken for a broken stream. PostgreSQL's own limit is 1 GB for a row.
const LONGEST_MESSAGE: usize = 0x4000_0000;

/// Tag and total length of a message, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub tag: u8,
    /// Length of the body, which follows the five bytes of the head.
    pub body: usize,
}

/// A logged-in connection.
pub struct Connection {
    io: Transport,
    /// Bytes read and not yet used.
    pub(super) inbox: BytesMut,
    /// Messages queued and not yet sent.
    pub(super) outbox: BytesMut,
    /// Longest wait for the next byte from the server.
    pub(super) patience: Duration,
    /// True between a question and the end of its answer.
    busy: bool,
    /// True inside a transaction block, by the server's last word.
    in_transaction: bool,
    /// The server's process id.
    pub(super) pid: i32,
    /// `server_version` as the server said at login.
    pub(super) version: String,
}

impl Connection {
    pub(super) fn new(io: Transport, patience: Duration) -> Self {
        Self {
            io,
            inbox: BytesMut::with_capacity(READ_BYTES),
            outbox: BytesMut::with_capacity(8 * 1024),
            patience,
            busy: false,
            in_transaction: false,
            pid: 0,
            version: String::new(),
        }
    }

    /// The server's process id for this connection.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Major version of the server; 0 when it is not a PostgreSQL version (a pooler's console).
    pub fn major_version(&self) -> u32 {
        self.version.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// True inside a transaction block, failed ones included.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// True in the middle of an exchange (a COPY that has not ended).
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Changes the longest wait for the next byte from the server.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Marks the beginning of an exchange; fails when the last one was given up half-way.
    pub(super) fn begin(&mut self) -> Outcome<()> {
        if self.busy {
            return Err(Failure::Abandoned);
        }
        self.busy = true;
        Ok(())
    }

    /// Marks the end of an exchange: ReadyForQuery has come.
    pub(super) fn settle(&mut self, status: Option<u8>) {
        self.busy = false;
        self.in_transaction = status != Some(b'I');
    }

    /// Sends what is queued.
    pub(super) async fn flush(&mut self) -> Outcome<()> {
        self.flush_with(&[]).await
    }

    /// Sends what is queued and then `data`, which is not copied.
    pub(super) async fn flush_with(&mut self, data: &[u8]) -> Outcome<()> {
        let patience = self.patience;
        // Taken out, so that a future that is dropped here never sends the same bytes twice: the server then sees a torn message and
        // ends the connection.
        let mut queued = std::mem::take(&mut self.outbox);
        let send = async {
            self.io.write_all(&queued).await?;
            self.io.write_all(data).await?;
            self.io.flush().await
        };
        tokio::time::timeout(patience, send).await.map_err(|_| Failure::TimedOut(patience))??;
        queued.clear();
        self.outbox = queued;
        Ok(())
    }

    /// Reads more bytes into the inbox, waiting at most `patience` for them. Dropping the future loses nothing.
    pub(super) async fn fill(&mut self) -> Outcome<()> {
        if self.fill_now()? {
            return Ok(());
        }
        let patience = self.patience;
        match tokio::time::timeout(patience, self.io.read_buf(&mut self.inbox)).await {
            Err(_) => Err(Failure::TimedOut(patience)),
            Ok(Ok(0)) => Err(Failure::Closed),
            Ok(read) => {
                read?;
                Ok(())
            }
        }
    }

    /// Reads what is there without waiting; false when there is nothing. A timer costs more than a read that succeeds at once.
    pub(super) fn fill_now(&mut self) -> Outcome<bool> {
        if self.inbox.is_empty() && self.inbox.capacity() > 4 * READ_BYTES {
            // One very long row has come by: its room is given back.
            self.inbox = BytesMut::with_capacity(READ_BYTES);
        }
        self.inbox.reserve(READ_BYTES / 4);
        match self.io.read_buf(&mut self.inbox).now_or_never() {
            None => Ok(false),
            Some(Ok(0)) => Err(Failure::Closed),
            Some(read) => {
                read?;
                Ok(true)
            }
        }
    }

    /// The head of the next message, if its five bytes are in the inbox.
    pub(super) fn peek_head(&self) -> Outcome<Option<Head>> {
        let Some((head, _)) = self.inbox.split_first_chunk::<5>() else { return Ok(None) };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let body = length.checked_sub(4).filter(|&body| body <= LONGEST_MESSAGE);
        let body = body.ok_or_else(|| Failure::Protocol(format!("a message claims a length of {length} bytes")))?;
        Ok(Some(Head { tag: head[0], body }))
    }

    /// The next whole message if it is in the inbox.
    pub(super) fn take_message(&mut self) -> Outcome<Option<(u8, Bytes)>> {
        let Some(head) = self.peek_head()? else { return Ok(None) };
        if self.inbox.len() < 5 + head.body {
            return Ok(None);
        }
        self.inbox.advance(5);
        Ok(Some((head.tag, self.inbox.split_to(head.body).freeze())))
    }

    /// The next message of the conversation. Notices, notifications and parameter changes are dealt with here.
    pub(super) async fn message(&mut self) -> Outcome<(u8, Bytes)> {
        loop {
            match self.take_message()? {
                None => self.fill().await?,
                Some((b'N', body)) => log_notice(&body),
                Some((b'S', _) | (b'A', _)) => {}
                Some((b'Z', body)) => {
                    self.settle(body.first().copied());
                    return Ok((b'Z', body));
                }
                Some(message) => return Ok(message),
            }
        }
    }

    /// Reads up to ReadyForQuery after an error and returns that error. A FATAL one ends the connection.
    pub(super) async fn recover(&mut self, body: &[u8]) -> Failure {
        let error = match ServerError::decode(body) {
            Ok(error) => error,
            Err(malformed) => return malformed.into(),
        };
        if error.severity != "FATAL" && error.severity != "PANIC" {
            loop {
                match self.message().await {
                    Ok((b'Z', _)) => break,
                    Ok(_) => {}
                    // The first error says more than the failure to get back into step; the connection stays busy and refuses further use.
                    Err(_) => break,
                }
            }
        }
        Failure::Server(Box::new(error))
    }
}

pub(super) fn log_notice(body: &[u8]) {
    if let Ok(notice) = ServerError::decode(body) {
        let text = crate::stores::sanitise::clean(&notice.to_string());
        if notice.severity == "WARNING" {
            tracing::warn!(target: "godwit::postgres", "{text}");
        } else {
            tracing::debug!(target: "godwit::postgres", "{text}");
        }
    }
}

/// The failure for a message that has no place where it came.
pub(super) fn unexpected(tag: u8, during: &str) -> Failure {
    Failure::Protocol(format!("unexpected message {:?} during {during}", char::from(tag)))
}
