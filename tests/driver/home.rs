//! Where a migration of a test lives: a directory with its profile, and an engine's files below it.

use godwit::config;
use godwit::engine::EngineOptions;
use godwit::wire::place::Place;
use std::path::{Path, PathBuf};

/// The directory of one migration.
pub trait Home {
    /// The directory.
    fn path(&self) -> &Path;

    /// The migration's name.
    fn name(&self) -> &str;

    /// The profile's file.
    fn profile(&self) -> PathBuf {
        self.path().join(format!("{}.toml", self.name()))
    }

    /// What XDG_STATE_HOME is for the engine and its clients.
    fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// What XDG_RUNTIME_DIR is for the engine and its clients.
    fn run(&self) -> PathBuf {
        self.path().join("run")
    }

    /// The same as `Place::of` with these two variables set.
    fn place(&self) -> Place {
        Place {
            state_dir: self.state().join("godwit").join(self.name()),
            socket: self.run().join(format!("godwit/{}.sock", self.name())),
        }
    }

    /// What an engine is started with.
    fn options(&self) -> EngineOptions {
        EngineOptions { profile: config::load(&self.profile()).unwrap(), place: self.place(), detached: false }
    }
}
