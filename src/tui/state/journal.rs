//! State of the journal screen: filter, selected row, and whether it follows the end.

use crate::model::ids::Seq;
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::picture::{JournalLine, Picture};

/// What the journal screen remembers.
///
/// Invariant: `matches` holds, in order, every kept row up to `seen` that the filter lets through.
#[derive(Clone, Debug, Default)]
pub struct JournalState {
    filter: Filter,
    matches: Vec<Seq>,
    seen: Seq,
    /// The operator's choice; `None` while the end is followed.
    pub chosen: Option<Seq>,
    /// How many rows there were when the end was last followed: pages are counted from there.
    pub anchor: usize,
    /// The row whose fields are shown.
    pub detail: Option<Seq>,
    /// First line of the detail.
    pub scroll: usize,
}

impl JournalState {
    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// True while the newest row is kept in sight.
    pub fn follows(&self) -> bool {
        self.chosen.is_none()
    }

    /// Sets the filter and looks through all kept rows again.
    pub fn set_filter(&mut self, filter: Filter, picture: &Picture) {
        self.filter = filter;
        self.rebuild(picture);
    }

    /// Looks through all kept rows again: after the filter or the picture changed.
    pub fn rebuild(&mut self, picture: &Picture) {
        self.matches.clear();
        self.seen = Seq(0);
        self.take_in(picture);
    }

    /// Takes rows in that arrived since the last time and forgets those that are no longer kept.
    pub fn take_in(&mut self, picture: &Picture) {
        let Some(first) = picture.lines.front().map(|l| l.entry.seq) else { return };
        let gone = self.matches.partition_point(|seq| *seq < first);
        self.matches.drain(..gone);
        let known = usize::try_from((self.seen.0 + 1).saturating_sub(first.0)).unwrap_or(usize::MAX);
        for line in picture.lines.iter().skip(known) {
            if self.lets_through(line) {
                self.matches.push(line.entry.seq);
            }
            self.seen = line.entry.seq;
        }
    }

    fn lets_through(&self, line: &JournalLine) -> bool {
        self.filter.is_empty() || self.filter.matches(&[&line.subject, &line.sentence])
    }

    /// Rows in order.
    pub fn rows(&self) -> &[Seq] {
        &self.matches
    }

    /// Index of the selected row.
    pub fn selected(&self) -> usize {
        match self.chosen {
            Some(seq) => self.matches.partition_point(|s| *s < seq).min(self.matches.len().saturating_sub(1)),
            None => self.matches.len().saturating_sub(1),
        }
    }

    /// Moves; arriving at the last row by `Bottom` follows the end again.
    pub fn go(&mut self, motion: Motion) {
        if self.detail.is_some() {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let at = motion.from(self.selected(), self.matches.len());
        self.drop_anchor();
        self.chosen = if motion == Motion::Bottom { None } else { self.matches.get(at).copied() };
    }

    /// Remembers where the end is as long as it is followed.
    fn drop_anchor(&mut self) {
        if self.follows() {
            self.anchor = self.matches.len();
        }
    }

    /// Follows the end, or stays where it is.
    pub fn toggle_follow(&mut self) {
        self.drop_anchor();
        self.chosen = match self.chosen {
            Some(_) => None,
            None => self.matches.last().copied(),
        };
    }

    /// Shows all fields of the selected row.
    pub fn open(&mut self) {
        self.detail = self.matches.get(self.selected()).copied();
        self.scroll = 0;
    }
}
