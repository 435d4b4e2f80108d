//! Writing to a PostgreSQL target.

use crate::model::change::Position;
use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::apply::{self, PgApplier};
use crate::stores::postgres::columns::map_at;
use crate::stores::postgres::load::PgChunkLoader;
use crate::stores::postgres::snapshot::BULK_PATIENCE;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::link::Link;
use crate::stores::postgres::{checkpoint, origin, quote};
use crate::stores::{
    ApplySpec, CaptureOrigin, ChangeApplier, ChunkLoader, ChunkPlan, Result, StoreError, Target, TargetState,
};
use async_trait::async_trait;
use std::time::Duration;

/// Loaders that may run at once. Beyond this a target's log is the limit.
const LOADERS: usize = 8;
/// Longest wait for the answer to one batch: a table without a key is searched for every changed row.
const APPLY_PATIENCE: Duration = Duration::from_secs(900);

/// The writing side of one server.
#[derive(Clone, Debug)]
pub struct PgTarget {
    link: Link,
}

impl PgTarget {
    /// For the server behind `link`.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    fn failed(&self, operation: Operation) -> impl Fn(Failure) -> StoreError {
        move |failure| failure.at(&self.link.options.id, operation)
    }

    async fn checkpoints(&self) -> Result<Connection> {
        self.link.statements(Operation::Checkpoint).await
    }

    fn map<'a>(&self, spec: &'a ApplySpec, table: usize) -> Result<&'a TableMap> {
        map_at(&self.link, Operation::LoadChunk, &spec.tables, table)
    }
}

#[async_trait]
impl Target for PgTarget {
    async fn state(&self, spec: &ApplySpec) -> Result<TargetState> {
        let mut connection = self.checkpoints().await?;
        checkpoint::make(&mut connection).await.map_err(self.failed(Operation::Checkpoint))?;
        checkpoint::read(&mut connection, &spec.name).await.map_err(self.failed(Operation::Checkpoint))
    }

    async fn begin(&self, spec: &ApplySpec, origin: &CaptureOrigin) -> Result<()> {
        let mut connection = self.checkpoints().await?;
        checkpoint::make(&mut connection).await.map_err(self.failed(Operation::Checkpoint))?;
        checkpoint::begin(&mut connection, &spec.name, origin).await.map_err(self.failed(Operation::Checkpoint))
    }

    async fn save_consistent_from(&self, spec: &ApplySpec, position: Position) -> Result<()> {
        let mut connection = self.checkpoints().await?;
        let saved = checkpoint::save_consistent_from(&mut connection, &spec.name, position).await;
        saved.map_err(self.failed(Operation::Checkpoint))
    }

    async fn save_plan(&self, spec: &ApplySpec, table: usize, plan: &ChunkPlan) -> Result<()> {
        let source = &self.map(spec, table)?.source;
        let mut connection = self.checkpoints().await?;
        let saved = checkpoint::save_plan(&mut connection, &spec.name, source, plan).await;
        saved.map_err(self.failed(Operation::Checkpoint))
    }

    async fn loader(&self, spec: &ApplySpec) -> Result<Box<dyn ChunkLoader>> {
        let mut connection = self.link.bulk(Operation::LoadChunk, BULK_PATIENCE).await?;
        origin::become_replica(&self.link, &mut connection, Operation::LoadChunk).await?;
        Ok(Box::new(PgChunkLoader::new(self.link.clone(), spec.clone(), connection)))
    }

    fn load_parallelism(&self) -> usize {
        LOADERS
    }

    async fn clear_table(&self, spec: &ApplySpec, table: usize) -> Result<()> {
        let map = self.map(spec, table)?;
        let failed = |f: Failure| f.at(&self.link.options.id, Operation::LoadChunk).about(map.target.to_string());
        let mut connection = self.link.statements(Operation::LoadChunk).await?;
        origin::become_replica(&self.link, &mut connection, Operation::LoadChunk).await?;
        // Rows and the record of their chunks go together: a crash between the two would leave a table that looks loaded.
        connection.query("BEGIN").await.map_err(failed)?;
        connection.query(&format!("TRUNCATE {}", quote::table(&map.target))).await.map_err(failed)?;
        checkpoint::forget_chunks(&mut connection, &spec.name, &map.source).await.map_err(failed)?;
        connection.query("COMMIT").await.map(|_| ()).map_err(failed)
    }

    async fn remove_duplicates(&self, spec: &ApplySpec, table: usize) -> Result<u64> {
        let map = self.map(spec, table)?;
        if map.key.is_empty() {
            let text = "rows without a key that two snapshots delivered cannot be told from rows that are equal; copy the table anew";
            let error = self.link.error(Operation::LoadChunk, ErrorKind::Unsupported, text);
            return Err(error.about(map.target.to_string()));
        }
        let key = map.key.iter().filter_map(|&at| map.columns.get(at)).map(|c| quote::ident(&c.target));
        let (key, name) = (key.collect::<Vec<_>>().join(", "), quote::table(&map.target));
        // The youngest row stays: it comes from the later snapshot, and carries the values that the log between the two does not repeat.
        let sql = format!(
            "DELETE FROM {name} AS t USING (SELECT tableoid AS heap, ctid AS place, \
             row_number() OVER (PARTITION BY {key} ORDER BY age(xmin), ctid DESC) AS n FROM {name}) AS d \
             WHERE d.n > 1 AND t.ctid = d.place AND t.tableoid = d.heap"
        );
        let mut connection = self.link.bulk(Operation::LoadChunk, APPLY_PATIENCE).await?;
        origin::become_replica(&self.link, &mut connection, Operation::LoadChunk).await?;
        let answer = connection.query(&sql).await;
        let failed = |f: Failure| f.at(&self.link.options.id, Operation::LoadChunk).about(map.target.to_string());
        Ok(answer.map_err(failed)?.affected)
    }

    async fn applier(&self, spec: &ApplySpec) -> Result<Box<dyn ChangeApplier>> {
        let mut connection = self.link.bulk(Operation::Apply, APPLY_PATIENCE).await?;
        origin::become_replica(&self.link, &mut connection, Operation::Apply).await?;
        origin::hold(&self.link, &mut connection, &spec.name).await?;
        connection.query(apply::SESSION).await.map_err(self.failed(Operation::Apply))?;
        Ok(Box::new(PgApplier::new(self.link.clone(), spec.clone(), connection).await?))
    }

    async fn forget(&self, spec: &ApplySpec) -> Result<()> {
        let mut connection = self.checkpoints().await?;
        origin::remove(&self.link, &mut connection, &spec.name).await?;
        if checkpoint::exist(&mut connection).await.map_err(self.failed(Operation::Checkpoint))? {
            checkpoint::forget(&mut connection, &spec.name).await.map_err(self.failed(Operation::Checkpoint))?;
        }
        Ok(())
    }
}
