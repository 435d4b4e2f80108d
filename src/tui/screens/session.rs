//! One session with everything that is known of it: what the activity and the locks screens open.

use crate::model::session::{Blocking, LockEdge, Party, SessionState};
use crate::report::event::grouped;
use crate::tui::state::activity::{SessionRow, session};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::units::{age, lasting, moment};
use crate::tui::widgets::mark::Mark;
use crate::tui::widgets::stores;
use crate::tui::widgets::text::{Text, named};
use chrono::{DateTime, Utc};

/// What stands for a statement that is not shown.
pub const MASK: &str = "(masked: m shows it)";

/// The mark of a session's state.
pub fn mark(state: SessionState) -> Mark {
    match state {
        SessionState::Active => (Tone::Busy, '*'),
        SessionState::Waiting => (Tone::Warn, '#'),
        SessionState::IdleInTransaction => (Tone::Warn, '='),
        SessionState::FailedTransaction => (Tone::Bad, '!'),
        SessionState::Idle => (Tone::Dim, '.'),
        SessionState::Hidden => (Tone::Warn, '?'),
    }
}

/// A state in at most ten columns.
pub fn short_state(state: SessionState) -> &'static str {
    match state {
        SessionState::IdleInTransaction => "idle in tx",
        SessionState::FailedTransaction => "failed tx",
        other => other.word(),
    }
}

/// How long ago, or nothing.
pub fn since(now: DateTime<Utc>, at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(String::new, |at| age(now, at))
}

/// All lines of the detail.
pub fn detail(row: &SessionRow<'_>, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let picture = cockpit.picture();
    let (now, s) = (picture.now, row.session);
    let at = |at: DateTime<Utc>| format!("{} ({})", lasting(now, at), moment(cockpit.options.zone, at));
    let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    let statement = if cockpit.masked { MASK.to_owned() } else { or(&s.statement, "nothing is shown") };
    let (tone, sign) = mark(s.state);
    let mut lines = vec![
        named("state", tone, format!("{sign} {}", s.state.word())).plain(match s.state_since {
            Some(since) => format!(" {}", lasting(now, since)),
            None => String::new(),
        }),
        named("waits for", Tone::Plain, or(&s.wait, "nothing")),
        named("transaction", Tone::Plain, s.transaction_since.map_or_else(|| "none is open".to_owned(), at)),
        named("statement", Tone::Strong, statement),
        named("runs", Tone::Plain, s.statement_since.map_or_else(|| "not known".to_owned(), at)),
        named("login", Tone::Plain, or(&s.login, "none")),
        named("application", Tone::Plain, or(&s.application, "it says none")),
        named("client", Tone::Plain, or(&s.client, "not known")),
        named("database", Tone::Plain, or(&s.database, "none")),
        named("connected", Tone::Plain, s.connected_at.map_or_else(|| "not known".to_owned(), at)),
        named("identity", Tone::Dim, format!("{}, born {}", s.key.id, or(&s.key.born, "?"))),
    ];
    if let Some(transactions) = s.holds_back {
        let words = format!("keeps row versions of the last {} transactions from clean-up", grouped(transactions));
        lines.push(named("holds back", Tone::Warn, words));
    }
    lines.extend(waits(row, picture));
    lines.extend(tables(row, picture));
    let about = stores::lines(row.store, picture.activity(), now);
    if !about.is_empty() {
        lines.push(Text::new());
        lines.extend(about);
    }
    lines
}

/// Whom it waits for and who waits for it.
fn waits(row: &SessionRow<'_>, picture: &Picture) -> Vec<Text<'static>> {
    let me = Party::Session(row.session.key.clone());
    let edges = picture.activity().and_then(|view| view.get(row.store)?.latest.as_ref());
    let edges: &[LockEdge] = edges.map_or(&[], |read| &read.value.waits);
    let ahead = edges.iter().filter(|edge| edge.waiter == me).map(|edge| {
        let words = format!("{}: {}", party(&edge.blocker, row, picture), wait_words(edge));
        named("behind", Tone::Warn, words)
    });
    let behind = edges.iter().filter(|edge| edge.blocker == me).map(|edge| {
        let words = format!("{} waits for {}", party(&edge.waiter, row, picture), edge.object);
        named("blocks", Tone::Warn, words)
    });
    ahead.chain(behind).collect()
}

/// What is wanted of which object, and how the blocker stands in the way.
pub fn wait_words(edge: &LockEdge) -> String {
    let how = match (edge.how, edge.held.as_str()) {
        (Blocking::Holds, "") => "held".to_owned(),
        (Blocking::Holds, mode) => format!("held as {mode}"),
        (Blocking::QueuedAhead, "") => "queued ahead".to_owned(),
        (Blocking::QueuedAhead, mode) => format!("queued ahead as {mode}"),
    };
    format!("{} on {} ({how})", edge.wanted, edge.object)
}

fn party(party: &Party, row: &SessionRow<'_>, picture: &Picture) -> String {
    match party {
        Party::Session(key) => match session(picture, row.store, key) {
            Some(other) => format!("{key} {} {}", other.session.login, other.session.application),
            None => key.to_string(),
        },
        Party::Prepared(name) => format!("prepared transaction '{name}'"),
        Party::Unknown => "somebody whom the server does not name".to_owned(),
    }
}

/// Tables that it has in use.
fn tables(row: &SessionRow<'_>, picture: &Picture) -> Vec<Text<'static>> {
    let read = picture.activity().and_then(|view| view.get(row.store)?.latest.as_ref());
    let touches = read.into_iter().flat_map(|read| &read.value.touches);
    touches
        .filter(|touch| touch.session == row.session.key)
        .map(|touch| {
            let how = if touch.writes { "writes" } else { "reads" };
            named("in use", Tone::Plain, format!("{how} {}", touch.table))
        })
        .collect()
}
