//! A consistent view of the source: one read transaction, held on one connection for as long as the snapshot lives.
//!
//! While it is open SQLite cannot shorten the write-ahead log past it, so the `-wal` file grows by what the application writes
//! during the copy; the pre-flight checks say so. Writers are not held up.

use super::capture::log_end;
use super::catalogue;
use super::connect::{Database, Mode};
use super::keys::KeyedTable;
use super::piece::PieceSize;
use super::row;
use super::session::Session;
use crate::model::table::TableMap;
use crate::model::value::Row;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{
    CaptureSpec, Chunk, ChunkData, ChunkPlan, ChunkRange, ChunkReader, KeyRange, MapSide, Result, Snapshot,
};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::Mutex;
use xxhash_rust::xxh3::xxh3_64;

/// Most rows in one piece of a chunk.
const PIECE_ROWS: u64 = 500;
/// Rows that are measured to guess how many fit into a chunk.
const MEASURED_ROWS: u64 = 100;
/// Most rows of one chunk, whatever the guess says: a chunk is one transaction on the target.
const CHUNK_ROWS: u64 = 200_000;

/// The read transaction and the tables that it is read for.
pub struct SqliteSnapshot {
    session: Arc<Mutex<Session>>,
    tables: Arc<Vec<TableMap>>,
}

impl SqliteSnapshot {
    /// Begins the read transaction and reads the log's end inside it: exactly the changes up to there are in the view.
    pub async fn open(db: &Database, spec: &CaptureSpec) -> Result<(u64, Self)> {
        let mut session = db.open(Mode::Read, Operation::ReadChunk).await?;
        session.script("BEGIN").await?;
        // A deferred transaction takes its view with the first read, which is this one.
        let position = log_end(&mut session, spec).await?;
        let snapshot = Self { session: Arc::new(Mutex::new(session)), tables: Arc::new(spec.tables.clone()) };
        Ok((position, snapshot))
    }
}

fn map_of<'a>(session: &Session, tables: &'a [TableMap], table: usize) -> Result<&'a TableMap> {
    tables.get(table).ok_or_else(|| session.fail(ErrorKind::Protocol, format!("there is no table number {table}")))
}

#[async_trait]
impl Snapshot for SqliteSnapshot {
    async fn plan(&self, table: usize, chunk_bytes: u64) -> Result<ChunkPlan> {
        let mut session = self.session.lock().await;
        let map = map_of(&session, &self.tables, table)?;
        let keyed = KeyedTable::of(map, MapSide::Source);
        let sample = keyed.piece(&mut session, &KeyRange::default(), MEASURED_ROWS).await?;
        let bytes: u64 = sample.iter().flatten().map(row::size_of).sum();
        let per_row = (bytes / (sample.len() as u64).max(1)).max(1);
        let rows = (chunk_bytes / per_row).clamp(1, CHUNK_ROWS);
        let ranges = keyed.ranges(&mut session, &KeyRange::default(), rows).await?;
        let chunks = ranges
            .into_iter()
            .zip(0..)
            .map(|(range, ordinal)| Chunk { table, ordinal, range: ChunkRange::Keys(range) })
            .collect();
        // Ranges of keys keep their meaning as long as the table's definition does; unlike `schema_version` this does not
        // change when another pipeline makes its triggers.
        let sql = catalogue::find(&mut session, &map.source).await?.map(|found| found.sql).unwrap_or_default();
        Ok(ChunkPlan { chunks, generation: format!("{:016x}", xxh3_64(sql.as_bytes())) })
    }

    async fn reader(&self) -> Result<Box<dyn ChunkReader>> {
        Ok(Box::new(SnapshotReader {
            session: Arc::clone(&self.session),
            tables: Arc::clone(&self.tables),
            current: None,
            size: PieceSize::up_to(PIECE_ROWS),
        }))
    }

    fn parallelism(&self) -> usize {
        1
    }
}

struct SnapshotReader {
    session: Arc<Mutex<Session>>,
    tables: Arc<Vec<TableMap>>,
    current: Option<(KeyedTable, KeyRange)>,
    size: PieceSize,
}

#[async_trait]
impl ChunkReader for SnapshotReader {
    async fn start(&mut self, chunk: &Chunk) -> Result<()> {
        let session = self.session.lock().await;
        let map = map_of(&session, &self.tables, chunk.table)?;
        let range = match &chunk.range {
            ChunkRange::Whole => KeyRange::default(),
            ChunkRange::Keys(range) => range.clone(),
            ChunkRange::Pages { .. } => {
                return Err(session
                    .fail(ErrorKind::Protocol, "SQLite has no ranges of pages")
                    .about(map.source.to_string()));
            }
        };
        self.size = PieceSize::up_to(PIECE_ROWS);
        self.current = Some((KeyedTable::of(map, MapSide::Source), range));
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<ChunkData>> {
        let Some((keyed, range)) = self.current.as_mut() else { return Ok(None) };
        let mut session = self.session.lock().await;
        let asked = self.size.rows();
        let rows: Vec<Row> = keyed.piece(&mut session, range, asked).await?;
        let got = rows.len() as u64;
        self.size.measured(got, rows.iter().flatten().map(row::size_of).sum());
        // A piece that is not full is the proven end of the range; the statement ran to its end inside the same view.
        if got < asked {
            let last = (!rows.is_empty()).then_some(ChunkData::Rows(rows));
            self.current = None;
            return Ok(last);
        }
        range.after = rows.last().map(|last| keyed.key_of(last));
        Ok(Some(ChunkData::Rows(rows)))
    }
}
