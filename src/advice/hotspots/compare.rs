//! The same logical statement on the source and on the target.

use crate::model::hotspot::{Comparability, Compared, ComparedSide, Comparison, HotSpot, HotSpots};
use std::collections::BTreeMap;

/// Executions that a verdict needs on each side.
pub const CALLS_NEEDED: u64 = 100;

/// Half the width of a 95 % interval, in standard errors.
const Z: f64 = 1.96;

/// Compares two stores. `tolerance` is the share by which a mean may grow before it is called slower (0.1: a tenth).
///
/// Statements are joined by their declared logical operation where they have one, else by their fingerprint.
pub fn compare(source: &HotSpots, target: &HotSpots, tolerance: f64) -> Comparison {
    let on_target = by_key(target);
    let mut comparison = Comparison::default();
    let mut met: Vec<&str> = Vec::new();
    for (key, before) in by_key(source) {
        match on_target.get(key) {
            Some(after) => {
                met.push(key);
                comparison.both.push(pair(source, before, target, after, tolerance));
            }
            None => comparison.disappeared.push(before.clone()),
        }
    }
    comparison.new = on_target.iter().filter(|(key, _)| !met.contains(key)).map(|(_, spot)| (*spot).clone()).collect();
    let heavy =
        |a: &HotSpot, b: &HotSpot| b.total_us.total_cmp(&a.total_us).then_with(|| a.fingerprint.cmp(&b.fingerprint));
    comparison.new.sort_by(heavy);
    comparison.disappeared.sort_by(heavy);
    comparison.both.sort_by(|a, b| {
        let slower = |c: &Compared| c.verdict == Comparability::Slower;
        let time = |c: &Compared| c.target.mean_us * c.target.calls as f64;
        slower(b).cmp(&slower(a)).then_with(|| time(b).total_cmp(&time(a))).then_with(|| a.name.cmp(&b.name))
    });
    comparison
}

/// The heaviest statement under each key: two statements may be one logical operation.
fn by_key(spots: &HotSpots) -> BTreeMap<&str, &HotSpot> {
    let mut found: BTreeMap<&str, &HotSpot> = BTreeMap::new();
    for spot in &spots.spots {
        let kept = found.entry(spot.operation.as_deref().unwrap_or(&spot.fingerprint.0)).or_insert(spot);
        if spot.total_us > kept.total_us {
            *kept = spot;
        }
    }
    found
}

fn pair(source: &HotSpots, before: &HotSpot, target: &HotSpots, after: &HotSpot, tolerance: f64) -> Compared {
    let (one, other) = (side(source, before), side(target, after));
    let ratio = (one.mean_us > 0.0).then(|| other.mean_us / one.mean_us);
    let interval = ratio.and_then(|ratio| interval(&one, &other, ratio));
    Compared {
        name: before.operation.clone().unwrap_or_else(|| before.canonical.clone()),
        source_fingerprint: before.fingerprint.clone(),
        target_fingerprint: after.fingerprint.clone(),
        verdict: verdict(&one, &other, interval, tolerance),
        source: one,
        target: other,
        ratio,
        interval,
    }
}

fn side(spots: &HotSpots, spot: &HotSpot) -> ComparedSide {
    let (calls, seconds) = (spot.calls as f64, spots.seconds());
    ComparedSide {
        source: spots.source,
        calls: spot.calls,
        calls_per_second: (seconds > 0.0).then(|| calls / seconds),
        mean_us: spot.mean_us().unwrap_or(0.0),
        deviation_us: spot.deviation_us(),
        rows_per_call: spot.rows.filter(|_| spot.calls > 0).map(|rows| rows as f64 / calls),
        errors: spot.errors,
        percentiles: spot.percentiles,
    }
}

/// The interval of a ratio of two means on a logarithmic scale (delta method): times are skewed, and a ratio cannot be below 0.
fn interval(one: &ComparedSide, other: &ComparedSide, ratio: f64) -> Option<(f64, f64)> {
    if ratio <= 0.0 {
        return None;
    }
    let relative_variance = |side: &ComparedSide| {
        let share = side.deviation_us? / side.mean_us;
        (side.calls > 1 && share.is_finite()).then(|| share * share / side.calls as f64)
    };
    let error = (relative_variance(one)? + relative_variance(other)?).sqrt();
    Some((ratio * (-Z * error).exp(), ratio * (Z * error).exp()))
}

fn verdict(one: &ComparedSide, other: &ComparedSide, interval: Option<(f64, f64)>, tolerance: f64) -> Comparability {
    for side in [one, other] {
        if !side.source.counts_all() {
            let why = format!("{} does not count every execution", side.source.word());
            return Comparability::NotComparable { why };
        }
    }
    if one.calls.min(other.calls) < CALLS_NEEDED {
        return Comparability::TooFew { needs: CALLS_NEEDED };
    }
    let Some((low, high)) = interval else {
        let silent = if one.deviation_us.is_none() { one } else { other };
        let why = format!("{} gives no deviation, so chance cannot be told from change", silent.source.word());
        return Comparability::NotComparable { why };
    };
    if low > 1.0 + tolerance {
        Comparability::Slower
    } else if high < 1.0 / (1.0 + tolerance) {
        Comparability::Faster
    } else {
        Comparability::Same
    }
}
