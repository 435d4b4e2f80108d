//! SQLite's result codes as kinds of failure.

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::sanitise::clean;

/// Classifies a driver error and keeps SQLite's own words.
pub fn store_error(store: &StoreId, operation: Operation, error: &sqlx::Error) -> StoreError {
    let (kind, message) = match error {
        sqlx::Error::Database(database) => {
            let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(1);
            (kind_of_code(code, database.message()), clean(database.message()))
        }
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => (ErrorKind::Unreachable, clean(&error.to_string())),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => {
            (ErrorKind::Rejected, clean(&error.to_string()))
        }
        other => (ErrorKind::Protocol, clean(&other.to_string())),
    };
    StoreError::new(store, operation, kind, message)
}

/// True when the write lock (or another lock) was not to be had: SQLITE_BUSY and SQLITE_LOCKED in all their variants.
pub fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error).is_some_and(|code| code == 5 || code == 6)
}

/// True when a row collided with a primary key or a unique index.
pub fn is_unique_violation(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database) if database.is_unique_violation())
        // SQLITE_CONSTRAINT_ROWID: the same for an INTEGER PRIMARY KEY.
        || extended_code(error) == Some(2579)
}

fn extended_code(error: &sqlx::Error) -> Option<i32> {
    match error {
        sqlx::Error::Database(database) => database.code().and_then(|code| code.parse().ok()),
        _ => None,
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    extended_code(error).map(|code| code & 0xFF)
}

/// The table from result codes (<https://www.sqlite.org/rescode.html>) to kinds. The primary code is the low byte.
fn kind_of_code(code: i32, message: &str) -> ErrorKind {
    match code & 0xFF {
        5 | 6 | 17 => ErrorKind::Contention, // BUSY, LOCKED, SCHEMA
        9 => ErrorKind::TimedOut,            // INTERRUPT: only our own deadline interrupts
        3 | 8 | 23 => ErrorKind::Denied,     // PERM, READONLY, AUTH
        7 | 13 => ErrorKind::Exhausted,      // NOMEM, FULL
        10 | 14 => ErrorKind::Unreachable,   // IOERR, CANTOPEN
        18..=20 | 25 => ErrorKind::Rejected, // TOOBIG, CONSTRAINT, MISMATCH, RANGE
        26 => ErrorKind::Unsupported,        // NOTADB
        1 if message.contains("no such") => ErrorKind::NotFound,
        1 if message.contains("already exists") => ErrorKind::Exists,
        1 if message.contains("ON CONFLICT clause does not match") => ErrorKind::Rejected,
        _ => ErrorKind::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_kinds() {
        assert_eq!(kind_of_code(5, "database is locked"), ErrorKind::Contention);
        assert_eq!(kind_of_code(517, "busy snapshot"), ErrorKind::Contention);
        assert_eq!(kind_of_code(1811, "table has moved"), ErrorKind::Rejected);
        assert_eq!(kind_of_code(1, "no such table: x"), ErrorKind::NotFound);
        assert_eq!(kind_of_code(9, "interrupted"), ErrorKind::TimedOut);
        assert_eq!(kind_of_code(11, "malformed"), ErrorKind::Protocol);
    }
}
