//! With which values a planner is asked about a statement: which columns its parameters are compared with, and how wide its ranges are.
//!
//! Servers keep statements without their values. What is known of these are the columns' statistics and, where a statement gives out just the rows that its
//! conditions leave, how many rows its executions had.

use crate::advice::hotspots::facts::TableFacts;
use crate::advice::indexes::selectivity;
use crate::model::hotspot::HotSpot;
use crate::model::index::TableUse;
use crate::model::what_if::{ParameterPlace, ParameterRole, Parameters};

/// Shares that a range may leave of which nothing is known: with one bound, and with two.
const ONE_BOUND: [f64; 3] = [0.9, selectivity::OF_A_RANGE, 0.01];
const TWO_BOUNDS: [f64; 3] = [selectivity::OF_A_RANGE, 0.05, 0.005];
/// Executions differ: some want so many times more or fewer rows than the mean.
const SPREAD: f64 = 3.0;
/// Rows that a LIMIT leaves of which nothing is known.
const LIMIT: u64 = 10;

/// The share of a table's rows that the executions of a statement had on the average; `None`: its counter tells something else.
pub fn counted_share(spot: &HotSpot, table: &TableUse, facts: &TableFacts) -> Option<f64> {
    if !facts.is_counted || spot.calls == 0 {
        return None;
    }
    let (rows, all) = (rows_each(spot)?, *table.rows.known()? as f64);
    (all > 0.0).then(|| (rows / all).clamp(1e-9, 1.0))
}

/// Rows of one execution.
pub fn rows_each(spot: &HotSpot) -> Option<f64> {
    (spot.calls > 0).then_some(spot.rows? as f64 / spot.calls as f64)
}

/// The parameters of a statement, for a candidate on `table`; `all` are the facts of all its blocks, `facts` those that the candidate is for.
pub fn of(spot: &HotSpot, table: &TableUse, facts: &TableFacts, all: &[TableFacts]) -> Parameters {
    let mut places: Vec<ParameterPlace> = Vec::new();
    for facts in all {
        places.extend(facts.binds.iter().map(|bind| ParameterPlace {
            parameter: bind.parameter,
            table: facts.table.clone(),
            column: bind.column.clone(),
            role: bind.role,
        }));
    }
    // One parameter has one value, wherever it stands.
    places.sort_by_key(|place| place.parameter);
    places.dedup_by_key(|place| place.parameter);
    let is_first = |facts: &TableFacts| facts.is_limited && !facts.is_aggregated;
    let limit = if is_first(facts) { rows_each(spot).map(|rows| rows.ceil().max(1.0) as u64) } else { None };
    Parameters {
        places,
        limits: all.iter().flat_map(|facts| facts.limits.iter().copied()).collect(),
        limit: limit.unwrap_or(LIMIT),
        table: table.table.clone(),
        widths: widths(spot, table, facts),
    }
}

/// Which shares of the rows the ranges leave, from most to fewest.
fn widths(spot: &HotSpot, table: &TableUse, facts: &TableFacts) -> [f64; 3] {
    if let Some(share) = counted_share(spot, table, facts) {
        let beside = selectivity::of_equalities(table, facts).max(1e-9);
        let width = (share / beside).clamp(1e-6, 1.0);
        return [(width * SPREAD).min(1.0), width, width / SPREAD];
    }
    let has = |role| facts.binds.iter().any(|bind| bind.role == role);
    if has(ParameterRole::Low) && has(ParameterRole::High) { TWO_BOUNDS } else { ONE_BOUND }
}
