//! The lock that makes one engine the owner of a migration.
//!
//! The lock is the kernel's (`flock`), so it ends with the process that holds it, however that ends: a stale lock cannot exist. The
//! file's text names the owner for people (O04).

use crate::engine::error::EngineError;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A held lock; dropping it gives the migration up.
#[derive(Debug)]
pub struct Ownership {
    file: File,
}

impl Drop for Ownership {
    /// Closing the file is not enough: a process that another thread has just forked has it open too, until it runs its own program.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the migration's lock is given up only when this process ends");
        }
    }
}

/// Takes the lock, or says who has it.
///
/// # Errors
/// [`EngineError::Owned`] with the owner's own words.
pub fn take(path: &Path, migration: &str, owner: &str) -> Result<Ownership, EngineError> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(EngineError::file("cannot open the lock", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let owner = match file.read_to_string(&mut text) {
                Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
                Ok(_) | Err(_) => "an engine that is just starting".to_owned(),
            };
            return Err(EngineError::Owned { migration: migration.to_owned(), owner });
        }
        Err(TryLockError::Error(source)) => return Err(EngineError::file("cannot lock", path)(source)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{owner}")?;
        file.sync_all()
    };
    write(&mut file).map_err(EngineError::file("cannot write the lock", path))?;
    Ok(Ownership { file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_with_the_first_one_named_and_a_dead_owners_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.lock");
        let first = take(&path, "shop", "mina, pid 1 on a").unwrap();
        let error = take(&path, "shop", "olaf, pid 2 on a").unwrap_err().to_string();
        assert!(error.contains("mina, pid 1 on a") && error.contains("godwit attach"), "{error}");
        drop(first);
        take(&path, "shop", "olaf, pid 2 on a").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "olaf, pid 2 on a");
    }
}
