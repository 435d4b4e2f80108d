//! What a wrapped store opens, under the same script.

use super::script::FaultScript;
use crate::model::change::{CaptureItem, Position, RowChange};
use crate::model::ids::StoreId;
use crate::stores::{
    Applied, CaptureSpec, ChangeApplier, ChangeStream, Chunk, ChunkData, ChunkLoader, ChunkPlan, ChunkReader,
    FreezeGuard, Loaded, Result, Snapshot,
};
use async_trait::async_trait;

/// A snapshot: `snapshot.plan`, `snapshot.reader`.
pub struct View {
    pub inner: Box<dyn Snapshot>,
    pub id: StoreId,
    pub script: FaultScript,
}

#[async_trait]
impl Snapshot for View {
    async fn plan(&self, table: usize, chunk_bytes: u64) -> Result<ChunkPlan> {
        self.script.pass(&self.id, "snapshot.plan", self.inner.plan(table, chunk_bytes)).await
    }

    async fn reader(&self) -> Result<Box<dyn ChunkReader>> {
        let inner = self.script.pass(&self.id, "snapshot.reader", self.inner.reader()).await?;
        Ok(Box::new(Reader { inner, id: self.id.clone(), script: self.script.clone() }))
    }

    fn parallelism(&self) -> usize {
        self.inner.parallelism()
    }
}

/// A chunk reader: `reader.start`, `reader.next`.
pub struct Reader {
    inner: Box<dyn ChunkReader>,
    id: StoreId,
    script: FaultScript,
}

#[async_trait]
impl ChunkReader for Reader {
    async fn start(&mut self, chunk: &Chunk) -> Result<()> {
        self.script.pass(&self.id, "reader.start", self.inner.start(chunk)).await
    }

    async fn next(&mut self) -> Result<Option<ChunkData>> {
        self.script.pass(&self.id, "reader.next", self.inner.next()).await
    }
}

/// A change stream: `stream.next`, `stream.confirm`.
pub struct Stream {
    pub inner: Box<dyn ChangeStream>,
    pub id: StoreId,
    pub script: FaultScript,
}

#[async_trait]
impl ChangeStream for Stream {
    async fn next(&mut self) -> Result<Vec<CaptureItem>> {
        self.script.pass(&self.id, "stream.next", self.inner.next()).await
    }

    async fn confirm(&mut self, position: Position) -> Result<()> {
        self.script.pass(&self.id, "stream.confirm", self.inner.confirm(position)).await
    }
}

/// A chunk loader: `loader.start`, `loader.push`, `loader.finish`, `loader.abort`.
pub struct Loader {
    pub inner: Box<dyn ChunkLoader>,
    pub id: StoreId,
    pub script: FaultScript,
}

#[async_trait]
impl ChunkLoader for Loader {
    async fn start(&mut self, chunk: &Chunk) -> Result<()> {
        self.script.pass(&self.id, "loader.start", self.inner.start(chunk)).await
    }

    async fn push(&mut self, data: ChunkData) -> Result<()> {
        self.script.pass(&self.id, "loader.push", self.inner.push(data)).await
    }

    async fn finish(&mut self) -> Result<Loaded> {
        self.script.pass(&self.id, "loader.finish", self.inner.finish()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.script.pass(&self.id, "loader.abort", self.inner.abort()).await
    }
}

/// An applier: `applier.push`, `applier.commit`, `applier.rollback`.
pub struct Applier {
    pub inner: Box<dyn ChangeApplier>,
    pub id: StoreId,
    pub script: FaultScript,
}

#[async_trait]
impl ChangeApplier for Applier {
    async fn push(&mut self, changes: Vec<RowChange>) -> Result<Applied> {
        self.script.pass(&self.id, "applier.push", self.inner.push(changes)).await
    }

    async fn expect_repeats(&mut self, position: Position) -> Result<()> {
        self.script.pass(&self.id, "applier.expect_repeats", self.inner.expect_repeats(position)).await
    }

    async fn commit(&mut self, position: Position) -> Result<()> {
        self.script.pass(&self.id, "applier.commit", self.inner.commit(position)).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.script.pass(&self.id, "applier.rollback", self.inner.rollback()).await
    }
}

/// Held writers: `guard.marker`, `guard.still_held`, `guard.fence`, `guard.release`.
pub struct Guard {
    pub inner: Box<dyn FreezeGuard>,
    pub id: StoreId,
    pub script: FaultScript,
}

#[async_trait]
impl FreezeGuard for Guard {
    async fn marker(&mut self, captures: &[CaptureSpec], token: &str) -> Result<Position> {
        self.script.pass(&self.id, "guard.marker", self.inner.marker(captures, token)).await
    }

    async fn still_held(&mut self) -> Result<()> {
        self.script.pass(&self.id, "guard.still_held", self.inner.still_held()).await
    }

    async fn fence(self: Box<Self>, token: &str) -> Result<()> {
        let Self { inner, id, script } = *self;
        script.pass(&id, "guard.fence", inner.fence(token)).await
    }

    async fn release(self: Box<Self>) -> Result<()> {
        let Self { inner, id, script } = *self;
        script.pass(&id, "guard.release", inner.release()).await
    }
}
