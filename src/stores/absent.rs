//! What an engine that is only watched answers when it is asked to move data: that it cannot.
//!
//! Invariant: nothing here succeeds, so that a pipeline which was planned over such a store by mistake stops at its first step.

use super::error::{ErrorKind, Operation, StoreError};
use super::{
    Access, Activity, ApplySpec, Capture, CaptureOrigin, CaptureSpec, ChangeApplier, ChangeStream, Checksum,
    ChunkLoader, ChunkPlan, Environment, FenceState, Freeze, FreezeGuard, FreezeSpec, Inventory, KeyRange, MapSide,
    OpenTransaction, Preflight, RangeSum, Result, Retention, Schema, SequenceState, Sequences, Side, Snapshot, Target,
    TargetState,
};
use crate::model::change::Position;
use crate::model::check::Check;
use crate::model::ids::StoreId;
use crate::model::schema::{SchemaScript, SchemaStatement};
use crate::model::schema_change::SchemaChange;
use crate::model::table::{Table, TableMap, TableName};
use crate::model::value::{Key, Row};
use async_trait::async_trait;

/// The refusing half of a store.
#[derive(Clone, Debug)]
pub struct Absent {
    store: StoreId,
    engine: &'static str,
}

impl Absent {
    /// For one store; `engine` as the operator reads it, such as `MariaDB`.
    pub fn new(store: StoreId, engine: &'static str) -> Self {
        Self { store, engine }
    }

    fn refuse<T>(&self, operation: Operation, what: &str) -> Result<T> {
        let sentence = format!("Godwit cannot {what} on {} yet; it watches this store", self.engine);
        Err(StoreError::new(&self.store, operation, ErrorKind::Unsupported, sentence))
    }
}

#[async_trait]
impl Inventory for Absent {
    async fn tables(&self) -> Result<Vec<Table>> {
        self.refuse(Operation::Inspect, "list tables")
    }

    async fn table(&self, _name: &TableName) -> Result<Table> {
        self.refuse(Operation::Inspect, "list tables")
    }

    async fn has_rows(&self, _name: &TableName) -> Result<bool> {
        self.refuse(Operation::Inspect, "list tables")
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        self.refuse(Operation::Inspect, "list tables")
    }

    async fn others(&self) -> Result<Vec<String>> {
        self.refuse(Operation::Inspect, "list objects")
    }
}

#[async_trait]
impl Schema for Absent {
    async fn script(&self, _maps: &[TableMap]) -> Result<SchemaScript> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn exists(&self, _statement: &SchemaStatement) -> Result<bool> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn execute(&self, _sql: &str) -> Result<()> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn make(&self, _statement: &SchemaStatement, _maker: &str) -> Result<()> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn maker(&self, _statement: &SchemaStatement) -> Result<Option<String>> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn unmake(&self, _statement: &SchemaStatement, _undo: &str) -> Result<()> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn disown(&self, _prefix: &str) -> Result<()> {
        self.refuse(Operation::Build, "build schemas")
    }

    async fn add_column(&self, _maps: &[TableMap], _table: usize, _column: &str) -> Result<Vec<SchemaStatement>> {
        self.refuse(Operation::Build, "build schemas")
    }

    fn retype(&self, _map: &TableMap, _column: &str, _to: &str) -> Option<SchemaStatement> {
        None
    }

    fn holds(&self, _wide: &str, _narrow: &str) -> bool {
        false
    }
}

#[async_trait]
impl Capture for Absent {
    async fn differences(&self, _spec: &CaptureSpec) -> Result<Vec<SchemaChange>> {
        self.refuse(Operation::Capture, "capture changes")
    }

    async fn remap(&self, _spec: &CaptureSpec, _left_out: &[(usize, String)]) -> Result<()> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn statements(&self, _spec: &CaptureSpec) -> Result<Vec<(String, String)>> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn prepare(
        &self,
        _spec: &CaptureSpec,
        _snapshot: bool,
    ) -> Result<(CaptureOrigin, Option<Box<dyn Snapshot>>)> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn snapshot(&self, _spec: &CaptureSpec) -> Result<(CaptureOrigin, Box<dyn Snapshot>)> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn stream(&self, _spec: &CaptureSpec, _from: Position) -> Result<Box<dyn ChangeStream>> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn retention(&self, _spec: &CaptureSpec) -> Result<Retention> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn probe_marker(&self, _spec: &CaptureSpec, _token: &str) -> Result<Position> {
        self.refuse(Operation::Prepare, "capture changes")
    }

    async fn drop_capture(&self, _spec: &CaptureSpec) -> Result<()> {
        self.refuse(Operation::Prepare, "capture changes")
    }
}

#[async_trait]
impl Target for Absent {
    fn load_parallelism(&self) -> usize {
        1
    }

    async fn state(&self, _spec: &ApplySpec) -> Result<TargetState> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn begin(&self, _spec: &ApplySpec, _origin: &CaptureOrigin) -> Result<()> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn save_consistent_from(&self, _spec: &ApplySpec, _position: Position) -> Result<()> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn save_plan(&self, _spec: &ApplySpec, _table: usize, _plan: &ChunkPlan) -> Result<()> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn loader(&self, _spec: &ApplySpec) -> Result<Box<dyn ChunkLoader>> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn clear_table(&self, _spec: &ApplySpec, _table: usize) -> Result<()> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn remove_duplicates(&self, _spec: &ApplySpec, _table: usize) -> Result<u64> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn applier(&self, _spec: &ApplySpec) -> Result<Box<dyn ChangeApplier>> {
        self.refuse(Operation::LoadChunk, "write rows")
    }

    async fn forget(&self, _spec: &ApplySpec) -> Result<()> {
        self.refuse(Operation::LoadChunk, "write rows")
    }
}

#[async_trait]
impl Checksum for Absent {
    async fn methods(&self, _map: &TableMap, _side: MapSide) -> Result<Vec<String>> {
        self.refuse(Operation::Compare, "compare tables")
    }

    async fn reads_in_order(&self, _map: &TableMap, _side: MapSide, _method: &str) -> Result<bool> {
        self.refuse(Operation::Compare, "compare tables")
    }

    async fn ranges(
        &self,
        _map: &TableMap,
        _side: MapSide,
        _within: &KeyRange,
        _rows: u64,
        _method: &str,
    ) -> Result<Vec<KeyRange>> {
        self.refuse(Operation::Compare, "compare tables")
    }

    async fn sums(
        &self,
        _map: &TableMap,
        _side: MapSide,
        _ranges: &[KeyRange],
        _method: &str,
    ) -> Result<Vec<RangeSum>> {
        self.refuse(Operation::Compare, "compare tables")
    }

    async fn row_sums(
        &self,
        _map: &TableMap,
        _side: MapSide,
        _range: &KeyRange,
        _method: &str,
    ) -> Result<Vec<(Key, u128)>> {
        self.refuse(Operation::Compare, "compare tables")
    }

    async fn rows(&self, _map: &TableMap, _side: MapSide, _keys: &[Key]) -> Result<Vec<Option<Row>>> {
        self.refuse(Operation::Compare, "compare tables")
    }
}

#[async_trait]
impl Sequences for Absent {
    async fn read(&self, _maps: &[TableMap], _side: MapSide) -> Result<Vec<SequenceState>> {
        self.refuse(Operation::Sequence, "move sequences")
    }

    async fn advance_past(&self, _states: &[SequenceState]) -> Result<()> {
        self.refuse(Operation::Sequence, "move sequences")
    }
}

#[async_trait]
impl Access for Absent {
    async fn grants(&self, _account: &str, _tables: &[TableName]) -> Result<Vec<(String, String)>> {
        self.refuse(Operation::Inspect, "grant rights")
    }

    async fn account_exists(&self, _account: &str) -> Result<bool> {
        self.refuse(Operation::Inspect, "grant rights")
    }
}

#[async_trait]
impl Activity for Absent {
    async fn open_transactions(&self, _tables: &[TableName]) -> Result<Vec<OpenTransaction>> {
        self.refuse(Operation::Inspect, "list open transactions")
    }
}

#[async_trait]
impl Preflight for Absent {
    async fn checks(&self, _side: Side, _tables: &[TableName]) -> Vec<Check> {
        Vec::new()
    }

    async fn environment(&self) -> Result<Environment> {
        self.refuse(Operation::Inspect, "compare the surroundings")
    }
}

#[async_trait]
impl Freeze for Absent {
    fn statements(&self, _spec: &FreezeSpec) -> Vec<(String, String)> {
        Vec::new()
    }

    async fn hold(&self, _spec: &FreezeSpec) -> Result<Box<dyn FreezeGuard>> {
        self.refuse(Operation::Freeze, "hold writers")
    }

    async fn fence_state(&self, _tables: &[TableName]) -> Result<FenceState> {
        self.refuse(Operation::Fence, "read fences")
    }

    async fn close(&self, _tables: &[TableName], _token: &str, _moved_message: &str) -> Result<()> {
        self.refuse(Operation::Fence, "fence tables")
    }

    async fn open(&self, _tables: &[TableName]) -> Result<()> {
        self.refuse(Operation::Fence, "open tables")
    }
}
