//! Holding writers: one transaction that has SQLite's only write lock. Writers wait in their busy handlers, readers go on.
//!
//! The lock belongs to the connection: a process that ends in any way lets go of it. A process that is stopped (not killed)
//! keeps it until it goes on; no time-out inside the process can help there.

use super::capture::log_end;
use super::connect::{Database, Mode};
use super::fence;
use super::held::Lock;
use super::inventory::existing;
use super::session::Session;
use super::store::SqliteStore;
use crate::model::change::Position;
use crate::model::table::TableName;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::{CaptureSpec, FenceState, Freeze, FreezeGuard, FreezeSpec, Result};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[async_trait]
impl Freeze for SqliteStore {
    fn statements(&self, spec: &FreezeSpec) -> Vec<(String, String)> {
        let mut statements = vec![("BEGIN IMMEDIATE".to_owned(), "ROLLBACK".to_owned())];
        for table in &spec.tables {
            statements.extend(fence::statements(&table.name, "(token of the cutover)", &spec.moved_message));
        }
        statements.push(("COMMIT".to_owned(), String::new()));
        statements
    }

    async fn hold(&self, spec: &FreezeSpec) -> Result<Box<dyn FreezeGuard>> {
        let mut session = self.db.open(Mode::Write, Operation::Freeze).await?;
        // A checkpoint inside our commit would lengthen the freeze by its file writes.
        session.rows("PRAGMA wal_autocheckpoint = 0", super::row::Args::new()).await?;
        for table in &spec.tables {
            existing(&mut session, table).await?;
        }
        session.begin_immediate(spec.lock_timeout).await?;
        Ok(Box::new(LockGuard::new(Arc::clone(&self.db), Arc::clone(&self.fence_in_doubt), session, spec.clone())))
    }

    async fn fence_state(&self, tables: &[TableName]) -> Result<FenceState> {
        if self.db.file_identity().is_none() {
            return Ok(FenceState::Open);
        }
        if !self.fence_in_doubt.load(Ordering::Acquire) {
            let mut session = self.db.open(Mode::Read, Operation::Fence).await?;
            return fence::state(&mut session, tables).await;
        }
        // The old session may still be committing. Once the write lock is ours it is over, whichever way it went.
        let mut session = self.db.open(Mode::Write, Operation::Fence).await?;
        session.begin_immediate(session.patience()).await?;
        let state = fence::state(&mut session, tables).await;
        session.roll_back().await;
        if state.is_ok() {
            self.fence_in_doubt.store(false, Ordering::Release);
        }
        state
    }

    async fn close(&self, tables: &[TableName], token: &str, moved_message: &str) -> Result<()> {
        let mut session = self.db.open(Mode::Create, Operation::Fence).await?;
        session.begin_immediate(session.patience()).await?;
        match fence::set(&mut session, tables, token, moved_message).await {
            Ok(()) => session.commit().await,
            Err(e) => {
                session.roll_back().await;
                Err(e)
            }
        }
    }

    async fn open(&self, tables: &[TableName]) -> Result<()> {
        if self.db.file_identity().is_none() {
            return Ok(());
        }
        let mut session = self.db.open(Mode::Write, Operation::Fence).await?;
        session.begin_immediate(session.patience()).await?;
        match fence::remove(&mut session, tables).await {
            Ok(()) => session.commit().await,
            Err(e) => {
                session.roll_back().await;
                Err(e)
            }
        }
    }
}

/// Held writers. Dropping it closes the connection, which rolls back.
struct LockGuard {
    db: Arc<Database>,
    fence_in_doubt: Arc<AtomicBool>,
    spec: FreezeSpec,
    freeze: u64,
    lock: Arc<Mutex<Lock>>,
    watchdog: JoinHandle<()>,
}

impl LockGuard {
    fn new(db: Arc<Database>, fence_in_doubt: Arc<AtomicBool>, session: Session, spec: FreezeSpec) -> Self {
        let lock = Arc::new(Mutex::new(Lock::new(session, spec.hold_limit)));
        let freeze = db.held.enter(Arc::clone(&lock));
        let watchdog = tokio::spawn(watch(Arc::clone(&db), freeze, Arc::clone(&lock)));
        Self { db, fence_in_doubt, spec, freeze, lock, watchdog }
    }
}

/// Gives the lock up when nobody has spoken to the guard for its limit.
async fn watch(db: Arc<Database>, freeze: u64, lock: Arc<Mutex<Lock>>) {
    loop {
        let until = lock.lock().await.until;
        tokio::time::sleep_until(until).await;
        let mut lock = lock.lock().await;
        if lock.session.is_none() {
            return;
        }
        if lock.until <= Instant::now() {
            db.held.leave(freeze);
            lock.session = None;
            return;
        }
    }
}

#[async_trait]
impl FreezeGuard for LockGuard {
    async fn marker(&mut self, captures: &[CaptureSpec], token: &str) -> Result<Position> {
        let mut lock = self.lock.lock().await;
        let session = lock.session(&self.db)?;
        let mut ends = Vec::with_capacity(captures.len());
        for capture in captures {
            super::capture::verify(session, capture).await?;
            ends.push((capture, log_end(session, capture).await?));
        }
        let Some((_, first)) = ends.first() else {
            return Err(session.fail(ErrorKind::Protocol, "no capture was named that could see the marker"));
        };
        for (capture, end) in &ends {
            self.db.held.mark(self.freeze, &capture.name, token, *end);
        }
        Ok(Position::LogRow(*first))
    }

    async fn still_held(&mut self) -> Result<()> {
        let mut lock = self.lock.lock().await;
        let session = lock.session(&self.db)?;
        // BEGIN inside a transaction is refused without touching it: the refusal is the proof that it is open.
        match session.try_script("BEGIN").await {
            Err(e) if e.to_string().contains("within a transaction") => Ok(()),
            Err(e) => Err(session.explain(&e)),
            Ok(()) => {
                lock.session = None;
                self.db.held.leave(self.freeze);
                lock.session(&self.db).map(|_| ())
            }
        }
    }

    async fn fence(self: Box<Self>, token: &str) -> Result<()> {
        let mut session = self.lock.lock().await.take(&self.db)?;
        if let Err(e) = fence::set(&mut session, &self.spec.tables, token, &self.spec.moved_message).await {
            session.roll_back().await;
            return Err(e);
        }
        self.fence_in_doubt.store(true, Ordering::Release);
        session.script("COMMIT").await?;
        self.fence_in_doubt.store(false, Ordering::Release);
        session.close().await
    }

    async fn release(self: Box<Self>) -> Result<()> {
        let taken = self.lock.lock().await.take(&self.db);
        match taken {
            Ok(mut session) => {
                session.roll_back().await;
                session.close().await
            }
            // The watchdog was faster; the writers go on all the same.
            Err(_) => Ok(()),
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.watchdog.abort();
        self.db.held.leave(self.freeze);
        // Whoever has the mutex now (the watchdog, a checkpoint) has the last handle to the session, and drops it.
        if let Ok(mut lock) = self.lock.try_lock() {
            lock.session = None;
        }
    }
}
