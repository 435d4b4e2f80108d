//! Prepared statements in pipelines: many statements, one round trip, one answer.

use super::connection::{Connection, unexpected};
use super::failure::{Failure, Outcome};
use super::query::affected;
use bytes::{BufMut, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

/// Type oid of `text`.
pub const TEXT: u32 = 25;
/// Type oid of `text[]`.
pub const TEXT_ARRAY: u32 = 1009;

/// Statements that are sent together. They end with a Sync, so that the first error makes the server skip the rest.
#[derive(Debug, Default)]
pub struct Pipeline {
    messages: BytesMut,
    statements: usize,
}

impl Pipeline {
    /// True when nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Prepares a named statement. All parameter types are declared, so that the server never guesses.
    pub fn prepare(&mut self, name: &str, sql: &str, types: &[u32]) -> Outcome<()> {
        Ok(frontend::parse(name, sql, types.iter().copied(), &mut self.messages)?)
    }

    /// Executes a prepared statement. Parameters are in binary form: the bytes of a `text`, or a [`TextArray`].
    pub fn execute<'a>(&mut self, name: &str, parameters: impl IntoIterator<Item = Option<&'a [u8]>>) -> Outcome<()> {
        let write = |value: Option<&[u8]>, out: &mut BytesMut| match value {
            None => Ok(IsNull::Yes),
            Some(value) => {
                out.extend_from_slice(value);
                Ok(IsNull::No)
            }
        };
        frontend::bind("", name, [1], parameters, write, [0], &mut self.messages).map_err(|e| match e {
            frontend::BindError::Conversion(e) => Failure::Protocol(e.to_string()),
            frontend::BindError::Serialization(e) => Failure::Protocol(e.to_string()),
        })?;
        frontend::execute("", 0, &mut self.messages)?;
        self.statements += 1;
        Ok(())
    }

    /// Executes a statement without parameters once, unprepared.
    pub fn once(&mut self, sql: &str) -> Outcome<()> {
        self.prepare("", sql, &[])?;
        self.execute("", [])
    }
}

/// A pipeline that stopped.
#[derive(Debug)]
pub struct Stopped {
    /// How many statements had been executed before the one that failed.
    pub completed: usize,
    /// Why.
    pub failure: Failure,
}

impl<T: Into<Failure>> From<T> for Stopped {
    fn from(failure: T) -> Self {
        Self { completed: 0, failure: failure.into() }
    }
}

impl Connection {
    /// Sends the pipeline and returns the affected rows of each executed statement, in order.
    pub async fn run(&mut self, mut pipeline: Pipeline) -> Result<Vec<u64>, Stopped> {
        self.begin()?;
        frontend::sync(&mut pipeline.messages);
        self.flush_with(&pipeline.messages).await?;
        let mut counts = Vec::with_capacity(pipeline.statements);
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'C' => counts.push(affected(&body)?),
                b'I' => counts.push(0),
                // ParseComplete, BindComplete, and rows that nobody asked for.
                b'1' | b'2' | b'D' => {}
                b'E' => return Err(Stopped { completed: counts.len(), failure: self.recover(&body).await }),
                b'Z' => return Ok(counts),
                tag => return Err(unexpected(tag, "a pipeline").into()),
            }
        }
    }
}

/// A one-dimensional `text[]` in PostgreSQL's binary form: no escaping on our side, no parsing on the server's.
#[derive(Debug)]
pub struct TextArray {
    bytes: BytesMut,
    count: i32,
}

/// Dimensions, null flag, element type, length, lower bound.
const ARRAY_HEAD: usize = 20;

impl TextArray {
    /// An array with room for about `values` short values.
    pub fn with_capacity(values: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(ARRAY_HEAD + values * 16);
        bytes.put_bytes(0, ARRAY_HEAD);
        Self { bytes, count: 0 }
    }

    /// Appends a value; `None` is NULL.
    pub fn push(&mut self, value: Option<&str>) -> Outcome<()> {
        match value {
            None => {
                self.bytes.put_i32(-1);
                // The flag that says that there are NULLs.
                self.bytes[7] = 1;
            }
            Some(value) => {
                let length = i32::try_from(value.len())
                    .map_err(|_| Failure::Protocol("a value is longer than PostgreSQL allows".into()))?;
                self.bytes.put_i32(length);
                self.bytes.put_slice(value.as_bytes());
            }
        }
        self.count += 1;
        Ok(())
    }

    /// The parameter's bytes.
    pub fn finish(mut self) -> BytesMut {
        let dimensions = i32::from(self.count > 0);
        self.bytes[..4].copy_from_slice(&dimensions.to_be_bytes());
        self.bytes[8..12].copy_from_slice(&TEXT.to_be_bytes());
        self.bytes[12..16].copy_from_slice(&self.count.to_be_bytes());
        self.bytes[16..20].copy_from_slice(&1_i32.to_be_bytes());
        if self.count == 0 {
            self.bytes.truncate(12);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_have_the_servers_binary_form() {
        let mut array = TextArray::with_capacity(2);
        array.push(Some("ab")).unwrap();
        array.push(None).unwrap();
        assert_eq!(
            &array.finish()[..],
            b"\0\0\0\x01\0\0\0\x01\0\0\0\x19\0\0\0\x02\0\0\0\x01\0\0\0\x02ab\xff\xff\xff\xff"
        );
        assert_eq!(&TextArray::with_capacity(0).finish()[..], b"\0\0\0\0\0\0\0\0\0\0\0\x19");
    }
}
