//! An opened MongoDB store.

use crate::model::ids::StoreId;
use crate::stores::absent::Absent;
use crate::stores::index_maker::IndexMaker;
use crate::stores::mongodb::connect::Connector;
use crate::stores::mongodb::statements::Gathering;
use crate::stores::mongodb::watch::Watch;
use crate::stores::observe::{AccessFacts, IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use crate::stores::{
    Access, Activity, Capture, Checksum, Freeze, Inventory, OpenOptions, Preflight, Probe, Result, Schema, Sequences,
    Store, Target,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One server or replica set, which is only watched.
pub struct MongoStore {
    connector: Arc<Connector>,
    absent: Absent,
    watch: Watch,
    gathering: Gathering,
    /// Connections that the server allows, as last read; 0: not read yet.
    limit: AtomicU64,
}

impl MongoStore {
    /// Opens the store behind a URL; does not connect.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::stores::error::ErrorKind::Rejected) when the URL cannot be read; the error never repeats it.
    pub fn open(options: OpenOptions, url: &str) -> Result<Self> {
        let absent = Absent::new(options.id.clone(), "MongoDB");
        let connector = Arc::new(Connector::new(options, url)?);
        Ok(Self {
            absent,
            watch: Watch::new(connector.clone()),
            connector,
            gathering: Gathering::default(),
            limit: AtomicU64::new(0),
        })
    }

    /// Its clients.
    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The client that looks.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Slow operations that were read before.
    pub(super) fn gathering(&self) -> &Gathering {
        &self.gathering
    }

    /// Connections that the server allows, when that was read.
    pub(super) fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0)
    }

    /// Remembers how many connections the server allows.
    pub(super) fn note_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }
}

impl Store for MongoStore {
    fn id(&self) -> &StoreId {
        self.connector.id()
    }

    fn engine(&self) -> &'static str {
        "mongodb"
    }

    fn address(&self) -> String {
        self.connector.address()
    }

    fn probe(&self) -> &dyn Probe {
        self
    }

    fn inventory(&self) -> &dyn Inventory {
        self
    }

    fn preflight(&self) -> &dyn Preflight {
        &self.absent
    }

    fn schema(&self) -> &dyn Schema {
        &self.absent
    }

    fn capture(&self) -> &dyn Capture {
        &self.absent
    }

    fn target(&self) -> &dyn Target {
        &self.absent
    }

    fn checksum(&self) -> &dyn Checksum {
        &self.absent
    }

    fn freeze(&self) -> &dyn Freeze {
        &self.absent
    }

    fn sequences(&self) -> &dyn Sequences {
        &self.absent
    }

    fn access(&self) -> &dyn Access {
        &self.absent
    }

    fn activity(&self) -> &dyn Activity {
        &self.absent
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        Some(self)
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        Some(self)
    }

    fn statements(&self) -> Option<&dyn StatementStats> {
        Some(self)
    }

    fn indexes(&self) -> Option<&dyn IndexStats> {
        Some(self)
    }

    fn access_facts(&self) -> Option<&dyn AccessFacts> {
        Some(self)
    }

    fn monitoring(&self) -> Option<&dyn Monitoring> {
        Some(self)
    }

    fn index_maker(&self) -> Option<&dyn IndexMaker> {
        Some(self)
    }
}
