//! From the server's error codes and the driver's failures to [`StoreError`].

use crate::model::ids::StoreId;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::sanitise::clean;
use redis::RedisError;

/// The one table from an error's first word to the kind of failure.
pub fn kind_of(code: &str, message: &str) -> ErrorKind {
    match code {
        "NOPERM" | "NOAUTH" | "WRONGPASS" => ErrorKind::Denied,
        "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" => ErrorKind::Unreachable,
        "BUSY" | "TRYAGAIN" => ErrorKind::Contention,
        "OOM" => ErrorKind::Exhausted,
        _ if message.contains("max number of clients") => ErrorKind::Exhausted,
        _ if message.contains("unknown command") || message.contains("nknown subcommand") => ErrorKind::Unsupported,
        _ => ErrorKind::Rejected,
    }
}

/// True when the server refuses the command to this account, or does not know it: something is missing, nothing is broken.
pub fn is_refusal(error: &RedisError) -> bool {
    let message = error.to_string();
    error.code() == Some("NOPERM") || kind_of(error.code().unwrap_or_default(), &message) == ErrorKind::Unsupported
}

/// True when the server does not take a command with so many words.
pub fn is_syntax(error: &RedisError) -> bool {
    error.code() == Some("ERR") && error.to_string().contains("syntax error")
}

/// An error of the driver with the server's words, cleaned.
pub fn from_redis(store: &StoreId, operation: Operation, error: &RedisError) -> StoreError {
    let message = error.to_string();
    let kind = match error.kind() {
        _ if error.is_timeout() => ErrorKind::TimedOut,
        redis::ErrorKind::AuthenticationFailed => ErrorKind::Denied,
        // A server that has no room says so and hangs up at once.
        _ if message.contains("max number of clients") => ErrorKind::Exhausted,
        _ if error.is_io_error() || error.is_connection_dropped() => ErrorKind::Unreachable,
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => {
            kind_of(error.code().unwrap_or_default(), &message)
        }
        redis::ErrorKind::InvalidClientConfig => ErrorKind::Rejected,
        _ => ErrorKind::Protocol,
    };
    StoreError::new(store, operation, kind, clean(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_decides() {
        for (code, message, kind) in [
            ("NOPERM", "User w has no permissions to run the 'keys' command", ErrorKind::Denied),
            ("WRONGPASS", "invalid username-password pair or user is disabled.", ErrorKind::Denied),
            ("LOADING", "Redis is loading the dataset in memory", ErrorKind::Unreachable),
            ("ERR", "max number of clients reached", ErrorKind::Exhausted),
            ("ERR", "unknown command 'COMMANDLOG', with args beginning with: ", ErrorKind::Unsupported),
            ("ERR", "Unknown subcommand or wrong number of arguments for 'x'", ErrorKind::Unsupported),
            ("WRONGTYPE", "Operation against a key holding the wrong kind of value", ErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(code, message), kind, "{code} {message}");
        }
    }
}
