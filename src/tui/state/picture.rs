//! What the cockpit knows of the migration: the fold of the journal, the last readings, and the link they came over.

use crate::model::event::Entry;
use crate::model::finding::Audit;
use crate::model::fold::{Migration, PhaseRecord};
use crate::model::hotspot::HotSpotsNow;
use crate::model::ids::{Operator, PhaseId, Seq, StoreId};
use crate::model::lock::{LockNode, tree};
use crate::model::observation::ByStore;
use crate::model::replication::ReplicationNow;
use crate::model::role::Role;
use crate::model::sample::Samples;
use crate::model::session::Activity;
use crate::model::view::{View, ViewKind};
use crate::report::event::{sentence, subject};
use crate::wire::client::Welcome;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Readings older than this are shown as stale.
const FRESH: TimeDelta = TimeDelta::seconds(15);

/// Journal rows that are kept for the journal screen; older ones stay in the engine's journal (`godwit log`).
pub const KEPT_LINES: usize = 20_000;

/// The connection to the engine. Set only by [`Picture::up`] and [`Picture::down`]; never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The first attempt has not ended yet.
    Connecting,
    /// Connected.
    Up {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Not connected; the link tries again by itself.
    Down {
        /// Since when.
        since: DateTime<Utc>,
        /// Why.
        why: String,
    },
}

/// A journal row with its words, made once when it arrives.
#[derive(Clone, Debug)]
pub struct JournalLine {
    /// The row.
    pub entry: Entry,
    /// Phase, pipeline, or `engine`.
    pub subject: String,
    /// What happened.
    pub sentence: String,
}

/// What is known now. Changed only by the cockpit's logic; screens read it.
///
/// Invariant: `lines` holds consecutive rows and its last one is the migration's head.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The fold.
    pub migration: Migration,
    /// The last readings; `at` is `None` before the first.
    pub samples: Samples,
    /// The views that the screens asked for, as they last came. Shared with a frozen display: they may be large.
    pub views: BTreeMap<ViewKind, Arc<View>>,
    /// The lock trees of the last reading of sessions; stores where nobody waits are left out. Made when it arrives, not when it is drawn.
    pub lock_trees: BTreeMap<StoreId, Vec<LockNode>>,
    /// The last journal rows, oldest first.
    pub lines: VecDeque<JournalLine>,
    /// The connection.
    pub link: LinkState,
    /// What the engine said at the last handshake.
    pub welcome: Option<Welcome>,
    /// Why the journal can no longer be followed. Nothing may be steered from such a picture.
    pub broken: Option<String>,
    /// The time that ages are counted to.
    pub now: DateTime<Utc>,
}

impl Picture {
    /// Nothing is known yet.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            migration: Migration::default(),
            samples: Samples::default(),
            views: BTreeMap::new(),
            lock_trees: BTreeMap::new(),
            lines: VecDeque::new(),
            link: LinkState::Connecting,
            welcome: None,
            broken: None,
            now,
        }
    }

    /// A view came.
    pub fn viewed(&mut self, view: View) {
        if let View::Activity(stores) = &view {
            self.lock_trees = stores
                .iter()
                .filter_map(|(store, reading)| Some((store.clone(), tree(&reading.latest.as_ref()?.value.waits))))
                .filter(|(_, nodes)| !nodes.is_empty())
                .collect();
        }
        self.views.insert(view.kind(), Arc::new(view));
    }

    /// True when another view of this kind came since `before`.
    pub fn has_another(&self, kind: ViewKind, before: &Self) -> bool {
        match (self.views.get(&kind), before.views.get(&kind)) {
            (None, None) => false,
            (Some(now), Some(then)) => !Arc::ptr_eq(now, then),
            _ => true,
        }
    }

    /// Sessions of the stores; `None`: they did not come yet.
    pub fn activity(&self) -> Option<&ByStore<Activity>> {
        match self.views.get(&ViewKind::Activity)?.as_ref() {
            View::Activity(stores) => Some(stores),
            _ => None,
        }
    }

    /// Replication of the stores; `None`: it did not come yet.
    pub fn replication(&self) -> Option<&ByStore<ReplicationNow>> {
        match self.views.get(&ViewKind::Replication)?.as_ref() {
            View::Replication(stores) => Some(stores),
            _ => None,
        }
    }

    /// Statements by what they cost; `None`: they did not come yet.
    pub fn hot_spots(&self) -> Option<&HotSpotsNow> {
        match self.views.get(&ViewKind::HotSpots)?.as_ref() {
            View::HotSpots(now) => Some(now),
            _ => None,
        }
    }

    /// Index advice of the stores; `None`: it did not come yet.
    pub fn indexes(&self) -> Option<&ByStore<Audit>> {
        match self.views.get(&ViewKind::Indexes)?.as_ref() {
            View::Indexes(stores) => Some(stores),
            _ => None,
        }
    }

    /// Access audit of the stores; `None`: it did not come yet.
    pub fn access(&self) -> Option<&ByStore<Audit>> {
        match self.views.get(&ViewKind::Access)?.as_ref() {
            View::Access(stores) => Some(stores),
            _ => None,
        }
    }

    /// Readings came. How many rows changed since a pass is a reading, so it is put beside the journaled result here.
    pub fn sampled(&mut self, samples: Samples) {
        for (pipeline, tables) in &mut self.migration.verification {
            let changed = samples.pipelines.get(pipeline).map(|s| &s.changed_since_pass);
            for table in tables {
                table.changed_since = changed.and_then(|c| c.get(&table.table.to_string()).copied());
            }
        }
        self.samples = samples;
    }

    /// The engine answered.
    pub fn up(&mut self, welcome: Welcome) {
        if welcome.head < self.migration.head {
            self.broken = Some(format!(
                "the engine's journal ends at {}, but rows up to {} were seen here: it is another journal; leave and attach again",
                welcome.head, self.migration.head
            ));
        }
        self.link = LinkState::Up { since: self.now };
        self.welcome = Some(welcome);
    }

    /// The connection is gone. The first moment of the outage is kept over further failed attempts.
    pub fn down(&mut self, why: String) {
        let since = match &self.link {
            LinkState::Down { since, .. } => *since,
            LinkState::Connecting | LinkState::Up { .. } => self.now,
        };
        self.link = LinkState::Down { since, why };
    }

    /// Applies journal rows in order. Rows that are known already are passed over.
    pub fn apply(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if self.broken.is_some() {
                return;
            }
            if entry.seq <= self.migration.head {
                continue;
            }
            if let Err(error) = self.migration.apply(&entry) {
                self.broken = Some(format!("{error}; what is shown is out of date, leave and attach again"));
                return;
            }
            if self.lines.len() == KEPT_LINES {
                self.lines.pop_front();
            }
            let (subject, sentence) = (subject(&entry).to_owned(), sentence(&entry));
            self.lines.push_back(JournalLine { entry, subject, sentence });
        }
    }

    /// The kept line of a journal row.
    pub fn line(&self, seq: Seq) -> Option<&JournalLine> {
        let first = self.lines.front()?.entry.seq;
        let at = usize::try_from(seq.0.checked_sub(first.0)?).ok()?;
        self.lines.get(at)
    }

    /// Who the engine takes us for.
    pub fn operator(&self) -> Option<&Operator> {
        self.welcome.as_ref().map(|w| &w.operator)
    }

    /// Our role; a viewer until the engine said otherwise.
    pub fn role(&self) -> Role {
        self.welcome.as_ref().map_or(Role::Viewer, |w| w.role)
    }

    /// True when the profile says `env = "production"`.
    pub fn is_production(&self) -> bool {
        self.migration.env.as_deref() == Some("production")
    }

    /// True while connected.
    pub fn is_up(&self) -> bool {
        matches!(self.link, LinkState::Up { .. })
    }

    /// True until every row that existed at the handshake has arrived.
    pub fn is_loading(&self) -> bool {
        self.welcome.as_ref().is_none_or(|w| self.migration.head < w.head)
    }

    /// True when the readings are too old to be taken for the present.
    pub fn is_stale(&self) -> bool {
        self.samples.at.is_none_or(|at| self.now - at > FRESH)
    }

    /// The record of a phase.
    pub fn phase(&self, id: &PhaseId) -> Option<&PhaseRecord> {
        self.migration.phase(id)
    }
}
