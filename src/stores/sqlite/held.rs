//! What a freeze of this store holds now, shared by its guard and the change streams.
//!
//! A marker of a freeze is not a row in the log. While the write lock is held the log's end is fixed, so "the stream has
//! delivered everything up to the end that the guard read" is the whole proof: the guard notes the end here, the stream reports the
//! marker when it is there. Committing a marker row instead would mean to let go of the lock for a moment, and a writer that
//! slips in then would come out behind a marker that was already seen.
//!
//! Consequence: the stream that should see the marker must belong to the same opened store as the guard.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

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

#[derive(Debug, Default)]
struct State {
    last_freeze: u64,
    open: Vec<u64>,
    markers: Vec<HeldMarker>,
}

/// The freezes of one store.
#[derive(Debug, Default)]
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
    pub fn enter(&self) -> u64 {
        let mut state = self.state();
        state.last_freeze += 1;
        let freeze = state.last_freeze;
        state.open.push(freeze);
        freeze
    }

    /// The freeze is over and its markers prove nothing any more. Harmless when it was over already.
    pub fn leave(&self, freeze: u64) {
        let mut state = self.state();
        state.open.retain(|open| *open != freeze);
        state.markers.retain(|marker| marker.freeze != freeze);
    }

    /// True while this process holds the write lock for a freeze.
    pub fn is_held(&self) -> bool {
        !self.state().open.is_empty()
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
