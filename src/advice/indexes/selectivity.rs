//! Which share of a table's rows conditions leave, from the statistics of its columns. Columns are taken to be independent.

use crate::advice::catalogue::Catalogue;
use crate::advice::hotspots::facts::{Equality, TableFacts};
use crate::model::index::TableUse;

/// About what PostgreSQL guesses for one bound.
pub const OF_A_RANGE: f64 = 0.3;
/// Values that a list is taken to have: normalised statements do not tell.
const IN_A_LIST: f64 = 10.0;
/// For a column without statistics.
const UNKNOWN: f64 = 0.1;

/// The share of rows that an equality leaves, 0 to 1.
pub fn of_equality(table: &TableUse, equality: &Equality) -> f64 {
    let Some(column) = Catalogue::column(table, &equality.column) else { return UNKNOWN };
    if equality.is_null {
        return column.nulls.unwrap_or(UNKNOWN);
    }
    let values = if equality.is_list { IN_A_LIST } else { 1.0 };
    match column.distinct {
        Some(distinct) if distinct >= 1.0 => ((1.0 - column.nulls.unwrap_or(0.0)) / distinct * values).clamp(0.0, 1.0),
        _ => (UNKNOWN * values).min(1.0),
    }
}

/// The share of rows that the most common value of a column has; 1 where it is not known.
pub fn of_most_common(table: &TableUse, column: &str) -> f64 {
    let Some(column) = Catalogue::column(table, column) else { return 1.0 };
    column.common.first().copied().or_else(|| column.distinct.map(|distinct| 1.0 / distinct.max(1.0))).unwrap_or(1.0)
}

/// For an equality of an expression, of which there are no statistics.
const OF_AN_EXPRESSION: f64 = 0.01;

/// The share of rows that the equalities of a block leave.
pub fn of_equalities(table: &TableUse, facts: &TableFacts) -> f64 {
    let equal: f64 = facts.equality.iter().map(|equality| of_equality(table, equality)).product();
    equal * of_expressions(facts)
}

/// The share of rows that those conditions leave which no parameter of the statement is in: joins, `IS NULL`, expressions.
pub fn of_unbound(table: &TableUse, facts: &TableFacts) -> f64 {
    let is_bound = |column: &String| facts.binds.iter().any(|bind| bind.column == *column);
    let free = facts.equality.iter().filter(|equality| !is_bound(&equality.column));
    let equal: f64 = free.map(|equality| of_equality(table, equality)).product();
    equal * of_expressions(facts)
}

fn of_expressions(facts: &TableFacts) -> f64 {
    OF_AN_EXPRESSION.powi(i32::try_from(facts.expressions.len()).unwrap_or(i32::MAX))
}

/// The share of rows that all conditions of a block leave.
pub fn of_facts(table: &TableUse, facts: &TableFacts) -> f64 {
    // Two bounds of one column are one range.
    let mut ranges = facts.range.clone();
    ranges.sort();
    ranges.dedup();
    let between = OF_A_RANGE.powi(i32::try_from(ranges.len()).unwrap_or(i32::MAX));
    of_equalities(table, facts) * between
}
