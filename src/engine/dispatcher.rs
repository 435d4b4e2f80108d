//! The one writer: appends to the journal, folds, publishes. Whoever wants something recorded sends it here and waits until it is on disk.

use crate::engine::ladder;
use crate::journal::error::JournalError;
use crate::journal::log::Journal;
use crate::model::event::{Entry, Event};
use crate::model::fold::{FoldError, Migration};
use crate::model::ids::{PhaseId, Seq};
use chrono::Utc;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// What a command saw of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The phase.
    pub phase: PhaseId,
    /// The phase must not have changed after this row.
    pub unchanged_since: Seq,
}

/// Why an append did not happen. Nothing of it is in the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The target changed after the decision was made.
    #[error(
        "{phase} changed meanwhile: it is {now} since {seq}; look again and repeat the command if it still makes sense"
    )]
    Stale {
        /// The phase.
        phase: PhaseId,
        /// Its status word now.
        now: &'static str,
        /// The row of that change.
        seq: Seq,
    },
    /// The state does not allow the event.
    #[error("{0}")]
    Illegal(FoldError),
    /// The journal failed, the engine stops.
    #[error("the journal failed, so the engine stops and nothing more is done: {0}")]
    Stopped(String),
}

enum Request {
    Append { guard: Option<Guard>, events: Vec<Event>, reply: oneshot::Sender<Result<Vec<Entry>, AppendError>> },
    Read { since: Seq, limit: u64, reply: oneshot::Sender<Result<Vec<Entry>, String>> },
}

/// Handle to the dispatcher.
#[derive(Clone)]
pub struct Dispatcher {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<Arc<Migration>>,
    failure: watch::Receiver<Option<String>>,
}

impl Dispatcher {
    /// Replays the journal and starts the writer in a task of its own.
    ///
    /// # Errors
    /// [`JournalError`] when the journal cannot be read or does not make sense.
    pub async fn start(mut journal: Journal) -> Result<Self, JournalError> {
        let migration = journal.replay().await?;
        let (publish, state) = watch::channel(Arc::new(migration));
        let (fail, failure) = watch::channel(None);
        let (requests, receiver) = mpsc::channel(64);
        tokio::spawn(write(journal, receiver, publish, fail));
        Ok(Self { requests, state, failure })
    }

    /// Appends events; when it returns they are on disk and published.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was appended.
    pub async fn append(&self, events: Vec<Event>) -> Result<Vec<Entry>, AppendError> {
        self.request(None, events).await
    }

    /// Appends events only if the phase has not changed since the guard's row.
    ///
    /// # Errors
    /// [`AppendError::Stale`] with what changed.
    pub async fn append_if(&self, guard: Guard, events: Vec<Event>) -> Result<Vec<Entry>, AppendError> {
        self.request(Some(guard), events).await
    }

    /// Journal rows after `since`.
    ///
    /// # Errors
    /// The journal's sentence.
    pub async fn read_since(&self, since: Seq, limit: u64) -> Result<Vec<Entry>, String> {
        let (reply, answer) = oneshot::channel();
        let gone = || "the engine is stopping".to_owned();
        self.requests.send(Request::Read { since, limit, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// The state now.
    pub fn state(&self) -> Arc<Migration> {
        self.state.borrow().clone()
    }

    /// A receiver that wakes at every change of state.
    pub fn watch(&self) -> watch::Receiver<Arc<Migration>> {
        self.state.clone()
    }

    /// Waits until the journal fails; returns its sentence.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(sentence) => sentence.clone().unwrap_or_default(),
            Err(_) => "the dispatcher is gone".to_owned(),
        }
    }

    async fn request(&self, guard: Option<Guard>, events: Vec<Event>) -> Result<Vec<Entry>, AppendError> {
        let (reply, answer) = oneshot::channel();
        let gone = || AppendError::Stopped("the dispatcher is gone".to_owned());
        self.requests.send(Request::Append { guard, events, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The writer's loop. After a failed append it appends nothing any more: what the journal does not hold must not happen.
async fn write(
    mut journal: Journal,
    mut requests: mpsc::Receiver<Request>,
    publish: watch::Sender<Arc<Migration>>,
    fail: watch::Sender<Option<String>>,
) {
    let mut migration = Migration::clone(&publish.borrow());
    while let Some(request) = requests.recv().await {
        match request {
            Request::Append { guard, events, reply } => {
                let failed = fail.borrow().clone();
                let result = match failed {
                    Some(sentence) => Err(AppendError::Stopped(sentence)),
                    None => append(&mut journal, &mut migration, guard.as_ref(), events).await,
                };
                if let Err(AppendError::Stopped(sentence)) = &result {
                    tracing::error!(%sentence, "journal append failed");
                    fail.send_replace(Some(sentence.clone()));
                }
                if result.is_ok() {
                    publish.send_replace(Arc::new(migration.clone()));
                }
                // A requester that went away does not need the answer; what it asked for is recorded.
                let _ = reply.send(result);
            }
            Request::Read { since, limit, reply } => {
                let result = journal.read_since(since, limit).await.map_err(|e| e.to_string());
                let _ = reply.send(result);
            }
        }
    }
}

async fn append(
    journal: &mut Journal,
    migration: &mut Migration,
    guard: Option<&Guard>,
    events: Vec<Event>,
) -> Result<Vec<Entry>, AppendError> {
    if let Some(guard) = guard
        && let Some(phase) = migration.phase(&guard.phase)
        && phase.changed_seq > guard.unchanged_since
    {
        return Err(AppendError::Stale {
            phase: guard.phase.clone(),
            now: phase.status.word(),
            seq: phase.changed_seq,
        });
    }
    // Everything is tried on a copy first, so that the journal never gets a row that a replay would refuse.
    let at = Utc::now();
    let mut trial = migration.clone();
    let mut all = Vec::with_capacity(events.len() + 1);
    for event in events {
        step(&mut trial, event, at, &mut all)?;
    }
    loop {
        let following = ladder::consequences(&trial);
        if following.is_empty() {
            break;
        }
        for event in following {
            step(&mut trial, event, at, &mut all)?;
        }
    }
    let entries = journal.append(&all, at).await.map_err(|e| AppendError::Stopped(e.to_string()))?;
    for entry in &entries {
        migration.apply(entry).map_err(AppendError::Illegal)?;
    }
    Ok(entries)
}

fn step(
    trial: &mut Migration,
    event: Event,
    at: chrono::DateTime<Utc>,
    all: &mut Vec<Event>,
) -> Result<(), AppendError> {
    let entry = Entry { seq: Seq(trial.head.0 + 1), at, event };
    trial.apply(&entry).map_err(AppendError::Illegal)?;
    all.push(entry.event);
    Ok(())
}
