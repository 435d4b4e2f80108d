//! Clients of the server.
//!
//! `CLIENT LIST` stops the server while it runs (1 to 3 µs for each client), so it is asked rarely; between two lists only the
//! counts of `INFO clients` are read, and the list that is shown says how old it is.

use crate::model::observation::{Missing, Observation};
use crate::model::session::{Activity, Ending, Session, SessionKey, SessionKind, SessionState};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::observe::Sessions;
use crate::stores::redis::connect::APPLICATION;
use crate::stores::redis::store::RedisStore;
use crate::stores::redis::watch::{Reader, number, text};
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use redis::RedisError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A list is never asked for more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
/// Nor more rarely.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Pause for each client: with 1 to 3 µs of the server's time for each, the share of it stays under 0.005 %.
const PAUSE_FOR_EACH: Duration = Duration::from_millis(60);

/// Time between two lists with so many clients.
fn pause(clients: u64) -> Duration {
    let clients = u32::try_from(clients).unwrap_or(u32::MAX);
    PAUSE_FOR_EACH.saturating_mul(clients).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// The last list.
#[derive(Debug, Default)]
pub struct Clients(Mutex<Option<Listed>>);

#[derive(Clone, Debug)]
struct Listed {
    asked: Instant,
    at: DateTime<Utc>,
    sessions: Vec<Session>,
}

impl Clients {
    /// The list, when it is young enough for so many clients.
    fn young(&self, clients: u64) -> Option<Listed> {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        listed.filter(|listed| listed.asked.elapsed() < pause(clients))
    }

    fn keep(&self, listed: Option<Listed>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = listed;
    }
}

pub(super) fn no_right() -> Missing {
    Missing {
        id: "redis.sessions.right".to_owned(),
        what: "clients one by one".to_owned(),
        why: "the monitoring account may not run CLIENT LIST; only their number is known".to_owned(),
        enable: Some("ACL SETUSER godwit_watch +client|list".to_owned()),
        price: "1 to 3 µs of the server's only thread for each client and list; the account then sees addresses and names of all clients".to_owned(),
    }
}

fn not_new(at: DateTime<Utc>, connected: u64, blocked: u64) -> Missing {
    Missing {
        id: "redis.sessions.age".to_owned(),
        what: format!("clients one by one since {}", at.format("%H:%M:%S")),
        why: format!(
            "CLIENT LIST stops the server while it runs, so it is asked every {} s; now {connected} clients are connected and {blocked} of them blocked",
            pause(connected).as_secs()
        ),
        enable: None,
        price: "none: the list is read again by itself".to_owned(),
    }
}

fn no_keys() -> Missing {
    Missing {
        id: "redis.sessions.keys".to_owned(),
        what: "which keys a client uses".to_owned(),
        why: "only MONITOR shows each command with its keys, and it can halve the server's throughput; Godwit never runs it, and takes keys from the slow log alone".to_owned(),
        enable: None,
        price: "MONITOR would cost up to half of the throughput and show every value".to_owned(),
    }
}

async fn read(reader: &mut Reader, clients: &Clients) -> std::result::Result<Activity, RedisError> {
    let info = reader.info(&["clients"]).await?;
    let connected = info.number("connected_clients").unwrap_or(0);
    let blocked = info.number("blocked_clients").unwrap_or(0);
    let sessions = match clients.young(connected) {
        Some(listed) => {
            reader.lacks(not_new(listed.at, connected, blocked));
            listed.sessions
        }
        None => match reader.ask_or(&["CLIENT", "LIST"], no_right).await? {
            Some(list) => {
                let at = Utc::now();
                let sessions = sessions_of(&text(&list), at);
                clients.keep(Some(Listed { asked: Instant::now(), at, sessions: sessions.clone() }));
                sessions
            }
            None => Vec::new(),
        },
    };
    reader.lacks(no_keys());
    Ok(Activity { sessions, waits: Vec::new(), touches: Vec::new(), limit: info.number("maxclients") })
}

/// One session for each line of `CLIENT LIST`.
pub(super) fn sessions_of(list: &str, at: DateTime<Utc>) -> Vec<Session> {
    list.lines().map(fields).filter(|fields| fields.contains_key("id")).map(|fields| session(&fields, at)).collect()
}

/// No value of a line holds a blank: the server forbids it in names and logins.
fn fields(line: &str) -> BTreeMap<&str, &str> {
    line.split(' ').filter_map(|field| field.split_once('=')).collect()
}

fn session(fields: &BTreeMap<&str, &str>, at: DateTime<Utc>) -> Session {
    let field = |name: &str| clean(fields.get(name).copied().unwrap_or_default());
    let before = |name: &str| {
        let seconds: i64 = fields.get(name)?.parse().ok()?;
        at.checked_sub_signed(chrono::Duration::try_seconds(seconds)?)
    };
    let flags = fields.get("flags").copied().unwrap_or_default();
    let name = field("name");
    let library = field("lib-name");
    // `blpop` or `client|list`; NULL before the first command.
    let command = match field("cmd").as_str() {
        "NULL" => String::new(),
        command => command.replace('|', " ").to_uppercase(),
    };
    let queued: i64 = fields.get("multi").and_then(|n| n.parse().ok()).unwrap_or(-1);
    let idle = before("idle");
    let state = if flags.contains('b') {
        SessionState::Waiting
    } else if flags.contains('d') && flags.contains('x') {
        // A watched key was changed: EXEC will do nothing.
        SessionState::FailedTransaction
    } else if flags.contains('x') || queued >= 0 {
        SessionState::IdleInTransaction
    } else if fields.get("idle") == Some(&"0") {
        SessionState::Active
    } else {
        SessionState::Idle
    };
    let kind = if name.starts_with(APPLICATION) {
        SessionKind::Own
    } else if flags.contains(['S', 'M']) {
        SessionKind::Replication
    } else {
        SessionKind::Client
    };
    Session {
        key: SessionKey { id: field("id"), born: field("addr") },
        kind,
        login: field("user"),
        database: field("db"),
        application: if name.is_empty() { library } else { name },
        client: field("addr"),
        state,
        wait: if flags.contains('b') { format!("blocked in {command}") } else { String::new() },
        connected_at: before("age"),
        // The server does not say when MULTI came; it cannot have been before the last command.
        transaction_since: if matches!(state, SessionState::IdleInTransaction | SessionState::FailedTransaction) {
            idle
        } else {
            None
        },
        statement_since: idle,
        state_since: idle,
        statement: command,
        holds_back: None,
    }
}

/// Identity and action in one command: a filter that matches nobody kills nobody.
fn kill_words(session: &SessionKey) -> [&str; 6] {
    ["CLIENT", "KILL", "ID", &session.id, "ADDR", &session.born]
}

#[async_trait]
impl Sessions for RedisStore {
    async fn activity(&self) -> Result<Observation<Activity>> {
        let clients = self.clients();
        self.watch().look(async |reader| read(reader, clients).await).await
    }

    fn ending(&self, session: &SessionKey, how: Ending) -> String {
        match how {
            Ending::Cancel => format!("CLIENT UNBLOCK {} ERROR", session.id),
            Ending::Kill => kill_words(session).join(" "),
        }
    }

    async fn end(&self, session: &SessionKey, how: Ending) -> Result<()> {
        let connector = self.connector();
        let gone = |why: String| Err(connector.error(Operation::EndSession, ErrorKind::NotFound, why));
        let failed = connector.failed(Operation::EndSession);
        let mut connection = connector.dedicated(Operation::EndSession, "act").await?;
        let mut look = redis::cmd("CLIENT");
        look.arg("LIST").arg("ID").arg(&session.id);
        let list: redis::Value = look.query_async(&mut connection).await.map_err(&failed)?;
        let list = text(&list);
        let present = list.lines().map(fields).find(|fields| fields.get("id") == Some(&session.id.as_str()));
        if present.as_ref().and_then(|fields| fields.get("addr")).is_none_or(|addr| clean(addr) != session.born) {
            return gone(format!(
                "the client {session} is gone, or its number belongs to another one now; nothing was done"
            ));
        }
        let mut act = redis::Cmd::new();
        match how {
            Ending::Kill => {
                for word in kill_words(session) {
                    act.arg(word);
                }
            }
            // A number is not used again while the server runs, so nobody else can bear it between the two commands.
            Ending::Cancel => {
                act.arg("CLIENT").arg("UNBLOCK").arg(&session.id).arg("ERROR");
            }
        }
        let reached: redis::Value = act.query_async(&mut connection).await.map_err(&failed)?;
        self.clients().keep(None);
        match (number(&reached), how) {
            (Some(1..), _) => Ok(()),
            (_, Ending::Kill) => gone(format!("the client {session} was gone before it could be ended")),
            (_, Ending::Cancel) => gone(format!(
                "the client {session} is not blocked in a command, and nothing else can be cancelled on this server"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on Redis 7.0.15, and one line with the fields of 7.2.
    const LIST: &str = "id=3 addr=127.0.0.1:54802 laddr=127.0.0.1:27379 fd=7 name= age=2 idle=2 flags=S db=0 multi=-1 cmd=psync user=default resp=2
id=5 addr=127.0.0.1:54832 name=shop age=90 idle=30 flags=b db=3 multi=-1 cmd=blpop user=app redir=-1 resp=2
id=6 addr=127.0.0.1:54833 name= age=90 idle=0 flags=N db=0 multi=-1 cmd=client|list user=default lib-name=jedis lib-ver=5.0
id=7 addr=127.0.0.1:54834 name= age=8 idle=8 flags=xd db=0 multi=2 cmd=set user=default
id=8 addr=127.0.0.1:54835 name=godwit-watch age=8 idle=0 flags=N db=0 multi=-1 cmd=info user=godwit_watch
";

    #[test]
    fn a_line_is_a_session() {
        let at = DateTime::from_timestamp(1_000, 0).unwrap();
        let sessions = sessions_of(LIST, at);
        let seen: Vec<_> =
            sessions.iter().map(|s| (s.key.id.as_str(), s.kind, s.state, s.statement.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("3", SessionKind::Replication, SessionState::Idle, "PSYNC"),
                ("5", SessionKind::Client, SessionState::Waiting, "BLPOP"),
                ("6", SessionKind::Client, SessionState::Active, "CLIENT LIST"),
                ("7", SessionKind::Client, SessionState::FailedTransaction, "SET"),
                ("8", SessionKind::Own, SessionState::Active, "INFO"),
            ]
        );
        let blocked = &sessions[1];
        assert_eq!(
            (blocked.database.as_str(), blocked.login.as_str(), blocked.application.as_str()),
            ("3", "app", "shop")
        );
        assert_eq!(blocked.wait, "blocked in BLPOP");
        assert_eq!(blocked.connected_at, DateTime::from_timestamp(910, 0));
        assert_eq!(sessions[2].application, "jedis");
    }

    #[test]
    fn many_clients_are_listed_rarely() {
        assert_eq!(pause(3), Duration::from_secs(10));
        assert_eq!(pause(1_000), Duration::from_secs(60));
        assert_eq!(pause(u64::MAX), LONGEST_PAUSE);
    }
}
