//! State of the two screens that list findings, index advice and access audit: which are listed, in which order, and which
//! one is selected.
//!
//! There may be tens of thousands of findings, so the list is made when something changes it and not when it is drawn.

use crate::model::finding::{Audit, Finding, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, StoreReading};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{FieldText, Filter, by_name, field};
use crate::tui::state::list::Motion;
use std::cmp::Ordering;

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
/// Invariant: `places` holds, in order, the lines of the picture shown that the filter and `all` let through, as of the last
/// [`FindingsState::rebuild`]; whoever changes the picture, the filter, the order or `all` calls it.
#[derive(Clone, Debug)]
pub struct FindingsState {
    filter: Filter,
    orders: &'static [FindingOrder],
    order: FindingOrder,
    all: bool,
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
    pub fn set_filter(&mut self, filter: Filter, view: Option<&ByStore<Audit>>) {
        self.filter = filter;
        self.rebuild(view);
    }

    /// Orders the list by the next thing, or by the one before.
    pub fn turn_order(&mut self, forward: bool, view: Option<&ByStore<Audit>>) {
        self.order = self.order.turned(self.orders, forward);
        self.rebuild(view);
    }

    /// Lists rules that hold too, or leaves them out.
    pub fn toggle_all(&mut self, view: Option<&ByStore<Audit>>) {
        self.all = !self.all;
        self.rebuild(view);
    }

    /// Makes the list again.
    pub fn rebuild(&mut self, view: Option<&ByStore<Audit>>) {
        let readings: Vec<(&StoreId, &StoreReading<Audit>)> = view.into_iter().flatten().collect();
        let sums = readings.iter().filter(|(_, reading)| reading.absent.is_none());
        self.sums = sums.map(|(store, reading)| ((*store).clone(), StoreSum::of(reading))).collect();
        self.sums.sort_by_cached_key(|(_, sum)| sum.urgency());
        let mut listed: Vec<(Place, &Finding)> = Vec::new();
        let mut unseen = Vec::new();
        for (store, (id, reading)) in readings.iter().enumerate() {
            let findings = reading.latest.as_ref().map_or(&[][..], |read| &read.value.findings);
            let places = findings.iter().enumerate().filter(|(_, finding)| self.lists(finding));
            listed.extend(places.map(|(at, finding)| (Place::Finding { store, at }, finding)));
            if self.lists_store(id, reading) {
                unseen.push(Place::Store { store });
            }
        }
        let order = self.order;
        listed.sort_by(|(_, a), (_, b)| compare(order, a, b));
        self.places = listed.into_iter().map(|(place, _)| place).chain(unseen).collect();
    }

    fn lists(&self, finding: &Finding) -> bool {
        let is_open = !matches!(finding.verdict, Verdict::Pass | Verdict::NotApplicable { .. });
        (self.all || is_open) && (self.filter.is_empty() || self.filter.finds(&fields(finding)))
    }

    fn lists_store(&self, id: &StoreId, reading: &StoreReading<Audit>) -> bool {
        let missing = reading.latest.as_ref().map_or(&[][..], |read| &read.missing);
        let problem = reading.problem.as_deref().unwrap_or_default();
        if missing.is_empty() && problem.is_empty() {
            return false;
        }
        let mut texts = vec![field("store", id.as_str()), field("", problem)];
        texts.extend(missing.iter().flat_map(|missing| [field("", &missing.what), field("", &missing.why)]));
        self.filter.finds(&texts)
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

/// What a filter looks at.
fn fields(finding: &Finding) -> [FieldText<'_>; 7] {
    let at_least = match finding.severity {
        Severity::Info => "info",
        Severity::Low => "info low",
        Severity::Medium => "info low medium",
        Severity::High => "info low medium high",
        Severity::Critical => "info low medium high critical",
    };
    [
        field("store", finding.store.as_str()),
        field("severity", finding.severity.word()),
        by_name("least", at_least),
        field("verdict", finding.verdict.word()),
        field("rule", &finding.rule),
        field("subject", &finding.subject),
        field("", &finding.sentence),
    ]
}

fn compare(order: FindingOrder, a: &Finding, b: &Finding) -> Ordering {
    let rank = |finding: &Finding| match finding.verdict {
        Verdict::Fail => 0,
        Verdict::Waived { .. } => 1,
        Verdict::NotCheckable { .. } => 2,
        Verdict::Pass => 3,
        Verdict::NotApplicable { .. } => 4,
    };
    let worst =
        || rank(a).cmp(&rank(b)).then_with(|| b.severity.cmp(&a.severity)).then_with(|| a.name().cmp(&b.name()));
    let gain =
        |finding: &Finding| finding.effect.as_ref().and_then(|effect| effect.saves_us_per_second).unwrap_or(-1.0);
    match order {
        FindingOrder::Worst => worst(),
        FindingOrder::Store => a.store.cmp(&b.store).then_with(worst),
        FindingOrder::Rule => a.rule.cmp(&b.rule).then_with(worst),
        FindingOrder::Gain => gain(b).total_cmp(&gain(a)).then_with(worst),
    }
}

#[cfg(test)]
mod tests;
