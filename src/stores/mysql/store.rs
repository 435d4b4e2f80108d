//! An opened MariaDB or MySQL store.

use crate::model::ids::StoreId;
use crate::stores::absent::Absent;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::index_maker::IndexMaker;
use crate::stores::mysql::address::Address;
use crate::stores::mysql::capability::Flavour;
use crate::stores::mysql::connect::Connector;
use crate::stores::mysql::index_use::Switch;
use crate::stores::mysql::slow_log::SlowLog;
use crate::stores::mysql::statements::Texts;
use crate::stores::mysql::watch::Watch;
use crate::stores::observe::{AccessFacts, IndexStats, Monitoring, Replicas, Sessions, StatementStats};
use crate::stores::{
    Access, Activity, Capture, Checksum, Freeze, Inventory, OpenOptions, Preflight, Probe, Result, Schema, Sequences,
    Store, Target,
};
use std::sync::Arc;

/// One server, or one database on it when the URL names one. It is watched; nothing is moved through it yet.
pub struct MysqlStore {
    engine: &'static str,
    connector: Arc<Connector>,
    watch: Watch,
    absent: Absent,
    texts: Texts,
    slow_log: SlowLog,
    user_statistics: Switch,
}

impl MysqlStore {
    /// Opens the store behind a URL; does not connect. `engine` is the profile's word, `mariadb` or `mysql`.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] when the URL cannot be read; the error never repeats it.
    pub fn open(options: OpenOptions, engine: &'static str, url: &str) -> Result<Self> {
        let address = Address::parse(url)
            .map_err(|reason| StoreError::new(&options.id, Operation::Connect, ErrorKind::Rejected, reason))?;
        let product = if engine == "mysql" { "MySQL" } else { "MariaDB" };
        let absent = Absent::new(options.id.clone(), product);
        let connector = Arc::new(Connector::new(options, address));
        Ok(Self {
            engine,
            watch: Watch::new(connector.clone()),
            connector,
            absent,
            texts: Texts::default(),
            slow_log: SlowLog::default(),
            user_statistics: Switch::default(),
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

    /// Which product the profile says it is; the server itself is asked by whoever connects.
    pub(super) fn declared(&self) -> Flavour {
        if self.engine == "mysql" { Flavour::Mysql } else { Flavour::Mariadb }
    }

    /// Texts of statements that were read before.
    pub(super) fn statement_texts(&self) -> &Texts {
        &self.texts
    }

    /// Since when the slow log is read.
    pub(super) fn slow_log(&self) -> &SlowLog {
        &self.slow_log
    }

    /// Since when `userstat` was seen on.
    pub(super) fn user_statistics(&self) -> &Switch {
        &self.user_statistics
    }
}

impl Store for MysqlStore {
    fn id(&self) -> &StoreId {
        self.connector.id()
    }

    fn engine(&self) -> &'static str {
        self.engine
    }

    fn address(&self) -> String {
        self.connector.address().redacted(self.engine)
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
