//! State of the activity screen: which sessions are listed, in which order, and which one is selected.

use crate::model::ids::StoreId;
use crate::model::observation::ByStore;
use crate::model::session::{Activity, Session, SessionKey, SessionKind, SessionState};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{FieldText, Filter, field};
use crate::tui::state::list::Motion;
use crate::tui::state::picture::Picture;
use chrono::{DateTime, Utc};
use std::cmp::Reverse;

/// What the list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The oldest open transaction first.
    #[default]
    Transaction,
    /// The longest running statement first; who runs none comes last.
    Statement,
    /// Who waits first, then who works, then who holds a transaction open.
    State,
    /// By store and session.
    Store,
    /// By login.
    Login,
}

impl Order {
    const ALL: [Self; 5] = [Self::Transaction, Self::Statement, Self::State, Self::Store, Self::Login];

    /// The words for the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Transaction => "oldest transaction first",
            Self::Statement => "longest statement first",
            Self::State => "by state",
            Self::Store => "by store",
            Self::Login => "by login",
        }
    }

    /// The next one, or the one before.
    #[must_use]
    pub fn turned(self, forward: bool) -> Self {
        let step = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(self as usize + step) % Self::ALL.len()]
    }
}

/// What the activity screen remembers.
#[derive(Clone, Debug, Default)]
pub struct ActivityState {
    /// Narrows the list.
    pub filter: Filter,
    /// The selected session.
    pub cursor: Cursor<(StoreId, SessionKey)>,
    /// What the list is ordered by.
    pub order: Order,
    /// True while idle sessions, the servers' own and Godwit's are listed too.
    pub all: bool,
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole screen.
    pub zoomed: bool,
}

/// A session with the store that it is on.
#[derive(Clone, Copy, Debug)]
pub struct SessionRow<'a> {
    /// Store.
    pub store: &'a StoreId,
    /// Session.
    pub session: &'a Session,
    /// When it was read.
    pub read_at: DateTime<Utc>,
}

impl SessionRow<'_> {
    fn key(&self) -> (StoreId, SessionKey) {
        (self.store.clone(), self.session.key.clone())
    }

    fn is(&self, key: &(StoreId, SessionKey)) -> bool {
        self.session.key == key.1 && *self.store == key.0
    }

    fn fields(&self) -> [FieldText<'_>; 9] {
        let s = self.session;
        [
            field("store", self.store.as_str()),
            field("session", &s.key.id),
            field("login", &s.login),
            field("application", &s.application),
            field("client", &s.client),
            field("database", &s.database),
            field("state", s.state.word()),
            field("wait", &s.wait),
            field("", &s.statement),
        ]
    }
}

/// All sessions of all stores that were read.
pub fn sessions(view: &ByStore<Activity>) -> impl Iterator<Item = SessionRow<'_>> {
    view.iter().filter_map(|(store, reading)| Some((store, reading.latest.as_ref()?))).flat_map(|(store, read)| {
        read.value.sessions.iter().map(move |session| SessionRow { store, session, read_at: read.at })
    })
}

/// All sessions of one store.
pub fn sessions_of<'a>(picture: &'a Picture, store: &StoreId) -> impl Iterator<Item = SessionRow<'a>> {
    let found = picture.activity().and_then(|view| view.get_key_value(store));
    let read = found.and_then(|(store, reading)| Some((store, reading.latest.as_ref()?)));
    read.into_iter().flat_map(|(store, read)| {
        read.value.sessions.iter().map(move |session| SessionRow { store, session, read_at: read.at })
    })
}

/// A session by its identity.
pub fn session<'a>(picture: &'a Picture, store: &StoreId, key: &SessionKey) -> Option<SessionRow<'a>> {
    sessions_of(picture, store).find(|row| row.session.key == *key)
}

fn is_busy(session: &Session) -> bool {
    session.kind == SessionKind::Client && session.state != SessionState::Idle
}

impl ActivityState {
    /// Sessions that are listed, in their order.
    pub fn rows<'a>(&self, picture: &'a Picture) -> Vec<SessionRow<'a>> {
        let Some(view) = picture.activity() else { return Vec::new() };
        let listed = |row: &SessionRow<'_>| {
            (self.all || is_busy(row.session)) && (self.filter.is_empty() || self.filter.finds(&row.fields()))
        };
        let mut rows: Vec<SessionRow<'a>> = sessions(view).filter(listed).collect();
        // What is equal in the order keeps store and session order, so that rows do not jump between readings.
        match self.order {
            Order::Transaction => rows.sort_by_key(|row| {
                let s = row.session;
                (s.transaction_since.is_none(), s.transaction_since, s.statement_since.is_none(), s.statement_since)
            }),
            Order::Statement => rows.sort_by_key(|row| {
                let s = row.session;
                let works = matches!(s.state, SessionState::Active | SessionState::Waiting);
                (Reverse(works), s.statement_since.is_none(), s.statement_since)
            }),
            Order::State => rows.sort_by_key(|row| {
                let s = row.session;
                let urgency = match s.state {
                    SessionState::Waiting => 0,
                    SessionState::Active => 1,
                    SessionState::FailedTransaction | SessionState::IdleInTransaction => 2,
                    SessionState::Hidden => 3,
                    SessionState::Idle => 4,
                };
                (urgency, s.state_since.is_none(), s.state_since)
            }),
            Order::Store => {}
            Order::Login => rows.sort_by(|a, b| a.session.login.cmp(&b.session.login)),
        }
        rows
    }

    /// Index of the selected row.
    pub fn selected(&self, rows: &[SessionRow<'_>]) -> Option<usize> {
        self.cursor.at(rows, SessionRow::is)
    }

    /// The session that the detail shows and keys act on. In the list it has to be in sight; an opened one stays open whatever the
    /// list does.
    pub fn target<'a>(&self, picture: &'a Picture) -> Option<SessionRow<'a>> {
        match self.cursor.chosen() {
            Some((store, key)) if self.zoomed => session(picture, store, key),
            _ => {
                let rows = self.rows(picture);
                rows.get(self.selected(&rows)?).copied()
            }
        }
    }

    /// Moves in the list, or in the detail when it has the whole screen.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        if self.zoomed {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let rows = self.rows(picture);
        if self.cursor.go(motion, &rows, SessionRow::is, SessionRow::key) {
            self.scroll = 0;
        }
    }

    /// Gives the detail the whole screen. Its session stays the same, whatever the list does meanwhile.
    pub fn open(&mut self, picture: &Picture) {
        let rows = self.rows(picture);
        self.cursor.settle(&rows, SessionRow::key);
        self.zoomed = true;
        self.scroll = 0;
    }
}
