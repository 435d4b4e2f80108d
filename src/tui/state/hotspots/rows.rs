//! Lines of the hot spots screen: what they are, how they are named, and where they are in the view.

use crate::model::hotspot::{
    Comparability, Compared, CrossService, HotSpot, HotSpots, HotSpotsNow, SidesCompared, StatementKind, StoreHotSpots,
};
use crate::model::ids::{PipelineId, StoreId};
use crate::model::observation::{Observation, StoreReading};
use crate::tui::state::hotspots::HotList;
use crate::tui::state::texts::Texts;

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
pub(super) enum Place {
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
    pub(super) fn is(&self, key: &LineKey) -> bool {
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

    pub(super) fn key(&self) -> LineKey {
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

/// The name of a line that the view does not have: none has it.
pub(super) fn nothing() -> LineKey {
    LineKey::Store(StoreId(String::new()))
}

/// The view with its stores by number.
#[derive(Debug)]
pub(super) struct Book<'a> {
    pub(super) stores: Vec<(&'a StoreId, &'a StoreReading<StoreHotSpots>)>,
    sides: &'a [SidesCompared],
}

impl<'a> Book<'a> {
    pub(super) fn of(view: Option<&'a HotSpotsNow>) -> Self {
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
    pub(super) fn places(&self, list: HotList) -> Box<dyn Iterator<Item = Place> + '_> {
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

    /// A line for each store.
    pub(super) fn stores(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.stores.len()).map(|store| Place::Store { store })
    }

    pub(super) fn at(&self, place: Place) -> Option<HotRow<'a>> {
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
    pub(super) book: Book<'a>,
    pub(super) places: &'a [Place],
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

/// Names of the texts that a filter looks at.
pub(super) const FIELDS: [&str; 10] =
    ["store", "source", "", "kind", "verdict", "operation", "table", "service", "login", ""];

/// Adds the texts of a line, in the order of [`FIELDS`].
pub(super) fn tell(row: &HotRow<'_>, texts: &mut Texts) {
    match row {
        HotRow::Spot(row) => {
            texts.push([row.store.as_str()]);
            texts.push([row.list.source.word()]);
            tell_spot(row.spot, "", texts);
        }
        HotRow::Both(sides, found) => {
            tell_sides(sides, texts);
            let verdict = verdict_word(&found.verdict);
            let target = found.target_fingerprint.0.as_str();
            ["", "", verdict, found.name.as_str(), "", "", "", target].into_iter().for_each(|text| texts.push([text]));
        }
        HotRow::New(sides, spot) => {
            tell_sides(sides, texts);
            tell_spot(spot, "new", texts);
        }
        HotRow::Gone(sides, spot) => {
            tell_sides(sides, texts);
            tell_spot(spot, "gone", texts);
        }
        HotRow::Store(id, _) => {
            texts.push([id.as_str()]);
            FIELDS.iter().skip(1).for_each(|_| texts.push([]));
        }
    }
}

fn tell_sides(sides: &SidesCompared, texts: &mut Texts) {
    texts.push([sides.source.as_str(), sides.target.as_str(), sides.pipeline.as_str()]);
    texts.push([]);
}

fn tell_spot(spot: &HotSpot, verdict: &str, texts: &mut Texts) {
    texts.push([spot.text.as_str()]);
    texts.push([kind_word(spot.kind)]);
    texts.push([verdict]);
    texts.push(spot.operation.as_deref());
    texts.push(spot.tables.iter().map(String::as_str));
    texts.push(spot.services.iter().map(|service| service.as_str()));
    texts.push(spot.logins.iter().map(String::as_str));
    texts.push([spot.fingerprint.0.as_str()]);
}
