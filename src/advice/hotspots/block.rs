//! One query block as it is read: its tables, and the conditions on each of them.

use crate::advice::catalogue::Catalogue;
use crate::advice::hotspots::expression::{
    Mentions, arms_of, constraint, is_aggregate, is_bind_list, meant, parameter, unqualified,
};
use crate::advice::hotspots::facts::{Bind, Equality, OnExpression, SortTerm, TableFacts};
use crate::advice::hotspots::scope::{alias_of, lower};
use crate::advice::names;
use crate::model::index::TableUse;
use crate::model::what_if::ParameterRole;
use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Expr, JoinConstraint, ObjectName, OrderBy, OrderByExpr, OrderBySort,
    Select, SelectItem, TableFactor, TableWithJoins, Value, ValueWithSpan, Visit,
};
use std::ops::ControlFlow;

/// A table of the block that is being read.
struct Source<'a> {
    alias: String,
    table: &'a TableUse,
    facts: TableFacts,
    /// Branches of an OR, if there is one.
    branches: Vec<TableFacts>,
}

/// A SELECT, an UPDATE, a DELETE or an INSERT by itself.
pub struct Block<'a> {
    catalogue: &'a Catalogue<'a>,
    sources: Vec<Source<'a>>,
    /// Aliases of subqueries and unknown tables: what they qualify is no column of ours, and not from outside either.
    others: Vec<String>,
    is_ungrouped: bool,
}

/// A column of a source: its place, and the catalogue's spelling.
type Column = (usize, String);

impl<'a> Block<'a> {
    /// Without any table.
    pub fn new(catalogue: &'a Catalogue<'a>) -> Self {
        Self { catalogue, sources: Vec::new(), others: Vec::new(), is_ungrouped: true }
    }

    /// Takes the tables of a FROM clause in, and the conditions of its joins.
    pub fn from(&mut self, from: &[TableWithJoins]) {
        for item in from {
            self.factor(&item.relation);
            for join in &item.joins {
                self.factor(&join.relation);
            }
        }
        for join in from.iter().flat_map(|item| &item.joins) {
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(on)) => self.condition(Some(on)),
                Some(JoinConstraint::Using(columns)) => columns.iter().for_each(|name| self.shared(name)),
                _ => {}
            }
        }
    }

    /// Whether it has no GROUP BY.
    pub fn is_ungrouped(&self) -> bool {
        self.is_ungrouped
    }

    /// Says whether only the first rows are wanted, and how many.
    pub fn limit(&mut self, is_limited: bool, limit: Option<&Expr>) {
        for source in &mut self.sources {
            source.facts.is_limited = is_limited;
            source.facts.limits.extend(limit.and_then(parameter));
        }
    }

    /// Notes the parameter that a column is compared with.
    fn bind(&mut self, side: &Expr, value: &Expr, role: ParameterRole) {
        if let (Some((at, column)), Some(parameter)) = (self.column(side), parameter(value)) {
            self.sources[at].facts.binds.push(Bind { parameter, column, role });
        }
    }

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                self.table(name, alias.as_ref().map(|alias| lower(&alias.name)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(std::slice::from_ref(table_with_joins)),
            other => self.others.extend(alias_of(other).map(|alias| lower(&alias.name))),
        }
    }

    /// Takes a table in.
    pub fn table(&mut self, name: &ObjectName, alias: Option<String>) {
        let written = name.to_string();
        let alias = alias.unwrap_or_else(|| names::bare(&written));
        match self.catalogue.table(&written) {
            Some(table) => {
                let facts =
                    TableFacts { table: table.table.clone(), mentioned: Some(Vec::new()), ..TableFacts::default() };
                self.sources.push(Source { alias, table, facts, branches: Vec::new() });
            }
            None => self.others.push(alias),
        }
    }

    /// The column that an expression is, without anything around it.
    fn column(&self, expr: &Expr) -> Option<Column> {
        let find = |at: usize, name: &str| {
            let table = self.sources.get(at)?.table;
            Some((at, Catalogue::column(table, name)?.name.clone()))
        };
        match expr {
            Expr::Nested(inner) => self.column(inner),
            Expr::Identifier(name) => {
                let mut having = (0..self.sources.len()).filter_map(|at| find(at, &name.value));
                having.next().filter(|_| having.next().is_none())
            }
            Expr::CompoundIdentifier(path) => {
                let [.., qualifier, column] = path.as_slice() else { return None };
                let alias = lower(qualifier);
                find(self.sources.iter().position(|source| source.alias == alias)?, &column.value)
            }
            _ => None,
        }
    }

    /// The columns of this block in an expression; `None`: it has some of a subquery.
    fn columns(&self, expr: &Expr) -> Option<Vec<Column>> {
        let mut named = Mentions::default();
        let _: ControlFlow<()> = expr.visit(&mut named);
        if named.has_subquery {
            return None;
        }
        let mut columns = Vec::new();
        for name in &named.columns {
            match (self.column(name), name) {
                (Some(column), _) => columns.push(column),
                (None, Expr::CompoundIdentifier(path)) => {
                    let qualifier = path.iter().rev().nth(1).map(lower).unwrap_or_default();
                    if self.others.contains(&qualifier) {
                        return None;
                    }
                }
                _ if !self.others.is_empty() => return None,
                _ => {}
            }
        }
        columns.sort();
        columns.dedup();
        Some(columns)
    }

    fn shared(&mut self, name: &ObjectName) {
        let name = names::bare(&name.to_string());
        for source in &mut self.sources {
            if let Some(column) = Catalogue::column(source.table, &name) {
                let column = column.name.clone();
                source.facts.equality.push(Equality { column, is_list: false, is_join: true, is_null: false });
            }
        }
    }

    /// Takes a condition in.
    pub fn condition(&mut self, expr: Option<&Expr>) {
        let Some(expr) = expr else { return };
        match expr {
            Expr::Nested(inner) => self.condition(Some(inner)),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.condition(Some(left));
                self.condition(Some(right));
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => self.branches(expr),
            _ => self.single(expr),
        }
    }

    fn single(&mut self, expr: &Expr) {
        match expr {
            Expr::BinaryOp { left, op, right } => self.comparison(left, op, right),
            Expr::InList { expr, negated: false, list } => {
                if list.iter().all(|value| self.columns(value).is_some_and(|columns| columns.is_empty())) {
                    list.iter().for_each(|value| self.bind(expr, value, ParameterRole::Equal));
                    self.equal(expr, list.len() != 1 || is_bind_list(list), false);
                } else {
                    self.more(expr);
                }
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                if self.columns(right).is_some_and(|columns| columns.is_empty()) {
                    self.bind(left, right, ParameterRole::List);
                    self.equal(left, true, false);
                }
            }
            Expr::IsNull(inner) => {
                self.equal(inner, false, true);
                self.constant(inner, &format!("{} IS NULL", unqualified(inner)));
            }
            Expr::IsNotNull(inner) => {
                self.constant(inner, &format!("{} IS NOT NULL", unqualified(inner)));
                self.more(inner);
            }
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::IsTrue(_) => {
                let inner = if let Expr::IsTrue(inner) = expr { inner } else { expr };
                self.equal(inner, false, false);
                self.constant(inner, &unqualified(inner));
            }
            Expr::Between { expr, negated: false, low, high } => {
                let is_value = |side: &Expr| self.columns(side).is_some_and(|columns| columns.is_empty());
                match self.column(expr).filter(|_| is_value(low) && is_value(high)) {
                    Some((at, column)) => {
                        self.bind(expr, low, ParameterRole::Low);
                        self.bind(expr, high, ParameterRole::High);
                        self.sources[at].facts.range.push(column);
                    }
                    None => self.more(expr),
                }
            }
            Expr::Like { negated: false, expr, pattern, .. } => self.like(expr, pattern),
            Expr::ILike { negated: false, expr, .. } => {
                if let Some((at, column)) = self.column(expr) {
                    self.sources[at].facts.contains.push(column);
                }
            }
            other => self.more(other),
        }
    }

    fn comparison(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) {
        let (Some(of_left), Some(of_right)) = (self.columns(left), self.columns(right)) else {
            return self.more(left);
        };
        match op {
            BinaryOperator::Eq | BinaryOperator::Spaceship => match (of_left.as_slice(), of_right.as_slice()) {
                ([_, ..], []) => {
                    self.bind(left, right, ParameterRole::Equal);
                    self.equal(left, false, false);
                }
                ([], [_, ..]) => {
                    self.bind(right, left, ParameterRole::Equal);
                    self.equal(right, false, false);
                }
                ([(one, _)], [(other, _)]) if one != other => {
                    for side in [left, right] {
                        if let Some((at, column)) = self.column(side) {
                            let join = Equality { column, is_list: false, is_join: true, is_null: false };
                            self.sources[at].facts.equality.push(join);
                        }
                    }
                }
                _ => self.more(left),
            },
            BinaryOperator::Gt | BinaryOperator::GtEq | BinaryOperator::Lt | BinaryOperator::LtEq => {
                let (side, value) = match (of_left.is_empty(), of_right.is_empty()) {
                    (false, true) => (left, right),
                    (true, false) => (right, left),
                    _ => return self.more(left),
                };
                let is_above = matches!(op, BinaryOperator::Gt | BinaryOperator::GtEq) == std::ptr::eq(side, left);
                let role = if is_above { ParameterRole::Low } else { ParameterRole::High };
                match self.column(side) {
                    Some((at, column)) => {
                        self.bind(side, value, role);
                        self.sources[at].facts.range.push(column);
                    }
                    None => self.more(side),
                }
            }
            _ => {
                self.more(left);
                self.more(right);
            }
        }
    }

    /// `side` equals a value.
    fn equal(&mut self, side: &Expr, is_list: bool, is_null: bool) {
        if let Some((at, column)) = self.column(side) {
            let equality = Equality { column, is_list, is_join: false, is_null };
            let known = &mut self.sources[at].facts.equality;
            if !known.contains(&equality) {
                known.push(equality);
            }
            return;
        }
        let columns = self.columns(side).unwrap_or_default();
        match (side, columns.first()) {
            (Expr::Function(_), Some((at, _))) if columns.iter().all(|(other, _)| other == at) && !is_null => {
                let on = OnExpression {
                    expression: unqualified(side),
                    columns: columns.iter().map(|(_, column)| column.clone()).collect(),
                };
                self.sources[*at].facts.expressions.push(on);
            }
            _ => self.more(side),
        }
    }

    fn like(&mut self, side: &Expr, pattern: &Expr) {
        let Some((at, column)) = self.column(side) else { return self.more(side) };
        let facts = &mut self.sources[at].facts;
        match pattern {
            Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(pattern), .. }) => {
                if pattern.starts_with(['%', '_']) {
                    facts.contains.push(column);
                } else {
                    facts.range.push(column);
                }
            }
            // A bind may begin with anything.
            _ => facts.has_more = true,
        }
    }

    fn constant(&mut self, side: &Expr, sql: &str) {
        if let Some((at, _)) = self.column(side) {
            self.sources[at].facts.constants.push(sql.to_owned());
        }
    }

    fn more(&mut self, expr: &Expr) {
        for (at, _) in self.columns(expr).unwrap_or_default() {
            self.sources[at].facts.has_more = true;
        }
    }

    /// An OR is of use only when each branch narrows the same table down.
    fn branches(&mut self, expr: &Expr) {
        let mut arms = Vec::new();
        arms_of(expr, &mut arms);
        for at in 0..self.sources.len() {
            let mut read: Vec<TableFacts> = Vec::new();
            for arm in &arms {
                let mut inner = Block {
                    catalogue: self.catalogue,
                    sources: Vec::new(),
                    others: self.others.clone(),
                    is_ungrouped: true,
                };
                for source in &self.sources {
                    let facts = TableFacts { table: source.table.table.clone(), ..TableFacts::default() };
                    let alias = source.alias.clone();
                    inner.sources.push(Source { alias, table: source.table, facts, branches: Vec::new() });
                }
                inner.condition(Some(arm));
                read.extend(inner.sources.into_iter().nth(at).map(|source| source.facts));
            }
            let source = &mut self.sources[at];
            source.facts.has_more = true;
            source.facts.binds.extend(read.iter().flat_map(|arm| arm.binds.iter().cloned()));
            if read.len() > 1 && read.iter().all(TableFacts::is_filtered) {
                source.branches = read;
            }
        }
    }

    /// Takes the terms of a GROUP BY in.
    pub fn group(&mut self, terms: &[Expr]) {
        self.is_ungrouped = terms.is_empty();
        let columns: Option<Vec<Column>> = terms.iter().map(|term| self.column(term)).collect();
        let columns = columns.unwrap_or_default();
        if let Some((at, _)) = columns.first()
            && columns.iter().all(|(other, _)| other == at)
        {
            self.sources[*at].facts.group = columns.iter().map(|(_, column)| column.clone()).collect();
        }
    }

    /// Takes the terms of an ORDER BY in.
    pub fn sort(&mut self, terms: &[OrderByExpr], select: &Select) {
        let mut read: Vec<(usize, SortTerm)> = Vec::new();
        for term in terms {
            let Some((at, column)) = self.column(meant(&term.expr, select)) else { return };
            let descending = matches!(term.options.sort, Some(OrderBySort::Desc));
            read.push((at, SortTerm { column, descending, nulls_first: term.options.nulls_first }));
        }
        if let Some((first, _)) = read.first().cloned()
            && read.iter().all(|(at, _)| *at == first)
        {
            self.sources[first].facts.sort = read.into_iter().map(|(_, term)| term).collect();
        }
    }

    /// Takes the columns in that are set.
    pub fn set(&mut self, assignments: &[Assignment]) {
        let targets = assignments.iter().flat_map(|assignment| match &assignment.target {
            AssignmentTarget::ColumnName(name) => std::slice::from_ref(name),
            AssignmentTarget::Tuple(names) => names.as_slice(),
        });
        for name in targets {
            let column = names::bare(&name.to_string());
            let source = self.sources.iter_mut().find(|source| Catalogue::column(source.table, &column).is_some());
            if let Some(source) = source
                && let Some(column) = Catalogue::column(source.table, &column)
            {
                source.facts.set.push(column.name.clone());
            }
        }
    }

    /// Takes in which columns the block wants.
    pub fn mention(&mut self, select: &Select, order: Option<&OrderBy>) {
        let mut named = Mentions::default();
        let _: ControlFlow<()> = select.visit(&mut named);
        if let Some(order) = order {
            let _: ControlFlow<()> = order.visit(&mut named);
        }
        let wants_all = select
            .projection
            .iter()
            .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let columns: Vec<Column> = named.columns.iter().filter_map(|name| self.column(name)).collect();
        for (at, source) in self.sources.iter_mut().enumerate() {
            let mut own: Vec<String> =
                columns.iter().filter(|(other, _)| *other == at).map(|(_, column)| column.clone()).collect();
            own.sort();
            own.dedup();
            source.facts.mentioned = (!wants_all).then_some(own);
            source.facts.is_aggregated = select.distinct.is_some() || select.projection.iter().any(is_aggregate);
        }
    }

    /// What was found out about each table.
    pub fn finish(self, found: &mut Vec<TableFacts>) {
        for source in self.sources {
            let is_alone = !source.facts.is_filtered();
            if is_alone && !source.branches.is_empty() {
                let whole = &source.facts;
                found.extend(source.branches.into_iter().map(|branch| TableFacts {
                    set: whole.set.clone(),
                    has_more: true,
                    limits: whole.limits.clone(),
                    ..branch
                }));
            } else {
                found.push(source.facts);
            }
        }
    }
}
