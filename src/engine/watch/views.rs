//! What is known of the stores now, for clients that watch it.

use crate::model::ids::StoreId;
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
    indexes: ByStore<crate::model::finding::Audit>,
    access: ByStore<crate::model::finding::Audit>,
    cost: BTreeMap<(StoreId, &'static str), CollectorCost>,
}

/// One reading of one subject.
pub enum Subject {
    /// See [`ViewKind::Activity`].
    Activity(Observation<Activity>),
    /// See [`ViewKind::Replication`].
    Replication(Observation<Replication>),
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
            (_, Ok(Subject::Activity(read))) => content.activity.entry(store.clone()).or_default().take(Ok(read), at),
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
