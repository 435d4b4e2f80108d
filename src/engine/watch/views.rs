//! What is known of the stores now, for clients that watch it.

use crate::advice::access::drift;
use crate::engine::watch::bound::bound;
use crate::engine::watch::runway::Growth;
use crate::model::access::drift::GrantChange;
use crate::model::access::observed::ObservedAccess;
use crate::model::access::reading::AccessReading;
use crate::model::finding::Audit;
use crate::model::hotspot::HotSpotsNow;
use crate::model::ids::{PipelineId, StoreId};
use crate::model::observation::{ByStore, Observation};
use crate::model::replication::{Replication, ReplicationNow};
use crate::model::session::{Activity, Session, SessionKey};
use crate::model::view::{CollectorCost, View, ViewKind};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The present content of all views. A reader takes a copy of one; nobody waits while it is taken.
#[derive(Debug, Default)]
pub struct Views {
    content: Mutex<Content>,
    versions: watch::Sender<BTreeMap<ViewKind, u64>>,
}

#[derive(Debug, Default)]
struct Content {
    activity: ByStore<Activity>,
    replication: ByStore<ReplicationNow>,
    growth: BTreeMap<StoreId, Growth>,
    hot_spots: HotSpotsNow,
    indexes: ByStore<Audit>,
    access: ByStore<Audit>,
    /// Which logins were seen using which tables since the engine started.
    observed: BTreeMap<StoreId, ObservedAccess>,
    /// Who may do what as it was last read, and what changed in it.
    grants: BTreeMap<StoreId, Grants>,
    /// Since when a pipeline's traffic is known to be on its target.
    moved: BTreeMap<PipelineId, DateTime<Utc>>,
    cost: BTreeMap<(StoreId, &'static str), CollectorCost>,
}

/// Changes of rights that are kept for one store; older ones are in what clients and logs saw of them.
const CHANGES_KEPT: usize = 200;

/// What is remembered of one store's rights.
#[derive(Debug)]
struct Grants {
    last: Arc<AccessReading>,
    at: DateTime<Utc>,
    changes: Vec<GrantChange>,
}

/// One reading of one subject.
pub enum Subject {
    /// See [`ViewKind::Activity`].
    Activity(Observation<Activity>),
    /// See [`ViewKind::Replication`].
    Replication(Observation<Replication>),
    /// See [`ViewKind::Access`].
    Access(Observation<Audit>),
}

impl Views {
    /// Views of these stores, none of which was read yet: what is not read yet is shown, not left out.
    pub fn new<'a>(stores: impl Iterator<Item = &'a StoreId>) -> Self {
        let mut content = Content::default();
        for store in stores {
            content.activity.entry(store.clone()).or_default();
            content.replication.entry(store.clone()).or_default();
        }
        Self { content: Mutex::new(content), versions: watch::Sender::default() }
    }

    /// A session as it was last seen, and when.
    pub fn session(&self, store: &StoreId, key: &SessionKey) -> Option<(Session, DateTime<Utc>)> {
        let content = self.content();
        let read = content.activity.get(store)?.latest.as_ref()?;
        let session = read.value.sessions.iter().find(|session| session.key == *key)?;
        Some((session.clone(), read.at))
    }

    /// Notes that a store has no such thing.
    pub fn lacks(&self, store: &StoreId, kind: ViewKind, why: String, at: DateTime<Utc>) {
        let mut content = self.content();
        match kind {
            ViewKind::Activity => content.activity.entry(store.clone()).or_default().lacks(why, at),
            ViewKind::Replication => content.replication.entry(store.clone()).or_default().lacks(why, at),
            ViewKind::HotSpots => content.hot_spots.stores.entry(store.clone()).or_default().lacks(why, at),
            ViewKind::Indexes => content.indexes.entry(store.clone()).or_default().lacks(why, at),
            ViewKind::Access => content.access.entry(store.clone()).or_default().lacks(why, at),
            ViewKind::Cost => {}
        }
        drop(content);
        self.changed(kind);
    }

    /// A copy of one view.
    pub fn view(&self, kind: ViewKind) -> View {
        let content = self.content();
        match kind {
            ViewKind::Activity => {
                let mut view = content.activity.clone();
                drop(content);
                bound(&mut view);
                View::Activity(view)
            }
            ViewKind::Replication => View::Replication(content.replication.clone()),
            ViewKind::HotSpots => View::HotSpots(content.hot_spots.clone()),
            ViewKind::Indexes => View::Indexes(content.indexes.clone()),
            ViewKind::Access => View::Access(content.access.clone()),
            ViewKind::Cost => View::Cost(content.cost.values().cloned().collect()),
        }
    }

    /// Counts up for each view when it changes.
    pub fn versions(&self) -> watch::Receiver<BTreeMap<ViewKind, u64>> {
        self.versions.subscribe()
    }

    /// Takes the outcome of one attempt in.
    pub fn take(&self, store: &StoreId, kind: ViewKind, outcome: Result<Subject, String>, at: DateTime<Utc>) {
        let mut content = self.content();
        match (kind, outcome) {
            (_, Ok(Subject::Activity(read))) => {
                content.observed.entry(store.clone()).or_default().take(&read.value.touches, read.at);
                content.activity.entry(store.clone()).or_default().take(Ok(read), at);
            }
            (_, Ok(Subject::Access(read))) => content.access.entry(store.clone()).or_default().take(Ok(read), at),
            (_, Ok(Subject::Replication(read))) => {
                let growth = content.growth.entry(store.clone()).or_default();
                let read_at = read.at;
                let read = read.map(|reading| growth.take(reading, read_at));
                content.replication.entry(store.clone()).or_default().take(Ok(read), at);
            }
            (ViewKind::Activity, Err(why)) => content.activity.entry(store.clone()).or_default().take(Err(why), at),
            (ViewKind::Replication, Err(why)) => {
                content.replication.entry(store.clone()).or_default().take(Err(why), at);
            }
            (ViewKind::HotSpots, Err(why)) => {
                content.hot_spots.stores.entry(store.clone()).or_default().take(Err(why), at);
            }
            (ViewKind::Indexes, Err(why)) => content.indexes.entry(store.clone()).or_default().take(Err(why), at),
            (ViewKind::Access, Err(why)) => content.access.entry(store.clone()).or_default().take(Err(why), at),
            (ViewKind::Cost, Err(_)) => {}
        }
        drop(content);
        self.changed(kind);
    }

    /// Which logins were seen using which tables of a store.
    pub fn observed(&self, store: &StoreId) -> ObservedAccess {
        self.content().observed.get(store).cloned().unwrap_or_default()
    }

    /// Takes a reading of rights in, and gives all changes that were noticed since the engine started.
    pub fn grants_read(&self, store: &StoreId, reading: &AccessReading, at: DateTime<Utc>) -> Vec<GrantChange> {
        let mut content = self.content();
        let Some(known) = content.grants.get_mut(store) else {
            let grants = Grants { last: Arc::new(reading.clone()), at, changes: Vec::new() };
            content.grants.insert(store.clone(), grants);
            return Vec::new();
        };
        // A reading that could not see rights is no state to compare with.
        if reading.unread.rights.is_none() {
            known.changes.extend(drift::changes((&known.last, known.at), (reading, at)));
            let surplus = known.changes.len().saturating_sub(CHANGES_KEPT);
            known.changes.drain(..surplus);
            known.last = Arc::new(reading.clone());
            known.at = at;
        }
        known.changes.clone()
    }

    /// Rights on a store as they were last read.
    pub fn last_grants(&self, store: &StoreId) -> Option<Arc<AccessReading>> {
        self.content().grants.get(store).map(|grants| grants.last.clone())
    }

    /// When a pipeline's traffic went to its target, at the latest: the first time that this is asked after it did.
    /// `None`: the source serves.
    pub fn moved_at(&self, pipeline: &PipelineId, target_serves: bool, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut content = self.content();
        if !target_serves {
            content.moved.remove(pipeline);
            return None;
        }
        Some(*content.moved.entry(pipeline.clone()).or_insert(now))
    }

    /// Notes what a collector costs.
    pub fn note_cost(&self, store: &StoreId, collector: &'static str, cost: CollectorCost) {
        self.content().cost.insert((store.clone(), collector), cost);
        self.changed(ViewKind::Cost);
    }

    fn changed(&self, kind: ViewKind) {
        self.versions.send_modify(|versions| *versions.entry(kind).or_default() += 1);
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Nobody panics while holding it; and a reading is whole whatever happened to its holder.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
