//! Loads chunks by COPY, each in one transaction with its checkpoint.
//!
//! `synchronous_commit` stays on: one flush for a chunk of many megabytes costs nothing that could be measured, and a checkpoint that is
//! reported is durable.

use crate::model::table::TableMap;
use crate::model::value::{Row, Value};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::columns::{BINARY_SIGNATURE, map_at};
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::{Failure, Outcome};
use crate::stores::postgres::wire::link::Link;
use crate::stores::postgres::{checkpoint, quote};
use crate::stores::{ApplySpec, Chunk, ChunkData, ChunkLoader, Loaded, Result, StoreError};
use async_trait::async_trait;

/// A chunk that is being loaded.
struct Started {
    table: usize,
    ordinal: u64,
    bytes: u64,
    copying: bool,
}

/// One session that loads.
pub struct PgChunkLoader {
    link: Link,
    spec: ApplySpec,
    connection: Connection,
    started: Option<Started>,
}

impl PgChunkLoader {
    pub(super) fn new(link: Link, spec: ApplySpec, connection: Connection) -> Self {
        Self { link, spec, connection, started: None }
    }

    fn failed(&self, failure: Failure) -> StoreError {
        let error = failure.at(&self.link.options.id, Operation::LoadChunk);
        match self.started.as_ref().and_then(|started| self.spec.tables.get(started.table)) {
            Some(map) => error.about(map.target.to_string()),
            None => error,
        }
    }

    fn not_started(&self) -> StoreError {
        self.link.error(Operation::LoadChunk, ErrorKind::Protocol, "no chunk was started")
    }

    /// Begins the COPY when the first piece shows its format: binary data carries a signature.
    async fn begin_copy(&mut self, map: &TableMap, data: &ChunkData) -> Outcome<()> {
        let binary = matches!(data, ChunkData::Raw(bytes) if bytes.starts_with(BINARY_SIGNATURE));
        let columns: Vec<String> = map.columns.iter().map(|c| quote::ident(&c.target)).collect();
        let format = if binary { "binary" } else { "text" };
        let sql =
            format!("COPY {} ({}) FROM STDIN WITH (FORMAT {format})", quote::table(&map.target), columns.join(", "));
        self.connection.copy_in(&sql).await
    }

    async fn send(&mut self, data: ChunkData) -> Outcome<u64> {
        match data {
            ChunkData::Raw(bytes) => {
                self.connection.copy_send(&bytes).await?;
                Ok(bytes.len() as u64)
            }
            ChunkData::Rows(rows) => {
                let mut text = String::new();
                for row in &rows {
                    copy_text(row, &mut text);
                }
                self.connection.copy_send(text.as_bytes()).await?;
                Ok(text.len() as u64)
            }
        }
    }
}

#[async_trait]
impl ChunkLoader for PgChunkLoader {
    async fn start(&mut self, chunk: &Chunk) -> Result<()> {
        map_at(&self.link, Operation::LoadChunk, &self.spec.tables, chunk.table)?;
        self.started = Some(Started { table: chunk.table, ordinal: chunk.ordinal, bytes: 0, copying: false });
        self.connection.query("BEGIN").await.map(|_| ()).map_err(|f| self.failed(f))
    }

    async fn push(&mut self, data: ChunkData) -> Result<()> {
        let Some(started) = &mut self.started else { return Err(self.not_started()) };
        let first = !std::mem::replace(&mut started.copying, true);
        if first {
            let map = map_at(&self.link, Operation::LoadChunk, &self.spec.tables, started.table)?.clone();
            self.begin_copy(&map, &data).await.map_err(|f| self.failed(f))?;
        }
        let sent = self.send(data).await.map_err(|f| self.failed(f))?;
        if let Some(started) = &mut self.started {
            started.bytes += sent;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<Loaded> {
        let Some(Started { table, ordinal, bytes, copying }) = self.started else { return Err(self.not_started()) };
        let rows = if copying { self.connection.copy_finish().await.map_err(|f| self.failed(f))? } else { 0 };
        let loaded = Loaded { rows, bytes };
        let source = map_at(&self.link, Operation::LoadChunk, &self.spec.tables, table)?.source.clone();
        let saved = checkpoint::save_chunk(&mut self.connection, &self.spec.name, &source, ordinal, loaded).await;
        saved.map_err(|f| self.failed(f))?;
        self.connection.query("COMMIT").await.map_err(|f| self.failed(f))?;
        self.started = None;
        Ok(loaded)
    }

    async fn abort(&mut self) -> Result<()> {
        let Some(started) = self.started.take() else { return Ok(()) };
        // After an error the server has ended the COPY by itself and ignores what belongs to it; only the transaction is left.
        if started.copying && self.connection.is_busy() {
            self.connection.copy_abort().await.map_err(|f| self.failed(f))?;
        }
        self.connection.query("ROLLBACK").await.map(|_| ()).map_err(|f| self.failed(f))
    }
}

/// One row in COPY's text format.
fn copy_text(row: &Row, out: &mut String) {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            out.push('\t');
        }
        match value {
            Value::Null => out.push_str("\\N"),
            other => {
                for c in text_of(other).chars() {
                    match c {
                        '\\' => out.push_str("\\\\"),
                        '\t' => out.push_str("\\t"),
                        '\n' => out.push_str("\\n"),
                        '\r' => out.push_str("\\r"),
                        c => out.push(c),
                    }
                }
            }
        }
    }
    out.push('\n');
}

/// A value as PostgreSQL's input functions read it. NULL has no text and is dealt with before.
pub fn text_of(value: &Value) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Literal(text) | Value::Text(text) => text.into(),
        Value::Null => "".into(),
        Value::Int(number) => number.to_string().into(),
        Value::Float(number) if number.is_infinite() => if *number > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        Value::Float(number) => number.to_string().into(),
        Value::Bytes(bytes) => {
            let mut text = String::with_capacity(2 + bytes.len() * 2);
            text.push_str("\\x");
            for byte in bytes {
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
            text.into()
        }
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_copy_text() {
        let mut out = String::new();
        copy_text(
            &vec![
                Value::Null,
                Value::Literal("a\tb\\c\nd".into()),
                Value::Int(-3),
                Value::Float(f64::NEG_INFINITY),
                Value::Bytes(vec![0, 255]),
                Value::Text(String::new()),
            ],
            &mut out,
        );
        assert_eq!(out, "\\N\ta\\tb\\\\c\\nd\t-3\t-Infinity\t\\\\x00ff\t\n");
    }
}
