//! Statements of a server that keeps no statistics: what its sessions were seen doing.
//!
//! A share of time, not a count: a statement that is over between two looks is seen by chance only. Never mixed with counted numbers.

use crate::model::observation::{Observation, Window};
use crate::model::session::{Activity, SessionKey, SessionKind, SessionState};
use crate::model::statement::{Coverage, StatementCounter, StatementSource, Statements};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::BTreeMap;

/// Statements that are kept apart; further ones are counted together.
const STATEMENTS_KEPT: usize = 2_000;

/// Under what is counted that has no room of its own.
const OTHERS: &str = "(others)";

/// A look stands for no more time than this: after a pause nobody knows what ran in it.
const LONGEST: TimeDelta = TimeDelta::seconds(10);

/// What was seen since the first look.
#[derive(Debug, Default)]
pub struct Sampling {
    first_at: Option<DateTime<Utc>>,
    last_at: Option<DateTime<Utc>>,
    looks: u64,
    counters: BTreeMap<String, StatementCounter>,
    /// What each session was seen carrying out at the last look, and since when.
    running: BTreeMap<SessionKey, (String, Option<DateTime<Utc>>)>,
}

impl Sampling {
    /// Takes a look in. `database`: only sessions there; `without_values`: a statement without its literals.
    pub fn take(
        &mut self,
        read: &Observation<Activity>,
        database: Option<&str>,
        without_values: impl Fn(&str) -> String,
    ) {
        let before = self.last_at.replace(read.at);
        let Some(before) = before else {
            self.first_at = Some(read.at);
            return;
        };
        self.looks += 1;
        let time = (read.at - before).clamp(TimeDelta::zero(), LONGEST);
        let micros = time.num_microseconds().unwrap_or_default() as f64;
        let mut running = BTreeMap::new();
        for session in &read.value.sessions {
            let is_working = matches!(session.state, SessionState::Active | SessionState::Waiting);
            let is_here = database.is_none_or(|database| session.database == database);
            if session.kind != SessionKind::Client || !is_working || !is_here || session.statement.is_empty() {
                continue;
            }
            let text = without_values(&session.statement);
            let id = format!("{}/{}/{text}", session.database, session.login);
            let seen = (id.clone(), session.statement_since);
            let is_same = self.running.get(&session.key) == Some(&seen);
            let counter = self.counter(id, &session.login, &session.database, text);
            counter.calls += u64::from(!is_same);
            counter.total_us += micros;
            running.insert(session.key.clone(), seen);
        }
        self.running = running;
    }

    /// The counters so far. Before the second look there are none, and the note says so.
    pub fn statements(&self, now: DateTime<Utc>) -> Statements {
        let first = self.first_at.unwrap_or(now);
        let seconds = (self.last_at.unwrap_or(first) - first).num_milliseconds() as f64 / 1_000.0;
        let note = match self.looks {
            0 => "the sessions were not looked at twice yet".to_owned(),
            looks => format!(
                "{looks} looks, one every {:.1} s: shares of time, no counts; what is over between two looks is seen by chance",
                seconds / looks as f64
            ),
        };
        Statements {
            source: StatementSource::Sampled,
            window: Window { since: first, proof: "Godwit looked at the sessions for the first time".to_owned() },
            epoch: "since the engine began".to_owned(),
            coverage: Coverage { evicted: None, unlisted_share: None, note: Some(note) },
            counters: self.counters.values().cloned().collect(),
        }
    }

    fn counter(&mut self, id: String, login: &str, database: &str, text: String) -> &mut StatementCounter {
        let has_room = self.counters.len() < STATEMENTS_KEPT || self.counters.contains_key(&id);
        let (id, text) = if has_room { (id, text) } else { (OTHERS.to_owned(), OTHERS.to_owned()) };
        self.counters.entry(id.clone()).or_insert_with(|| StatementCounter {
            id,
            login: has_room.then(|| login.to_owned()),
            database: if has_room { database.to_owned() } else { String::new() },
            text,
            calls: 0,
            total_us: 0.0,
            squares_us2: None,
            rows: None,
            examined: None,
            errors: None,
            without_index: None,
            blocks_read: None,
            percentiles: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::literal::without_literals;
    use crate::model::session::Session;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn session(id: usize, kind: SessionKind, state: SessionState, statement: &str, since: i64) -> Session {
        Session {
            key: SessionKey { id: id.to_string(), born: String::new() },
            kind,
            login: "app".to_owned(),
            database: "shop".to_owned(),
            application: String::new(),
            client: "local".to_owned(),
            state,
            wait: String::new(),
            connected_at: None,
            transaction_since: None,
            statement_since: Some(at(since)),
            state_since: None,
            statement: statement.to_owned(),
            holds_back: None,
        }
    }

    fn look(sampling: &mut Sampling, second: i64, sessions: Vec<Session>) {
        let read = Observation::whole(Activity { sessions, ..Activity::default() }, at(second));
        sampling.take(&read, Some("shop"), |statement| without_literals(statement, true));
    }

    #[test]
    fn time_is_shared_out_and_executions_are_told_apart() {
        let (mut sampling, client, active) = (Sampling::default(), SessionKind::Client, SessionState::Active);
        look(&mut sampling, 0, Vec::new());
        assert!(sampling.statements(at(0)).counters.is_empty(), "one look is no time");
        let slow = |since| session(1, client, active, "SELECT * FROM orders WHERE id = 4711", since);
        look(&mut sampling, 2, vec![slow(1), session(2, SessionKind::Own, active, "COPY orders", 0)]);
        look(&mut sampling, 4, vec![slow(1), session(3, client, SessionState::Idle, "COMMIT", 0)]);
        look(&mut sampling, 6, vec![session(1, client, SessionState::Waiting, "SELECT * FROM orders WHERE id = 1", 5)]);
        let read = sampling.statements(at(600));
        let [counter] = read.counters.as_slice() else { panic!("{:?}", read.counters) };
        assert_eq!((counter.calls, counter.total_us), (2, 6e6));
        assert_eq!(counter.text, "SELECT * FROM orders WHERE id = ?", "values go no further");
        assert_eq!((read.source, read.window.since), (StatementSource::Sampled, at(0)));
        assert!(read.coverage.note.unwrap().starts_with("3 looks, one every 2.0 s"));
    }

    #[test]
    fn a_pause_is_not_made_up() {
        let mut sampling = Sampling::default();
        look(&mut sampling, 0, Vec::new());
        look(&mut sampling, 600, vec![session(1, SessionKind::Client, SessionState::Active, "SELECT 1", 0)]);
        assert_eq!(sampling.statements(at(600)).counters[0].total_us, 10e6);
    }

    #[test]
    fn what_has_no_room_is_counted_together() {
        let mut sampling = Sampling::default();
        look(&mut sampling, 0, Vec::new());
        let many = (0..STATEMENTS_KEPT + 5)
            .map(|n| session(n, SessionKind::Client, SessionState::Active, &format!("SELECT c{n} FROM t"), 0));
        look(&mut sampling, 2, many.collect());
        let counters = sampling.statements(at(600)).counters;
        let others: u64 = counters.iter().filter(|c| c.text == OTHERS).map(|c| c.calls).sum();
        assert_eq!((counters.len(), others), (STATEMENTS_KEPT + 1, 5));
    }
}
