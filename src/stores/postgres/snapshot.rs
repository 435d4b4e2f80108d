//! A consistent view of the source that many readers share.
//!
//! One *holder* session imports the slot's exported snapshot, exports it again for the readers (so that no walsender is needed any
//! longer), and keeps an ACCESS SHARE lock on every table: page ranges stay what they were planned as, because no rewrite
//! (VACUUM FULL, CLUSTER, TRUNCATE, most forms of ALTER TABLE) can take place while it lives.

use crate::model::table::{TableMap, TableName};
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::chunk::PgChunkReader;
use crate::stores::postgres::columns::map_at;
use crate::stores::postgres::quote;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::link::Link;
use crate::stores::{Chunk, ChunkPlan, ChunkRange, ChunkReader, Result, Snapshot};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Longest silence of a server in the middle of bulk work before the connection is taken for dead.
pub(super) const BULK_PATIENCE: Duration = Duration::from_secs(120);

/// Readers of one snapshot. Beyond this a source's disk or processors are the limit, not the number of streams.
const READERS: usize = 8;

/// See the module's text.
pub struct PgSnapshot {
    link: Link,
    tables: Arc<[TableMap]>,
    /// What readers give to `SET TRANSACTION SNAPSHOT`.
    name: String,
    /// Keeps snapshot and locks alive; used to prove that it does.
    holder: Mutex<Connection>,
}

impl PgSnapshot {
    /// Takes over an exported snapshot. The session that exported it may end as soon as this returns.
    pub async fn hold(link: &Link, tables: &[TableMap], exported: &str) -> Result<Self> {
        let failed = |failure: Failure| failure.at(&link.options.id, Operation::ReadChunk);
        let mut holder = link.bulk(Operation::ReadChunk, BULK_PATIENCE).await?;
        begin(&mut holder, exported).await.map_err(failed)?;
        if !tables.is_empty() {
            let names: Vec<String> = tables.iter().map(|t| quote::table(&t.source)).collect();
            let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
            holder.query(&lock).await.map_err(failed)?;
            // Between the snapshot and the lock somebody may have rewritten a table: the catalogue as of the snapshot then
            // names another file than the one that is open now, and its rows are not those of the snapshot.
            let heaps: Vec<String> = names.iter().map(|name| format!("({}::regclass)", quote::literal(name))).collect();
            let sql = format!(
                "SELECT c.oid::regclass FROM (VALUES {}) AS root (oid), pg_partition_tree(root.oid) p JOIN pg_class c ON c.oid = p.relid \
                 WHERE p.isleaf AND c.relkind = 'r' AND c.relfilenode <> pg_relation_filenode(c.oid) LIMIT 1",
                heaps.join(", ")
            );
            let rewritten = holder.query(&sql).await.map_err(failed)?;
            if let Some(Some(table)) = rewritten.rows.first().and_then(|row| row.first()) {
                let text = "the table was rewritten while the snapshot was being taken; take a new one";
                return Err(link.error(Operation::ReadChunk, ErrorKind::Contention, text).about(table.as_str()));
            }
        }
        let answer = holder.query("SELECT pg_export_snapshot() AS name").await.map_err(failed)?;
        let name = answer.value("name").unwrap_or_default().to_owned();
        Ok(Self { link: link.clone(), tables: tables.into(), name, holder: Mutex::new(holder) })
    }
}

/// Opens a transaction that sees what the snapshot saw.
async fn begin(connection: &mut Connection, snapshot: &str) -> std::result::Result<(), Failure> {
    // synchronize_seqscans would start a scan in the middle of a table; lock_timeout bounds the wait behind an ALTER TABLE.
    let sql = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}; \
         SET LOCAL synchronize_seqscans = off; SET LOCAL jit = off; SET LOCAL lock_timeout = '60s'",
        quote::literal(snapshot)
    );
    connection.query(&sql).await.map(|_| ())
}

/// A physical table with rows: the table itself or one leaf partition.
struct Heap {
    name: TableName,
    pages: u64,
    filenode: String,
}

/// Leaf tables, in an order that does not change between two plans. Foreign and other storage-less leaves come with pages NULL.
const HEAPS: &str = "
    SELECT n.nspname, c.relname, c.relkind, pg_relation_size(c.oid) / current_setting('block_size')::int8 AS pages,
           pg_relation_filenode(c.oid) AS filenode, current_setting('block_size') AS page_bytes
      FROM (SELECT $1::regclass AS oid UNION SELECT relid FROM pg_partition_tree($1::regclass) WHERE isleaf) AS part
      JOIN pg_class c ON c.oid = part.oid AND c.relkind <> 'p'
      JOIN pg_namespace n ON n.oid = c.relnamespace
     ORDER BY 1, 2";

#[async_trait]
impl Snapshot for PgSnapshot {
    async fn plan(&self, table: usize, chunk_bytes: u64) -> Result<ChunkPlan> {
        let map = map_at(&self.link, Operation::ReadChunk, &self.tables, table)?;
        // A session of its own: an error here must not end the holder's transaction.
        let mut connection = self.link.statements(Operation::ReadChunk).await?;
        let failed = |f: Failure| f.at(&self.link.options.id, Operation::ReadChunk).about(map.source.to_string());
        let answer = connection.query_with(HEAPS, &[Some(&quote::table(&map.source))]).await.map_err(failed)?;
        let mut page_bytes = 8192;
        let mut heaps = Vec::new();
        for row in &answer.rows {
            let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
            if text(2) != "r" {
                let message = format!("{}.{} is not an ordinary table: its rows lie elsewhere", text(0), text(1));
                let error = self.link.error(Operation::ReadChunk, ErrorKind::Unsupported, message);
                return Err(error.about(map.source.to_string()));
            }
            page_bytes = text(5).parse().unwrap_or(page_bytes);
            heaps.push(Heap {
                name: TableName::in_schema(text(0), text(1)),
                pages: text(3).parse().unwrap_or(0),
                filenode: text(4).to_owned(),
            });
        }
        Ok(cut(table, &heaps, (chunk_bytes / page_bytes).max(1)))
    }

    async fn reader(&self) -> Result<Box<dyn ChunkReader>> {
        let failed = |failure: Failure| failure.at(&self.link.options.id, Operation::ReadChunk);
        // A holder that is gone has taken the locks with it: then no new reader may be trusted.
        self.holder.lock().await.query("SELECT 1").await.map_err(failed)?;
        let mut connection = self.link.bulk(Operation::ReadChunk, BULK_PATIENCE).await?;
        begin(&mut connection, &self.name).await.map_err(failed)?;
        Ok(Box::new(PgChunkReader::new(self.link.clone(), self.tables.clone(), connection)))
    }

    fn parallelism(&self) -> usize {
        READERS
    }
}

/// Cuts heaps into page ranges of nearly equal size. The last range of a heap is open: rows on later pages are not visible to the
/// snapshot, but the file's size was read after it.
fn cut(table: usize, heaps: &[Heap], pages_per_chunk: u64) -> ChunkPlan {
    let mut chunks = Vec::new();
    for heap in heaps {
        let count = heap.pages.div_ceil(pages_per_chunk).max(1);
        for part in 0..count {
            // Widened: pages * part may exceed 64 bits only in theory, but costs nothing to rule out.
            let bound = |n: u64| (u128::from(heap.pages) * u128::from(n) / u128::from(count)) as u64;
            let to = (part + 1 < count).then(|| bound(part + 1));
            let range = ChunkRange::Pages { heap: heap.name.clone(), from: bound(part), to };
            chunks.push(Chunk { table, ordinal: chunks.len() as u64, range });
        }
    }
    let generation: Vec<String> = heaps.iter().map(|heap| format!("{}={}", heap.name, heap.filenode)).collect();
    ChunkPlan { chunks, generation: generation.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heap(name: &str, pages: u64) -> Heap {
        Heap { name: TableName::in_schema("s", name), pages, filenode: "7".into() }
    }

    #[test]
    fn chunks_cover_every_page_once() {
        for pages in [0, 1, 7, 8, 9, 1000, 12_345] {
            let plan = cut(3, &[heap("a", pages), heap("b", 2)], 8);
            let mut next = 0;
            let mut open = 0;
            for (ordinal, chunk) in plan.chunks.iter().enumerate() {
                assert_eq!((chunk.table, chunk.ordinal), (3, ordinal as u64));
                let ChunkRange::Pages { heap, from, to } = &chunk.range else { panic!("not pages") };
                if heap.name == "a" {
                    assert_eq!(*from, next, "{pages}");
                    match to {
                        Some(to) => next = *to,
                        None => open += 1,
                    }
                }
            }
            assert_eq!(open, 1);
            assert!(plan.chunks.len() as u64 <= pages.div_ceil(8).max(1) + 1);
            assert_eq!(plan.generation, "s.a=7,s.b=7");
        }
    }
}
