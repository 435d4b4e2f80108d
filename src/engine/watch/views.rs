//! What is known of the stores now, for clients that watch it.

use crate::advice::access::drift;
use crate::config::profile::Pipeline;
use crate::engine::watch::bound::{bound, bound_findings, bound_hot_spots};
use crate::engine::watch::indexes::IndexReading;
use crate::engine::watch::kept_sides::KeptSides;
use crate::engine::watch::runway::Growth;
use crate::engine::watch::sides::Sides;
use crate::model::access::drift::GrantChange;
use crate::model::access::observed::ObservedAccess;
use crate::model::access::reading::AccessReading;
use crate::model::finding::{Audit, Finding};
use crate::model::hotspot::{HotSpots, HotSpotsNow, SidesCompared, StoreHotSpots};
use crate::model::ids::{PipelineId, StoreId};
use crate::model::observation::{ByStore, Observation, StoreReading};
use crate::model::pipeline::Traffic;
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
    /// Counts up for each view that somebody wants read now.
    asked: watch::Sender<BTreeMap<ViewKind, u64>>,
}

#[derive(Debug, Default)]
struct Content {
    activity: ByStore<Activity>,
    replication: ByStore<ReplicationNow>,
    growth: BTreeMap<StoreId, Growth>,
    hot_spots: HotSpotsNow,
    /// Both sides of each move, as they were last read.
    sides: Sides,
    /// Without `lost`, which belongs to the moves and not to one store's reading.
    indexes: ByStore<Audit>,
    /// The reading under the advice, for comparing with another store's.
    catalogues: BTreeMap<StoreId, Arc<IndexReading>>,
    /// By pipeline: its target, and which of the source's indexes that lacks.
    lost: BTreeMap<PipelineId, (StoreId, Vec<Finding>)>,
    access: ByStore<Audit>,
    /// Which logins were seen using which tables since the engine started.
    observed: BTreeMap<StoreId, ObservedAccess>,
    /// Who may do what as it was last read, and what changed in it.
    grants: BTreeMap<StoreId, Grants>,
    /// Since when a pipeline's traffic is known to be on its target.
    moved: BTreeMap<PipelineId, DateTime<Utc>>,
    cost: BTreeMap<(StoreId, &'static str), CollectorCost>,
    /// How often a copy of each view was taken.
    handed_out: BTreeMap<ViewKind, u64>,
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
    /// See [`ViewKind::HotSpots`].
    HotSpots(Box<Observation<StoreHotSpots>>),
    /// See [`ViewKind::Indexes`].
    Indexes(Observation<Audit>),
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
            content.hot_spots.stores.entry(store.clone()).or_default();
            content.indexes.entry(store.clone()).or_default();
            content.access.entry(store.clone()).or_default();
        }
        Self { content: Mutex::new(content), versions: watch::Sender::default(), asked: watch::Sender::default() }
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
        let mut content = self.content();
        *content.handed_out.entry(kind).or_default() += 1;
        match kind {
            ViewKind::Activity => {
                let mut view = content.activity.clone();
                drop(content);
                bound(&mut view);
                View::Activity(view)
            }
            ViewKind::Replication => View::Replication(content.replication.clone()),
            ViewKind::HotSpots => {
                let mut view = content.hot_spots.clone();
                drop(content);
                bound_hot_spots(&mut view);
                View::HotSpots(view)
            }
            ViewKind::Indexes => {
                let mut view = content.advice();
                drop(content);
                bound_findings(&mut view);
                View::Indexes(view)
            }
            ViewKind::Access => {
                let mut view = content.access.clone();
                drop(content);
                bound_findings(&mut view);
                View::Access(view)
            }
            ViewKind::Cost => View::Cost(content.cost.values().cloned().collect()),
        }
    }

    /// How often a copy of a view was taken: it counts up while somebody looks.
    pub fn handed_out(&self, kind: ViewKind) -> u64 {
        self.content().handed_out.get(&kind).copied().unwrap_or_default()
    }

    /// Counts up for each view when it changes.
    pub fn versions(&self) -> watch::Receiver<BTreeMap<ViewKind, u64>> {
        self.versions.subscribe()
    }

    /// Asks all collectors of a view to read now, however long ago they did.
    pub fn ask(&self, kind: ViewKind) {
        self.asked.send_modify(|asked| *asked.entry(kind).or_default() += 1);
    }

    /// Counts up for each view when somebody asks for it.
    pub fn asked(&self) -> watch::Receiver<BTreeMap<ViewKind, u64>> {
        self.asked.subscribe()
    }

    /// True when a store was asked since then, with whatever outcome, or never will be.
    pub fn was_asked_since(&self, store: &StoreId, kind: ViewKind, since: DateTime<Utc>) -> bool {
        fn settled<T>(reading: Option<&StoreReading<T>>, since: DateTime<Utc>) -> bool {
            reading.is_some_and(|r| r.absent.is_some() || r.asked_at.is_some_and(|at| at >= since))
        }
        let content = self.content();
        match kind {
            ViewKind::Activity => settled(content.activity.get(store), since),
            ViewKind::Replication => settled(content.replication.get(store), since),
            ViewKind::HotSpots => settled(content.hot_spots.stores.get(store), since),
            ViewKind::Indexes => settled(content.indexes.get(store), since),
            ViewKind::Access => settled(content.access.get(store), since),
            ViewKind::Cost => true,
        }
    }

    /// A store's access audit, for gates.
    pub fn access_findings(&self, store: &StoreId) -> StoreReading<Audit> {
        self.content().access.get(store).cloned().unwrap_or_default()
    }

    /// A store's sessions as they were last read, for gates.
    pub fn sessions(&self, store: &StoreId) -> StoreReading<Activity> {
        self.content().activity.get(store).cloned().unwrap_or_default()
    }

    /// A store's replication as it was last read, for gates.
    pub fn replication(&self, store: &StoreId) -> StoreReading<ReplicationNow> {
        self.content().replication.get(store).cloned().unwrap_or_default()
    }

    /// Takes the outcome of one attempt in.
    pub fn take(&self, store: &StoreId, kind: ViewKind, outcome: Result<Subject, String>, at: DateTime<Utc>) {
        let mut content = self.content();
        match (kind, outcome) {
            (_, Ok(Subject::Activity(read))) => {
                content.observed.entry(store.clone()).or_default().take(&read.value.touches, read.at);
                content.activity.entry(store.clone()).or_default().take(Ok(read), at);
            }
            (_, Ok(Subject::HotSpots(read))) => {
                content.hot_spots.stores.entry(store.clone()).or_default().take(Ok(*read), at);
            }
            (_, Ok(Subject::Indexes(read))) => content.indexes.entry(store.clone()).or_default().take(Ok(read), at),
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

    /// The index advice for a store, with its age and what is wrong with reading it. For gates; `latest` is `None` until it was read.
    pub fn index_findings(&self, store: &StoreId) -> StoreReading<Audit> {
        let content = self.content();
        let mut reading = content.indexes.get(store).cloned().unwrap_or_default();
        content.add_lost(store, &mut reading);
        reading
    }

    /// A pipeline's two sides, statement by statement; `None` until both were read. For gates.
    pub fn sides(&self, pipeline: &PipelineId) -> Option<SidesCompared> {
        self.content().hot_spots.sides.iter().find(|sides| sides.pipeline == *pipeline).cloned()
    }

    /// Takes the statements of one side of a move in.
    pub fn take_side(&self, pipeline: &PipelineId, side: Traffic, spots: HotSpots) {
        self.content().sides.take(pipeline, side, spots);
    }

    /// Takes in what an earlier engine kept of the moves from which traffic had gone.
    pub fn remember_sides(&self, kept: KeptSides) {
        self.content().sides.remember(kept);
    }

    /// What is to be written to disk now that traffic has gone from this move's source; `None`: it is there.
    pub fn sides_to_save(&self, pipeline: &PipelineId) -> Option<KeptSides> {
        self.content().sides.to_save(pipeline)
    }

    /// Forgets what was read of a move's target before traffic went there.
    pub fn begin_target(&self, pipeline: &PipelineId) {
        self.content().sides.begin_target(pipeline);
    }

    /// Holds a move's sides against each other again.
    pub fn compare_sides(&self, pipeline: &Pipeline) {
        let mut content = self.content();
        let compared = content.sides.compared(&pipeline.id, &pipeline.from, &pipeline.to);
        content.hot_spots.sides.retain(|sides| sides.pipeline != pipeline.id);
        content.hot_spots.sides.extend(compared);
        content.hot_spots.sides.sort_by(|a, b| a.pipeline.cmp(&b.pipeline));
    }

    /// The last reading of a store's indexes.
    pub fn indexes_of(&self, store: &StoreId) -> Option<Arc<IndexReading>> {
        self.content().catalogues.get(store).cloned()
    }

    /// Keeps a reading of a store's indexes.
    pub fn keep_indexes(&self, store: &StoreId, reading: Arc<IndexReading>) {
        self.content().catalogues.insert(store.clone(), reading);
    }

    /// Takes in what a move's target lacks of the source's indexes.
    pub fn take_lost(&self, pipeline: &Pipeline, findings: Vec<Finding>) {
        self.content().lost.insert(pipeline.id.clone(), (pipeline.to.clone(), findings));
        self.changed(ViewKind::Indexes);
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

impl Content {
    /// The advice for all stores.
    fn advice(&self) -> ByStore<Audit> {
        let mut view = self.indexes.clone();
        for (store, reading) in &mut view {
            self.add_lost(store, reading);
        }
        view
    }

    /// Adds what the moves to a store have lost.
    fn add_lost(&self, store: &StoreId, reading: &mut StoreReading<Audit>) {
        let Some(read) = &mut reading.latest else { return };
        let findings = &mut read.value.findings;
        findings.extend(self.lost.values().filter(|(to, _)| to == store).flat_map(|(_, lost)| lost.iter().cloned()));
        Finding::sort(findings);
    }
}
