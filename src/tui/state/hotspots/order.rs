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

/// What a line is ordered by. Of a statement: time, time of one execution, executions. Of a comparison: how much it calls for
/// attention, its ratio, time on the target, and time wherever it ran; what is more comes first.
pub(super) type Keys = [f64; 4];

/// The keys of a line.
pub(super) fn keys(row: &HotRow<'_>) -> Keys {
    match row {
        HotRow::Spot(SpotRow { spot, .. }) => [spot.total_us, spot.mean_us().unwrap_or(0.0), spot.calls as f64, 0.0],
        HotRow::Both(_, found) => {
            let attention = match found.verdict {
                Comparability::Slower => 4.0,
                Comparability::Same | Comparability::Faster => 3.0,
                Comparability::TooFew { .. } | Comparability::NotComparable { .. } => 2.0,
            };
            let time = found.target.mean_us * found.target.calls as f64;
            [attention, found.ratio.unwrap_or(-1.0), time, time]
        }
        HotRow::New(_, spot) => [1.0, -2.0, spot.total_us, spot.total_us],
        HotRow::Gone(_, spot) => [0.0, -2.0, -1.0, spot.total_us],
        HotRow::Store(..) => [0.0; 4],
    }
}

/// The order of statements.
pub(super) fn by_cost(order: HotOrder, a: &Keys, b: &Keys) -> Ordering {
    let key = |keys: &Keys| match order {
        HotOrder::Total => keys[0],
        HotOrder::Mean => keys[1],
        HotOrder::Calls => keys[2],
    };
    key(b).total_cmp(&key(a))
}

/// The order of comparisons.
pub(super) fn by_change(order: ComparedOrder, a: &Keys, b: &Keys) -> Ordering {
    match order {
        ComparedOrder::Verdict => b[0].total_cmp(&a[0]).then_with(|| b[3].total_cmp(&a[3])),
        ComparedOrder::Ratio => b[1].total_cmp(&a[1]).then_with(|| b[0].total_cmp(&a[0])),
        ComparedOrder::Time => b[2].total_cmp(&a[2]),
    }
}
