//! State of the hot spots screen: three lists (statements, source against target, statements of several services), their
//! order, and which line is selected.
//!
//! The list is made when something changes it and not when it is drawn: a thousand stores have many statements.

use crate::model::hotspot::{
    Comparability, Compared, CrossService, HotOrder, HotSpot, HotSpots, HotSpotsNow, SidesCompared, StatementKind,
    StoreHotSpots,
};
use crate::model::ids::{PipelineId, StoreId};
use crate::model::observation::{Observation, StoreReading};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{FieldText, Filter, field};
use crate::tui::state::list::Motion;
use std::cmp::Ordering;

/// Which of the lists is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HotList {
    /// Statements of all stores.
    #[default]
    Statements,
    /// Source against target.
    Compared,
    /// Statements that touch tables of several services.
    Crossing,
}

impl HotList {
    /// All, in the order of the key.
    pub const ALL: [Self; 3] = [Self::Statements, Self::Compared, Self::Crossing];

    /// The words for the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Statements => "statements",
            Self::Compared => "source against target",
            Self::Crossing => "across services",
        }
    }

    fn following(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }
}

/// What the comparison is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComparedOrder {
    /// Slower ones first, then by time on the target; then new, then disappeared ones.
    #[default]
    Verdict,
    /// Highest ratio first.
    Ratio,
    /// Most time on the target first.
    Time,
}

impl ComparedOrder {
    const ALL: [Self; 3] = [Self::Verdict, Self::Ratio, Self::Time];

    /// The words for the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Verdict => "slower first",
            Self::Ratio => "highest ratio first",
            Self::Time => "most time on the target first",
        }
    }
}

/// The words for the heading.
pub fn order_words(order: HotOrder) -> &'static str {
    match order {
        HotOrder::Total => "most time first",
        HotOrder::Mean => "slowest first",
        HotOrder::Calls => "most calls first",
    }
}

const ORDERS: [HotOrder; 3] = [HotOrder::Total, HotOrder::Mean, HotOrder::Calls];

/// The element of `all` after `now`, or before it.
fn turned<T: Copy + PartialEq>(now: T, all: &[T], forward: bool) -> T {
    let at = all.iter().position(|one| *one == now).unwrap_or(0);
    let step = if forward { 1 } else { all.len().saturating_sub(1) };
    all.get((at + step) % all.len().max(1)).copied().unwrap_or(now)
}

/// The name of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKey {
    /// A statement by its store, whether it is in the second list, its fingerprint and where it ran.
    Spot(StoreId, bool, String, String),
    /// A comparison by its pipeline and the fingerprints on the source and on the target; an empty one is on the other side only.
    Compared(PipelineId, String, String),
    /// What cannot be seen of a store.
    Store(StoreId),
}

/// Where a line is in the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Spot { store: usize, beside: bool, at: usize },
    Crossing { store: usize, at: usize },
    Both { sides: usize, at: usize },
    New { sides: usize, at: usize },
    Gone { sides: usize, at: usize },
    Store { store: usize },
}

/// A statement with all that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct SpotRow<'a> {
    /// Store.
    pub store: &'a StoreId,
    /// The reading that it is from.
    pub read: &'a Observation<StoreHotSpots>,
    /// The list that it is from.
    pub list: &'a HotSpots,
    /// The statement.
    pub spot: &'a HotSpot,
    /// Its tables with their owners when it touches those of several services.
    pub crossing: Option<&'a CrossService>,
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub enum HotRow<'a> {
    /// A statement.
    Spot(SpotRow<'a>),
    /// A statement on both sides of a move.
    Both(&'a SidesCompared, &'a Compared),
    /// A statement that only the target has.
    New(&'a SidesCompared, &'a HotSpot),
    /// A statement that only the source has.
    Gone(&'a SidesCompared, &'a HotSpot),
    /// A store of which something cannot be seen.
    Store(&'a StoreId, &'a StoreReading<StoreHotSpots>),
}

impl HotRow<'_> {
    fn is(&self, key: &LineKey) -> bool {
        match (self, key) {
            (Self::Spot(row), LineKey::Spot(store, beside, fingerprint, database)) => {
                row.spot.fingerprint.0 == *fingerprint
                    && row.spot.database == *database
                    && row.store == store
                    && row.is_beside() == *beside
            }
            (Self::Both(sides, compared), LineKey::Compared(pipeline, source, target)) => {
                compared.source_fingerprint.0 == *source
                    && compared.target_fingerprint.0 == *target
                    && sides.pipeline == *pipeline
            }
            (Self::New(sides, spot), LineKey::Compared(pipeline, source, target)) => {
                source.is_empty() && spot.fingerprint.0 == *target && sides.pipeline == *pipeline
            }
            (Self::Gone(sides, spot), LineKey::Compared(pipeline, source, target)) => {
                target.is_empty() && spot.fingerprint.0 == *source && sides.pipeline == *pipeline
            }
            (Self::Store(id, _), LineKey::Store(store)) => *id == store,
            _ => false,
        }
    }

    fn key(&self) -> LineKey {
        let compared = |sides: &SidesCompared, source: &str, target: &str| {
            LineKey::Compared(sides.pipeline.clone(), source.to_owned(), target.to_owned())
        };
        match self {
            Self::Spot(row) => {
                let spot = row.spot;
                LineKey::Spot(row.store.clone(), row.is_beside(), spot.fingerprint.0.clone(), spot.database.clone())
            }
            Self::Both(sides, found) => compared(sides, &found.source_fingerprint.0, &found.target_fingerprint.0),
            Self::New(sides, spot) => compared(sides, "", &spot.fingerprint.0),
            Self::Gone(sides, spot) => compared(sides, &spot.fingerprint.0, ""),
            Self::Store(id, _) => LineKey::Store((*id).clone()),
        }
    }
}

impl SpotRow<'_> {
    /// True when it is from the second list of its store, which is never added to the first.
    pub fn is_beside(&self) -> bool {
        self.read.value.beside.as_ref().is_some_and(|beside| std::ptr::eq(beside, self.list))
    }
}

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

/// The name of a line that the view does not have: none has it.
fn nothing() -> LineKey {
    LineKey::Store(StoreId(String::new()))
}

/// The view with its stores by number.
#[derive(Debug)]
struct Book<'a> {
    stores: Vec<(&'a StoreId, &'a StoreReading<StoreHotSpots>)>,
    sides: &'a [SidesCompared],
}

impl<'a> Book<'a> {
    fn of(view: Option<&'a HotSpotsNow>) -> Self {
        Self {
            stores: view.into_iter().flat_map(|view| &view.stores).collect(),
            sides: view.map_or(&[], |view| &view.sides),
        }
    }

    fn read(&self, store: usize) -> Option<(&'a StoreId, &'a Observation<StoreHotSpots>)> {
        let (id, reading) = self.stores.get(store)?;
        Some((id, reading.latest.as_ref()?))
    }

    /// All lines of a list, in no order that matters.
    fn places(&self, list: HotList) -> Box<dyn Iterator<Item = Place> + '_> {
        let stores = (0..self.stores.len()).filter_map(|store| Some((store, &self.read(store)?.1.value)));
        let sides = self.sides.iter().enumerate();
        match list {
            HotList::Statements => Box::new(stores.flat_map(|(store, now)| {
                let first = (0..now.spots.spots.len()).map(move |at| Place::Spot { store, beside: false, at });
                let second = now.beside.as_ref().map_or(0, |list| list.spots.len());
                first.chain((0..second).map(move |at| Place::Spot { store, beside: true, at }))
            })),
            HotList::Crossing => Box::new(
                stores.flat_map(|(store, now)| (0..now.crossing.len()).map(move |at| Place::Crossing { store, at })),
            ),
            HotList::Compared => Box::new(sides.flat_map(|(sides, found)| {
                let found = &found.comparison;
                let both = (0..found.both.len()).map(move |at| Place::Both { sides, at });
                let new = (0..found.new.len()).map(move |at| Place::New { sides, at });
                both.chain(new).chain((0..found.disappeared.len()).map(move |at| Place::Gone { sides, at }))
            })),
        }
    }

    fn stores(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.stores.len()).map(|store| Place::Store { store })
    }

    fn at(&self, place: Place) -> Option<HotRow<'a>> {
        let comparison = |sides: usize| self.sides.get(sides).map(|sides| (sides, &sides.comparison));
        match place {
            Place::Spot { store, beside, at } => {
                let (store, read) = self.read(store)?;
                let list = if beside { read.value.beside.as_ref()? } else { &read.value.spots };
                let spot = list.spots.get(at)?;
                let crosses = !beside && spot.services.len() > 1;
                let mut all = read.value.crossing.iter().filter(|_| crosses);
                let crossing = all.find(|c| c.spot.fingerprint == spot.fingerprint);
                Some(HotRow::Spot(SpotRow { store, read, list, spot, crossing }))
            }
            Place::Crossing { store, at } => {
                let (store, read) = self.read(store)?;
                let crossing = read.value.crossing.get(at)?;
                let (list, spot) = (&read.value.spots, &crossing.spot);
                Some(HotRow::Spot(SpotRow { store, read, list, spot, crossing: Some(crossing) }))
            }
            Place::Both { sides, at } => {
                comparison(sides).and_then(|(s, found)| Some(HotRow::Both(s, found.both.get(at)?)))
            }
            Place::New { sides, at } => {
                comparison(sides).and_then(|(s, found)| Some(HotRow::New(s, found.new.get(at)?)))
            }
            Place::Gone { sides, at } => {
                comparison(sides).and_then(|(s, found)| Some(HotRow::Gone(s, found.disappeared.get(at)?)))
            }
            Place::Store { store } => self.stores.get(store).map(|(id, reading)| HotRow::Store(id, reading)),
        }
    }
}

/// Lines of a list, looked up only where they are drawn.
#[derive(Debug)]
pub struct HotRows<'a> {
    book: Book<'a>,
    places: &'a [Place],
}

impl<'a> HotRows<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many of them are statements.
    pub fn statements(&self) -> usize {
        self.places.iter().filter(|place| !matches!(place, Place::Store { .. })).count()
    }

    /// The line at `index`.
    pub fn get(&self, index: usize) -> Option<HotRow<'a>> {
        self.book.at(*self.places.get(index)?)
    }
}

/// True when something of a store cannot be seen.
fn is_partial(reading: &StoreReading<StoreHotSpots>) -> bool {
    reading.problem.is_some() || reading.latest.as_ref().is_some_and(|read| !read.missing.is_empty())
}

/// What a statement does, in a word.
pub fn kind_word(kind: StatementKind) -> &'static str {
    match kind {
        StatementKind::Read => "read",
        StatementKind::Insert => "insert",
        StatementKind::Update => "update",
        StatementKind::Delete => "delete",
        StatementKind::Other => "other",
    }
}

/// The verdict of a comparison, in a word.
pub fn verdict_word(verdict: &Comparability) -> &'static str {
    match verdict {
        Comparability::TooFew { .. } => "too few",
        Comparability::NotComparable { .. } => "unlike",
        Comparability::Same => "same",
        Comparability::Faster => "faster",
        Comparability::Slower => "slower",
    }
}

/// What a filter looks at.
fn fields<'a>(row: &HotRow<'a>) -> Vec<FieldText<'a>> {
    match row {
        HotRow::Spot(row) => {
            let mut fields = vec![field("store", row.store.as_str()), field("source", row.list.source.word())];
            of_spot(row.spot, &mut fields);
            fields
        }
        HotRow::Both(sides, found) => {
            let mut fields = of_sides(sides, verdict_word(&found.verdict));
            fields.extend([field("operation", &found.name), field("", &found.target_fingerprint.0)]);
            fields
        }
        HotRow::New(sides, spot) | HotRow::Gone(sides, spot) => {
            let verdict = if matches!(row, HotRow::New(..)) { "new" } else { "gone" };
            let mut fields = of_sides(sides, verdict);
            of_spot(spot, &mut fields);
            fields
        }
        HotRow::Store(id, _) => vec![field("store", id.as_str())],
    }
}

fn of_sides<'a>(sides: &'a SidesCompared, verdict: &'static str) -> Vec<FieldText<'a>> {
    vec![
        field("verdict", verdict),
        field("", sides.pipeline.as_str()),
        field("store", sides.source.as_str()),
        field("store", sides.target.as_str()),
    ]
}

fn of_spot<'a>(spot: &'a HotSpot, fields: &mut Vec<FieldText<'a>>) {
    fields.extend([field("", &spot.text), field("kind", kind_word(spot.kind)), field("", &spot.fingerprint.0)]);
    fields.extend(spot.operation.iter().map(|operation| field("operation", operation)));
    fields.extend(spot.tables.iter().map(|table| field("table", table)));
    fields.extend(spot.services.iter().map(|service| field("service", service.as_str())));
    fields.extend(spot.logins.iter().map(|login| field("login", login)));
}

/// What is equal in the order keeps store and fingerprint order, so that rows do not jump between readings.
fn by_cost(order: HotOrder, a: &HotRow<'_>, b: &HotRow<'_>) -> Ordering {
    let (HotRow::Spot(a), HotRow::Spot(b)) = (a, b) else { return Ordering::Equal };
    let cost = |row: &SpotRow<'_>| match order {
        HotOrder::Total => row.spot.total_us,
        HotOrder::Mean => row.spot.mean_us().unwrap_or(0.0),
        HotOrder::Calls => row.spot.calls as f64,
    };
    cost(b).total_cmp(&cost(a)).then_with(|| (a.store, &a.spot.fingerprint).cmp(&(b.store, &b.spot.fingerprint)))
}

fn by_change(order: ComparedOrder, a: &HotRow<'_>, b: &HotRow<'_>) -> Ordering {
    let verdict = |row: &HotRow<'_>| match row {
        HotRow::Both(_, found) => match found.verdict {
            Comparability::Slower => 0,
            Comparability::Same | Comparability::Faster => 1,
            Comparability::TooFew { .. } | Comparability::NotComparable { .. } => 2,
        },
        HotRow::New(..) => 3,
        HotRow::Gone(..) => 4,
        HotRow::Spot(_) | HotRow::Store(..) => 5,
    };
    let time = |row: &HotRow<'_>| match row {
        HotRow::Both(_, found) => found.target.mean_us * found.target.calls as f64,
        HotRow::New(_, spot) | HotRow::Gone(_, spot) => spot.total_us,
        HotRow::Spot(_) | HotRow::Store(..) => 0.0,
    };
    let ratio = |row: &HotRow<'_>| match row {
        HotRow::Both(_, found) => found.ratio.unwrap_or(-1.0),
        _ => -2.0,
    };
    let on_target = |row: &HotRow<'_>| if matches!(row, HotRow::Gone(..)) { -1.0 } else { time(row) };
    match order {
        ComparedOrder::Verdict => verdict(a).cmp(&verdict(b)).then_with(|| time(b).total_cmp(&time(a))),
        ComparedOrder::Ratio => ratio(b).total_cmp(&ratio(a)).then_with(|| verdict(a).cmp(&verdict(b))),
        ComparedOrder::Time => on_target(b).total_cmp(&on_target(a)),
    }
}
