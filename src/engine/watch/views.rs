//! What is known of the stores now, for clients that watch it.

use crate::model::access::observed::ObservedAccess;
use crate::model::finding::Audit;
use crate::model::ids::{PipelineId, StoreId};
use crate::model::observation::{ByStore, Observation};
use crate::model::replication::Replication;
use crate::model::session::Activity;
use crate::model::view::{CollectorCost, View, ViewKind};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    replication: ByStore<Replication>,
    indexes: ByStore<Audit>,
    access: ByStore<Audit>,
    /// Which logins were seen using which tables since the engine started.
    observed: BTreeMap<StoreId, ObservedAccess>,
    /// Since when a pipeline's traffic is known to be on its target.
    moved: BTreeMap<PipelineId, DateTime<Utc>>,
    cost: BTreeMap<(StoreId, &'static str), CollectorCost>,
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
    /// A copy of one view.
    pub fn view(&self, kind: ViewKind) -> View {
        let content = self.content();
        match kind {
            ViewKind::Activity => View::Activity(content.activity.clone()),
            ViewKind::Replication => View::Replication(content.replication.clone()),
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
                content.replication.entry(store.clone()).or_default().take(Ok(read), at);
            }
            (ViewKind::Activity, Err(why)) => content.activity.entry(store.clone()).or_default().take(Err(why), at),
            (ViewKind::Replication, Err(why)) => {
                content.replication.entry(store.clone()).or_default().take(Err(why), at);
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
