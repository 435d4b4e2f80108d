//! What a statement asks of its tables: the facts from which an index is made.
//!
//! Each table of each query block is looked at by itself, through AND only. A column of an outer block, a bind and a literal are all
//! values from where the block stands. The branches of an OR are kept apart.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::hotspots::block::Block;
use crate::advice::hotspots::sql;
use crate::model::what_if::ParameterRole;
use sqlparser::ast::{
    Expr, FromTable, GroupByExpr, LimitClause, OnConflictAction, OnInsert, OrderBy, OrderByKind, Query, Select,
    SetExpr, Statement, TableObject, UpdateTableFromKind, Visit, Visitor,
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

/// A parameter that a column is compared with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bind {
    /// Its number: 1 for `$1`.
    pub parameter: u32,
    /// Column of the catalogue.
    pub column: String,
    /// How they are compared.
    pub role: ParameterRole,
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
    /// Parameters that columns of the table are compared with.
    pub binds: Vec<Bind>,
    /// Parameters that say how many rows are wanted.
    pub limits: Vec<u32>,
    /// Something is computed over several rows, or equal ones are given out once.
    pub is_aggregated: bool,
    /// The statement is this block alone, and what it returns or changes are the rows that these conditions leave: its row
    /// counter tells how many that are.
    pub is_counted: bool,
}

impl TableFacts {
    /// Whether anything narrows the rows down.
    pub fn is_filtered(&self) -> bool {
        !(self.equality.is_empty() && self.range.is_empty() && self.expressions.is_empty())
    }
}

/// The facts of all blocks of a text; empty where it cannot be parsed or names no known table.
pub fn of(dialect: Dialect, text: &str, catalogue: &Catalogue<'_>) -> Vec<TableFacts> {
    let mut reader = Reader { catalogue, done: Vec::new(), blocks: 0, found: Vec::new() };
    sql::with_deep_stack(|| {
        for statement in sql::parse(dialect, text).unwrap_or_default() {
            let _: ControlFlow<()> = statement.visit(&mut reader);
        }
    });
    if let ([only], 1) = (reader.found.as_mut_slice(), reader.blocks) {
        let is_whole = !only.is_limited && !only.is_aggregated && !only.has_more && only.group.is_empty();
        only.is_counted = is_whole && only.is_filtered();
    }
    reader.found
}

struct Reader<'a> {
    catalogue: &'a Catalogue<'a>,
    /// Addresses of SELECTs that were read with their ORDER BY.
    done: Vec<usize>,
    /// How many blocks there are, those without a known table included.
    blocks: usize,
    found: Vec<TableFacts>,
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        self.blocks +=
            usize::from(matches!(statement, Statement::Update(_) | Statement::Delete(_) | Statement::Insert(_)));
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
            let limit = match (&query.limit_clause, &query.fetch) {
                (Some(LimitClause::LimitOffset { limit, .. }), None) => limit.as_ref(),
                (Some(LimitClause::OffsetCommaLimit { limit, .. }), None) => Some(limit),
                (_, fetch) => fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()),
            };
            self.select(select, query.order_by.as_ref(), is_limited, limit);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if !self.done.contains(&std::ptr::from_ref(select).addr()) {
            self.select(select, None, false, None);
        }
        ControlFlow::Continue(())
    }
}

impl Reader<'_> {
    fn select(&mut self, select: &Select, order: Option<&OrderBy>, is_limited: bool, limit: Option<&Expr>) {
        self.blocks += 1;
        let mut block = Block::new(self.catalogue);
        block.from(&select.from);
        block.condition(select.selection.as_ref());
        if let GroupByExpr::Expressions(terms, _) = &select.group_by {
            block.group(terms);
        }
        // The order of groups is not the order of rows.
        if let (Some(OrderByKind::Expressions(terms)), true) = (order.map(|order| &order.kind), block.is_ungrouped()) {
            block.sort(terms, select);
        }
        block.mention(select, order);
        block.limit(is_limited, limit);
        block.finish(&mut self.found);
    }
}
