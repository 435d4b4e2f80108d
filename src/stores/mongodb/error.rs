//! From the server's error codes and the driver's failures to [`StoreError`].

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::sanitise::clean;
use mongodb::error::{Error, ErrorKind as Driver};

/// Not authorised.
pub const UNAUTHORIZED: i32 = 13;
/// The server is no member of a replica set.
pub const NO_REPLICATION: i32 = 76;
/// The server is a member of a set that nobody initiated.
pub const NOT_YET_INITIALIZED: i32 = 94;
/// A member that is starting, recovering or in no set yet.
pub const NEITHER_PRIMARY_NOR_SECONDARY: i32 = 13436;
/// The collection is gone.
pub const NAMESPACE_NOT_FOUND: i32 = 26;

/// The one table from error codes to the kind of failure. Source: `error_codes.yml` of the server.
pub fn kind_of(code: i32) -> ErrorKind {
    match code {
        // Unauthorized, UserNotFound, AuthenticationFailed, AuthenticationAbandoned.
        UNAUTHORIZED | 11 | 18 | 282 => ErrorKind::Denied,
        // NamespaceNotFound, CursorNotFound, NoSuchSession.
        NAMESPACE_NOT_FOUND | 43 | 206 => ErrorKind::NotFound,
        // MaxTimeMSExpired, ExceededTimeLimit, NetworkTimeout.
        50 | 262 | 89 => ErrorKind::TimedOut,
        // LockTimeout, WriteConflict, LockBusy.
        24 | 112 | 46 => ErrorKind::Contention,
        // HostUnreachable, HostNotFound, ShutdownInProgress, NotWritablePrimary, interruptions at shutdown and step-down,
        // NotPrimaryNoSecondaryOk, NotPrimaryOrSecondary.
        6 | 7 | 91 | 10107 | 11600 | 11602 | 13435 | 13436 => ErrorKind::Unreachable,
        // CommandNotFound, InvalidOptions, CommandNotSupportedOnView, CommandNotSupported, NoReplicationEnabled, an unknown stage.
        59 | 72 | 166 | 115 | NO_REPLICATION | NOT_YET_INITIALIZED | 40324 => ErrorKind::Unsupported,
        // OutOfDiskSpace, ExceededMemoryLimit.
        14031 | 146 => ErrorKind::Exhausted,
        _ => ErrorKind::Rejected,
    }
}

/// The server's error code, when it is the server that refused.
pub fn code_of(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        Driver::Command(command) => Some(command.code),
        _ => None,
    }
}

/// True when the server refuses the command to this account, or does not know it: something is missing, nothing is broken.
pub fn is_refusal(error: &Error) -> bool {
    code_of(error).is_some_and(|code| matches!(kind_of(code), ErrorKind::Denied | ErrorKind::Unsupported))
}

/// The server's words without the command that it repeats: that one carries signatures and literals.
fn without_command(message: &str) -> &str {
    match message.find(" to execute command {") {
        Some(at) => &message[..at],
        None => message,
    }
}

/// An error of the driver with the server's words, cleaned.
pub fn from_mongo(store: &StoreId, operation: Operation, error: &Error) -> StoreError {
    let (kind, message) = match error.kind.as_ref() {
        Driver::Command(command) => (
            kind_of(command.code),
            format!("{} ({}, code {})", without_command(&command.message), command.code_name, command.code),
        ),
        Driver::Authentication { message, .. } => (ErrorKind::Denied, message.clone()),
        Driver::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => (ErrorKind::TimedOut, io.to_string()),
        Driver::Io(io) => (ErrorKind::Unreachable, io.to_string()),
        Driver::ServerSelection { message, .. }
        | Driver::ConnectionPoolCleared { message, .. }
        | Driver::DnsResolve { message, .. }
        | Driver::InvalidTlsConfig { message, .. } => (ErrorKind::Unreachable, message.clone()),
        Driver::InvalidArgument { message, .. } => (ErrorKind::Rejected, message.clone()),
        Driver::IncompatibleServer { message, .. } => (ErrorKind::Unsupported, message.clone()),
        other => (ErrorKind::Protocol, other.to_string()),
    };
    StoreError::new(store, operation, kind, clean(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_does_not_repeat_the_command() {
        let message = "not authorized on shop to execute command { profile: -1, $clusterTime: { signature: { hash: BinData(0, C0A9) } } }";
        assert_eq!(without_command(message), "not authorized on shop");
    }

    #[test]
    fn a_time_out_of_ours_is_one() {
        let error = Error::from(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 5 s"));
        assert_eq!(from_mongo(&"docs".into(), Operation::Inspect, &error).kind, ErrorKind::TimedOut);
    }
}
