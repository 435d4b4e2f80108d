//! State of the hot spots screen: three lists (statements, source against target, statements of several services), their
//! order, and which line is selected.
//!
//! The list is made when something changes it and not when it is drawn: a thousand stores have many statements.

use crate::model::hotspot::{HotOrder, HotSpotsNow, StoreHotSpots};
use crate::model::observation::StoreReading;
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{Filter, field};
use crate::tui::state::list::Motion;

mod order;
mod rows;

pub use order::{ComparedOrder, HotList, order_words};
use order::{ORDERS, by_change, by_cost, turned};
use rows::{Book, Place, fields, nothing};
pub use rows::{HotRow, HotRows, LineKey, SpotRow, kind_word, verdict_word};

/// What the hot spots screen remembers.
///
/// Invariant: `places` holds, in order, the lines of the picture shown that the filter lets through, as of the last
/// [`HotSpotsState::rebuild`]; whoever changes the picture, the filter, the list or its order calls it.
#[derive(Clone, Debug, Default)]
pub struct HotSpotsState {
    filter: Filter,
    list: HotList,
    order: HotOrder,
    compared_order: ComparedOrder,
    places: Vec<Place>,
    /// How many lines each list has without the filter.
    totals: [usize; 3],
    /// The selected line of each list.
    cursors: [Cursor<LineKey>; 3],
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole screen.
    pub zoomed: bool,
}

impl HotSpotsState {
    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The list shown.
    pub fn list(&self) -> HotList {
        self.list
    }

    /// How many lines a list has without the filter.
    pub fn total(&self, list: HotList) -> usize {
        self.totals[list as usize]
    }

    /// What the list shown is ordered by.
    pub fn order_words(&self) -> &'static str {
        match self.list {
            HotList::Statements | HotList::Crossing => order_words(self.order),
            HotList::Compared => self.compared_order.words(),
        }
    }

    /// Narrows the list.
    pub fn set_filter(&mut self, filter: Filter, view: Option<&HotSpotsNow>) {
        self.filter = filter;
        self.rebuild(view);
    }

    /// Shows the next list.
    pub fn turn_list(&mut self, view: Option<&HotSpotsNow>) {
        self.list = self.list.following();
        self.zoomed = false;
        self.scroll = 0;
        self.rebuild(view);
    }

    /// Orders the list by the next thing, or by the one before.
    pub fn turn_order(&mut self, forward: bool, view: Option<&HotSpotsNow>) {
        match self.list {
            HotList::Statements | HotList::Crossing => self.order = turned(self.order, &ORDERS, forward),
            HotList::Compared => {
                self.compared_order = turned(self.compared_order, &ComparedOrder::ALL, forward);
            }
        }
        self.rebuild(view);
    }

    /// Makes the list again.
    pub fn rebuild(&mut self, view: Option<&HotSpotsNow>) {
        let Some(view) = view else {
            self.places.clear();
            self.totals = [0; 3];
            return;
        };
        let book = Book::of(Some(view));
        self.totals = HotList::ALL.map(|list| book.places(list).count());
        let mut listed: Vec<(Place, HotRow<'_>)> = book
            .places(self.list)
            .filter_map(|place| Some((place, book.at(place)?)))
            .filter(|(_, row)| self.filter.is_empty() || self.filter.finds(&fields(row)))
            .collect();
        match self.list {
            HotList::Statements | HotList::Crossing => listed.sort_by(|(_, a), (_, b)| by_cost(self.order, a, b)),
            HotList::Compared => listed.sort_by(|(_, a), (_, b)| by_change(self.compared_order, a, b)),
        }
        self.places = listed.into_iter().map(|(place, _)| place).collect();
        if self.list == HotList::Statements {
            let unseen =
                book.stores.iter().enumerate().filter(|(_, (id, reading))| {
                    is_partial(reading) && self.filter.finds(&[field("store", id.as_str())])
                });
            self.places.extend(unseen.map(|(store, _)| Place::Store { store }));
        }
    }

    /// Lines that are listed.
    pub fn rows<'a>(&'a self, view: Option<&'a HotSpotsNow>) -> HotRows<'a> {
        HotRows { book: Book::of(view), places: &self.places }
    }

    /// Index of the selected line.
    pub fn selected(&self, rows: &HotRows<'_>) -> Option<usize> {
        self.cursor().at(&self.places, |place, key| rows.book.at(*place).is_some_and(|row| row.is(key)))
    }

    fn cursor(&self) -> &Cursor<LineKey> {
        &self.cursors[self.list as usize]
    }

    /// The page to show.
    pub fn place(&self, selected: Option<usize>) -> usize {
        self.cursor().place(selected)
    }

    /// The line that the detail shows and keys act on. In the list it has to be in sight; an opened one stays open whatever the
    /// list does.
    pub fn target<'a>(&'a self, view: Option<&'a HotSpotsNow>) -> Option<HotRow<'a>> {
        let rows = self.rows(view);
        match self.cursor().chosen() {
            Some(key) if self.zoomed => {
                let mut all = rows.book.places(self.list).chain(rows.book.stores());
                all.find_map(|place| rows.book.at(place).filter(|row| row.is(key)))
            }
            _ => rows.get(self.selected(&rows)?),
        }
    }

    /// The name of the operator's choice, wherever it is.
    pub fn chosen(&self) -> Option<&LineKey> {
        self.cursor().chosen()
    }

    /// Moves in the list, or in the detail when it has the whole screen.
    pub fn go(&mut self, motion: Motion, view: Option<&HotSpotsNow>) {
        if self.zoomed {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let book = Book::of(view);
        let is = |place: &Place, key: &LineKey| book.at(*place).is_some_and(|row| row.is(key));
        let key = |place: &Place| book.at(*place).map_or_else(nothing, |row| row.key());
        if self.cursors[self.list as usize].go(motion, &self.places, is, key) {
            self.scroll = 0;
        }
    }

    /// Gives the detail the whole screen. Its statement stays the same, whatever the list does meanwhile.
    pub fn open(&mut self, view: Option<&HotSpotsNow>) {
        let book = Book::of(view);
        let key = |place: &Place| book.at(*place).map_or_else(nothing, |row| row.key());
        self.cursors[self.list as usize].settle(&self.places, key);
        self.zoomed = true;
        self.scroll = 0;
    }
}

/// True when something of a store cannot be seen.
fn is_partial(reading: &StoreReading<StoreHotSpots>) -> bool {
    reading.problem.is_some() || reading.latest.as_ref().is_some_and(|read| !read.missing.is_empty())
}
