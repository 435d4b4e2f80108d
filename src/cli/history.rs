//! The journal file read without an engine: what happened is known even when nothing runs.

use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::journal::error::JournalError;
use crate::journal::log::{ChainReport, Journal, check};
use crate::model::event::Entry;
use crate::model::fold::Migration;
use crate::model::ids::Seq;
use std::path::PathBuf;

/// Rows read at a time.
const ROWS: u64 = 1_000;

/// The journal's path, if there is one.
///
/// # Errors
/// When the migration has no journal on this machine.
fn path(chosen: &Chosen) -> Result<PathBuf, Failure> {
    let path = chosen.place.journal();
    if path.exists() {
        return Ok(path);
    }
    Err(Failure::new(
        Exit::NoEngine,
        format!(
            "the migration {} has no journal here ({}): no engine has run it yet as this user",
            chosen.name,
            path.display()
        ),
    ))
}

/// The migration as its journal file tells it.
///
/// # Errors
/// When there is no journal or it cannot be read.
pub async fn migration(chosen: &Chosen) -> Result<Migration, Failure> {
    let mut journal = Journal::open_read_only(&path(chosen)?).await.map_err(|e| failure(&e))?;
    journal.replay().await.map_err(|e| failure(&e))
}

/// Rows after `since`.
///
/// # Errors
/// When there is no journal or it cannot be read.
pub async fn entries(chosen: &Chosen, since: Seq) -> Result<Vec<Entry>, Failure> {
    let mut journal = Journal::open_read_only(&path(chosen)?).await.map_err(|e| failure(&e))?;
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let cursor = entries.last().map_or(since, |entry| entry.seq);
        if cursor >= journal.head() {
            return Ok(entries);
        }
        let rows = journal.read_since(cursor, ROWS).await.map_err(|e| failure(&e))?;
        if rows.is_empty() {
            return Ok(entries);
        }
        entries.extend(rows);
    }
}

/// Verifies the hash chain.
///
/// # Errors
/// [`Exit::Finding`] when the journal is broken.
pub async fn chain(chosen: &Chosen) -> Result<ChainReport, Failure> {
    check(&path(chosen)?).await.map_err(|e| failure(&e))
}

/// A journal that says something wrong is a finding; one that cannot be read is a matter of files.
fn failure(error: &JournalError) -> Failure {
    let exit = match error {
        JournalError::Broken { .. } | JournalError::Fold { .. } => Exit::Finding,
        JournalError::File { .. } | JournalError::TooNew { .. } | JournalError::Encode(_) => Exit::Io,
    };
    Failure::new(exit, error.to_string())
}
