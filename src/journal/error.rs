//! Errors of the journal. A failed append stops the engine; nothing here is retried.

use crate::model::fold::FoldError;
use std::path::PathBuf;

/// Why the journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite failed: disk full, file gone, not a database, locked by somebody else.
    #[error(
        "the journal {path} cannot be used: {source}; check the disk and the file's rights, then start the engine again"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file was written by a newer Godwit in a form that this one cannot read.
    #[error("the journal {path} has form {found}, this godwit reads up to {known}: use the newer godwit")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The newest known form.
        known: i64,
    },
    /// A row was changed, removed or inserted by something else than an append.
    #[error("the journal {path} is broken at row {seq}: {what}; keep the file and restore it from a copy")]
    Broken {
        /// The file.
        path: PathBuf,
        /// First bad row.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// The rows do not follow from one another.
    #[error("the journal {path} does not make sense: {source}")]
    Fold {
        /// The file.
        path: PathBuf,
        /// Which row and why.
        source: FoldError,
    },
    /// An event could not be written as JSON: a defect.
    #[error("an event cannot be encoded: {0}")]
    Encode(#[from] serde_json::Error),
}
