//! What an index build will wait for and what will wait behind it, by the sessions as they are now.
//!
//! What each engine locks: PostgreSQL's `CREATE INDEX CONCURRENTLY` holds `SHARE UPDATE EXCLUSIVE` and waits for every transaction that was open
//! before it, so that a wait is long and harmless until other DDL queues up; MariaDB and MySQL need the table's metadata lock alone at the
//! begin and at the end, so that a wait is short or stops everybody behind it.

use crate::advice::dialect::Dialect;
use crate::advice::names;
use crate::model::ids::StoreId;
use crate::model::lock_queue::LockQueue;
use crate::model::session::{Activity, Session, SessionKind, SessionState, TableTouch};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// Sessions that are named; the others are counted.
const NAMED: usize = 5;

/// A transaction that is open for longer is in the way of a build that waits for all of them.
const OLD: TimeDelta = TimeDelta::minutes(5);

/// Bounds of the wait on an engine where only other DDL queues behind it, in milliseconds.
const PATIENT_MS: (u64, u64) = (10_000, 600_000);

/// The wait on an engine where every statement on the table queues behind it: longer ones would be felt.
const IMPATIENT_MS: u64 = 5_000;

/// The wait where writers wait anyway until it is built.
const WRITER_MS: u64 = 30_000;

/// What nobody can say of the sessions.
pub fn unknown(dialect: Dialect, store: &StoreId, table: &str, why: String) -> LockQueue {
    let (waits_for, queues_behind) = locks(dialect);
    LockQueue {
        store: store.clone(),
        table: table.to_owned(),
        at: None,
        unknown: Some(why),
        holders: Vec::new(),
        users: 0,
        waiting: 0,
        oldest: None,
        waits_for: waits_for.to_owned(),
        queues_behind: queues_behind.to_owned(),
        lock_timeout_ms: timeout_ms(dialect, None),
        warnings: Vec::new(),
    }
}

/// By the sessions as they were read at `at`.
pub fn forecast(dialect: Dialect, store: &StoreId, table: &str, activity: &Activity, at: DateTime<Utc>) -> LockQueue {
    let sessions: BTreeMap<_, &Session> = activity.sessions.iter().map(|session| (&session.key, session)).collect();
    let since = |touch: &TableTouch| sessions.get(&touch.session).and_then(|session| session.transaction_since);
    let mut touches: Vec<&TableTouch> =
        activity.touches.iter().filter(|touch| names::meet(&touch.table, table)).collect();
    touches.sort_by_key(|touch| (!touch.writes, since(touch).is_none(), since(touch), touch.session.clone()));
    let waits_here = |object: &str| object.strip_prefix("table ").is_some_and(|name| names::meet(name, table));
    let mut waiting: Vec<_> =
        activity.waits.iter().filter(|edge| waits_here(&edge.object)).map(|edge| &edge.waiter).collect();
    waiting.sort();
    waiting.dedup();
    let oldest = activity
        .sessions
        .iter()
        .filter(|session| session.kind != SessionKind::Background && session.transaction_since.is_some())
        .min_by_key(|session| session.transaction_since);
    let oldest_here = touches.iter().filter_map(|touch| since(touch)).min();
    let age = |since: DateTime<Utc>| (at - since).max(TimeDelta::zero());
    let decisive = if dialect.is_innodb() { oldest_here } else { oldest.and_then(|session| session.transaction_since) };
    LockQueue {
        at: Some(at),
        unknown: None,
        holders: touches.iter().take(NAMED).map(|touch| holder(touch, since(touch).map(age))).collect(),
        users: touches.len() as u64,
        waiting: waiting.len() as u64,
        oldest: oldest.map(|session| open(session, session.transaction_since.map(age))),
        lock_timeout_ms: timeout_ms(dialect, decisive.map(age)),
        warnings: warnings(dialect, oldest, oldest_here.map(age), waiting.len(), at),
        ..unknown(dialect, store, table, String::new())
    }
}

/// What the build waits for, and what waits behind it.
fn locks(dialect: Dialect) -> (&'static str, &'static str) {
    match dialect {
        Dialect::Postgres => (
            "every transaction of the database that is open when it begins, and twice for those that write the table",
            "other DDL, VACUUM and ANALYZE of the table; reads and writes go on, unless such DDL stands in the queue: then they wait behind that",
        ),
        Dialect::MariaDb | Dialect::MySql => (
            "open transactions that used the table, at its begin and again at its end",
            "while it waits, every statement that comes to the table; between begin and end reads and writes go on",
        ),
        Dialect::MongoDb => (
            "operations and transactions on the collection, at its begin and at its end",
            "while it waits, every operation that comes to the collection; between begin and end they go on",
        ),
        Dialect::Sqlite => ("the writer of the moment", "every writer of the file, until it is built; readers go on"),
        Dialect::Redis => ("", ""),
    }
}

fn timeout_ms(dialect: Dialect, oldest: Option<TimeDelta>) -> Option<u64> {
    match dialect {
        Dialect::Postgres => {
            let open = oldest.and_then(|age| u64::try_from(age.num_milliseconds()).ok()).unwrap_or(0);
            Some(open.saturating_mul(2).clamp(PATIENT_MS.0, PATIENT_MS.1))
        }
        Dialect::MariaDb | Dialect::MySql => Some(IMPATIENT_MS),
        Dialect::Sqlite => Some(WRITER_MS),
        Dialect::MongoDb | Dialect::Redis => None,
    }
}

fn holder(touch: &TableTouch, age: Option<TimeDelta>) -> String {
    let does = if touch.writes { "writes" } else { "reads" };
    format!(
        "session {} of {}: {does}{}",
        touch.session.id,
        who(&touch.login, &touch.application, &touch.client),
        aged(age)
    )
}

fn open(session: &Session, age: Option<TimeDelta>) -> String {
    let state = session.state.word();
    format!(
        "session {} of {}, {state}{}",
        session.key.id,
        who(&session.login, &session.application, &session.client),
        aged(age)
    )
}

fn who(login: &str, application: &str, client: &str) -> String {
    let mut text = if login.is_empty() { "no login".to_owned() } else { login.to_owned() };
    if !application.is_empty() {
        text.push_str(&format!(" ({application})"));
    }
    if !client.is_empty() {
        text.push_str(&format!(" from {client}"));
    }
    text
}

fn aged(age: Option<TimeDelta>) -> String {
    age.map_or_else(String::new, |age| format!(", transaction open for {} s", age.num_seconds()))
}

fn warnings(
    dialect: Dialect,
    oldest: Option<&Session>,
    oldest_here: Option<TimeDelta>,
    waiting: usize,
    at: DateTime<Utc>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if waiting > 0 {
        warnings.push("sessions wait for the table already: the build would stand in that queue".to_owned());
    }
    let old = oldest.filter(|session| session.transaction_since.is_some_and(|since| at - since > OLD));
    match (dialect, old) {
        (Dialect::Postgres, Some(session)) => {
            let idle = matches!(session.state, SessionState::IdleInTransaction | SessionState::FailedTransaction);
            let why = if idle { "it is idle in its transaction and may stay so" } else { "it is at work" };
            warnings.push(format!(
                "the build cannot end before session {} does: {why}; `godwit kill` ends it",
                session.key.id
            ));
        }
        (Dialect::MariaDb | Dialect::MySql, _)
            if oldest_here.is_some_and(|age| age > TimeDelta::milliseconds(IMPATIENT_MS as i64)) =>
        {
            warnings.push("a transaction on the table is open for longer than the lock time-out: begun now, the build would stop everybody behind it and then give up".to_owned());
        }
        _ => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::{Blocking, LockEdge, Party, SessionKey};

    fn at() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(1)
    }

    fn session(id: &str, state: SessionState, open_s: Option<i64>) -> Session {
        Session {
            key: SessionKey { id: id.to_owned(), born: String::new() },
            kind: SessionKind::Client,
            login: "app".to_owned(),
            database: String::new(),
            application: "shop".to_owned(),
            client: String::new(),
            state,
            wait: String::new(),
            connected_at: None,
            transaction_since: open_s.map(|s| at() - TimeDelta::seconds(s)),
            statement_since: None,
            state_since: None,
            statement: "UPDATE lines SET card = '4111'".to_owned(),
            holds_back: None,
        }
    }

    fn touch(id: &str, table: &str, writes: bool) -> TableTouch {
        TableTouch {
            session: SessionKey { id: id.to_owned(), born: String::new() },
            login: "app".to_owned(),
            application: "shop".to_owned(),
            client: String::new(),
            table: table.to_owned(),
            writes,
            statement: "UPDATE lines SET card = '4111'".to_owned(),
        }
    }

    fn of(dialect: Dialect, activity: &Activity) -> LockQueue {
        forecast(dialect, &"orders-db".into(), "public.lines", activity, at())
    }

    #[test]
    fn nobody_there_is_a_short_wait() {
        let queue = of(Dialect::Postgres, &Activity::default());
        assert_eq!((queue.users, queue.waiting, queue.lock_timeout_ms), (0, 0, Some(10_000)));
        assert!(queue.oldest.is_none() && queue.warnings.is_empty());
    }

    #[test]
    fn writers_come_first_and_no_value_is_told() {
        let activity = Activity {
            sessions: vec![
                session("1", SessionState::Active, Some(9)),
                session("2", SessionState::IdleInTransaction, Some(40)),
                session("3", SessionState::Active, Some(3)),
            ],
            touches: vec![
                touch("1", "public.lines", false),
                touch("2", "public.other", true),
                touch("3", "\"public\".lines", true),
            ],
            ..Activity::default()
        };
        let queue = of(Dialect::Postgres, &activity);
        assert_eq!(
            queue.holders,
            [
                "session 3 of app (shop): writes, transaction open for 3 s",
                "session 1 of app (shop): reads, transaction open for 9 s"
            ]
        );
        assert_eq!(
            queue.oldest.as_deref(),
            Some("session 2 of app (shop), idle in transaction, transaction open for 40 s")
        );
        assert_eq!(queue.lock_timeout_ms, Some(80_000), "twice the oldest transaction of the database");
        assert!(!queue.lines().join("\n").contains("4111"));
    }

    #[test]
    fn who_forgot_to_commit_is_named() {
        let activity = Activity {
            sessions: vec![session("7", SessionState::IdleInTransaction, Some(7_200))],
            waits: vec![LockEdge {
                waiter: Party::Session(SessionKey { id: "9".to_owned(), born: String::new() }),
                blocker: Party::Unknown,
                how: Blocking::Holds,
                object: "table public.lines".to_owned(),
                wanted: String::new(),
                held: String::new(),
                since: None,
            }],
            ..Activity::default()
        };
        let queue = of(Dialect::Postgres, &activity);
        assert_eq!((queue.waiting, queue.lock_timeout_ms), (1, Some(600_000)));
        assert!(
            queue.warnings.iter().any(|w| w.contains("before session 7") && w.contains("idle")),
            "{:?}",
            queue.warnings
        );
    }

    #[test]
    fn where_everybody_queues_behind_it_the_wait_is_short() {
        let busy = |table| Activity {
            sessions: vec![session("7", SessionState::IdleInTransaction, Some(60))],
            touches: vec![touch("7", table, true)],
            ..Activity::default()
        };
        let here = of(Dialect::MariaDb, &busy("public.lines"));
        assert_eq!((here.lock_timeout_ms, here.warnings.len()), (Some(5_000), 1));
        let elsewhere = of(Dialect::MariaDb, &busy("public.other"));
        assert!(elsewhere.warnings.is_empty(), "a transaction on another table is in nobody's way");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let queue = unknown(Dialect::Sqlite, &"shop".into(), "lines", "it has no sessions".to_owned());
        assert!(queue.lines()[0].contains("not known: it has no sessions"));
    }
}
