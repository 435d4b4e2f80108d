//! Questions about single expressions.

use crate::advice::hotspots::scope::lower;
use crate::advice::names;
use sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, Query, Select, SelectItem, Value, ValueWithSpan, Visit, Visitor,
};
use std::ops::ControlFlow;

/// Columns and subqueries in an expression.
#[derive(Default)]
pub struct Mentions {
    /// The columns as they are written.
    pub columns: Vec<Expr>,
    /// There is a subquery in it.
    pub has_subquery: bool,
}

impl Visitor for Mentions {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.has_subquery = true;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            self.columns.push(expr.clone());
        }
        ControlFlow::Continue(())
    }
}

/// The condition of a join.
pub fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    match join {
        JoinOperator::Join(on)
        | JoinOperator::Inner(on)
        | JoinOperator::Left(on)
        | JoinOperator::LeftOuter(on)
        | JoinOperator::Right(on)
        | JoinOperator::RightOuter(on)
        | JoinOperator::FullOuter(on)
        | JoinOperator::StraightJoin(on) => Some(on),
        _ => None,
    }
}

/// The branches of an OR.
pub fn arms_of<'e>(expr: &'e Expr, arms: &mut Vec<&'e Expr>) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            arms_of(left, arms);
            arms_of(right, arms);
        }
        Expr::Nested(inner) => arms_of(inner, arms),
        _ => arms.push(expr),
    }
}

/// A normalised list has one bind, whatever its length was.
pub fn is_bind_list(list: &[Expr]) -> bool {
    list.iter().all(|value| matches!(value, Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. })))
}

/// The number of the parameter that decides what a value is: `$1`, also with a type, or with something added to it.
pub fn parameter(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(written), .. }) => {
            written.strip_prefix('$')?.parse().ok()
        }
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => parameter(inner),
        Expr::BinaryOp { left, op: BinaryOperator::Plus | BinaryOperator::Minus, .. } => parameter(left),
        _ => None,
    }
}

/// Whether an output column is computed over several rows. Functions of the database's own are taken to be of one row.
pub fn is_aggregate(item: &SelectItem) -> bool {
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return false };
    let mut named = Functions::default();
    let _: ControlFlow<()> = expr.visit(&mut named);
    let is_one = |name: &String| {
        AGGREGATES.contains(&name.as_str())
            || FAMILIES.iter().any(|family| name.starts_with(family))
            || name.ends_with("agg")
    };
    named.0.iter().any(is_one)
}

/// Aggregates of statistics: `stddev_pop`, `var_samp`, `regr_slope`.
const FAMILIES: [&str; 5] = ["stddev", "var_", "covar_", "regr_", "percentile_"];

/// Those of bits by their full names: `bit_length` and `bit_count` are of one row.
const AGGREGATES: [&str; 15] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "bit_xor",
    "every",
    "variance",
    "mode",
    "corr",
    "any_value",
];

/// Names of functions in an expression.
#[derive(Default)]
struct Functions(Vec<String>);

impl Visitor for Functions {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            self.0.push(names::bare(&function.name.to_string()));
        }
        ControlFlow::Continue(())
    }
}

/// ORDER BY may name an output column by its alias.
pub fn meant<'e>(expr: &'e Expr, select: &'e Select) -> &'e Expr {
    let Expr::Identifier(name) = expr else { return expr };
    let aliased = select.projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if lower(alias) == lower(name) => Some(expr),
        _ => None,
    });
    aliased.unwrap_or(expr)
}

/// An expression without the qualifiers of its columns, as it can stand in an index.
pub fn unqualified(expr: &Expr) -> String {
    match expr {
        Expr::CompoundIdentifier(path) => path.last().map(ToString::to_string).unwrap_or_default(),
        Expr::Function(function) => {
            let mut text = function.to_string();
            let mut named = Mentions::default();
            let _: ControlFlow<()> = expr.visit(&mut named);
            for column in &named.columns {
                if let Expr::CompoundIdentifier(_) = column {
                    text = text.replace(&column.to_string(), &unqualified(column));
                }
            }
            text.to_lowercase()
        }
        other => other.to_string(),
    }
}
