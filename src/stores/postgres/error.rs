//! From PostgreSQL's SQLSTATEs and the drivers' failures to [`StoreError`].

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::sanitise;

/// The one table from SQLSTATE to the kind of failure. Exact codes first, then classes (the first two characters).
/// Source: PostgreSQL documentation, appendix A.
pub fn kind_of(sqlstate: &str) -> ErrorKind {
    match sqlstate {
        // query_canceled: a statement time-out or a cancel request; idle_in_transaction_session_timeout.
        "57014" | "25P03" | "57P05" => ErrorKind::TimedOut,
        // lock_not_available, object_in_use (an active slot), snapshot no longer importable is 22023 and stays Rejected.
        "55P03" | "55006" => ErrorKind::Contention,
        // insufficient_privilege, invalid_authorization_specification, invalid_password.
        "42501" => ErrorKind::Denied,
        // admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped.
        "57P01" | "57P02" | "57P03" | "57P04" => ErrorKind::Unreachable,
        // undefined table, column, object, function, schema, database; invalid_catalog_name, invalid_schema_name.
        "42P01" | "42703" | "42704" | "42883" | "3D000" | "3F000" => ErrorKind::NotFound,
        // duplicate table, object, schema, database, function, column.
        "42P07" | "42710" | "42P06" | "42P04" | "42723" | "42701" => ErrorKind::Exists,
        // feature_not_supported, and a prepared statement whose result type changed under us.
        "0A000" => ErrorKind::Unsupported,
        // object_not_in_prerequisite_state: slot invalidated, wal_level too low, recovery in progress.
        "55000" => ErrorKind::Unsupported,
        // undefined_file: a WAL segment that is already removed.
        "58P01" => ErrorKind::LogLost,
        _ => match sqlstate.get(..2) {
            Some("08") => ErrorKind::Unreachable,
            Some("28") => ErrorKind::Denied,
            Some("40") => ErrorKind::Contention,
            Some("53") => ErrorKind::Exhausted,
            // operator intervention, system error (I/O).
            Some("57" | "58") => ErrorKind::Unreachable,
            // protocol violation in 08 is Unreachable above; XX is an internal error or corruption.
            Some("XX") => ErrorKind::Protocol,
            // data exceptions, constraint violations, invalid states, syntax errors of statements from a profile, PL/pgSQL.
            _ => ErrorKind::Rejected,
        },
    }
}

/// An error of the query driver with the server's words, cleaned.
pub fn from_sqlx(store: &StoreId, operation: Operation, error: sqlx::Error) -> StoreError {
    let (kind, message) = match &error {
        sqlx::Error::Database(db) => {
            let code = db.code();
            let code = code.as_deref().unwrap_or_default();
            (kind_of(code), format!("{} (SQLSTATE {code})", db.message()))
        }
        sqlx::Error::PoolTimedOut => {
            (ErrorKind::Unreachable, "no connection became free within the connect time-out".to_owned())
        }
        sqlx::Error::Io(io) => (ErrorKind::Unreachable, io.to_string()),
        sqlx::Error::Tls(tls) => (ErrorKind::Unreachable, format!("TLS: {tls}")),
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => (ErrorKind::Unreachable, error.to_string()),
        sqlx::Error::RowNotFound => (ErrorKind::NotFound, "the server returned no row".to_owned()),
        other => (ErrorKind::Protocol, other.to_string()),
    };
    StoreError::new(store, operation, kind, sanitise::clean(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_classes() {
        for (code, kind) in [
            ("57014", ErrorKind::TimedOut),
            ("40001", ErrorKind::Contention),
            ("40P01", ErrorKind::Contention),
            ("55P03", ErrorKind::Contention),
            ("28P01", ErrorKind::Denied),
            ("42501", ErrorKind::Denied),
            ("42P01", ErrorKind::NotFound),
            ("42P07", ErrorKind::Exists),
            ("23505", ErrorKind::Rejected),
            ("22003", ErrorKind::Rejected),
            ("53100", ErrorKind::Exhausted),
            ("53300", ErrorKind::Exhausted),
            ("57P01", ErrorKind::Unreachable),
            ("08006", ErrorKind::Unreachable),
            ("58P01", ErrorKind::LogLost),
            ("0A000", ErrorKind::Unsupported),
            ("XX000", ErrorKind::Protocol),
            ("", ErrorKind::Rejected),
            ("é", ErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }

    #[test]
    fn driver_failures_are_clean() {
        let io = std::io::Error::other("bad\u{1b}[2Jthing");
        let error = from_sqlx(&StoreId::from("a"), Operation::Inspect, sqlx::Error::Io(io));
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert_eq!(error.to_string(), "a: cannot inspect: badthing");
    }
}
