//! State of the locks screen: the trees of all stores as one list, and which line is selected.

use crate::model::ids::StoreId;
use crate::model::lock::LockNode;
use crate::model::session::{Party, SessionKey};
use crate::tui::state::activity::{SessionRow, session, sessions_of};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::picture::Picture;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A line of a tree by what it says: who, and behind whom.
pub type LineKey = (StoreId, Party, Option<Party>);

/// What the trees are ordered by. Lines inside a tree never change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TreeOrder {
    /// By store.
    #[default]
    Store,
    /// The tree in which most sessions wait first.
    Blocked,
    /// The tree in which somebody waits longest first.
    Waiting,
}

impl TreeOrder {
    const ALL: [Self; 3] = [Self::Store, Self::Blocked, Self::Waiting];

    /// The words for the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Store => "by store",
            Self::Blocked => "most waiters first",
            Self::Waiting => "longest wait first",
        }
    }

    /// The next one, or the one before.
    #[must_use]
    pub fn turned(self, forward: bool) -> Self {
        let step = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(self as usize + step) % Self::ALL.len()]
    }
}

/// What the locks screen remembers.
#[derive(Clone, Debug, Default)]
pub struct LocksState {
    /// Narrows the list: a tree is shown whole when one of its lines matches.
    pub filter: Filter,
    /// What the trees are ordered by.
    pub order: TreeOrder,
    /// The selected line.
    pub cursor: Cursor<LineKey>,
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole screen.
    pub zoomed: bool,
}

/// A line of a tree with its store and, where it is a session, that.
#[derive(Clone, Copy, Debug)]
pub struct LockRow<'a> {
    /// Store.
    pub store: &'a StoreId,
    /// The line.
    pub node: &'a LockNode,
    /// Its session; `None`: it is none, or it was not seen.
    pub session: Option<SessionRow<'a>>,
}

impl LockRow<'_> {
    fn key(&self) -> LineKey {
        (self.store.clone(), self.node.party.clone(), self.node.edge.as_ref().map(|edge| edge.blocker.clone()))
    }

    fn is(&self, key: &LineKey) -> bool {
        let blocker = self.node.edge.as_ref().map(|edge| &edge.blocker);
        self.node.party == key.1 && *self.store == key.0 && blocker == key.2.as_ref()
    }

    fn matches(&self, filter: &Filter) -> bool {
        let object = self.node.edge.as_ref().map_or("", |edge| edge.object.as_str());
        let id = match &self.node.party {
            Party::Session(key) => key.id.as_str(),
            Party::Prepared(name) => name.as_str(),
            Party::Unknown => "",
        };
        let s = self.session.map(|row| row.session);
        let (login, application) = s.map_or(("", ""), |s| (&s.login, &s.application));
        let (client, statement) = s.map_or(("", ""), |s| (&s.client, &s.statement));
        filter.matches(&[self.store.as_str(), id, object, login, application, client, statement])
    }
}

/// What the trees amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockSum {
    /// Trees.
    pub trees: usize,
    /// Parties that wait.
    pub waiting: usize,
    /// Trees that lead back to themselves.
    pub deadlocks: usize,
}

impl LocksState {
    /// Lines of all trees that the filter lets through.
    pub fn rows<'a>(&self, picture: &'a Picture) -> Vec<LockRow<'a>> {
        let mut rows: Vec<LockRow<'a>> = Vec::new();
        for (store, nodes) in &picture.lock_trees {
            let mut begin = rows.len();
            let known: BTreeMap<&SessionKey, SessionRow<'a>> =
                sessions_of(picture, store).map(|row| (&row.session.key, row)).collect();
            for node in nodes {
                if node.depth == 0 {
                    self.drop_unwanted(&mut rows, begin);
                    begin = rows.len();
                }
                let session = match &node.party {
                    Party::Session(key) => known.get(key).copied(),
                    Party::Prepared(_) | Party::Unknown => None,
                };
                rows.push(LockRow { store, node, session });
            }
            self.drop_unwanted(&mut rows, begin);
        }
        self.in_order(rows)
    }

    fn in_order<'a>(&self, rows: Vec<LockRow<'a>>) -> Vec<LockRow<'a>> {
        if self.order == TreeOrder::Store {
            return rows;
        }
        let mut trees: Vec<&[LockRow<'a>]> = rows.chunk_by(|_, next| next.node.depth > 0).collect();
        let oldest = |tree: &[LockRow<'_>]| tree.iter().filter_map(|row| row.node.edge.as_ref()?.since).min();
        match self.order {
            TreeOrder::Store => {}
            TreeOrder::Blocked => trees.sort_by_key(|tree| Reverse(tree.len())),
            TreeOrder::Waiting => trees.sort_by_key(|tree| (oldest(tree).is_none(), oldest(tree))),
        }
        trees.concat()
    }

    /// Drops the tree that begins at `begin` when the filter lets none of its lines through.
    fn drop_unwanted(&self, rows: &mut Vec<LockRow<'_>>, begin: usize) {
        let wanted = self.filter.is_empty() || rows.iter().skip(begin).any(|row| row.matches(&self.filter));
        if !wanted {
            rows.truncate(begin);
        }
    }

    /// Index of the selected line.
    pub fn selected(&self, rows: &[LockRow<'_>]) -> Option<usize> {
        self.cursor.at(rows, LockRow::is)
    }

    /// The session of the selected line.
    pub fn target<'a>(&self, picture: &'a Picture) -> Option<SessionRow<'a>> {
        match self.cursor.chosen() {
            Some((store, Party::Session(key), _)) => session(picture, store, key),
            Some(_) => None,
            None => self.rows(picture).first().and_then(|row| row.session),
        }
    }

    /// Moves in the list, or in the detail when it has the whole screen.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        if self.zoomed {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let rows = self.rows(picture);
        if self.cursor.go(motion, &rows, LockRow::is, LockRow::key) {
            self.scroll = 0;
        }
    }

    /// Gives the detail the whole screen.
    pub fn open(&mut self, picture: &Picture) {
        let rows = self.rows(picture);
        self.cursor.settle(&rows, LockRow::key);
        self.zoomed = true;
        self.scroll = 0;
    }
}

/// Counts trees, waiting parties and deadlocks.
pub fn sum(rows: &[LockRow<'_>]) -> LockSum {
    let mut sum = LockSum::default();
    let mut waiting = BTreeSet::new();
    for row in rows {
        sum.trees += usize::from(row.node.depth == 0);
        sum.deadlocks += usize::from(row.node.cycle);
        if let Some(edge) = &row.node.edge {
            waiting.insert((row.store, &edge.waiter));
        }
    }
    sum.waiting = waiting.len();
    sum
}
