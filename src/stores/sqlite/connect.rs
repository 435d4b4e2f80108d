//! Connections: which file a URL names and how it is opened.

use super::error::store_error;
use super::held::Held;
use super::row::{self, Args};
use super::session::Session;
use crate::model::lag::Reading;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::{OpenOptions, Result};
use nix::sys::statvfs::statvfs;
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file behind a store's URL: `sqlite:/abs/path`, `sqlite:///abs/path` or `sqlite:rel.db`.
///
/// # Errors
/// One sentence that says what is wrong with the URL.
pub fn path_of(url: &str) -> std::result::Result<PathBuf, String> {
    let Some(rest) = url.strip_prefix("sqlite:") else {
        return Err("a SQLite URL begins with sqlite:, such as sqlite:/var/lib/shop/orders.db".to_owned());
    };
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err("write sqlite:rel.db or sqlite:/abs/path: a SQLite URL has no host".to_owned()),
        None => rest,
    };
    if path.is_empty() {
        return Err("the SQLite URL names no file".to_owned());
    }
    if path.contains(":memory:") {
        return Err("a database in memory cannot be migrated: name a file".to_owned());
    }
    if path.contains(['?', '\0']) {
        return Err("a SQLite URL takes no parameters".to_owned());
    }
    Ok(PathBuf::from(path))
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reads only. A file that does not exist reads as an empty database: a target is made by its first write.
    Read,
    /// Reads and writes a file that exists.
    Write,
    /// Writes and makes the file, in WAL mode. Commits are durable (`synchronous = FULL`) because a checkpoint may let the
    /// source cut its log: with `NORMAL` a power loss could take a commit back whose changes no log holds any more.
    Create,
}

/// A database file and how to open it. Shared by all capabilities of a store.
pub struct Database {
    /// Options of the store.
    pub options: OpenOptions,
    /// The file as the profile names it.
    pub path: PathBuf,
    /// Freezes of this store and their markers.
    pub held: Held,
}

impl Database {
    /// An error of this store.
    pub fn error(&self, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> StoreError {
        StoreError::new(&self.options.id, operation, kind, message)
    }

    /// Absolute path with links resolved, as far as the file exists.
    pub fn canonical(&self) -> PathBuf {
        if let Ok(path) = self.path.canonicalize() {
            return path;
        }
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match (parent.canonicalize(), self.path.file_name()) {
            (Ok(parent), Some(name)) => parent.join(name),
            _ => self.path.clone(),
        }
    }

    /// Device and inode of the file now: differs after somebody replaced the file under its name. `None` if there is no file.
    pub fn file_identity(&self) -> Option<(u64, u64)> {
        std::fs::metadata(&self.path).ok().map(|meta| (meta.dev(), meta.ino()))
    }

    /// Bytes free on the file system of the file, whose change log and write-ahead log grow with it.
    pub fn disk_free(&self) -> Reading<u64> {
        let path = self.canonical();
        let directory = path.parent().unwrap_or(Path::new("/"));
        match statvfs(directory) {
            Ok(stat) => Reading::Known(stat.blocks_available().saturating_mul(stat.fragment_size())),
            Err(error) => {
                Reading::Unknown(format!("the file system of {} cannot be read: {error}", directory.display()))
            }
        }
    }

    /// Opens a session for one operation.
    pub async fn open(&self, mode: Mode, operation: Operation) -> Result<Session> {
        let missing = self.file_identity().is_none();
        if missing && mode == Mode::Write {
            return Err(self.error(
                operation,
                ErrorKind::Unreachable,
                format!("there is no file {}", self.canonical().display()),
            ));
        }
        let mut options = SqliteConnectOptions::new()
            .create_if_missing(mode == Mode::Create)
            .foreign_keys(false)
            .busy_timeout(self.options.connect_timeout)
            .row_buffer_size(512)
            .statement_cache_capacity(400)
            .disable_statement_logging();
        options = if missing && mode == Mode::Read { options.in_memory(true) } else { options.filename(&self.path) };
        // Our reads of the application's file must never write by accident; the applier's deletes must fire what they fire there.
        options = match mode {
            Mode::Read => options.pragma("query_only", "1"),
            Mode::Write | Mode::Create => options.synchronous(SqliteSynchronous::Full).pragma("cache_size", "-16000"),
        };
        let connect = tokio::time::timeout(self.options.connect_timeout, options.connect());
        let conn = match connect.await {
            Ok(conn) => conn.map_err(|e| self.open_error(operation, &e))?,
            Err(_) => {
                return Err(self.error(
                    operation,
                    ErrorKind::TimedOut,
                    "the file was not opened in the connect time-out",
                ));
            }
        };
        let mut session = Session::new(conn, self.options.clone(), operation).await?;
        if mode == Mode::Create {
            let journal = session.rows("PRAGMA journal_mode = WAL", Args::new()).await?;
            if journal.first().map(|row| row::text(row, 0)) != Some("wal") {
                return Err(self.error(operation, ErrorKind::Unsupported, "the file cannot be switched to WAL mode"));
            }
        }
        if mode != Mode::Read {
            // From here on the only wait is that of `begin_immediate`, which polls more often than SQLite's own handler.
            session.rows("PRAGMA busy_timeout = 2", Args::new()).await?;
        }
        Ok(session)
    }

    fn open_error(&self, operation: Operation, error: &sqlx::Error) -> StoreError {
        let mut error = store_error(&self.options.id, operation, error);
        error.message = format!("{} ({})", error.message, self.canonical().display());
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_files() {
        assert_eq!(path_of("sqlite:/var/x.db"), Ok(PathBuf::from("/var/x.db")));
        assert_eq!(path_of("sqlite:///var/x.db"), Ok(PathBuf::from("/var/x.db")));
        assert_eq!(path_of("sqlite:rel dir/x.db"), Ok(PathBuf::from("rel dir/x.db")));
        for bad in ["", "sqlite:", "postgres://x", "sqlite://host/x", "sqlite::memory:", "sqlite:x.db?mode=ro"] {
            assert!(path_of(bad).is_err(), "{bad}");
        }
    }
}
