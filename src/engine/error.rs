//! Errors that end an engine or keep it from starting.

use crate::config::secret::SecretProblem;
use crate::journal::error::JournalError;
use crate::stores::error::StoreError;
use std::path::PathBuf;

/// Why there is no (longer an) engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another engine owns the migration.
    #[error(
        "another engine owns the migration {migration}: {owner}; attach to it with `godwit attach`, or stop it with `godwit down`"
    )]
    Owned {
        /// Migration.
        migration: String,
        /// Who and since when, as the owner wrote it.
        owner: String,
    },
    /// A file or directory could not be used.
    #[error("{what} {path}: {source}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory that must be private is not.
    #[error("{path} must belong to you and have mode 0700 (it has {mode:o}): run `chmod 700 {path}`")]
    NotPrivate {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretProblem),
    /// The profile names something that this machine does not have.
    #[error("{0}")]
    Profile(String),
}

impl EngineError {
    /// Wraps an I/O error with what was attempted on which path.
    pub fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }
}
