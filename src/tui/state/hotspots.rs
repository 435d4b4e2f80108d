//! State of the hot spots screen: three lists (statements, source against target, statements of several services), their
//! order, and which line is selected.
//!
//! The list is made when something changes it and not when it is drawn: a thousand stores have many statements.

use crate::model::hotspot::{HotOrder, HotSpotsNow, StoreHotSpots};
use crate::model::observation::StoreReading;
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{FieldText, Filter, field};
use crate::tui::state::list::Motion;
use crate::tui::state::texts::{Texts, kept};

mod order;
mod rows;

pub use order::{ComparedOrder, HotList, order_words};
use order::{Keys, ORDERS, by_change, by_cost, keys, turned};
use rows::{Book, FIELDS, Place, nothing, tell};
pub use rows::{HotRow, HotRows, LineKey, SpotRow, kind_word, verdict_word};

/// What the hot spots screen remembers.
///
/// Invariant: `places` holds, in order, the lines of the list shown that the filter lets through, of the view that was last taken in
/// by [`HotSpotsState::take_in`]; whoever changes the picture shown calls it.
#[derive(Clone, Debug, Default)]
pub struct HotSpotsState {
    filter: Filter,
    list: HotList,
    order: HotOrder,
    compared_order: ComparedOrder,
    /// What the list shown is made of, in the order of the view.
    entries: Vec<Entry>,
    /// [`FIELDS`] for each entry.
    texts: Texts,
    /// Stores of which something cannot be seen, by number and name.
    unseen: Vec<(usize, String)>,
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
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.arrange();
    }

    /// Shows the next list.
    pub fn turn_list(&mut self, view: Option<&HotSpotsNow>) {
        self.list = self.list.following();
        self.zoomed = false;
        self.scroll = 0;
        self.take_in(view);
    }

    /// Orders the list by the next thing, or by the one before.
    pub fn turn_order(&mut self, forward: bool) {
        match self.list {
            HotList::Statements | HotList::Crossing => self.order = turned(self.order, &ORDERS, forward),
            HotList::Compared => {
                self.compared_order = turned(self.compared_order, &ComparedOrder::ALL, forward);
            }
        }
        self.arrange();
    }

    /// Takes another view in.
    pub fn take_in(&mut self, view: Option<&HotSpotsNow>) {
        let book = Book::of(view);
        self.totals = HotList::ALL.map(|list| book.places(list).count());
        self.entries.clear();
        self.texts.clear();
        for place in book.places(self.list) {
            let Some(row) = book.at(place) else { continue };
            self.entries.push(Entry { place, keys: keys(&row) });
            tell(&row, &mut self.texts);
        }
        let stores = book.stores.iter().enumerate().filter(|(_, (_, reading))| is_partial(reading));
        let stores = stores.filter(|_| self.list == HotList::Statements);
        self.unseen = stores.map(|(store, (id, _))| (store, id.to_string())).collect();
        self.arrange();
    }

    /// Makes the list again.
    fn arrange(&mut self) {
        let numbers = 0..self.entries.len();
        let mut listed: Vec<(usize, Entry)> = numbers
            .filter(|number| self.filter.is_empty() || self.filter.finds(&self.fields(*number)))
            .filter_map(|number| Some((number, *self.entries.get(number)?)))
            .collect();
        // What is equal in the order keeps the view's, so that rows do not jump between readings.
        let order = |a: &Entry, b: &Entry| match self.list {
            HotList::Statements | HotList::Crossing => by_cost(self.order, &a.keys, &b.keys),
            HotList::Compared => by_change(self.compared_order, &a.keys, &b.keys),
        };
        listed.sort_unstable_by(|(at, a), (other, b)| order(a, b).then_with(|| at.cmp(other)));
        let unseen = self.unseen.iter().filter(|(_, id)| self.filter.finds(&[field("store", id)]));
        let stores: Vec<Place> = unseen.map(|(store, _)| Place::Store { store: *store }).collect();
        self.places = listed.iter().map(|(_, entry)| entry.place).chain(stores.iter().copied()).collect();
        // Where the choice may be: a look at the view tells whether it is there, and only then.
        let may_be = |store: &str, fingerprint: &str| {
            listed.iter().position(|(number, _)| {
                let text = |which: usize| self.texts.get(number * FIELDS.len() + which);
                text(FIELDS.len() - 1) == kept(fingerprint) && (store.is_empty() || text(0) == kept(store))
            })
        };
        let chosen = match self.cursor().chosen() {
            Some(LineKey::Spot(store, _, fingerprint, _)) => may_be(store.as_str(), fingerprint),
            Some(LineKey::Compared(_, source, target)) => may_be("", if target.is_empty() { source } else { target }),
            Some(LineKey::Store(_)) if !stores.is_empty() => Some(listed.len()),
            Some(LineKey::Store(_)) | None => None,
        };
        self.cursors[self.list as usize].listed(chosen);
    }

    fn fields(&self, number: usize) -> [FieldText<'_>; FIELDS.len()] {
        std::array::from_fn(|which| field(FIELDS[which], self.texts.get(number * FIELDS.len() + which)))
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
        let selected = self.selected(&rows).and_then(|index| rows.get(index));
        match self.cursor().chosen() {
            Some(key) if self.zoomed && selected.is_none() => {
                let mut all = rows.book.places(self.list).chain(rows.book.stores());
                all.find_map(|place| rows.book.at(place).filter(|row| row.is(key)))
            }
            _ => selected,
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

/// What the list needs to know of a line to order it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: Place,
    keys: Keys,
}

/// True when something of a store cannot be seen.
fn is_partial(reading: &StoreReading<StoreHotSpots>) -> bool {
    reading.problem.is_some() || reading.latest.as_ref().is_some_and(|read| !read.missing.is_empty())
}
