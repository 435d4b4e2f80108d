//! What a statement asks of its tables: the facts from which an index is made.
//!
//! Each table of each query block is looked at by itself, through AND only. A column of an outer block, a bind and a literal are all
//! values from where the block stands. The branches of an OR are kept apart.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::scope::{alias_of, lower};
use crate::advice::hotspots::sql;
use crate::advice::names;
use crate::model::index::TableUse;
use sqlparser::ast::{
    Assignment, AssignmentTarget, BinaryOperator, Expr, FromTable, GroupByExpr, JoinConstraint, JoinOperator,
    LimitClause, ObjectName, OnConflictAction, OnInsert, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind, Value,
    ValueWithSpan, Visit, Visitor,
};
use std::ops::ControlFlow;

/// An equality.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Equality {
    /// Column of the catalogue.
    pub column: String,
    /// Several values: `IN`, `= ANY`.
    pub is_list: bool,
    /// The other side is a column of another table of the block.
    pub is_join: bool,
    /// `IS NULL`.
    pub is_null: bool,
}

/// One term of an ORDER BY.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortTerm {
    /// Column of the catalogue.
    pub column: String,
    /// Descending.
    pub descending: bool,
    /// Where NULLs are wanted, if it is said.
    pub nulls_first: Option<bool>,
}

/// A condition on a function of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OnExpression {
    /// The expression without its qualifiers, such as `lower(email)`.
    pub expression: String,
    /// The columns in it.
    pub columns: Vec<String>,
}

/// What one query block asks of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFacts {
    /// The table, as the catalogue names it.
    pub table: String,
    /// Columns that must equal something.
    pub equality: Vec<Equality>,
    /// Columns between bounds, or with a known beginning.
    pub range: Vec<String>,
    /// Equalities of expressions.
    pub expressions: Vec<OnExpression>,
    /// Columns that are searched for something inside of them: `LIKE '%x%'`.
    pub contains: Vec<String>,
    /// The order that is asked for, if all of it is of this table.
    pub sort: Vec<SortTerm>,
    /// Columns of GROUP BY, if all of it is of this table.
    pub group: Vec<String>,
    /// All columns that the block mentions; `None`: it wants all of them.
    pub mentioned: Option<Vec<String>>,
    /// Columns that are set.
    pub set: Vec<String>,
    /// Only the first rows are wanted.
    pub is_limited: bool,
    /// Conditions without any value from outside, such as `deleted_at IS NULL`, as SQL.
    pub constants: Vec<String>,
    /// There are conditions that no index of this kind serves.
    pub has_more: bool,
}

impl TableFacts {
    /// Whether anything narrows the rows down.
    pub fn is_filtered(&self) -> bool {
        !(self.equality.is_empty() && self.range.is_empty() && self.expressions.is_empty())
    }
}

/// The facts of all blocks of a text; empty where it cannot be parsed or names no known table.
pub fn of(dialect: Dialect, text: &str, catalogue: &Catalogue<'_>) -> Vec<TableFacts> {
    let mut reader = Reader { catalogue, done: Vec::new(), found: Vec::new() };
    for statement in sql::parse(dialect, text).unwrap_or_default() {
        let _: ControlFlow<()> = statement.visit(&mut reader);
    }
    reader.found
}

struct Reader<'a> {
    catalogue: &'a Catalogue<'a>,
    /// Addresses of SELECTs that were read with their ORDER BY.
    done: Vec<usize>,
    found: Vec<TableFacts>,
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Update(update) => {
                let mut block = Block::new(self.catalogue);
                block.from(std::slice::from_ref(&update.table));
                if let Some(UpdateTableFromKind::BeforeSet(more) | UpdateTableFromKind::AfterSet(more)) = &update.from {
                    block.from(more);
                }
                block.set(&update.assignments);
                block.condition(update.selection.as_ref());
                block.finish(&mut self.found);
            }
            Statement::Delete(delete) => {
                let mut block = Block::new(self.catalogue);
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                block.from(from);
                block.from(delete.using.as_deref().unwrap_or_default());
                block.condition(delete.selection.as_ref());
                block.finish(&mut self.found);
            }
            Statement::Insert(insert) => {
                let assignments = match &insert.on {
                    Some(OnInsert::DuplicateKeyUpdate(assignments)) => assignments.as_slice(),
                    Some(OnInsert::OnConflict(conflict)) => match &conflict.action {
                        OnConflictAction::DoUpdate(update) => update.assignments.as_slice(),
                        OnConflictAction::DoNothing => &[],
                    },
                    _ => &[],
                };
                if let TableObject::TableName(name) = &insert.table {
                    let mut block = Block::new(self.catalogue);
                    block.table(name, None);
                    block.set(assignments);
                    block.finish(&mut self.found);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_ref() {
            self.done.push(std::ptr::from_ref(select.as_ref()).addr());
            let is_limited = query.fetch.is_some()
                || matches!(
                    &query.limit_clause,
                    Some(LimitClause::LimitOffset { limit: Some(_), .. } | LimitClause::OffsetCommaLimit { .. })
                );
            self.select(select, query.order_by.as_ref(), is_limited);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if !self.done.contains(&std::ptr::from_ref(select).addr()) {
            self.select(select, None, false);
        }
        ControlFlow::Continue(())
    }
}

impl Reader<'_> {
    fn select(&mut self, select: &Select, order: Option<&OrderBy>, is_limited: bool) {
        let mut block = Block::new(self.catalogue);
        block.from(&select.from);
        block.condition(select.selection.as_ref());
        if let GroupByExpr::Expressions(terms, _) = &select.group_by {
            block.group(terms);
        }
        // The order of groups is not the order of rows.
        if let (Some(OrderByKind::Expressions(terms)), true) = (order.map(|order| &order.kind), block.is_ungrouped) {
            block.sort(terms, select);
        }
        block.mention(select, order);
        for source in &mut block.sources {
            source.facts.is_limited = is_limited;
        }
        block.finish(&mut self.found);
    }
}

/// A table of the block that is being read.
struct Source<'a> {
    alias: String,
    table: &'a TableUse,
    facts: TableFacts,
    /// Branches of an OR, if there is one.
    branches: Vec<TableFacts>,
}

struct Block<'a> {
    catalogue: &'a Catalogue<'a>,
    sources: Vec<Source<'a>>,
    /// Aliases of subqueries and unknown tables: what they qualify is no column of ours, and not from outside either.
    others: Vec<String>,
    is_ungrouped: bool,
}

/// A column of a source: its place, and the catalogue's spelling.
type Column = (usize, String);

impl<'a> Block<'a> {
    fn new(catalogue: &'a Catalogue<'a>) -> Self {
        Self { catalogue, sources: Vec::new(), others: Vec::new(), is_ungrouped: true }
    }

    fn from(&mut self, from: &[TableWithJoins]) {
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

    fn factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                self.table(name, alias.as_ref().map(|alias| lower(&alias.name)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(std::slice::from_ref(table_with_joins)),
            other => self.others.extend(alias_of(other).map(|alias| lower(&alias.name))),
        }
    }

    fn table(&mut self, name: &ObjectName, alias: Option<String>) {
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
        let mut named = Named::default();
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

    fn condition(&mut self, expr: Option<&Expr>) {
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
                    self.equal(expr, list.len() != 1 || is_bind_list(list), false);
                } else {
                    self.more(expr);
                }
            }
            Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                if self.columns(right).is_some_and(|columns| columns.is_empty()) {
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
                    Some((at, column)) => self.sources[at].facts.range.push(column),
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
                ([_, ..], []) => self.equal(left, false, false),
                ([], [_, ..]) => self.equal(right, false, false),
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
                let side = match (of_left.is_empty(), of_right.is_empty()) {
                    (false, true) => left,
                    (true, false) => right,
                    _ => return self.more(left),
                };
                match self.column(side) {
                    Some((at, column)) => self.sources[at].facts.range.push(column),
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
            if read.len() > 1 && read.iter().all(TableFacts::is_filtered) {
                source.branches = read;
            }
        }
    }

    fn group(&mut self, terms: &[Expr]) {
        self.is_ungrouped = terms.is_empty();
        let columns: Option<Vec<Column>> = terms.iter().map(|term| self.column(term)).collect();
        let columns = columns.unwrap_or_default();
        if let Some((at, _)) = columns.first()
            && columns.iter().all(|(other, _)| other == at)
        {
            self.sources[*at].facts.group = columns.iter().map(|(_, column)| column.clone()).collect();
        }
    }

    fn sort(&mut self, terms: &[OrderByExpr], select: &Select) {
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

    fn set(&mut self, assignments: &[Assignment]) {
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

    fn mention(&mut self, select: &Select, order: Option<&OrderBy>) {
        let mut named = Named::default();
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
        }
    }

    fn finish(self, found: &mut Vec<TableFacts>) {
        for source in self.sources {
            let is_alone = !source.facts.is_filtered();
            if is_alone && !source.branches.is_empty() {
                let whole = &source.facts;
                found.extend(source.branches.into_iter().map(|branch| TableFacts {
                    set: whole.set.clone(),
                    has_more: true,
                    ..branch
                }));
            } else {
                found.push(source.facts);
            }
        }
    }
}

/// Columns and subqueries in an expression.
#[derive(Default)]
struct Named {
    columns: Vec<Expr>,
    has_subquery: bool,
}

impl Visitor for Named {
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

fn constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
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

fn arms_of<'e>(expr: &'e Expr, arms: &mut Vec<&'e Expr>) {
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
fn is_bind_list(list: &[Expr]) -> bool {
    list.iter().all(|value| matches!(value, Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. })))
}

/// ORDER BY may name an output column by its alias.
fn meant<'e>(expr: &'e Expr, select: &'e Select) -> &'e Expr {
    let Expr::Identifier(name) = expr else { return expr };
    let aliased = select.projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if lower(alias) == lower(name) => Some(expr),
        _ => None,
    });
    aliased.unwrap_or(expr)
}

/// An expression without the qualifiers of its columns, as it can stand in an index.
fn unqualified(expr: &Expr) -> String {
    match expr {
        Expr::CompoundIdentifier(path) => path.last().map(ToString::to_string).unwrap_or_default(),
        Expr::Function(function) => {
            let mut text = function.to_string();
            let mut named = Named::default();
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
