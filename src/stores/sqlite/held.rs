//! What a freeze of this store holds now, shared by its guard and the change streams.
//!
//! A marker of a freeze is not a row in the log. While the write lock is held the log's end is fixed, so "the stream has
//! delivered everything up to the end that the guard read" is the whole proof: the guard notes the end here, the stream reports the
//! marker when it is there. Committing a marker row instead would mean to let go of the lock for a moment, and a writer that
//! slips in then would come out behind a marker that was already seen.
//!
//! Consequence: the stream that should see the marker must belong to the same opened store as the guard.

use super::connect::Database;
use super::session::Session;
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;

/// The transaction of a freeze, shared by its guard, its watchdog, and whoever must write into the frozen file meanwhile.
pub struct Lock {
    /// `None` once it was given up.
    pub session: Option<Session>,
    /// When the watchdog gives it up.
    pub until: Instant,
    hold_limit: Duration,
}

impl Lock {
    /// A lock that was just taken.
    pub fn new(session: Session, hold_limit: Duration) -> Self {
        Self { session: Some(session), until: Instant::now() + hold_limit, hold_limit }
    }

    /// The open transaction. Asking for it is a word to the watchdog.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`] when it was given up.
    pub fn session(&mut self, db: &Database) -> Result<&mut Session> {
        self.until = Instant::now() + self.hold_limit;
        let limit = self.hold_limit;
        self.session.as_mut().ok_or_else(|| Self::given_up(db, limit))
    }

    /// Takes the transaction out, so that nobody else writes into it any more; errors as for [`Lock::session`].
    pub fn take(&mut self, db: &Database) -> Result<Session> {
        self.session.take().ok_or_else(|| Self::given_up(db, self.hold_limit))
    }

    fn given_up(db: &Database, limit: Duration) -> StoreError {
        let why = format!("the hold was given up by itself after {} ms without a word", limit.as_millis());
        db.error(Operation::Freeze, ErrorKind::TimedOut, why)
    }
}

/// A marker that is valid as long as its freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMarker {
    /// The freeze that it belongs to.
    freeze: u64,
    /// Name of the capture.
    capture: String,
    /// The caller's token.
    pub token: String,
    /// End of the capture's log while the lock is held.
    pub log_end: u64,
}

#[derive(Default)]
struct State {
    last_freeze: u64,
    open: Vec<(u64, Arc<tokio::sync::Mutex<Lock>>)>,
    markers: Vec<HeldMarker>,
}

/// The freezes of one store.
#[derive(Default)]
pub struct Held {
    state: Mutex<State>,
    changed: Notify,
}

impl Held {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements here, so a panic elsewhere in the thread does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A freeze has the lock; returns its number.
    pub fn enter(&self, lock: Arc<tokio::sync::Mutex<Lock>>) -> u64 {
        let mut state = self.state();
        state.last_freeze += 1;
        let freeze = state.last_freeze;
        state.open.push((freeze, lock));
        freeze
    }

    /// The freeze is over and its markers prove nothing any more. Harmless when it was over already.
    pub fn leave(&self, freeze: u64) {
        let mut state = self.state();
        state.open.retain(|(open, _)| *open != freeze);
        state.markers.retain(|marker| marker.freeze != freeze);
    }

    /// True while this process holds the write lock for a freeze.
    pub fn is_held(&self) -> bool {
        !self.state().open.is_empty()
    }

    /// The transaction of the freeze that holds the write lock now, if there is one.
    pub async fn lock(&self) -> Option<OwnedMutexGuard<Lock>> {
        let lock = self.state().open.last().map(|(_, lock)| Arc::clone(lock))?;
        let lock = lock.lock_owned().await;
        lock.session.is_some().then_some(lock)
    }

    /// Notes a marker and wakes the streams.
    pub fn mark(&self, freeze: u64, capture: &str, token: &str, log_end: u64) {
        let marker = HeldMarker { freeze, capture: capture.to_owned(), token: token.to_owned(), log_end };
        self.state().markers.push(marker);
        self.changed.notify_waiters();
    }

    /// The markers that a stream which has delivered everything up to `delivered` has passed.
    pub fn passed(&self, capture: &str, delivered: u64) -> Vec<HeldMarker> {
        let state = self.state();
        state.markers.iter().filter(|m| m.capture == capture && m.log_end <= delivered).cloned().collect()
    }

    /// Completes at the next marker.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
