//! Scripted failures: wraps a store so that a test (or a rehearsal) decides which call fails, waits or is slow.
//!
//! Operations are named `capability.method`: `capture.prepare`, `stream.next`, `loader.finish`, `applier.commit`, `guard.fence`.
//! A failure *after* a call lets the call take effect and then loses its answer: the case that only a look at the store can settle.

mod script;
mod wrapped;

pub use script::{Armed, FaultScript, When};

use super::index_maker::{IndexMaker, Standing};
use super::observe::{AccessFacts, IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use super::{
    Access, Activity, ApplySpec, Capture, CaptureOrigin, CaptureSpec, ChangeApplier, ChangeStream, Checksum,
    ChunkLoader, ChunkPlan, Environment, FenceState, Freeze, FreezeGuard, FreezeSpec, Inventory, KeyRange, MapSide,
    OpenTransaction, Preflight, Probe, RangeSum, Result, Retention, Schema, SequenceState, Sequences, ServerFacts,
    Side, Snapshot, Store, StoreRef, Target, TargetState,
};
use crate::model::change::Position;
use crate::model::check::Check;
use crate::model::ids::StoreId;
use crate::model::index_order::IndexBuild;
use crate::model::schema::{SchemaScript, SchemaStatement};
use crate::model::schema_change::SchemaChange;
use crate::model::table::{Table, TableMap, TableName};
use crate::model::value::{Key, Row};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use wrapped::{Applier, Guard, Loader, Stream, View};

/// A store whose calls go through a script.
pub struct FaultStore {
    inner: StoreRef,
    script: FaultScript,
}

impl FaultStore {
    /// Wraps a store and everything that it will open.
    pub fn wrap(inner: StoreRef, script: FaultScript) -> StoreRef {
        Arc::new(Self { inner, script })
    }

    async fn pass<T: Send>(&self, operation: &str, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.script.pass(self.inner.id(), operation, call).await
    }

    fn view(&self, inner: Box<dyn Snapshot>) -> Box<dyn Snapshot> {
        Box::new(View { inner, id: self.inner.id().clone(), script: self.script.clone() })
    }
}

impl Store for FaultStore {
    fn id(&self) -> &StoreId {
        self.inner.id()
    }

    fn engine(&self) -> &'static str {
        self.inner.engine()
    }

    fn address(&self) -> String {
        self.inner.address()
    }

    fn probe(&self) -> &dyn Probe {
        self
    }

    fn inventory(&self) -> &dyn Inventory {
        self
    }

    fn preflight(&self) -> &dyn Preflight {
        self
    }

    fn schema(&self) -> &dyn Schema {
        self
    }

    fn capture(&self) -> &dyn Capture {
        self
    }

    fn target(&self) -> &dyn Target {
        self
    }

    fn checksum(&self) -> &dyn Checksum {
        self
    }

    fn freeze(&self) -> &dyn Freeze {
        self
    }

    fn sequences(&self) -> &dyn Sequences {
        self
    }

    fn access(&self) -> &dyn Access {
        self
    }

    fn activity(&self) -> &dyn Activity {
        self
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        self.inner.sessions()
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        self.inner.replicas()
    }

    fn statements(&self) -> Option<&dyn StatementStats> {
        self.inner.statements()
    }

    fn indexes(&self) -> Option<&dyn IndexStats> {
        self.inner.indexes()
    }

    fn index_maker(&self) -> Option<&dyn IndexMaker> {
        self.inner.index_maker().is_some().then_some(self)
    }

    fn access_facts(&self) -> Option<&dyn AccessFacts> {
        self.inner.access_facts()
    }

    fn monitoring(&self) -> Option<&dyn Monitoring> {
        self.inner.monitoring()
    }
}

#[async_trait]
impl Probe for FaultStore {
    async fn facts(&self) -> Result<ServerFacts> {
        self.pass("probe.facts", self.inner.probe().facts()).await
    }
}

#[async_trait]
impl Inventory for FaultStore {
    async fn tables(&self) -> Result<Vec<Table>> {
        self.pass("inventory.tables", self.inner.inventory().tables()).await
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        self.pass("inventory.table", self.inner.inventory().table(name)).await
    }

    async fn has_rows(&self, name: &TableName) -> Result<bool> {
        self.pass("inventory.has_rows", self.inner.inventory().has_rows(name)).await
    }

    async fn names(&self) -> Result<Vec<TableName>> {
        self.pass("inventory.names", self.inner.inventory().names()).await
    }

    async fn others(&self) -> Result<Vec<String>> {
        self.pass("inventory.others", self.inner.inventory().others()).await
    }
}

#[async_trait]
impl Preflight for FaultStore {
    /// Has no way to fail, so only waiting and slowness apply.
    async fn checks(&self, side: Side, tables: &[TableName]) -> Vec<Check> {
        let call = async { Ok(self.inner.preflight().checks(side, tables).await) };
        self.pass("preflight.checks", call).await.unwrap_or_default()
    }

    async fn environment(&self) -> Result<Environment> {
        self.pass("preflight.environment", self.inner.preflight().environment()).await
    }
}

#[async_trait]
impl IndexMaker for FaultStore {
    fn index_statements(&self, build: &IndexBuild, maker: &str) -> (Vec<String>, Vec<String>) {
        self.inner.index_maker().map(|inner| inner.index_statements(build, maker)).unwrap_or_default()
    }

    async fn index_standing(&self, build: &IndexBuild, maker: &str) -> Result<Option<Standing>> {
        let Some(inner) = self.inner.index_maker() else { return Ok(None) };
        self.pass("index.standing", inner.index_standing(build, maker)).await
    }

    async fn make_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()> {
        let Some(inner) = self.inner.index_maker() else { return Ok(()) };
        self.pass("index.make", inner.make_index(build, maker, patience)).await
    }

    async fn unmake_index(&self, build: &IndexBuild, maker: &str, patience: Option<Duration>) -> Result<()> {
        let Some(inner) = self.inner.index_maker() else { return Ok(()) };
        self.pass("index.unmake", inner.unmake_index(build, maker, patience)).await
    }
}

#[async_trait]
impl Schema for FaultStore {
    async fn script(&self, maps: &[TableMap]) -> Result<SchemaScript> {
        self.pass("schema.script", self.inner.schema().script(maps)).await
    }

    async fn exists(&self, statement: &SchemaStatement) -> Result<bool> {
        self.pass("schema.exists", self.inner.schema().exists(statement)).await
    }

    async fn execute(&self, sql: &str) -> Result<()> {
        self.pass("schema.execute", self.inner.schema().execute(sql)).await
    }

    async fn make(&self, statement: &SchemaStatement, maker: &str) -> Result<()> {
        self.pass("schema.make", self.inner.schema().make(statement, maker)).await
    }

    async fn maker(&self, statement: &SchemaStatement) -> Result<Option<String>> {
        self.pass("schema.maker", self.inner.schema().maker(statement)).await
    }

    async fn unmake(&self, statement: &SchemaStatement, undo: &str) -> Result<()> {
        self.pass("schema.unmake", self.inner.schema().unmake(statement, undo)).await
    }

    async fn disown(&self, prefix: &str) -> Result<()> {
        self.pass("schema.disown", self.inner.schema().disown(prefix)).await
    }

    async fn add_column(&self, maps: &[TableMap], table: usize, column: &str) -> Result<Vec<SchemaStatement>> {
        self.pass("schema.add_column", self.inner.schema().add_column(maps, table, column)).await
    }

    fn retype(&self, map: &TableMap, column: &str, to: &str) -> Option<SchemaStatement> {
        self.inner.schema().retype(map, column, to)
    }

    fn holds(&self, wide: &str, narrow: &str) -> bool {
        self.inner.schema().holds(wide, narrow)
    }
}

#[async_trait]
impl Capture for FaultStore {
    async fn statements(&self, spec: &CaptureSpec) -> Result<Vec<(String, String)>> {
        self.pass("capture.statements", self.inner.capture().statements(spec)).await
    }

    async fn prepare(&self, spec: &CaptureSpec, snapshot: bool) -> Result<(CaptureOrigin, Option<Box<dyn Snapshot>>)> {
        let (origin, view) = self.pass("capture.prepare", self.inner.capture().prepare(spec, snapshot)).await?;
        Ok((origin, view.map(|view| self.view(view))))
    }

    async fn snapshot(&self, spec: &CaptureSpec) -> Result<(CaptureOrigin, Box<dyn Snapshot>)> {
        let (origin, view) = self.pass("capture.snapshot", self.inner.capture().snapshot(spec)).await?;
        Ok((origin, self.view(view)))
    }

    async fn stream(&self, spec: &CaptureSpec, from: Position) -> Result<Box<dyn ChangeStream>> {
        let inner = self.pass("capture.stream", self.inner.capture().stream(spec, from)).await?;
        Ok(Box::new(Stream { inner, id: self.inner.id().clone(), script: self.script.clone() }))
    }

    async fn retention(&self, spec: &CaptureSpec) -> Result<Retention> {
        self.pass("capture.retention", self.inner.capture().retention(spec)).await
    }

    async fn probe_marker(&self, spec: &CaptureSpec, token: &str) -> Result<Position> {
        self.pass("capture.probe_marker", self.inner.capture().probe_marker(spec, token)).await
    }

    async fn differences(&self, spec: &CaptureSpec) -> Result<Vec<SchemaChange>> {
        self.pass("capture.differences", self.inner.capture().differences(spec)).await
    }

    async fn remap(&self, spec: &CaptureSpec, left_out: &[(usize, String)]) -> Result<()> {
        self.pass("capture.remap", self.inner.capture().remap(spec, left_out)).await
    }

    async fn drop_capture(&self, spec: &CaptureSpec) -> Result<()> {
        self.pass("capture.drop_capture", self.inner.capture().drop_capture(spec)).await
    }
}

#[async_trait]
impl Target for FaultStore {
    async fn state(&self, spec: &ApplySpec) -> Result<TargetState> {
        self.pass("target.state", self.inner.target().state(spec)).await
    }

    async fn begin(&self, spec: &ApplySpec, origin: &CaptureOrigin) -> Result<()> {
        self.pass("target.begin", self.inner.target().begin(spec, origin)).await
    }

    async fn save_consistent_from(&self, spec: &ApplySpec, position: Position) -> Result<()> {
        self.pass("target.save_consistent_from", self.inner.target().save_consistent_from(spec, position)).await
    }

    async fn save_plan(&self, spec: &ApplySpec, table: usize, plan: &ChunkPlan) -> Result<()> {
        self.pass("target.save_plan", self.inner.target().save_plan(spec, table, plan)).await
    }

    async fn loader(&self, spec: &ApplySpec) -> Result<Box<dyn ChunkLoader>> {
        let inner = self.pass("target.loader", self.inner.target().loader(spec)).await?;
        Ok(Box::new(Loader { inner, id: self.inner.id().clone(), script: self.script.clone() }))
    }

    fn load_parallelism(&self) -> usize {
        self.inner.target().load_parallelism()
    }

    async fn clear_table(&self, spec: &ApplySpec, table: usize) -> Result<()> {
        self.pass("target.clear_table", self.inner.target().clear_table(spec, table)).await
    }

    async fn remove_duplicates(&self, spec: &ApplySpec, table: usize) -> Result<u64> {
        self.pass("target.remove_duplicates", self.inner.target().remove_duplicates(spec, table)).await
    }

    async fn applier(&self, spec: &ApplySpec) -> Result<Box<dyn ChangeApplier>> {
        let inner = self.pass("target.applier", self.inner.target().applier(spec)).await?;
        Ok(Box::new(Applier { inner, id: self.inner.id().clone(), script: self.script.clone() }))
    }

    async fn forget(&self, spec: &ApplySpec) -> Result<()> {
        self.pass("target.forget", self.inner.target().forget(spec)).await
    }
}

#[async_trait]
impl Checksum for FaultStore {
    async fn methods(&self, map: &TableMap, side: MapSide) -> Result<Vec<String>> {
        self.pass("checksum.methods", self.inner.checksum().methods(map, side)).await
    }

    async fn reads_in_order(&self, map: &TableMap, side: MapSide, method: &str) -> Result<bool> {
        self.pass("checksum.reads_in_order", self.inner.checksum().reads_in_order(map, side, method)).await
    }

    async fn ranges(
        &self,
        map: &TableMap,
        side: MapSide,
        within: &KeyRange,
        rows: u64,
        method: &str,
    ) -> Result<Vec<KeyRange>> {
        self.pass("checksum.ranges", self.inner.checksum().ranges(map, side, within, rows, method)).await
    }

    async fn sums(&self, map: &TableMap, side: MapSide, ranges: &[KeyRange], method: &str) -> Result<Vec<RangeSum>> {
        self.pass("checksum.sums", self.inner.checksum().sums(map, side, ranges, method)).await
    }

    async fn row_sums(
        &self,
        map: &TableMap,
        side: MapSide,
        range: &KeyRange,
        method: &str,
    ) -> Result<Vec<(Key, u128)>> {
        self.pass("checksum.row_sums", self.inner.checksum().row_sums(map, side, range, method)).await
    }

    async fn rows(&self, map: &TableMap, side: MapSide, keys: &[Key]) -> Result<Vec<Option<Row>>> {
        self.pass("checksum.rows", self.inner.checksum().rows(map, side, keys)).await
    }
}

#[async_trait]
impl Freeze for FaultStore {
    fn statements(&self, spec: &FreezeSpec) -> Vec<(String, String)> {
        self.inner.freeze().statements(spec)
    }

    async fn hold(&self, spec: &FreezeSpec) -> Result<Box<dyn FreezeGuard>> {
        let inner = self.pass("freeze.hold", self.inner.freeze().hold(spec)).await?;
        Ok(Box::new(Guard { inner, id: self.inner.id().clone(), script: self.script.clone() }))
    }

    async fn fence_state(&self, tables: &[TableName]) -> Result<FenceState> {
        self.pass("freeze.fence_state", self.inner.freeze().fence_state(tables)).await
    }

    async fn close(&self, tables: &[TableName], token: &str, moved_message: &str) -> Result<()> {
        self.pass("freeze.close", self.inner.freeze().close(tables, token, moved_message)).await
    }

    async fn open(&self, tables: &[TableName]) -> Result<()> {
        self.pass("freeze.open", self.inner.freeze().open(tables)).await
    }
}

#[async_trait]
impl Sequences for FaultStore {
    async fn read(&self, maps: &[TableMap], side: MapSide) -> Result<Vec<SequenceState>> {
        self.pass("sequences.read", self.inner.sequences().read(maps, side)).await
    }

    async fn advance_past(&self, states: &[SequenceState]) -> Result<()> {
        self.pass("sequences.advance_past", self.inner.sequences().advance_past(states)).await
    }
}

#[async_trait]
impl Access for FaultStore {
    async fn grants(&self, account: &str, tables: &[TableName]) -> Result<Vec<(String, String)>> {
        self.pass("access.grants", self.inner.access().grants(account, tables)).await
    }

    async fn account_exists(&self, account: &str) -> Result<bool> {
        self.pass("access.account_exists", self.inner.access().account_exists(account)).await
    }
}

#[async_trait]
impl Activity for FaultStore {
    async fn open_transactions(&self, tables: &[TableName]) -> Result<Vec<OpenTransaction>> {
        self.pass("activity.open_transactions", self.inner.activity().open_transactions(tables)).await
    }
}

#[cfg(test)]
mod tests;
