//! Stores: one folder per engine, the same file names in each, so that knowing one is knowing all.
//!
//! Each trait below is a capability with one to four methods. An engine implements what it can; [`Store`] hands out
//! what there is and the rest of Godwit hides what there is not. Nothing above this module names an engine.
//!
//! Conventions for every implementation:
//! - each statement has a time-out ([`OpenOptions::statement_timeout`]) unless the method says otherwise;
//! - a pooled connection never leaks session state (time zone, role, search path are pinned at connect: V12);
//! - identifiers are quoted by the engine's rule, values are bound;
//! - server text in errors is sanitised (no control bytes) and URLs are redacted before they leave this module;
//! - methods are cancel-safe in this sense: dropping the future may lose the connection, never a committed checkpoint.

pub mod absent;
pub mod disk;
pub mod error;
pub mod fault;
pub mod index_maker;
pub mod mongodb;
pub mod mysql;
pub mod observe;
pub mod postgres;
pub mod redis;
pub mod refused;
pub mod registry;
pub mod sanitise;
pub mod sqlite;
pub mod url_part;

use crate::model::change::{CaptureItem, Position, RowChange};
use crate::model::check::Check;
use crate::model::ids::StoreId;
use crate::model::lag::Reading;
use crate::model::schema::{SchemaScript, SchemaStatement};
use crate::model::schema_change::SchemaChange;
use crate::model::table::{Table, TableMap, TableName};
use crate::model::value::{Key, Row};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use error::StoreError;
use index_maker::IndexMaker;
use observe::{AccessFacts, IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Result of every store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The store's name in the profile, for errors.
    pub id: StoreId,
    /// Longest time for one ordinary statement. Copies, index builds and held locks have their own bounds.
    pub statement_timeout: Duration,
    /// Longest time to establish a connection.
    pub connect_timeout: Duration,
}

/// An opened store. Opening does not connect: the first use does, so that a store that is down delays nobody.
pub trait Store: Send + Sync {
    /// The name in the profile.
    fn id(&self) -> &StoreId;
    /// The engine's name as in the profile: `postgres`, `sqlite`.
    fn engine(&self) -> &'static str;
    /// Where it is, without secrets, for screens and errors.
    fn address(&self) -> String;
    /// Server facts and reachability.
    fn probe(&self) -> &dyn Probe;
    /// What tables there are.
    fn inventory(&self) -> &dyn Inventory;
    /// Named checks before a migration.
    fn preflight(&self) -> &dyn Preflight;
    /// Reading and building schemas.
    fn schema(&self) -> &dyn Schema;
    /// Change capture with the snapshot that belongs to it.
    fn capture(&self) -> &dyn Capture;
    /// Writing copied rows and captured changes, with their checkpoints.
    fn target(&self) -> &dyn Target;
    /// Comparing.
    fn checksum(&self) -> &dyn Checksum;
    /// Holding and fencing writes.
    fn freeze(&self) -> &dyn Freeze;
    /// Sequences and auto-increment counters.
    fn sequences(&self) -> &dyn Sequences;
    /// Accounts of services.
    fn access(&self) -> &dyn Access;
    /// Open transactions that stand in the way of a freeze.
    fn activity(&self) -> &dyn Activity;
    /// Sessions and locks; `None`: the engine has none.
    fn sessions(&self) -> Option<&dyn Sessions> {
        None
    }
    /// Replication of the server itself; `None`: the engine has none.
    fn replicas(&self) -> Option<&dyn Replicas> {
        None
    }
    /// Statement statistics; `None`: the engine keeps none.
    fn statements(&self) -> Option<&dyn StatementStats> {
        None
    }
    /// Indexes with their use; `None`: the engine has none.
    fn indexes(&self) -> Option<&dyn IndexStats> {
        None
    }
    /// Making an index beside the traffic; `None`: the engine has no indexes.
    fn index_maker(&self) -> Option<&dyn IndexMaker> {
        None
    }
    /// Who may do what; `None`: the engine has no accounts, or they cannot be read yet.
    fn access_facts(&self) -> Option<&dyn AccessFacts> {
        None
    }
    /// Monitoring roles; `None`: the engine has no accounts.
    fn monitoring(&self) -> Option<&dyn Monitoring> {
        None
    }
}

/// Shared handle to an opened store.
pub type StoreRef = Arc<dyn Store>;

/// Facts about a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Version as the server says it.
    pub version: String,
    /// Identity that survives restarts and differs between servers (PostgreSQL: system identifier and database oid; SQLite: canonical path).
    /// Two stores with the same identity are the same database.
    pub identity: String,
    /// The server's clock minus ours, in milliseconds, taken at half the round trip.
    pub clock_difference_ms: i64,
}

/// Reachability.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Connects if need be and reads the server's facts.
    async fn facts(&self) -> Result<ServerFacts>;
}

/// Tables.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// All ordinary user tables (not Godwit's own), by name. Partitioned tables appear once, as their root (L08).
    async fn tables(&self) -> Result<Vec<Table>>;
    /// One table; [`error::ErrorKind::NotFound`] if it is not there.
    async fn table(&self, name: &TableName) -> Result<Table>;
    /// True when at least one row is in the table.
    async fn has_rows(&self, name: &TableName) -> Result<bool>;
    /// Names of what [`Inventory::tables`] would describe, without looking into the tables: quick enough for a freeze.
    async fn names(&self) -> Result<Vec<TableName>>;
    /// Names of everything else of the user's: views, indexes, triggers, functions, types. Each begins with its kind, such as
    /// `view sales.totals`; what [`Schema::script`] can build is spelled as its [`SchemaStatement::object`].
    async fn others(&self) -> Result<Vec<String>>;
}

/// Which part a store plays for a set of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Data is read from it and it will be frozen.
    Source,
    /// Data is written to it and, for the way back, captured from it.
    Target,
}

/// Named checks. Never writes.
#[async_trait]
pub trait Preflight: Send + Sync {
    /// Runs every check that applies to this side for these tables. An unreachable server is one failing check, not an error.
    async fn checks(&self, side: Side, tables: &[TableName]) -> Vec<Check>;
    /// What both sides of a pipeline should have alike.
    async fn environment(&self) -> Result<Environment>;
}

/// What the two sides of a pipeline are compared by before anything is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// How text is stored, such as `UTF8`.
    pub encoding: String,
    /// How text is sorted where a column does not say otherwise.
    pub collation: String,
    /// Installed extensions with their versions.
    pub extensions: BTreeMap<String, String>,
}

/// Schemas.
#[async_trait]
pub trait Schema: Send + Sync {
    /// On the source: the statements that build `maps` on a target of the same engine, in order.
    async fn script(&self, maps: &[TableMap]) -> Result<SchemaScript>;
    /// On the target: does the object that this statement makes exist?
    async fn exists(&self, statement: &SchemaStatement) -> Result<bool>;
    /// On the target: runs a statement. No statement time-out: index builds take their time.
    async fn execute(&self, sql: &str) -> Result<()>;
    /// On the target: makes an object and notes `maker` for it in the same transaction, so that the store itself knows who made it
    /// whatever becomes of the caller. No statement time-out.
    async fn make(&self, statement: &SchemaStatement, maker: &str) -> Result<()>;
    /// On the target: who made the object by [`Schema::make`]; `None` when it was somebody else, or the note is gone.
    async fn maker(&self, statement: &SchemaStatement) -> Result<Option<String>>;
    /// On the target: runs `undo` and takes the note of `statement` away in the same transaction.
    async fn unmake(&self, statement: &SchemaStatement, undo: &str) -> Result<()>;
    /// On the target: takes the notes of all makers away whose name begins with `prefix`, and leaves the objects: they are the
    /// application's now.
    async fn disown(&self, prefix: &str) -> Result<()>;
    /// On the source: the statements that add one mapped column to a target that was built earlier, by the same translation as
    /// [`Schema::script`]. Those of the part [`SchemaPart::Rest`](crate::model::schema::SchemaPart::Rest) run when the column's values
    /// are there. [`error::ErrorKind::Unsupported`] when its values could not be carried afterwards.
    async fn add_column(&self, maps: &[TableMap], table: usize, column: &str) -> Result<Vec<SchemaStatement>>;
    /// For the target: gives a column another type; `None` where the engine cannot. `map` names the column's present target type.
    fn retype(&self, map: &TableMap, column: &str, to: &str) -> Option<SchemaStatement>;
    /// True when every value of the type `narrow` is one of the type `wide`, with the same text.
    fn holds(&self, wide: &str, narrow: &str) -> bool;
}

/// What a capture was asked to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureSpec {
    /// Name of this capture on its server, unique per migration, pipeline and direction; lower-case letters, digits and `_`, at most 50 characters.
    /// Slots, publications and triggers are named after it.
    pub name: String,
    /// Name under which the opposite pipeline applies on this server: changes applied under it are not captured, so that nothing loops.
    pub ignore_origin: String,
    /// The tables; `RowChange::table` indexes this list.
    pub tables: Vec<TableMap>,
}

/// Where a capture begins: proof that nothing before was missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureOrigin {
    /// Identity of the server, see [`ServerFacts::identity`].
    pub server_identity: String,
    /// Changes committed at or before this position are in the snapshot; those after it are in the log.
    pub position: Position,
}

/// Health of what a capture needs on its server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retention {
    /// End of the server's log now.
    pub log_end: Position,
    /// Oldest position from which the capture can still resume. A checkpoint before it means changes were lost (W03).
    pub resumable_from: Reading<Position>,
    /// Log kept for this capture, in bytes or rows.
    pub retained: Reading<u64>,
    /// Log that may still be written before the server cuts it; `None`: no limit but the disk.
    pub room: Reading<Option<u64>>,
    /// Bytes that are free where the log is kept.
    pub disk_free: Reading<u64>,
}

/// Change capture.
#[async_trait]
pub trait Capture: Send + Sync {
    /// The statements that `prepare` will run with their undo, for the plan.
    async fn statements(&self, spec: &CaptureSpec) -> Result<Vec<(String, String)>>;
    /// Makes what capturing needs (publication and slot; log table and triggers). With `snapshot`, also opens a consistent
    /// snapshot at exactly the origin. Refuses if the capture exists already. Idempotent after a crash through [`Capture::drop_capture`].
    async fn prepare(&self, spec: &CaptureSpec, snapshot: bool) -> Result<(CaptureOrigin, Option<Box<dyn Snapshot>>)>;
    /// A fresh snapshot for a capture that exists (after a crash during the copy). Its position is at or after the origin;
    /// changes between the two are applied again, idempotently.
    async fn snapshot(&self, spec: &CaptureSpec) -> Result<(CaptureOrigin, Box<dyn Snapshot>)>;
    /// Streams changes committed after `from`. Fails with [`error::ErrorKind::LogLost`] when the capture no longer exists or cannot resume there.
    async fn stream(&self, spec: &CaptureSpec, from: Position) -> Result<Box<dyn ChangeStream>>;
    /// What the server keeps for this capture; [`error::ErrorKind::LogLost`] when it does not exist or was invalidated.
    async fn retention(&self, spec: &CaptureSpec) -> Result<Retention>;
    /// Writes a marker without a freeze, to measure lag or to move an idle log along. Returns once it is in the log.
    async fn probe_marker(&self, spec: &CaptureSpec, token: &str) -> Result<Position>;
    /// How the captured tables differ from the specification now: one look at the catalogue, cheap enough for every sample. Columns
    /// that were left out on purpose are no difference. [`error::ErrorKind::LogLost`] when changes may have passed by uncaptured.
    async fn differences(&self, spec: &CaptureSpec) -> Result<Vec<SchemaChange>>;
    /// Brings a capture in line with a changed specification: columns that are new in it are captured from now on, and `left_out`
    /// (table index and column) are left out on purpose. Rows that were logged before carry [`Cell::Unchanged`](crate::model::change::Cell)
    /// for a column that was not captured then. Safe to repeat.
    async fn remap(&self, spec: &CaptureSpec, left_out: &[(usize, String)]) -> Result<()>;
    /// Removes everything that `prepare` made; succeeds when there is nothing.
    async fn drop_capture(&self, spec: &CaptureSpec) -> Result<()>;
}

/// A running change stream. Dropping it ends it.
#[async_trait]
pub trait ChangeStream: Send {
    /// The next items: at least one, or an empty batch after about 100 ms without any (so that a caller can look around).
    /// A batch ends at a `Commit` only by chance: a large transaction comes in many batches and memory stays flat.
    async fn next(&mut self) -> Result<Vec<CaptureItem>>;
    /// Tells the server that everything up to `position` is durable on the target, so that it may recycle its log.
    async fn confirm(&mut self, position: Position) -> Result<()>;
}

/// A part of a table that is read in one go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Index into the pipeline's table list.
    pub table: usize,
    /// Number within the table, from 0.
    pub ordinal: u64,
    /// What it covers.
    pub range: ChunkRange,
}

/// What a chunk covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkRange {
    /// The whole table.
    Whole,
    /// Physical pages `from..to` of one heap (PostgreSQL CTID range); `to` `None`: to the end.
    Pages {
        /// The heap: the table itself or a leaf partition.
        heap: TableName,
        /// First page.
        from: u64,
        /// First page that is not in the range.
        to: Option<u64>,
    },
    /// Rows with `after < key <= upto` in the source's own key order.
    Keys(KeyRange),
}

/// Rows with `after < key <= upto`; `None` is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// Exclusive lower bound.
    pub after: Option<Key>,
    /// Inclusive upper bound.
    pub upto: Option<Key>,
}

/// The plan of one table's copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkPlan {
    /// Chunks in order; together they cover the table. The end is fixed when the plan is made (P02) because the snapshot is.
    pub chunks: Vec<Chunk>,
    /// Identity of the physical table (PostgreSQL relfilenodes, SQLite schema version): when it changes, page ranges mean something else and the table starts again.
    pub generation: String,
}

/// A consistent view of the source at the capture's origin. Dropping it releases the snapshot.
#[async_trait]
pub trait Snapshot: Send + Sync {
    /// Cuts a table into chunks of roughly `chunk_bytes`.
    async fn plan(&self, table: usize, chunk_bytes: u64) -> Result<ChunkPlan>;
    /// Opens one reader; several readers of one snapshot see the same rows and may be used in parallel, as far as [`Snapshot::parallelism`] says.
    async fn reader(&self) -> Result<Box<dyn ChunkReader>>;
    /// The largest useful number of readers.
    fn parallelism(&self) -> usize;
}

/// One piece of a chunk's data.
#[derive(Clone, Debug)]
pub enum ChunkData {
    /// Bytes in the engine's own bulk format, cut anywhere (PostgreSQL: the payload of a COPY as the reader asked for it, binary with header and
    /// trailer where both servers read a type's binary form alike, else text).
    Raw(Bytes),
    /// Decoded rows.
    Rows(Vec<Row>),
}

/// Reads chunks, one at a time.
#[async_trait]
pub trait ChunkReader: Send {
    /// Starts a chunk.
    async fn start(&mut self, chunk: &Chunk) -> Result<()>;
    /// The next piece of the started chunk, `None` at its proven end (the server said that it was complete).
    async fn next(&mut self) -> Result<Option<ChunkData>>;
}

/// Rows and bytes of a loaded chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Rows written.
    pub rows: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// What a target remembers about a pipeline, read back after a restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// Origin and, after a resumed copy, the position after which the target is consistent.
    pub origin: Option<CaptureOrigin>,
    /// Position up to which all changes are applied.
    pub applied: Option<Position>,
    /// Until this position changes may repeat what the copy already holds; after it a repeated or missing row is an anomaly.
    pub consistent_from: Option<Position>,
    /// Finished chunks: (source table name, ordinal) with what was loaded.
    pub chunks: Vec<(TableName, u64, Loaded)>,
    /// Generation of each table's chunk plan and the planned chunks, as stored by [`Target::save_plan`].
    pub plans: Vec<(TableName, ChunkPlan)>,
}

/// Who applies, for checkpoints and for the origin mark that keeps reverse pipelines from looping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplySpec {
    /// Name of the checkpoint and of the replication origin: the capture's name.
    pub name: String,
    /// The tables.
    pub tables: Vec<TableMap>,
}

/// Writing to a target. Checkpoints live in the target, in the same transaction as the data.
#[async_trait]
pub trait Target: Send + Sync {
    /// Makes the checkpoint tables if they are missing and returns what is known of this pipeline.
    async fn state(&self, spec: &ApplySpec) -> Result<TargetState>;
    /// Stores the origin (start of a copy, or of a pipeline without a copy), replacing all that was known.
    async fn begin(&self, spec: &ApplySpec, origin: &CaptureOrigin) -> Result<()>;
    /// Records that a resumed copy is consistent only from `position` on.
    async fn save_consistent_from(&self, spec: &ApplySpec, position: Position) -> Result<()>;
    /// Stores a table's chunk plan; forgets chunks of an older plan of that table.
    async fn save_plan(&self, spec: &ApplySpec, table: usize, plan: &ChunkPlan) -> Result<()>;
    /// Opens a loader for chunks; several may run in parallel as far as [`Target::load_parallelism`] says.
    async fn loader(&self, spec: &ApplySpec) -> Result<Box<dyn ChunkLoader>>;
    /// The largest useful number of loaders (1 for SQLite).
    fn load_parallelism(&self) -> usize;
    /// Removes all rows of one target table, for a table that starts again. Only ever called for tables that were empty when Godwit began.
    async fn clear_table(&self, spec: &ApplySpec, table: usize) -> Result<()>;
    /// After a copy that was resumed with a second snapshot: removes rows that both snapshots delivered, keeping one of each key. Returns rows removed.
    async fn remove_duplicates(&self, spec: &ApplySpec, table: usize) -> Result<u64>;
    /// Opens the one session that applies changes.
    async fn applier(&self, spec: &ApplySpec) -> Result<Box<dyn ChangeApplier>>;
    /// Forgets the pipeline: removes its checkpoint and origin.
    async fn forget(&self, spec: &ApplySpec) -> Result<()>;
}

/// Loads chunks, one at a time.
#[async_trait]
pub trait ChunkLoader: Send {
    /// Starts a chunk in a transaction.
    async fn start(&mut self, chunk: &Chunk) -> Result<()>;
    /// Writes a piece.
    async fn push(&mut self, data: ChunkData) -> Result<()>;
    /// Commits rows and checkpoint together.
    async fn finish(&mut self) -> Result<Loaded>;
    /// Gives the started chunk up; nothing of it stays.
    async fn abort(&mut self) -> Result<()>;
}

/// What applying a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Changes carried out.
    pub changes: u64,
    /// Updates and deletes that met no row, and inserts that met one. After `consistent_from` each is somebody else's write on the target.
    pub anomalies: u64,
}

/// Applies changes inside target transactions. Writes are idempotent by key: insert meets an existing row as an update; update of
/// a missing row inserts it when the image is whole; delete of a missing row does nothing.
#[async_trait]
pub trait ChangeApplier: Send {
    /// Applies changes in order in the open transaction, opening one if there is none. On error the transaction is gone and nothing of it stays.
    async fn push(&mut self, changes: Vec<RowChange>) -> Result<Applied>;
    /// Notes in the open transaction, opening one if there is none, that changes up to `position` may repeat what is here: rows were pushed as
    /// the source had them at that place ([`TargetState::consistent_from`]). On error the transaction is gone.
    async fn expect_repeats(&mut self, position: Position) -> Result<()>;
    /// Commits with the checkpoint `position`; durable when it returns. An outcome that is not known is an error: the caller reads [`Target::state`].
    async fn commit(&mut self, position: Position) -> Result<()>;
    /// Gives the open transaction up.
    async fn rollback(&mut self) -> Result<()>;
}

/// Row count and order-independent hash of a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeSum {
    /// Rows in the range.
    pub rows: u64,
    /// Hash over all compared columns of all rows, independent of their order.
    pub hash: u128,
}

/// Which names of a [`TableMap`] a store goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapSide {
    /// `map.source` and `columns[].source`.
    Source,
    /// `map.target` and `columns[].target`.
    Target,
}

/// Comparing tables by checksums computed in the servers. Both sides must be of one engine, or use the canonical form (later engines).
#[async_trait]
pub trait Checksum: Send + Sync {
    /// Which hash this server can compute for this table, best first; both sides must agree on one.
    async fn methods(&self, map: &TableMap, side: MapSide) -> Result<Vec<String>>;
    /// True when a range costs no more than its own rows, because an index serves the order of `method`. Else each statement reads the whole
    /// table, and [`Checksum::sums`] should be asked about many ranges at once.
    async fn reads_in_order(&self, map: &TableMap, side: MapSide, method: &str) -> Result<bool>;
    /// Cuts what lies `within` into ranges of about `rows` rows; one range for a table without a key. The ranges follow each other, cover
    /// `within` exactly, and are in the key order of `method`: two servers may sort text differently, and a range means the same rows on both
    /// only in an order that both know (V01, V11). Large tables may be cut by a sample, so that a range holds half as many rows or twice.
    async fn ranges(
        &self,
        map: &TableMap,
        side: MapSide,
        within: &KeyRange,
        rows: u64,
        method: &str,
    ) -> Result<Vec<KeyRange>>;
    /// Count and hash of each of these ranges, which follow each other.
    async fn sums(&self, map: &TableMap, side: MapSide, ranges: &[KeyRange], method: &str) -> Result<Vec<RangeSum>>;
    /// Key and hash of each row of one range (a table without a key: the hash as the only key column, once a row).
    async fn row_sums(&self, map: &TableMap, side: MapSide, range: &KeyRange, method: &str)
    -> Result<Vec<(Key, u128)>>;
    /// The rows with these keys; `None` where there is none. Not for tables without a key.
    async fn rows(&self, map: &TableMap, side: MapSide, keys: &[Key]) -> Result<Vec<Option<Row>>>;
}

/// Whether the tables of one side may be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceState {
    /// No fence: the applications may write.
    Open,
    /// Fenced; only Godwit's own applier passes. `token` names the cutover that set it.
    Fenced {
        /// The token given to [`FreezeGuard::fence`] or [`Freeze::close`].
        token: String,
    },
    /// Some tables are fenced and some are not: never a state that Godwit commits; somebody interfered.
    Mixed {
        /// The tables without a fence.
        open: Vec<TableName>,
    },
}

/// What a freeze holds.
#[derive(Clone, Debug)]
pub struct FreezeSpec {
    /// Tables whose writers must wait.
    pub tables: Vec<TableName>,
    /// Longest time to wait for the locks (in-flight transactions must finish within it).
    pub lock_timeout: Duration,
    /// The server gives the locks up by itself after this time without a word from us (a stalled network must not hold writers for ever).
    pub hold_limit: Duration,
    /// The sentence that a writer on a fenced table gets.
    pub moved_message: String,
}

/// Holding and fencing writes.
#[async_trait]
pub trait Freeze: Send + Sync {
    /// The statements of hold, fence and open with their undo, for the plan.
    fn statements(&self, spec: &FreezeSpec) -> Vec<(String, String)>;
    /// Makes writers wait and returns once no transaction that wrote to the tables is in flight. On error nothing is held.
    async fn hold(&self, spec: &FreezeSpec) -> Result<Box<dyn FreezeGuard>>;
    /// Reads whether a fence stands. After a lost connection during [`FreezeGuard::fence`], first ends the old session for certain.
    async fn fence_state(&self, tables: &[TableName]) -> Result<FenceState>;
    /// Fences tables without a freeze: for a target that nobody may write yet. Succeeds if already fenced.
    async fn close(&self, tables: &[TableName], token: &str, moved_message: &str) -> Result<()>;
    /// Removes the fence. Succeeds if there is none.
    async fn open(&self, tables: &[TableName]) -> Result<()>;
}

/// Held writers. Dropping it without [`FreezeGuard::fence`] lets them go on, as if nothing had happened.
#[async_trait]
pub trait FreezeGuard: Send {
    /// Writes a marker into the log behind every transaction that finished before the freeze. `captures` names the captures that must see it.
    async fn marker(&mut self, captures: &[CaptureSpec], token: &str) -> Result<Position>;
    /// Proves that the writers are still held; an error when the server gave the locks up.
    async fn still_held(&mut self) -> Result<()>;
    /// Commits the fence in the transaction that holds the locks: the point of no return. Waiting writers wake to `moved_message`.
    /// After an error the outcome is unknown until [`Freeze::fence_state`] answers.
    async fn fence(self: Box<Self>, token: &str) -> Result<()>;
    /// Lets the writers go on.
    async fn release(self: Box<Self>) -> Result<()>;
}

/// One counter that hands out numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceState {
    /// The sequence on the server it was read from (SQLite: the table with AUTOINCREMENT).
    pub name: TableName,
    /// Its name on the other side.
    pub counterpart: TableName,
    /// The largest value that it may have handed out, its owner column's maximum included (minimum for a descending one).
    pub high_water: i64,
    /// Step; negative for a descending sequence.
    pub increment: i64,
}

/// Sequences.
#[async_trait]
pub trait Sequences: Send + Sync {
    /// Counters behind these tables (`side` tells which names of the map this store goes by).
    async fn read(&self, maps: &[TableMap], side: MapSide) -> Result<Vec<SequenceState>>;
    /// Moves each `counterpart` so that its next value lies beyond `high_water`; never moves one back.
    async fn advance_past(&self, states: &[SequenceState]) -> Result<()>;
}

/// Accounts.
#[async_trait]
pub trait Access: Send + Sync {
    /// The statements that let a service account work with its tables, with their undo; only those that are missing now.
    async fn grants(&self, account: &str, tables: &[TableName]) -> Result<Vec<(String, String)>>;
    /// True when the account exists; engines without accounts say true.
    async fn account_exists(&self, account: &str) -> Result<bool>;
}

/// A connection pooler that can hold its clients while their database is switched.
#[async_trait]
pub trait Pooler: Send + Sync {
    /// Holds the clients of a database once none of its server connections is in use; on a time-out nobody is held.
    async fn pause(&self, database: &str, timeout: Duration) -> Result<()>;
    /// Lets them go on; succeeds when nobody is held.
    async fn resume(&self, database: &str) -> Result<()>;
    /// Reads its configuration again.
    async fn reload(&self) -> Result<()>;
}

/// A transaction that is open on some tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTransaction {
    /// The server's session id.
    pub session: String,
    /// Login.
    pub user: String,
    /// What the client calls itself.
    pub application: String,
    /// When the transaction began.
    pub started_at: Option<DateTime<Utc>>,
    /// Sanitised text of its current or last statement.
    pub query: String,
}

/// What happens on a server now.
#[async_trait]
pub trait Activity: Send + Sync {
    /// Transactions that have written to, or hold locks that block a freeze of, these tables; oldest first (C03). Godwit's own are left out.
    async fn open_transactions(&self, tables: &[TableName]) -> Result<Vec<OpenTransaction>>;
}
