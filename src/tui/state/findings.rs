//! State of the two screens that list findings, index advice and access audit: which are listed, in which order, and which
//! one is selected.
//!
//! There may be tens of thousands of findings, so the list is made when something changes it and not when it is drawn.

use crate::model::finding::{Audit, Finding, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, Observation, StoreReading};
use crate::tui::state::cursor::Cursor;
use crate::tui::state::filter::{FieldText, Filter, by_name, field};
use crate::tui::state::list::Motion;
use chrono::{DateTime, Utc};
use std::cmp::{Ordering, Reverse};

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

/// The name of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKey {
    /// A finding by rule, store and subject.
    Finding(String, StoreId, String),
    /// What cannot be seen of a store.
    Store(StoreId),
}

/// Where a line is in the view: the store's place in the view's order, and the finding's in its audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Finding { store: usize, at: usize },
    Store { store: usize },
}

/// A line.
#[derive(Clone, Copy, Debug)]
pub enum FindingRow<'a> {
    /// A finding with the reading that it is from.
    Finding(&'a Finding, &'a Observation<Audit>),
    /// A store of which something cannot be seen.
    Store(&'a StoreId, &'a StoreReading<Audit>),
}

impl FindingRow<'_> {
    fn is(&self, key: &LineKey) -> bool {
        match (self, key) {
            (Self::Finding(finding, _), LineKey::Finding(rule, store, subject)) => {
                finding.subject == *subject && finding.rule == *rule && finding.store == *store
            }
            (Self::Store(id, _), LineKey::Store(store)) => *id == store,
            _ => false,
        }
    }

    fn key(&self) -> LineKey {
        match self {
            Self::Finding(finding, _) => {
                LineKey::Finding(finding.rule.clone(), finding.store.clone(), finding.subject.clone())
            }
            Self::Store(id, _) => LineKey::Store((*id).clone()),
        }
    }

    /// The store that it is about.
    pub fn store(&self) -> &StoreId {
        match self {
            Self::Finding(finding, _) => &finding.store,
            Self::Store(id, _) => id,
        }
    }
}

/// What the audit of one store amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSum {
    /// Broken rules from the least bad to the worst, in the order of [`SEVERITIES`].
    pub fails: [usize; 5],
    /// Broken rules that somebody answers for.
    pub waived: usize,
    /// Rules that could not be looked at.
    pub not_checkable: usize,
    /// Rules that hold.
    pub holds: usize,
    /// Rules without an object.
    pub not_applicable: usize,
    /// When the facts were read; `None`: never.
    pub read_at: Option<DateTime<Utc>>,
    /// Something of the store cannot be seen, or the last attempt failed.
    pub is_partial: bool,
}

/// Severities from the least bad to the worst.
pub const SEVERITIES: [Severity; 5] =
    [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

impl StoreSum {
    fn of(reading: &StoreReading<Audit>) -> Self {
        let mut sum = Self { is_partial: reading.problem.is_some(), ..Self::default() };
        let Some(read) = &reading.latest else { return sum };
        sum.read_at = Some(read.value.read_at.unwrap_or(read.at));
        sum.is_partial |= !read.missing.is_empty();
        for finding in &read.value.findings {
            match finding.verdict {
                Verdict::Fail => sum.fails[finding.severity as usize] += 1,
                Verdict::Waived { .. } => sum.waived += 1,
                Verdict::NotCheckable { .. } => sum.not_checkable += 1,
                Verdict::Pass => sum.holds += 1,
                Verdict::NotApplicable { .. } => sum.not_applicable += 1,
            }
        }
        sum
    }

    /// Broken rules of all severities.
    pub fn failed(&self) -> usize {
        self.fails.iter().sum()
    }

    /// True when everything was looked at and nothing is broken. What cannot be looked at is never all right.
    pub fn is_clean(&self) -> bool {
        self.failed() == 0 && self.waived == 0 && self.not_checkable == 0 && !self.is_partial && self.read_at.is_some()
    }

    /// Worst first: who has the worst broken rules, then who could not be looked at.
    pub fn urgency(&self) -> impl Ord + use<> {
        let mut worst = self.fails;
        worst.reverse();
        (Reverse(worst), Reverse(self.is_partial), Reverse(self.not_checkable), Reverse(self.waived))
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

/// The name of a line that the view does not have: none has it.
fn nothing() -> LineKey {
    LineKey::Store(StoreId(String::new()))
}

/// Lines of a list, looked up only where they are drawn.
#[derive(Debug)]
pub struct FindingRows<'a> {
    readings: Vec<(&'a StoreId, &'a StoreReading<Audit>)>,
    places: &'a [Place],
}

impl<'a> FindingRows<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many of them are findings.
    pub fn findings(&self) -> usize {
        self.places.iter().filter(|place| matches!(place, Place::Finding { .. })).count()
    }

    /// The line at `index`.
    pub fn get(&self, index: usize) -> Option<FindingRow<'a>> {
        self.at(*self.places.get(index)?)
    }

    fn at(&self, place: Place) -> Option<FindingRow<'a>> {
        match place {
            Place::Finding { store, at } => {
                let read = self.readings.get(store)?.1.latest.as_ref()?;
                Some(FindingRow::Finding(read.value.findings.get(at)?, read))
            }
            Place::Store { store } => self.readings.get(store).map(|(id, reading)| FindingRow::Store(id, reading)),
        }
    }
}

fn find<'a>(view: &'a ByStore<Audit>, key: &LineKey) -> Option<FindingRow<'a>> {
    let store = match key {
        LineKey::Finding(_, store, _) | LineKey::Store(store) => store,
    };
    let (id, reading) = view.get_key_value(store)?;
    match key {
        LineKey::Store(_) => Some(FindingRow::Store(id, reading)),
        LineKey::Finding(..) => {
            let read = reading.latest.as_ref()?;
            read.value.findings.iter().map(|finding| FindingRow::Finding(finding, read)).find(|row| row.is(key))
        }
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
mod tests {
    use super::*;

    fn view(findings: Vec<Finding>) -> ByStore<Audit> {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let mut reading = StoreReading::default();
        reading.take(Ok(Observation::whole(Audit { findings, read_at: Some(at) }, at)), at);
        ByStore::from([(StoreId::from("legacy"), reading)])
    }

    fn finding(rule: &str, severity: Severity, verdict: Verdict) -> Finding {
        let mut finding = Finding::new(rule, severity, &StoreId::from("legacy"), "orders", "it is so");
        finding.verdict = verdict;
        finding
    }

    fn rules(state: &FindingsState, view: &ByStore<Audit>) -> Vec<String> {
        let rows = state.rows(Some(view));
        let rule = |row| match row {
            FindingRow::Finding(finding, _) => finding.rule.clone(),
            FindingRow::Store(store, _) => store.to_string(),
        };
        (0..rows.len()).filter_map(|at| rows.get(at)).map(rule).collect()
    }

    #[test]
    fn what_holds_is_left_out_until_it_is_asked_for() {
        let hidden = Verdict::NotCheckable { why: "no right".into() };
        let view = view(vec![
            finding("PG-01", Severity::Critical, Verdict::Pass),
            finding("PG-02", Severity::Low, Verdict::Fail),
            finding("PG-03", Severity::Critical, hidden),
            finding("PG-04", Severity::High, Verdict::Fail),
        ]);
        let mut state = FindingsState::access();
        state.rebuild(Some(&view));
        assert_eq!(rules(&state, &view), ["PG-04", "PG-02", "PG-03"]);
        state.toggle_all(Some(&view));
        assert_eq!(rules(&state, &view), ["PG-04", "PG-02", "PG-03", "PG-01"]);
        state.set_filter(Filter::new("least:high verdict:fail"), Some(&view));
        assert_eq!(rules(&state, &view), ["PG-04"]);
        assert_eq!((state.whole().failed(), state.whole().holds), (2, 1));
    }

    #[test]
    fn only_what_was_looked_at_and_holds_is_clean() {
        let holds = || finding("PG-01", Severity::Critical, Verdict::Pass);
        let sum = |findings| {
            let mut state = FindingsState::access();
            state.rebuild(Some(&view(findings)));
            state.whole()
        };
        assert!(sum(vec![holds()]).is_clean());
        let hidden = Verdict::NotCheckable { why: "no right".into() };
        assert!(!sum(vec![holds(), finding("PG-20", Severity::Info, hidden)]).is_clean());
        assert!(!StoreSum::default().is_clean(), "what was never read is not clean");
    }

    #[test]
    fn the_choice_stays_with_its_finding_when_the_list_changes() {
        let one = || finding("PG-02", Severity::Low, Verdict::Fail);
        let before = view(vec![finding("PG-01", Severity::High, Verdict::Fail), one()]);
        let mut state = FindingsState::access();
        state.rebuild(Some(&before));
        state.go(Motion::Bottom, Some(&before));
        let after = view(vec![
            one(),
            finding("PG-09", Severity::High, Verdict::Fail),
            finding("PG-03", Severity::High, Verdict::Fail),
        ]);
        state.rebuild(Some(&after));
        assert_eq!(state.selected(&state.rows(Some(&after))), Some(2));
        let gone = view(vec![finding("PG-09", Severity::High, Verdict::Fail)]);
        state.rebuild(Some(&gone));
        assert_eq!(state.selected(&state.rows(Some(&gone))), None);
        assert!(state.target(Some(&gone)).is_none());
    }
}
