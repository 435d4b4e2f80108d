//! Sessions and lock waits of all stores: what `godwit activity` and `godwit locks` print.

use crate::model::ids::StoreId;
use crate::model::lock::{LockNode, tree};
use crate::model::observation::{ByStore, Missing, StoreReading};
use crate::model::session::{Activity, Blocking, Party, Session, SessionKind, SessionState, TableTouch};
use crate::report::columns::Columns;
use crate::report::moment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Which sessions are listed.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Idle sessions, the server's own and Godwit's too.
    pub all: bool,
    /// Only sessions in whose login, application, client, database or statement this text occurs, whatever its case.
    pub text: Option<String>,
    /// Statements are left out: they may hold personal data.
    pub masked: bool,
}

/// How a store was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadingState {
    /// When the listed reading was taken; `null`: there is none.
    pub at: Option<DateTime<Utc>>,
    /// Why there is no newer one.
    pub problem: Option<String>,
    /// Why there will never be one: the engine has no such thing; `null`: it has.
    pub absent: Option<String>,
    /// What cannot be seen.
    pub missing: Vec<Missing>,
}

impl ReadingState {
    /// The state of a reading.
    pub fn of<T>(reading: &StoreReading<T>) -> Self {
        Self {
            at: reading.latest.as_ref().map(|read| read.at),
            problem: reading.problem.clone(),
            absent: reading.absent.clone(),
            missing: reading.latest.as_ref().map(|read| read.missing.clone()).unwrap_or_default(),
        }
    }

    /// Lines for a person: nothing when all is well.
    pub fn text(&self, store: &StoreId, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        if let Some(why) = &self.absent {
            let _ = writeln!(text, "{store}: {why}");
            return text;
        }
        match (&self.problem, self.at) {
            (Some(why), Some(at)) => {
                let _ = writeln!(text, "{store}: last read {} ago: {why}", moment::age(at, now));
            }
            (Some(why), None) => {
                let _ = writeln!(text, "{store}: {why}");
            }
            (None, None) => {
                let _ = writeln!(text, "{store}: not read yet");
            }
            (None, Some(_)) => {}
        }
        for missing in &self.missing {
            let _ = writeln!(text, "{store}: {} not visible: {}", missing.what, missing.why);
            if let Some(enable) = &missing.enable {
                let _ = writeln!(text, "{store}:   to enable: {enable}; (cost: {})", missing.price);
            }
        }
        text
    }
}

/// The JSON form, schema `godwit.activity/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityReport {
    /// `godwit.activity/1`.
    pub schema: &'static str,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreActivity>,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreActivity {
    /// How it was read.
    #[serde(flatten)]
    pub state: ReadingState,
    /// Sessions of all kinds.
    pub total: usize,
    /// Sessions that the server allows.
    pub limit: Option<u64>,
    /// Sessions that pass the filter, the oldest transaction first.
    pub sessions: Vec<Session>,
    /// Tables in use now.
    pub touches: Vec<TableTouch>,
}

/// Puts the report together.
pub fn activity(view: &ByStore<Activity>, filter: &SessionFilter) -> ActivityReport {
    let stores = view.iter().map(|(id, reading)| (id.clone(), store(reading, filter))).collect();
    ActivityReport { schema: "godwit.activity/1", stores }
}

fn store(reading: &StoreReading<Activity>, filter: &SessionFilter) -> StoreActivity {
    let state = ReadingState::of(reading);
    let Some(read) = &reading.latest else {
        return StoreActivity { state, total: 0, limit: None, sessions: Vec::new(), touches: Vec::new() };
    };
    let mut sessions: Vec<Session> = read.value.sessions.iter().filter(|s| listed(s, filter)).cloned().collect();
    let mut touches = read.value.touches.clone();
    if filter.masked {
        sessions.iter_mut().for_each(|session| session.statement = MASK.to_owned());
        touches.iter_mut().for_each(|touch| touch.statement = MASK.to_owned());
    }
    sessions.sort_by_key(|s| (s.transaction_since.is_none(), s.transaction_since, s.statement_since, s.key.clone()));
    StoreActivity { state, total: read.value.sessions.len(), limit: read.value.limit, sessions, touches }
}

/// What stands for a statement that is not shown.
const MASK: &str = "(masked)";

/// Whether a session passes the filter.
pub fn listed(session: &Session, filter: &SessionFilter) -> bool {
    let busy = session.kind == SessionKind::Client && session.state != SessionState::Idle;
    let matches = filter.text.as_ref().is_none_or(|text| {
        let text = text.to_lowercase();
        [&session.login, &session.application, &session.client, &session.database, &session.statement]
            .iter()
            .any(|field| field.to_lowercase().contains(&text))
    });
    (busy || filter.all) && matches
}

impl ActivityReport {
    /// The text form, seen at `now`.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        let mut columns = Columns::new(&[
            "STORE",
            "SESSION",
            "LOGIN",
            "APPLICATION",
            "CLIENT",
            "STATE",
            "TRANSACTION",
            "WAITS FOR",
            "STATEMENT",
        ]);
        for (id, store) in &self.stores {
            text.push_str(&store.state.text(id, now));
            for session in &store.sessions {
                columns.row([
                    id.to_string(),
                    session.key.id.clone(),
                    session.login.clone(),
                    session.application.clone(),
                    session.client.clone(),
                    session.state.word().to_owned(),
                    session.transaction_since.map_or_else(String::new, |at| moment::age(at, now)),
                    session.wait.clone(),
                    session.statement.clone(),
                ]);
            }
        }
        text.push_str(&columns.text());
        text
    }
}

/// The JSON form, schema `godwit.locks/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LocksReport {
    /// `godwit.locks/1`.
    pub schema: &'static str,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreLocks>,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreLocks {
    /// How it was read.
    #[serde(flatten)]
    pub state: ReadingState,
    /// The tree, in the order in which it is printed.
    pub tree: Vec<LockNode>,
    /// The sessions in it.
    pub sessions: Vec<Session>,
}

/// Puts the lock trees together.
pub fn locks(view: &ByStore<Activity>, filter: &SessionFilter) -> LocksReport {
    let stores = view.iter().map(|(id, reading)| (id.clone(), store_locks(reading, filter))).collect();
    LocksReport { schema: "godwit.locks/1", stores }
}

fn store_locks(reading: &StoreReading<Activity>, filter: &SessionFilter) -> StoreLocks {
    let state = ReadingState::of(reading);
    let Some(read) = &reading.latest else { return StoreLocks { state, tree: Vec::new(), sessions: Vec::new() } };
    let tree = tree(&read.value.waits);
    let in_tree = |s: &&Session| tree.iter().any(|n| matches!(&n.party, Party::Session(key) if *key == s.key));
    let mut sessions: Vec<Session> = read.value.sessions.iter().filter(in_tree).cloned().collect();
    if filter.masked {
        sessions.iter_mut().for_each(|session| session.statement = MASK.to_owned());
    }
    StoreLocks { state, sessions, tree }
}

impl LocksReport {
    /// The text form, seen at `now`.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        for (id, store) in &self.stores {
            text.push_str(&store.state.text(id, now));
            if store.tree.is_empty() && store.state.at.is_some() {
                let _ = writeln!(text, "{id}: nobody waits for a lock");
            }
            for node in &store.tree {
                let _ = writeln!(text, "{id}: {}", store.line(node, now));
            }
        }
        text
    }
}

impl StoreLocks {
    /// One line of the tree: indented, who, what it does or waits for, and its statement.
    pub fn line(&self, node: &LockNode, now: DateTime<Utc>) -> String {
        let indent = "   ".repeat(node.depth);
        let session = match &node.party {
            Party::Session(key) => self.sessions.iter().find(|s| s.key == *key),
            Party::Prepared(_) | Party::Unknown => None,
        };
        let who = match (&node.party, session) {
            (Party::Session(key), Some(s)) => format!("{key} {} {}", s.login, s.application).trim_end().to_owned(),
            (Party::Session(key), None) => key.to_string(),
            (Party::Prepared(name), _) => format!("prepared transaction '{name}'"),
            (Party::Unknown, _) => "a session that the server does not name".to_owned(),
        };
        let mut line = format!("{indent}{who}");
        if let Some(edge) = &node.edge {
            let since = edge.since.map_or_else(String::new, |at| format!(" for {}", moment::age(at, now)));
            let how = match edge.how {
                Blocking::Holds if edge.held.is_empty() => "held".to_owned(),
                Blocking::Holds => format!("held as {}", edge.held),
                Blocking::QueuedAhead => format!("queued ahead as {}", edge.held),
            };
            let _ = write!(line, " waits{since} for {} on {} ({how})", edge.wanted, edge.object);
        } else {
            let _ = write!(line, " blocks {}", node.blocks);
        }
        if let Some(s) = session {
            let open =
                s.transaction_since.map_or_else(String::new, |at| format!(", transaction {}", moment::age(at, now)));
            let _ = write!(line, ": {}{open}: {}", s.state.word(), s.statement);
        }
        if node.cycle {
            line.push_str(" (DEADLOCK: leads back to a line above)");
        } else if node.again {
            line.push_str(" (see above)");
        }
        line
    }
}
