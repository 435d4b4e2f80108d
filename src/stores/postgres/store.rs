//! An opened PostgreSQL store.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::index_maker::IndexMaker;
use crate::stores::observe::{AccessFacts, IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use crate::stores::postgres::address::Address;
use crate::stores::postgres::capture::PgCapture;
use crate::stores::postgres::connect::Connector;
use crate::stores::postgres::holds::Holds;
use crate::stores::postgres::indexes::Definitions;
use crate::stores::postgres::statements::Texts;
use crate::stores::postgres::target::PgTarget;
use crate::stores::postgres::watch::Watch;
use crate::stores::postgres::wire::link::Link;
use crate::stores::{
    Access, Activity, Capture, Checksum, Freeze, Inventory, OpenOptions, Preflight, Probe, Result, Schema, Sequences,
    Store, Target,
};
use std::sync::Arc;

/// One database on one PostgreSQL server. The data path (capture, target) has connections of its own.
pub struct PostgresStore {
    connector: Arc<Connector>,
    holds: Arc<Holds>,
    capture: PgCapture,
    target: PgTarget,
    watch: Watch,
    texts: Texts,
    definitions: Definitions,
}

impl PostgresStore {
    /// Opens the store behind a URL; does not connect.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the URL cannot be read; the error never repeats it.
    pub fn open(options: OpenOptions, url: &str) -> Result<Self> {
        let address = Address::parse(url)
            .map_err(|reason| StoreError::new(&options.id, Operation::Connect, ErrorKind::Rejected, reason))?;
        let link = Link::new(address.clone(), options.clone());
        let connector = Arc::new(Connector::new(options, address));
        Ok(Self {
            watch: Watch::new(connector.clone()),
            texts: Texts::default(),
            definitions: Definitions::default(),
            connector,
            holds: Arc::default(),
            capture: PgCapture::new(link.clone()),
            target: PgTarget::new(link),
        })
    }

    /// Its connections.
    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The session that looks.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Texts of statements that were read before.
    pub(super) fn statement_texts(&self) -> &Texts {
        &self.texts
    }

    /// Definitions of indexes that were read before.
    pub(super) fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// Sessions that hold writers, or may still hold them.
    pub(super) fn holds(&self) -> &Arc<Holds> {
        &self.holds
    }
}

impl Store for PostgresStore {
    fn id(&self) -> &StoreId {
        self.connector.id()
    }

    fn engine(&self) -> &'static str {
        "postgres"
    }

    fn address(&self) -> String {
        self.connector.address().redacted()
    }

    fn probe(&self) -> &dyn Probe {
        self
    }

    fn inventory(&self) -> &dyn Inventory {
        self
    }

    fn preflight(&self) -> &dyn Preflight {
        self
    }

    fn schema(&self) -> &dyn Schema {
        self
    }

    fn capture(&self) -> &dyn Capture {
        &self.capture
    }

    fn target(&self) -> &dyn Target {
        &self.target
    }

    fn checksum(&self) -> &dyn Checksum {
        self
    }

    fn freeze(&self) -> &dyn Freeze {
        self
    }

    fn sequences(&self) -> &dyn Sequences {
        self
    }

    fn access(&self) -> &dyn Access {
        self
    }

    fn activity(&self) -> &dyn Activity {
        self
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
