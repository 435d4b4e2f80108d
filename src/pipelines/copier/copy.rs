//! Copying a snapshot in chunks. Each finished chunk is a checkpoint on the target; the copy is complete when every planned
//! chunk is one, not when a loop ended (C10).

use crate::model::progress::{CopyProgress, TableProgress};
use crate::pipelines::copier::control::{Control, Lane, Wish};
use crate::pipelines::copier::pacing::Pacer;
use crate::pipelines::copier::route::CopierRoute;
use crate::pipelines::copier::status::CopierStatus;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{Chunk, ChunkData, ChunkLoader, ChunkPlan, ChunkReader, Loaded, Snapshot, TargetState};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// How a copy ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyEnd {
    /// Every planned chunk is committed on the target.
    Complete {
        /// Rows loaded, over all runs of this copy.
        rows: u64,
        /// Chunks loaded.
        chunks: u64,
    },
    /// Stopped on request; finished chunks stay.
    Interrupted,
}

/// Blocks between a reader and its loader. Small, so that memory stays flat whatever the table.
const BLOCKS_IN_FLIGHT: usize = 4;

/// Readers when nobody says otherwise: a source that serves an application should keep most of its cores for it.
const DEFAULT_WORKERS: usize = 2;

/// What one copy works with.
pub struct Copy<'a> {
    /// From where to where.
    pub route: &'a CopierRoute,
    /// Readings.
    pub status: &'a CopierStatus,
    /// Pacing.
    pub pacer: &'a Pacer,
    /// Pause and stop.
    pub control: Control,
    /// Size of a chunk.
    pub chunk_bytes: u64,
}

impl Copy<'_> {
    /// Begins a copy, or goes on with one that the target remembers.
    ///
    /// # Errors
    /// [`StoreError`]; finished chunks stay, and calling again goes on after them.
    pub async fn run(&self) -> Result<CopyEnd, StoreError> {
        let (route, spec) = (self.route, &self.route.capture);
        // Until the lanes of the readers exist, this one keeps a pause from being confirmed while the snapshot is being set up.
        let mut setting_up = self.control.enter();
        if setting_up.unless_paused().await == Wish::Stop {
            return Ok(CopyEnd::Interrupted);
        }
        let state = route.target.target().state(&route.apply).await?;
        let resumed = state.origin.is_some();
        let snapshot = if resumed { self.resume(&state).await? } else { self.begin().await? };
        let (plans, partial) = self.plan(&state, &*snapshot).await?;
        self.show_plan(&plans, &state).await;
        let done: HashSet<(usize, u64)> = finished(&state, route, &plans);
        let queue: VecDeque<Chunk> = plans
            .iter()
            .flat_map(|plan| plan.chunks.iter())
            .filter(|chunk| !done.contains(&(chunk.table, chunk.ordinal)))
            .cloned()
            .collect();
        let work_left = !queue.is_empty();
        let workers = self
            .pacer
            .knobs()
            .workers
            .unwrap_or(DEFAULT_WORKERS)
            .min(snapshot.parallelism())
            .min(route.target.target().load_parallelism())
            .max(1);
        let queue = Mutex::new(queue);
        let lanes: Vec<_> = (0..workers).map(|_| self.lane(self.control.enter(), &queue, &*snapshot)).collect();
        drop(setting_up);
        futures_util::future::try_join_all(lanes).await?;
        drop(snapshot);
        if !queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            return Ok(CopyEnd::Interrupted);
        }
        let end = self.prove(&plans).await?;
        if end != CopyEnd::Interrupted && resumed && work_left {
            for table in partial {
                let removed = route.target.target().remove_duplicates(&route.apply, table).await?;
                tracing::info!(
                    capture = spec.name,
                    table,
                    removed,
                    "rows that two snapshots delivered were reduced to one"
                );
            }
        }
        Ok(end)
    }

    /// A new copy: target tables must be empty, leftovers of a crash before the first checkpoint are removed.
    async fn begin(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let route = self.route;
        for map in &route.apply.tables {
            if route.target.inventory().has_rows(&map.target).await? {
                return Err(StoreError::new(
                    route.target.id(),
                    Operation::LoadChunk,
                    ErrorKind::Exists,
                    "the target table has rows that Godwit did not copy",
                )
                .about(map.target.to_string()));
            }
        }
        // The capture's name is ours alone; without an origin on the target it is a leftover of a crash just after `prepare`.
        route.source.capture().drop_capture(&route.capture).await?;
        let (origin, snapshot) = route.source.capture().prepare(&route.capture, true).await?;
        let Some(snapshot) = snapshot else {
            return Err(StoreError::new(
                route.source.id(),
                Operation::Prepare,
                ErrorKind::Protocol,
                "the capture was made without the snapshot that was asked for",
            ));
        };
        route.target.target().begin(&route.apply, &origin).await?;
        Ok(snapshot)
    }

    /// Going on after a crash: the log since the first origin must still be there; a second snapshot serves the rest.
    async fn resume(&self, state: &TargetState) -> Result<Box<dyn Snapshot>, StoreError> {
        let route = self.route;
        route.source.capture().retention(&route.capture).await?;
        let (origin, snapshot) = route.source.capture().snapshot(&route.capture).await?;
        if state.origin.as_ref().is_some_and(|o| o.server_identity != origin.server_identity) {
            return Err(StoreError::new(
                route.source.id(),
                Operation::ReadChunk,
                ErrorKind::LogLost,
                "the source is another server than the one that the copy began with",
            ));
        }
        route.target.target().save_consistent_from(&route.apply, origin.position).await?;
        self.status.update(|s| s.consistent_from = Some(origin.position));
        Ok(snapshot)
    }

    /// Plans of all tables, stored on the target; second, the tables of which an earlier snapshot delivered a part.
    async fn plan(
        &self,
        state: &TargetState,
        snapshot: &dyn Snapshot,
    ) -> Result<(Vec<ChunkPlan>, Vec<usize>), StoreError> {
        let target = self.route.target.target();
        let mut plans = Vec::new();
        let mut partial = Vec::new();
        for (table, map) in self.route.apply.tables.iter().enumerate() {
            let fresh = snapshot.plan(table, self.chunk_bytes).await?;
            let known = state.plans.iter().find(|(name, _)| *name == map.source).map(|(_, plan)| plan);
            let done = state.chunks.iter().filter(|(name, _, _)| *name == map.source).count();
            let kept = match known {
                // Pages mean the same rows only while the heap is the same; and rows that cannot be told apart cannot be reduced to one.
                Some(plan)
                    if plan.generation == fresh.generation && (!map.key.is_empty() || done == plan.chunks.len()) =>
                {
                    if done > 0 && done < plan.chunks.len() {
                        partial.push(table);
                    }
                    plan.clone()
                }
                Some(plan) if done == plan.chunks.len() && !plan.chunks.is_empty() => plan.clone(),
                Some(_) => {
                    target.clear_table(&self.route.apply, table).await?;
                    target.save_plan(&self.route.apply, table, &fresh).await?;
                    fresh
                }
                None => {
                    target.save_plan(&self.route.apply, table, &fresh).await?;
                    fresh
                }
            };
            plans.push(kept);
        }
        Ok((plans, partial))
    }

    async fn show_plan(&self, plans: &[ChunkPlan], state: &TargetState) {
        let mut tables = Vec::new();
        for (map, plan) in self.route.apply.tables.iter().zip(plans) {
            let done: Vec<Loaded> =
                state.chunks.iter().filter(|(name, _, _)| *name == map.source).map(|(_, _, loaded)| *loaded).collect();
            // An estimate that cannot be read is shown as unknown; it is no reason to fail a copy.
            let estimated_rows =
                self.route.source.inventory().table(&map.source).await.ok().and_then(|table| table.estimated_rows);
            tables.push(TableProgress {
                table: map.source.clone(),
                chunks_done: done.len() as u64,
                chunks_total: Some(plan.chunks.len() as u64),
                rows_done: done.iter().map(|l| l.rows).sum(),
                bytes_done: done.iter().map(|l| l.bytes).sum(),
                estimated_rows,
            });
        }
        self.status.update(|s| s.copy = CopyProgress { tables });
    }

    /// One reader with its loader; takes chunks until there are none, or a pause or stop is wanted.
    async fn lane(
        &self,
        mut lane: Lane,
        queue: &Mutex<VecDeque<Chunk>>,
        snapshot: &dyn Snapshot,
    ) -> Result<(), StoreError> {
        let mut reader = snapshot.reader().await?;
        let mut loader = self.route.target.target().loader(&self.route.apply).await?;
        loop {
            if lane.unless_paused().await == Wish::Stop {
                return Ok(());
            }
            self.pacer.admit().await;
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(chunk) = next else { return Ok(()) };
            match self.carry(&chunk, &mut *reader, &mut *loader).await {
                Ok(loaded) => {
                    self.status.update(|s| {
                        if let Some(table) = s.copy.tables.get_mut(chunk.table) {
                            table.chunks_done += 1;
                            table.rows_done += loaded.rows;
                            table.bytes_done += loaded.bytes;
                        }
                    });
                    self.pacer.spend(loaded.rows).await;
                }
                Err(error) => {
                    queue.lock().unwrap_or_else(PoisonError::into_inner).push_front(chunk);
                    return Err(error);
                }
            }
        }
    }

    /// Carries one chunk: reading and writing run beside each other, a few blocks apart.
    async fn carry(
        &self,
        chunk: &Chunk,
        reader: &mut dyn ChunkReader,
        loader: &mut dyn ChunkLoader,
    ) -> Result<Loaded, StoreError> {
        let (blocks, mut arriving) = mpsc::channel::<ChunkData>(BLOCKS_IN_FLIGHT);
        let read = async {
            reader.start(chunk).await?;
            while let Some(block) = reader.next().await? {
                if blocks.send(block).await.is_err() {
                    break;
                }
            }
            drop(blocks);
            Ok::<(), StoreError>(())
        };
        let write = async {
            loader.start(chunk).await?;
            while let Some(block) = arriving.recv().await {
                loader.push(block).await?;
            }
            Ok::<(), StoreError>(())
        };
        // The loader commits only after the reader said that the chunk is complete.
        match tokio::try_join!(read, write) {
            Ok(((), ())) => loader.finish().await,
            Err(error) => {
                // The first error tells why; that giving up failed as well only means that the connection is gone, and with it the transaction.
                let _ = loader.abort().await;
                Err(error)
            }
        }
    }

    /// Reads back from the target that every planned chunk is there.
    async fn prove(&self, plans: &[ChunkPlan]) -> Result<CopyEnd, StoreError> {
        let route = self.route;
        let state = route.target.target().state(&route.apply).await?;
        let done = finished(&state, route, plans);
        for (plan, map) in plans.iter().zip(&route.apply.tables) {
            if let Some(missing) = plan.chunks.iter().find(|c| !done.contains(&(c.table, c.ordinal))) {
                return Err(StoreError::new(
                    route.target.id(),
                    Operation::LoadChunk,
                    ErrorKind::Protocol,
                    format!("chunk {} is not on the target although it was loaded", missing.ordinal),
                )
                .about(map.target.to_string()));
            }
        }
        self.status.update(|s| s.consistent_from = state.consistent_from);
        Ok(CopyEnd::Complete { rows: state.chunks.iter().map(|(_, _, l)| l.rows).sum(), chunks: done.len() as u64 })
    }
}

/// Chunks of the present plans that the target has.
fn finished(state: &TargetState, route: &CopierRoute, plans: &[ChunkPlan]) -> HashSet<(usize, u64)> {
    let mut done = HashSet::new();
    for (table, (map, plan)) in route.apply.tables.iter().zip(plans).enumerate() {
        // A plan that was replaced took its chunks with it; the state read before still lists them.
        let current = state.plans.iter().any(|(name, known)| *name == map.source && known == plan);
        if !current {
            continue;
        }
        for (name, ordinal, _) in &state.chunks {
            if *name == map.source {
                done.insert((table, *ordinal));
            }
        }
    }
    done
}
