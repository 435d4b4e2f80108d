//! From the error numbers of MariaDB and MySQL and the driver's failures to [`StoreError`].

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::sanitise;
use sqlx::mysql::MySqlDatabaseError;

/// The one table from error number to the kind of failure. Source: the error references of MariaDB 10.11 and MySQL 8.0.
pub fn kind_of(number: u16) -> ErrorKind {
    match number {
        // A statement time-out (MariaDB, MySQL), a KILL QUERY.
        1969 | 3024 | 1317 => ErrorKind::TimedOut,
        // Lock wait time-out, deadlock, NOWAIT.
        1205 | 1213 | 3572 => ErrorKind::Contention,
        // Access denied: to a database, by password, to a command, a table, a column, for want of a privilege, as a blocked account.
        1044 | 1045 | 1095 | 1130 | 1142 | 1143 | 1227 | 1370 | 1698 | 1820 | 3118 | 4151 => ErrorKind::Denied,
        // Unknown database, table, column, I_S table, thread, routine.
        1305 | 1049 | 1051 | 1054 | 1109 | 1146 | 1094 => ErrorKind::NotFound,
        // A database, a table, the name of an index.
        1007 | 1050 | 1061 => ErrorKind::Exists,
        // Too many connections, of one account, out of memory, disk full.
        1040 | 1203 | 1226 | 1037 | 1038 | 1021 | 1041 => ErrorKind::Exhausted,
        // Server shutdown, connection killed, aborted.
        1053 | 1077 | 1079 | 1927 | 1152 | 1158 | 1159 | 1160 | 1161 => ErrorKind::Unreachable,
        // Not supported, unknown storage engine, feature disabled, unknown variable.
        1235 | 1286 | 1289 | 1193 => ErrorKind::Unsupported,
        _ => ErrorKind::Rejected,
    }
}

/// The server's error number, if it was the server that refused.
pub fn number(error: &sqlx::Error) -> Option<u16> {
    match error {
        sqlx::Error::Database(database) => {
            database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
        }
        _ => None,
    }
}

/// An error of the driver with the server's words, cleaned.
pub fn from_sqlx(store: &StoreId, operation: Operation, error: &sqlx::Error) -> StoreError {
    let (kind, message) = match error {
        sqlx::Error::Database(database) => {
            let number = number(error).unwrap_or(0);
            let hint = match number {
                // MySQL: whoever has CONNECTION_ADMIN ends all sessions but these.
                1095 => "; sessions of accounts with SYSTEM_USER are ended only by their like",
                _ => "",
            };
            (kind_of(number), format!("{} (error {number}){hint}", database.message()))
        }
        sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => (ErrorKind::TimedOut, io.to_string()),
        sqlx::Error::Io(io) => (ErrorKind::Unreachable, io.to_string()),
        sqlx::Error::Tls(tls) => (
            ErrorKind::Unreachable,
            format!("TLS: {tls}; the certificate is verified unless the URL has `ssl-mode=required` or less"),
        ),
        // The driver's only such error once a URL was read: the server asks for the password itself, and the connection is plain.
        sqlx::Error::Configuration(_) => (
            ErrorKind::Denied,
            "the account's password is kept by caching_sha2_password or sha256_password, and the server takes it over TLS only: \
             let the server offer TLS, and leave `ssl-mode=disabled` out of the URL"
                .to_owned(),
        ),
        sqlx::Error::RowNotFound => (ErrorKind::NotFound, "the server returned no row".to_owned()),
        other => (ErrorKind::Protocol, other.to_string()),
    };
    StoreError::new(store, operation, kind, sanitise::clean(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_kinds() {
        for (number, kind) in [
            (1969, ErrorKind::TimedOut),
            (3024, ErrorKind::TimedOut),
            (1213, ErrorKind::Contention),
            (1045, ErrorKind::Denied),
            (1227, ErrorKind::Denied),
            (1146, ErrorKind::NotFound),
            (1094, ErrorKind::NotFound),
            (1040, ErrorKind::Exhausted),
            (1927, ErrorKind::Unreachable),
            (1064, ErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(number), kind, "{number}");
        }
    }

    #[test]
    fn driver_failures_are_clean() {
        let io = sqlx::Error::Io(std::io::Error::other("bad\u{1b}[2Jthing"));
        let error = from_sqlx(&StoreId::from("a"), Operation::Inspect, &io);
        assert_eq!((error.kind, error.to_string().as_str()), (ErrorKind::Unreachable, "a: cannot inspect: badthing"));
    }
}
