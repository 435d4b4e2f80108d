//! Sessions of a server: who is connected, what they do, and what they wait for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Identity of a session: an id alone is used again by the server, so its birth belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    /// The server's id: PostgreSQL pid, MariaDB connection id, MongoDB opid or connection id, Redis client id.
    pub id: String,
    /// What tells two bearers of the id apart: backend start, connect time, client address. Opaque; compared for equality only.
    pub born: String,
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.id)
    }
}

/// What a session does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It carries a statement out.
    Active,
    /// It waits for a lock or another resource while carrying a statement out.
    Waiting,
    /// It waits for its client inside a transaction.
    IdleInTransaction,
    /// The same, and the transaction has failed.
    FailedTransaction,
    /// It waits for its client.
    Idle,
    /// The server does not say, or the monitoring account may not see it.
    Hidden,
}

impl SessionState {
    /// The word on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::IdleInTransaction => "idle in transaction",
            Self::FailedTransaction => "failed transaction",
            Self::Idle => "idle",
            Self::Hidden => "hidden",
        }
    }
}

/// What kind of work a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A client.
    Client,
    /// A replica, a change-capture reader, an applier.
    Replication,
    /// The server's own work: vacuum, purge, TTL.
    Background,
    /// Godwit's own.
    Own,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its identity.
    pub key: SessionKey,
    /// What it is for.
    pub kind: SessionKind,
    /// Login; empty where the server has none for it.
    pub login: String,
    /// Database that it is connected to.
    pub database: String,
    /// What the client calls itself.
    pub application: String,
    /// Where it comes from: an address, or `local`.
    pub client: String,
    /// What it does.
    pub state: SessionState,
    /// What it waits for, in the server's words; empty: nothing.
    pub wait: String,
    /// Since when it is connected.
    pub connected_at: Option<DateTime<Utc>>,
    /// Since when its transaction is open; `None`: none is.
    pub transaction_since: Option<DateTime<Utc>>,
    /// Since when its present statement runs, or when the last one began.
    pub statement_since: Option<DateTime<Utc>>,
    /// Since when it is in this state.
    pub state_since: Option<DateTime<Utc>>,
    /// Its present or last statement: sanitised, cut, and with its literals still in it.
    pub statement: String,
    /// How many transactions old the oldest row version is that it keeps from being cleaned up; `None`: none, or the engine has no such thing.
    pub holds_back: Option<u64>,
}

/// Who takes part in a lock wait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// A session.
    Session(SessionKey),
    /// A prepared transaction: nobody's session, it ends only by COMMIT PREPARED, ROLLBACK PREPARED or their like.
    Prepared(String),
    /// The server says that somebody blocks and not who.
    Unknown,
}

/// How a party stands in the way of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocking {
    /// It holds a lock that conflicts.
    Holds,
    /// It waits itself, ahead in the queue, for a lock that conflicts.
    QueuedAhead,
}

/// One party waits for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockEdge {
    /// Who waits.
    pub waiter: Party,
    /// Who is waited for.
    pub blocker: Party,
    /// How.
    pub how: Blocking,
    /// What is locked: `table public.orders`, `row of public.orders`, `transaction 4711`, `advisory 1/2`.
    pub object: String,
    /// The mode that is wanted.
    pub wanted: String,
    /// The mode that the blocker holds or wants; empty: the server does not say.
    pub held: String,
    /// Since when it waits.
    pub since: Option<DateTime<Utc>>,
}

/// A login that has a table in use now: what shows access across services without any right on the tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableTouch {
    /// Whose session it is.
    pub session: SessionKey,
    /// Login.
    pub login: String,
    /// What the client calls itself.
    pub application: String,
    /// Where it comes from.
    pub client: String,
    /// The table or collection, qualified as the engine does.
    pub table: String,
    /// True for a mode that writes.
    pub writes: bool,
    /// The statement, sanitised.
    pub statement: String,
}

/// Everything of one look at a server's sessions. The three lists are from one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Sessions.
    pub sessions: Vec<Session>,
    /// Who waits for whom.
    pub waits: Vec<LockEdge>,
    /// Which tables are in use and by whom.
    pub touches: Vec<TableTouch>,
    /// Sessions that the server allows, where it says so.
    pub limit: Option<u64>,
}

/// How a session is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Its present statement is cancelled; the session stays.
    Cancel,
    /// The session is ended; an open transaction is rolled back.
    Kill,
}

impl Ending {
    /// The verb of commands and screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Kill => "kill",
        }
    }
}
