//! State of the two screens that list findings, index advice and access audit: which are listed, in which order, and which
//! one is selected.
//!
//! There may be tens of thousands of findings, so the list is made when something changes it and not when it is drawn.

use crate::model::finding::{Audit, Finding, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, StoreReading};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{Filter, by_name, field};
use crate::tui::state::list::Motion;
use crate::tui::state::texts::{Texts, kept};
use std::cmp::Reverse;
use std::collections::BTreeMap;

mod rows;
mod sum;

pub use rows::{FindingRow, FindingRows, LineKey};
use rows::{Place, find, nothing};
pub use sum::{SEVERITIES, StoreSum};

/// What the list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FindingOrder {
    /// Broken rules first, the worst of them first: the order of commands and reports.
    #[default]
    Worst,
    /// By store, then as above.
    Store,
    /// By rule, then as above.
    Rule,
    /// What saves most time first.
    Gain,
}

impl FindingOrder {
    /// The words for the heading.
    pub fn words(self) -> &'static str {
        match self {
            Self::Worst => "worst first",
            Self::Store => "by store",
            Self::Rule => "by rule",
            Self::Gain => "most time saved first",
        }
    }

    /// The next one among `orders`, or the one before.
    #[must_use]
    fn turned(self, orders: &[Self], forward: bool) -> Self {
        let at = orders.iter().position(|order| *order == self).unwrap_or(0);
        let step = if forward { 1 } else { orders.len().saturating_sub(1) };
        orders.get((at + step) % orders.len().max(1)).copied().unwrap_or_default()
    }
}

/// What a screen of findings remembers.
///
/// Invariant: `places` holds, in order, the lines that the filter and `all` let through, of the view that was last taken in by
/// [`FindingsState::take_in`]; whoever changes the picture shown calls it.
#[derive(Clone, Debug)]
pub struct FindingsState {
    filter: Filter,
    orders: &'static [FindingOrder],
    order: FindingOrder,
    all: bool,
    /// What the list is made of, in the order of the view.
    entries: Vec<Entry>,
    /// [`TEXTS`] for each entry.
    texts: Texts,
    /// Stores of which something cannot be seen, by number, with what a filter looks at.
    unseen: Vec<(usize, String)>,
    places: Vec<Place>,
    /// What each store's audit amounts to, the worst first. Stores without such an audit are left out.
    sums: Vec<(StoreId, StoreSum)>,
    /// The selected line.
    cursor: Cursor<LineKey>,
    /// First line of the detail.
    pub scroll: usize,
    /// True while the detail has the whole screen.
    pub zoomed: bool,
}

impl FindingsState {
    /// A list that can be ordered by these.
    pub fn new(orders: &'static [FindingOrder]) -> Self {
        Self {
            filter: Filter::default(),
            orders,
            order: FindingOrder::default(),
            all: false,
            entries: Vec::new(),
            texts: Texts::default(),
            unseen: Vec::new(),
            places: Vec::new(),
            sums: Vec::new(),
            cursor: Cursor::default(),
            scroll: 0,
            zoomed: false,
        }
    }

    /// Index advice.
    pub fn indexes() -> Self {
        Self::new(&[FindingOrder::Worst, FindingOrder::Gain, FindingOrder::Store, FindingOrder::Rule])
    }

    /// Access audit.
    pub fn access() -> Self {
        Self::new(&[FindingOrder::Worst, FindingOrder::Store, FindingOrder::Rule])
    }

    /// The filter.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// What the list is ordered by.
    pub fn order(&self) -> FindingOrder {
        self.order
    }

    /// True while rules that hold, or have no object, are listed too.
    pub fn lists_all(&self) -> bool {
        self.all
    }

    /// Narrows the list.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.list();
    }

    /// Orders the list by the next thing, or by the one before.
    pub fn turn_order(&mut self, forward: bool) {
        self.order = self.order.turned(self.orders, forward);
        self.list();
    }

    /// Lists rules that hold too, or leaves them out.
    pub fn toggle_all(&mut self) {
        self.all = !self.all;
        self.list();
    }

    /// Takes another view in.
    pub fn take_in(&mut self, view: Option<&ByStore<Audit>>) {
        let readings: Vec<(&StoreId, &StoreReading<Audit>)> = view.into_iter().flatten().collect();
        let sums = readings.iter().filter(|(_, reading)| reading.absent.is_none());
        self.sums = sums.map(|(store, reading)| ((*store).clone(), StoreSum::of(reading))).collect();
        self.sums.sort_by_cached_key(|(_, sum)| sum.urgency());
        self.entries.clear();
        self.texts.clear();
        let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
        let all = readings.iter().flat_map(|(_, reading)| &reading.latest).flat_map(|read| &read.value.findings);
        all.for_each(|finding| {
            rules.entry(&finding.rule).or_default();
        });
        rules.values_mut().enumerate().for_each(|(number, rule)| *rule = number);
        for (store, (_, reading)) in readings.iter().enumerate() {
            let findings = reading.latest.iter().flat_map(|read| &read.value.findings);
            for (at, finding) in findings.enumerate() {
                let rule = rules.get(finding.rule.as_str()).copied().unwrap_or(0);
                self.entries.push(Entry::of(finding, self.entries.len(), rule, store, at));
                let texts: [&str; TEXTS] = [finding.store.as_str(), &finding.rule, &finding.subject, &finding.sentence];
                texts.into_iter().for_each(|text| self.texts.push([text]));
            }
        }
        let partial =
            readings.iter().enumerate().filter_map(|(store, (id, reading))| Some((store, unseen(id, reading)?)));
        self.unseen = partial.collect();
        self.list();
    }

    /// Makes the list again.
    fn list(&mut self) {
        let numbers = 0..self.entries.len();
        let mut listed: Vec<Entry> = numbers
            .filter(|number| self.lists(*number))
            .filter_map(|number| self.entries.get(number).copied())
            .collect();
        match self.order {
            FindingOrder::Worst => listed.sort_unstable_by_key(Entry::worst),
            FindingOrder::Store => listed.sort_unstable_by_key(|entry| (entry.store, entry.worst())),
            FindingOrder::Rule => listed.sort_unstable_by_key(|entry| (entry.rule, entry.worst())),
            FindingOrder::Gain => {
                listed.sort_unstable_by(|a, b| b.gain.total_cmp(&a.gain).then_with(|| a.worst().cmp(&b.worst())));
            }
        }
        let findings = listed.iter().map(|entry| Place::Finding { store: entry.store, at: entry.at });
        let unseen = self.unseen.iter().filter(|(_, text)| self.filter.finds(&[field("", text)]));
        let stores: Vec<Place> = unseen.map(|(store, _)| Place::Store { store: *store }).collect();
        self.places = findings.chain(stores.iter().copied()).collect();
        let chosen = match self.cursor.chosen() {
            Some(LineKey::Finding(rule, store, subject)) => listed.iter().position(|entry| {
                let text = |which: usize| self.texts.get(entry.number * TEXTS + which);
                text(2) == kept(subject) && text(1) == kept(rule) && text(0) == kept(store.as_str())
            }),
            // Few stores have something to say: the first will do, and a look at the view tells.
            Some(LineKey::Store(_)) if !stores.is_empty() => Some(listed.len()),
            Some(LineKey::Store(_)) | None => None,
        };
        self.cursor.listed(chosen);
    }

    fn lists(&self, number: usize) -> bool {
        let Some(entry) = self.entries.get(number) else { return false };
        if !self.all && entry.rank > NOT_CHECKABLE {
            return false;
        }
        let text = |which: usize| self.texts.get(number * TEXTS + which);
        self.filter.is_empty()
            || self.filter.finds(&[
                field("store", text(0)),
                field("severity", entry.severity.word()),
                by_name("least", at_least(entry.severity)),
                field("verdict", VERDICTS.get(usize::from(entry.rank)).copied().unwrap_or_default()),
                field("rule", text(1)),
                field("subject", text(2)),
                field("", text(3)),
            ])
    }

    /// Lines that are listed.
    pub fn rows<'a>(&'a self, view: Option<&'a ByStore<Audit>>) -> FindingRows<'a> {
        FindingRows { readings: view.into_iter().flatten().collect(), places: &self.places }
    }

    /// What each store's audit amounts to, the worst first.
    pub fn sums(&self) -> &[(StoreId, StoreSum)] {
        &self.sums
    }

    /// What all audits amount to.
    pub fn whole(&self) -> StoreSum {
        let mut whole = StoreSum::default();
        for (_, sum) in &self.sums {
            whole.fails.iter_mut().zip(sum.fails).for_each(|(all, one)| *all += one);
            whole.waived += sum.waived;
            whole.not_checkable += sum.not_checkable;
            whole.holds += sum.holds;
            whole.not_applicable += sum.not_applicable;
            whole.is_partial |= sum.is_partial;
            whole.read_at = whole.read_at.into_iter().chain(sum.read_at).min();
        }
        whole
    }

    /// Index of the selected line.
    pub fn selected(&self, rows: &FindingRows<'_>) -> Option<usize> {
        self.cursor.at(&self.places, |place, key| rows.at(*place).is_some_and(|row| row.is(key)))
    }

    /// The page to show.
    pub fn place(&self, selected: Option<usize>) -> usize {
        self.cursor.place(selected)
    }

    /// The line that the detail shows and keys act on. In the list it has to be in sight; an opened one stays open whatever the
    /// list does.
    pub fn target<'a>(&'a self, view: Option<&'a ByStore<Audit>>) -> Option<FindingRow<'a>> {
        match self.cursor.chosen() {
            Some(key) if self.zoomed => find(view?, key),
            _ => {
                let rows = FindingRows { readings: view.into_iter().flatten().collect(), places: &self.places };
                let place = self.places.get(self.selected(&rows)?)?;
                rows.at(*place)
            }
        }
    }

    /// The name of the operator's choice, wherever it is.
    pub fn chosen(&self) -> Option<&LineKey> {
        self.cursor.chosen()
    }

    /// Moves in the list, or in the detail when it has the whole screen.
    pub fn go(&mut self, motion: Motion, view: Option<&ByStore<Audit>>) {
        if self.zoomed {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let rows = FindingRows { readings: view.into_iter().flatten().collect(), places: &self.places };
        let is = |place: &Place, key: &LineKey| rows.at(*place).is_some_and(|row| row.is(key));
        let key = |place: &Place| rows.at(*place).map_or_else(nothing, |row| row.key());
        if self.cursor.go(motion, rows.places, is, key) {
            self.scroll = 0;
        }
    }

    /// Gives the detail the whole screen. Its finding stays the same, whatever the list does meanwhile.
    pub fn open(&mut self, view: Option<&ByStore<Audit>>) {
        let rows = FindingRows { readings: view.into_iter().flatten().collect(), places: &self.places };
        self.cursor.settle(rows.places, |place| rows.at(*place).map_or_else(nothing, |row| row.key()));
        self.zoomed = true;
        self.scroll = 0;
    }
}

/// What the list needs to know of a finding to order it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its texts are.
    number: usize,
    store: usize,
    at: usize,
    /// Which of [`VERDICTS`].
    rank: u8,
    severity: Severity,
    /// The rule's place among all rules by name.
    rule: usize,
    /// Microseconds saved a second; below 0: nothing is known to be saved.
    gain: f64,
}

/// Texts of each entry that a filter looks at: store, rule, subject, sentence.
const TEXTS: usize = 4;

/// How rules end, in the order of all lists.
const VERDICTS: [&str; 5] = ["fail", "waived", "not checkable", "pass", "not applicable"];

/// The last of [`VERDICTS`] that is always listed.
const NOT_CHECKABLE: u8 = 2;

impl Entry {
    fn of(finding: &Finding, number: usize, rule: usize, store: usize, at: usize) -> Self {
        let rank = match finding.verdict {
            Verdict::Fail => 0,
            Verdict::Waived { .. } => 1,
            Verdict::NotCheckable { .. } => NOT_CHECKABLE,
            Verdict::Pass => 3,
            Verdict::NotApplicable { .. } => 4,
        };
        let gain = finding.effect.as_ref().and_then(|effect| effect.saves_us_per_second).unwrap_or(-1.0);
        Self { number, store, at, rank, severity: finding.severity, rule, gain }
    }

    /// The shared order of findings: stores come by name, and in each store they are in it already.
    fn worst(&self) -> (u8, Reverse<Severity>, usize, usize, usize) {
        (self.rank, Reverse(self.severity), self.rule, self.store, self.at)
    }
}

/// The words that `least:` finds.
fn at_least(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "info low",
        Severity::Medium => "info low medium",
        Severity::High => "info low medium high",
        Severity::Critical => "info low medium high critical",
    }
}

/// What a filter looks at in a store of which something cannot be seen; `None`: all of it can.
fn unseen(id: &StoreId, reading: &StoreReading<Audit>) -> Option<String> {
    let missing = reading.latest.as_ref().map_or(&[][..], |read| &read.missing);
    if missing.is_empty() && reading.problem.is_none() {
        return None;
    }
    let words = missing.iter().flat_map(|missing| [missing.what.as_str(), &missing.why]);
    let words: Vec<&str> = std::iter::once(id.as_str()).chain(reading.problem.as_deref()).chain(words).collect();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests;
