//! State of the replication screen: servers, their links and the logs that they keep, as one list.

use crate::model::ids::StoreId;
use crate::model::lag::Reading;
use crate::model::observation::Observation;
use crate::model::replication::{LagUnit, LinkDirection, LogRetention, LogRunway, ReplicaLink, ReplicationNow};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::picture::Picture;
use std::cmp::Reverse;

/// What the list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkOrder {
    /// Store by store, in each those in trouble first.
    #[default]
    Store,
    /// Those in trouble first, whichever store they are on.
    Trouble,
    /// The shortest runway first.
    Runway,
    /// The longest lag in time first, then the largest in bytes: the two cannot be held against each other.
    Lag,
}

impl LinkOrder {
    const ALL: [Self; 4] = [Self::Store, Self::Trouble, Self::Runway, Self::Lag];

    /// The words for the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Store => "by store",
            Self::Trouble => "trouble first",
            Self::Runway => "shortest runway first",
            Self::Lag => "longest lag first",
        }
    }

    /// The next one, or the one before.
    #[must_use]
    pub fn turned(self, forward: bool) -> Self {
        let step = if forward { 1 } else { Self::ALL.len() - 1 };
        Self::ALL[(self as usize + step) % Self::ALL.len()]
    }
}

/// What the replication screen remembers.
#[derive(Clone, Debug, Default)]
pub struct ReplicationState {
    /// Narrows the list.
    pub filter: Filter,
    /// What the list is ordered by.
    pub order: LinkOrder,
    /// The selected line.
    pub cursor: Cursor<LineKey>,
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole screen.
    pub zoomed: bool,
}

/// A line by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineKey {
    store: StoreId,
    what: What,
    name: String,
    peer: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Server,
    Link(LinkDirection),
    Log,
}

/// One line.
#[derive(Clone, Copy, Debug)]
pub struct ReplicationRow<'a> {
    /// Store.
    pub store: &'a StoreId,
    /// The reading that it is from.
    pub read: &'a Observation<ReplicationNow>,
    /// What it is.
    pub item: Item<'a>,
}

/// What a line is.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// The server itself: its role.
    Server,
    /// A link.
    Link(&'a ReplicaLink),
    /// A log that is kept, and how long it lasts.
    Log(&'a LogRetention, Option<&'a LogRunway>),
}

impl ReplicationRow<'_> {
    fn key(&self) -> LineKey {
        let (what, name, peer) = match self.item {
            Item::Server => (What::Server, "", ""),
            Item::Link(link) => (What::Link(link.direction), link.name.as_str(), link.peer.as_str()),
            Item::Log(log, _) => (What::Log, log.name.as_str(), ""),
        };
        LineKey { store: self.store.clone(), what, name: name.to_owned(), peer: peer.to_owned() }
    }

    fn is(&self, key: &LineKey) -> bool {
        self.key() == *key
    }

    fn runway_seconds(&self) -> Option<u64> {
        match self.item {
            Item::Log(_, Some(LogRunway { seconds: Reading::Known(seconds), .. })) => *seconds,
            Item::Log(..) | Item::Server | Item::Link(_) => None,
        }
    }

    /// The longest known lag of a link in this unit.
    fn lag(&self, unit: LagUnit) -> Option<u64> {
        let Item::Link(link) = self.item else { return None };
        let known = link.lag.iter().filter(|lag| lag.unit == unit).filter_map(|lag| lag.amount.known().copied());
        known.max()
    }

    /// True when somebody should look.
    pub fn is_in_trouble(&self) -> bool {
        match self.item {
            Item::Server => false,
            Item::Link(link) => !link.healthy || link.error.is_some(),
            Item::Log(log, _) => log.problem.is_some(),
        }
    }
}

impl ReplicationState {
    /// Lines that the filter lets through: store by store, the server, then links and logs with those in trouble first.
    pub fn rows<'a>(&self, picture: &'a Picture) -> Vec<ReplicationRow<'a>> {
        let mut rows = Vec::new();
        for (store, reading) in picture.replication().into_iter().flatten() {
            let Some(read) = &reading.latest else { continue };
            let row = |item| ReplicationRow { store, read, item };
            let now = &read.value;
            let links = now.reading.links.iter().map(|link| row(Item::Link(link)));
            let logs = now.reading.retention.iter().map(|log| row(Item::Log(log, now.runway(&log.name))));
            let mut items: Vec<ReplicationRow<'a>> = links.chain(logs).collect();
            items.sort_by_key(|row| !row.is_in_trouble());
            rows.push(row(Item::Server));
            rows.extend(items);
        }
        if !self.filter.is_empty() {
            rows.retain(|row| {
                let (name, state, more) = match row.item {
                    Item::Server => ("", row.read.value.reading.role.word(), ""),
                    Item::Link(link) => (link.name.as_str(), link.state.as_str(), link.peer.as_str()),
                    Item::Log(log, _) => (log.name.as_str(), log.state.as_str(), "log"),
                };
                self.filter.matches(&[row.store.as_str(), name, state, more])
            });
        }
        // What is equal keeps its place, so that rows do not jump between readings.
        match self.order {
            LinkOrder::Store => {}
            LinkOrder::Trouble => rows.sort_by_key(|row| !row.is_in_trouble()),
            LinkOrder::Runway => rows.sort_by_key(|row| row.runway_seconds().unwrap_or(u64::MAX)),
            LinkOrder::Lag => {
                rows.sort_by_key(|row| (Reverse(row.lag(LagUnit::Milliseconds)), Reverse(row.lag(LagUnit::Bytes))))
            }
        }
        rows
    }

    /// Index of the selected line.
    pub fn selected(&self, rows: &[ReplicationRow<'_>]) -> Option<usize> {
        self.cursor.at(rows, ReplicationRow::is)
    }

    /// Moves in the list, or in the detail when it has the whole screen.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        if self.zoomed {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let rows = self.rows(picture);
        if self.cursor.go(motion, &rows, ReplicationRow::is, ReplicationRow::key) {
            self.scroll = 0;
        }
    }

    /// Gives the detail the whole screen.
    pub fn open(&mut self, picture: &Picture) {
        let rows = self.rows(picture);
        self.cursor.settle(&rows, ReplicationRow::key);
        self.zoomed = true;
        self.scroll = 0;
    }
}
