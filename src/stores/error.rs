//! Errors of stores: what was attempted, where, why, and which policy follows from it.

use crate::model::ids::StoreId;
use std::fmt;

/// What was being done. Kept as a value so that messages and policies do not parse text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Establishing a connection.
    Connect,
    /// Reading catalogues, facts or checks.
    Inspect,
    /// Building or removing schema objects.
    Build,
    /// Making or dropping a capture.
    Prepare,
    /// Reading a snapshot.
    ReadChunk,
    /// Loading a chunk.
    LoadChunk,
    /// Reading changes.
    Capture,
    /// Applying changes.
    Apply,
    /// Reading or writing a checkpoint.
    Checkpoint,
    /// Comparing.
    Compare,
    /// Holding writers.
    Freeze,
    /// Setting or removing a fence.
    Fence,
    /// Reading or moving sequences.
    Sequence,
    /// Cancelling or killing somebody's session.
    EndSession,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Inspect => "inspect",
            Self::Build => "build the schema",
            Self::Prepare => "set up change capture",
            Self::ReadChunk => "read a chunk",
            Self::LoadChunk => "load a chunk",
            Self::Capture => "read changes",
            Self::Apply => "apply changes",
            Self::Checkpoint => "use the checkpoint",
            Self::Compare => "compare",
            Self::Freeze => "hold writers",
            Self::Fence => "set the fence",
            Self::Sequence => "move sequences",
            Self::EndSession => "end a session",
        })
    }
}

/// Why an operation failed, as far as the next action depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The connection could not be made or was lost: wait and try again.
    Unreachable,
    /// A time-out of ours or of the server's: try again, more rarely.
    TimedOut,
    /// Deadlock, serialization failure, lock not available: try again.
    Contention,
    /// Wrong password, unknown user, missing right: only a person can mend it.
    Denied,
    /// The object does not exist.
    NotFound,
    /// The object exists already and Godwit did not make it.
    Exists,
    /// The server refused a row or value (constraint, type, range): the data or the mapping must be mended.
    Rejected,
    /// The log that a capture needs is gone; only a new copy helps (W03, W04).
    LogLost,
    /// The source's schema no longer matches the mapping.
    SchemaChanged,
    /// The server is too old or lacks a feature.
    Unsupported,
    /// Disk full, out of memory, too many connections on the server.
    Exhausted,
    /// The peer said something that the protocol does not allow, or Godwit has a defect.
    Protocol,
}

/// What follows from a kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Retried by itself with back-off.
    Retry,
    /// Stops; a person mends the cause and retries.
    Stop,
    /// Stops; what was done before must be done anew.
    Restart,
}

impl ErrorKind {
    /// The one table from kind to policy and to the sentence that tells an operator what to do next.
    pub fn advice(self) -> (Policy, &'static str) {
        match self {
            Self::Unreachable => (Policy::Retry, "Godwit keeps trying; check that the server is up and reachable"),
            Self::TimedOut => (Policy::Retry, "Godwit tries again; check the server's load and locks"),
            Self::Contention => (Policy::Retry, "Godwit tries again; see who holds the lock"),
            Self::Denied => (Policy::Stop, "grant the right or mend the credentials, then retry"),
            Self::NotFound => (Policy::Stop, "check the name in the profile against the server, then retry"),
            Self::Exists => {
                (Policy::Stop, "Godwit never touches what it did not make: rename or remove it yourself, then retry")
            }
            Self::Rejected => (Policy::Stop, "mend the row or the target's schema, then retry; nothing was skipped"),
            Self::LogLost => (Policy::Restart, "the change log is gone: roll the backfill back and copy again"),
            Self::SchemaChanged => {
                (Policy::Stop, "bring the target's schema in line (or change the mapping), then retry")
            }
            Self::Unsupported => (Policy::Stop, "use a server version or setting that supports it"),
            Self::Exhausted => (Policy::Retry, "Godwit tries again; free disk, memory or connections on the server"),
            Self::Protocol => (Policy::Stop, "keep the log and report it: this is a defect of Godwit or of the server"),
        }
    }
}

/// A failed store operation. `message` is sanitised server or driver text without secrets.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{store}: cannot {operation}{}: {message}", .subject.as_ref().map(|s| format!(" ({s})")).unwrap_or_default())]
pub struct StoreError {
    /// The store.
    pub store: StoreId,
    /// What was attempted.
    pub operation: Operation,
    /// The table, slot or statement it was about.
    pub subject: Option<String>,
    /// The class of failure.
    pub kind: ErrorKind,
    /// Why, in the server's words.
    pub message: String,
}

impl StoreError {
    /// An error about the store as a whole.
    pub fn new(store: &StoreId, operation: Operation, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { store: store.clone(), operation, subject: None, kind, message: message.into() }
    }

    /// Says what within the store it is about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// What follows from it.
    pub fn policy(&self) -> Policy {
        self.kind.advice().0
    }
}
