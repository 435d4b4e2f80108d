//! COPY as raw pass-through: large blocks, no work per row beyond skipping a five-byte head.

use super::connection::{Connection, log_notice, unexpected};
use super::failure::{Failure, Outcome};
use super::query::affected;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::message::frontend;

/// Size of the blocks in which copied data travels. Large enough that system calls and hand-overs vanish, small enough to stay in cache.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// A COPY TO STDOUT that is being read.
#[derive(Debug)]
pub struct CopyOut {
    /// Bytes of the current message that have not been taken yet. The payload may be cut anywhere, so messages need not be whole.
    pending: usize,
    /// The server said that the data is complete and that the command succeeded.
    complete: bool,
}

impl CopyOut {
    /// The next block: [`BLOCK_BYTES`] long, except the last; `None` once the server has confirmed that the COPY is complete.
    pub async fn next(&mut self, connection: &mut Connection) -> Outcome<Option<Bytes>> {
        if self.complete {
            return Ok(None);
        }
        let mut block = BytesMut::with_capacity(BLOCK_BYTES);
        loop {
            let wanted = self.pending.min(BLOCK_BYTES - block.len()).min(connection.inbox.len());
            if wanted > 0 {
                block.extend_from_slice(&connection.inbox[..wanted]);
                connection.inbox.advance(wanted);
                self.pending -= wanted;
            }
            if block.len() == BLOCK_BYTES {
                return Ok(Some(block.freeze()));
            }
            if self.pending > 0 {
                connection.fill().await?;
                continue;
            }
            match connection.peek_head()? {
                None => connection.fill().await?,
                Some(head) if head.tag == b'd' => {
                    connection.inbox.advance(5);
                    self.pending = head.body;
                }
                Some(head) if matches!(head.tag, b'N' | b'S' | b'A') => match connection.take_message()? {
                    None => connection.fill().await?,
                    Some((b'N', body)) => log_notice(&body),
                    Some(_) => {}
                },
                Some(_) => {
                    self.end(connection).await?;
                    return Ok((!block.is_empty()).then(|| block.freeze()));
                }
            }
        }
    }

    /// Reads what follows the data. Only CopyDone with CommandComplete and ReadyForQuery proves completeness (C10).
    async fn end(&mut self, connection: &mut Connection) -> Outcome<()> {
        let mut done = false;
        loop {
            let (tag, body) = connection.message().await?;
            match tag {
                b'c' => done = true,
                b'C' => {}
                b'E' => return Err(connection.recover(&body).await),
                b'Z' if done => {
                    self.complete = true;
                    return Ok(());
                }
                tag => return Err(unexpected(tag, "COPY TO STDOUT")),
            }
        }
    }
}

impl Connection {
    /// Starts a `COPY ... TO STDOUT`.
    pub async fn copy_out(&mut self, sql: &str) -> Outcome<CopyOut> {
        self.begin()?;
        frontend::query(sql, &mut self.outbox)?;
        self.flush().await?;
        match self.message().await? {
            (b'H', _) => Ok(CopyOut { pending: 0, complete: false }),
            (b'E', body) => Err(self.recover(&body).await),
            (tag, _) => Err(unexpected(tag, "COPY TO STDOUT")),
        }
    }

    /// Starts a `COPY ... FROM STDIN`.
    pub async fn copy_in(&mut self, sql: &str) -> Outcome<()> {
        self.begin()?;
        frontend::query(sql, &mut self.outbox)?;
        self.flush().await?;
        match self.message().await? {
            (b'G', _) => Ok(()),
            (b'E', body) => Err(self.recover(&body).await),
            (tag, _) => Err(unexpected(tag, "COPY FROM STDIN")),
        }
    }

    /// Sends a block as one message. An error that the server has already reported is returned here, not only at the end.
    pub async fn copy_send(&mut self, data: &[u8]) -> Outcome<()> {
        self.fill_now()?;
        while let Some((tag, body)) = self.take_message()? {
            match tag {
                // ReadyForQuery follows at once; the server ignores copy data that is still on its way.
                b'E' => return Err(self.recover(&body).await),
                b'N' | b'S' | b'A' => {}
                tag => return Err(unexpected(tag, "COPY FROM STDIN")),
            }
        }
        let length = i32::try_from(data.len() + 4).map_err(|_| Failure::Protocol("a block is too large".into()))?;
        self.outbox.put_u8(b'd');
        self.outbox.put_i32(length);
        self.flush_with(data).await
    }

    /// Ends the COPY; the number of rows that the server took.
    pub async fn copy_finish(&mut self) -> Outcome<u64> {
        frontend::copy_done(&mut self.outbox);
        self.flush().await?;
        let mut rows = 0;
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'C' => rows = affected(&body)?,
                b'E' => return Err(self.recover(&body).await),
                b'Z' => return Ok(rows),
                tag => return Err(unexpected(tag, "the end of COPY FROM STDIN")),
            }
        }
    }

    /// Gives the COPY up; the server rolls the statement back.
    pub async fn copy_abort(&mut self) -> Outcome<()> {
        frontend::copy_fail("given up by godwit", &mut self.outbox)?;
        self.flush().await?;
        match self.message().await? {
            (b'E', body) => match self.recover(&body).await {
                Failure::Server(_) => Ok(()),
                failure => Err(failure),
            },
            (tag, _) => Err(unexpected(tag, "giving up COPY FROM STDIN")),
        }
    }
}
