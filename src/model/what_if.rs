//! What a planner says about a statement with indexes that do not exist, and with which values it was asked.
//!
//! Invariant: the values themselves are in none of these. The store picks them from its own statistics and keeps them there; what
//! comes back are costs.

use serde::{Deserialize, Serialize};

/// What a parameter of a statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterRole {
    /// Its column equals it.
    Equal,
    /// Its column equals one of a list.
    List,
    /// Its column is not below it.
    Low,
    /// Its column is not above it.
    High,
}

/// Where a parameter stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterPlace {
    /// Its number: 1 for `$1`.
    pub parameter: u32,
    /// The table of its column, as the store prints it.
    pub table: String,
    /// The column that it is compared with.
    pub column: String,
    /// How.
    pub role: ParameterRole,
}

/// What is known of a statement's parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Those that are compared with a column. A statement without any is planned without values only.
    pub places: Vec<ParameterPlace>,
    /// Those that say how many rows are wanted.
    pub limits: Vec<u32>,
    /// How many rows that is.
    pub limit: u64,
    /// The table whose rows [`SamplePlan::share`] is a share of.
    pub table: String,
    /// The share of rows, 0 to 1, that the bounds on columns leave together in each of [`Sample::ALL`].
    pub widths: [f64; 3],
}

/// Which values stand for the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// The most common value, the widest range.
    Common,
    /// The value of the row in the middle, when rows are ordered by how common their values are.
    Median,
    /// One of the values that few rows have, the narrowest range.
    Rare,
}

impl Sample {
    /// All, from most rows to fewest.
    pub const ALL: [Self; 3] = [Self::Common, Self::Median, Self::Rare];

    /// For sentences: `for the most common value`.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Common => "the most common value",
            Self::Median => "a middling value",
            Self::Rare => "a rare value",
        }
    }
}

/// The plans with one sample of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SamplePlan {
    /// Which values.
    pub sample: Sample,
    /// The share of the table's rows that these values leave, by the store's statistics, 0 to 1.
    pub share: f64,
    /// Cost without the candidates.
    pub before: f64,
    /// Cost with them.
    pub after: f64,
    /// Which of the given candidates the plan uses in a condition or for order.
    pub used: Vec<usize>,
}

/// What a planner says about a statement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// Cost without the candidates, for values that are not known.
    pub before: f64,
    /// Cost with them.
    pub after: f64,
    /// Which of the given candidates the plan uses in a condition or for order.
    pub used: Vec<usize>,
    /// The same with values. Without those for which the store has no statistics or that leave nothing to plan.
    pub samples: Vec<SamplePlan>,
}
