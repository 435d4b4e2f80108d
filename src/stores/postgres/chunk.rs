//! Reads chunks of a snapshot as raw COPY data.

use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::columns::{Selection, map_at, selection};
use crate::stores::postgres::quote;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::copy::CopyOut;
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::link::Link;
use crate::stores::{Chunk, ChunkData, ChunkRange, ChunkReader, Result};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::Arc;

/// One session inside the snapshot.
pub struct PgChunkReader {
    link: Link,
    tables: Arc<[TableMap]>,
    connection: Connection,
    /// What the catalogue said about each table that was read from.
    selections: HashMap<usize, Selection>,
    /// The chunk that is being read, and the name of its heap for errors.
    current: Option<(CopyOut, String)>,
}

impl PgChunkReader {
    pub(super) fn new(link: Link, tables: Arc<[TableMap]>, connection: Connection) -> Self {
        Self { link, tables, connection, selections: HashMap::new(), current: None }
    }

    async fn selection(&mut self, table: usize) -> Result<Selection> {
        if let Some(known) = self.selections.get(&table) {
            return Ok(known.clone());
        }
        let map = map_at(&self.link, Operation::ReadChunk, &self.tables, table)?;
        let found = selection(&mut self.connection, map)
            .await
            .map_err(|failure| failure.at(&self.link.options.id, Operation::ReadChunk).about(map.source.to_string()))?;
        self.selections.insert(table, found.clone());
        Ok(found)
    }
}

#[async_trait]
impl ChunkReader for PgChunkReader {
    async fn start(&mut self, chunk: &Chunk) -> Result<()> {
        let selection = self.selection(chunk.table).await?;
        let (heap, condition) = match &chunk.range {
            ChunkRange::Whole => {
                let map = map_at(&self.link, Operation::ReadChunk, &self.tables, chunk.table)?;
                (quote::table(&map.source), String::new())
            }
            ChunkRange::Pages { heap, from, to } => {
                let mut condition = format!(" WHERE ctid >= '({from},0)'::tid");
                if let Some(to) = to {
                    condition.push_str(&format!(" AND ctid < '({to},0)'::tid"));
                }
                (format!("ONLY {}", quote::table(heap)), condition)
            }
            ChunkRange::Keys(_) => {
                let text = "key ranges are not a form of chunk that PostgreSQL plans make";
                return Err(self.link.error(Operation::ReadChunk, ErrorKind::Protocol, text));
            }
        };
        let Selection { list, format } = selection;
        let sql = format!("COPY (SELECT {list} FROM {heap}{condition}) TO STDOUT WITH (FORMAT {format})");
        let copy = self.connection.copy_out(&sql).await;
        let copy = copy.map_err(|f| f.at(&self.link.options.id, Operation::ReadChunk).about(heap.as_str()))?;
        self.current = Some((copy, heap));
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<ChunkData>> {
        let Some((copy, heap)) = &mut self.current else {
            return Err(self.link.error(Operation::ReadChunk, ErrorKind::Protocol, "no chunk was started"));
        };
        let failed = |f: Failure| f.at(&self.link.options.id, Operation::ReadChunk).about(heap.as_str());
        Ok(copy.next(&mut self.connection).await.map_err(failed)?.map(ChunkData::Raw))
    }
}
