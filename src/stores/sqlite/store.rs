//! One SQLite file as a store.

use super::connect::Database;
use super::held::Held;
use crate::model::ids::StoreId;
use crate::stores::observe::IndexStats;
use crate::stores::{
    Access, Activity, Capture, Checksum, Freeze, Inventory, OpenOptions, Preflight, Probe, Schema, Sequences, Store,
    Target,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// A SQLite file. All capabilities are implemented on it, one file each beside this one.
pub struct SqliteStore {
    /// The file, shared with the snapshots, streams and guards that outlive a call.
    pub(super) db: Arc<Database>,
    /// True while the outcome of a fence's commit is unknown, see [`Freeze::fence_state`].
    pub(super) fence_in_doubt: Arc<AtomicBool>,
}

impl SqliteStore {
    /// A store on `path`. Nothing is opened yet.
    pub fn new(options: OpenOptions, path: PathBuf) -> Self {
        Self {
            db: Arc::new(Database { options, path, held: Held::default() }),
            fence_in_doubt: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Store for SqliteStore {
    fn id(&self) -> &StoreId {
        &self.db.options.id
    }

    fn engine(&self) -> &'static str {
        "sqlite"
    }

    fn address(&self) -> String {
        self.db.canonical().display().to_string()
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
        self
    }

    fn target(&self) -> &dyn Target {
        self
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

    fn indexes(&self) -> Option<&dyn IndexStats> {
        Some(self)
    }
}
