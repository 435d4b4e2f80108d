//! The lists of the hot spots screen, and what each may be ordered by.

use crate::model::hotspot::{Comparability, HotOrder};
use crate::tui::state::hotspots::{HotRow, SpotRow};
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

    /// The next one; the first after the last.
    #[must_use]
    pub fn following(self) -> Self {
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
    /// All, in the order of the key.
    pub const ALL: [Self; 3] = [Self::Verdict, Self::Ratio, Self::Time];

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

/// What lists of statements may be ordered by, in the order of the key.
pub(super) const ORDERS: [HotOrder; 3] = [HotOrder::Total, HotOrder::Mean, HotOrder::Calls];

/// The element of `all` after `now`, or before it.
pub(super) fn turned<T: Copy + PartialEq>(now: T, all: &[T], forward: bool) -> T {
    let at = all.iter().position(|one| *one == now).unwrap_or(0);
    let step = if forward { 1 } else { all.len().saturating_sub(1) };
    all.get((at + step) % all.len().max(1)).copied().unwrap_or(now)
}

/// What is equal in the order keeps store and fingerprint order, so that rows do not jump between readings.
pub(super) fn by_cost(order: HotOrder, a: &HotRow<'_>, b: &HotRow<'_>) -> Ordering {
    let (HotRow::Spot(a), HotRow::Spot(b)) = (a, b) else { return Ordering::Equal };
    let cost = |row: &SpotRow<'_>| match order {
        HotOrder::Total => row.spot.total_us,
        HotOrder::Mean => row.spot.mean_us().unwrap_or(0.0),
        HotOrder::Calls => row.spot.calls as f64,
    };
    cost(b).total_cmp(&cost(a)).then_with(|| (a.store, &a.spot.fingerprint).cmp(&(b.store, &b.spot.fingerprint)))
}

/// What changed most comes first.
pub(super) fn by_change(order: ComparedOrder, a: &HotRow<'_>, b: &HotRow<'_>) -> Ordering {
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
