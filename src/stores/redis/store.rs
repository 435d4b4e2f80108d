//! An opened Redis or Valkey store.

use crate::model::ids::StoreId;
use crate::stores::absent::Absent;
use crate::stores::observe::{AccessFacts, Monitoring, Replicas, Sessions, StatementStats};
use crate::stores::redis::connect::Connector;
use crate::stores::redis::sessions::Clients;
use crate::stores::redis::slowlog::SlowLog;
use crate::stores::redis::statements::Commands;
use crate::stores::redis::watch::Watch;
use crate::stores::{
    Access, Activity, Capture, Checksum, Freeze, Inventory, OpenOptions, Preflight, Probe, Result, Schema, Sequences,
    Store, Target,
};
use std::sync::Arc;

/// Which of the two servers the profile names. They differ in what they have, which is asked, and in what is written of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

impl Flavour {
    /// The engine word of profiles.
    pub fn word(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Valkey => "Valkey",
        }
    }
}

/// One server, which is only watched.
pub struct RedisStore {
    flavour: Flavour,
    connector: Arc<Connector>,
    absent: Absent,
    watch: Watch,
    clients: Clients,
    commands: Commands,
    slow_log: SlowLog,
}

impl RedisStore {
    /// Opens the store behind a URL; does not connect.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`](crate::stores::error::ErrorKind::Rejected) when the URL cannot be read; the error never repeats it.
    pub fn open(flavour: Flavour, options: OpenOptions, url: &str) -> Result<Self> {
        let absent = Absent::new(options.id.clone(), flavour.name());
        let connector = Arc::new(Connector::new(options, url)?);
        Ok(Self {
            flavour,
            absent,
            watch: Watch::new(connector.clone()),
            connector,
            clients: Clients::default(),
            commands: Commands::default(),
            slow_log: SlowLog::default(),
        })
    }

    /// Which server the profile names.
    pub(super) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// Its connections.
    pub(super) fn connector(&self) -> &Arc<Connector> {
        &self.connector
    }

    /// The connection that looks.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The clients as they were last listed.
    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Command counters as they were last read.
    pub(super) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Slow entries that were read before.
    pub(super) fn slow_log(&self) -> &SlowLog {
        &self.slow_log
    }
}

impl Store for RedisStore {
    fn id(&self) -> &StoreId {
        self.connector.id()
    }

    fn engine(&self) -> &'static str {
        self.flavour.word()
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

    fn access_facts(&self) -> Option<&dyn AccessFacts> {
        Some(self)
    }

    fn monitoring(&self) -> Option<&dyn Monitoring> {
        Some(self)
    }
}
