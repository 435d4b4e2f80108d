//! The canonical form of SQL: what is left of a statement when everything is gone that does not change what it asks for.
//!
//! Lower case; no comments, aliases, schemas; tables by their logical names; literals and binds `?`, lists of them `?+`, LIMIT and
//! OFFSET `?`; the sides of `=` and `<>` sorted. The order of AND, of columns and of tables is kept. Repeated tables, subqueries and
//! common table expressions, which cannot do without a name, are numbered: `r1`, `q1`, `w1`. The canonical form of a canonical form is itself.

use crate::advice::hotspots::fingerprint::Canonical;
use crate::advice::hotspots::scope::{Expressions, Scope, Scopes, alias_of, lower, output_columns};
use crate::advice::hotspots::spelling::{
    alias_slot, aliases_spelled_out, keep_last_part, limit_in_one_way, literal, short_join, simplify,
};
use crate::advice::names;
use crate::advice::ownership::{Owned, Ownership};
use crate::model::hotspot::StatementKind;
use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, Ident, ObjectName, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias, TableFactor, TableObject, TableWithJoins,
    UpdateTableFromKind, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use std::collections::BTreeMap;
use std::mem;
use std::ops::ControlFlow;

/// The canonical form of the statements of one text.
pub fn of(mut statements: Vec<Statement>, ownership: &Ownership) -> Canonical {
    let mut form = Form {
        ownership,
        scopes: Scopes::new(ownership),
        frames: Vec::new(),
        kind: StatementKind::Other,
        tables: BTreeMap::new(),
        expressions_named: 0,
        unseen: BTreeMap::new(),
        numbers: Vec::new(),
        is_function: false,
    };
    let _: ControlFlow<()> = statements.visit(&mut form);
    let texts: Vec<String> = statements.iter().map(|statement| statement.to_string().to_lowercase()).collect();
    Canonical { text: texts.join("; "), kind: form.kind, tables: form.tables, service: None }
}

/// What can be seen in one block.
struct Frame {
    scope: Scope,
    expressions: Expressions,
    /// The SELECT that comes next belongs to this frame and opens none of its own.
    awaits_select: bool,
    /// It ends with its SELECT.
    of_select: bool,
}

struct Form<'a> {
    ownership: &'a Ownership,
    scopes: Scopes<'a>,
    frames: Vec<Frame>,
    kind: StatementKind,
    tables: BTreeMap<String, Owned>,
    expressions_named: usize,
    /// Names of common table expressions that a query, by its address, does not see: its own and later ones.
    unseen: BTreeMap<usize, Vec<String>>,
    /// Numbers of the sources that are being visited, innermost last.
    numbers: Vec<Option<String>>,
    /// The relation that comes next is a function's name.
    is_function: bool,
}

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

impl Form<'_> {
    fn expressions(&self) -> Expressions {
        self.frames.last().map(|frame| frame.expressions.clone()).unwrap_or_default()
    }

    fn open(&mut self, from: &[TableWithJoins], awaits_select: bool, of_select: bool) {
        let expressions = self.expressions();
        let scope = self.scope(from, &expressions);
        self.frames.push(Frame { scope, expressions, awaits_select, of_select });
    }

    fn scope(&mut self, from: &[TableWithJoins], expressions: &Expressions) -> Scope {
        let around = self.frames.iter().flat_map(|frame| &frame.scope.sources);
        let around: Vec<&str> = around.map(|source| source.canonical.as_str()).collect();
        self.scopes.of(from, expressions, &around)
    }

    /// The canonical spelling of a column: unqualified where its block has one source only.
    fn column(&self, path: &[Ident]) -> Option<Expr> {
        let (column, qualifier) = path.split_last()?;
        let column = lower(column);
        let Some(qualifier) = qualifier.last().map(lower) else { return self.bare_column(&column) };
        for (depth, frame) in self.frames.iter().rev().enumerate() {
            if let Some(source) = frame.scope.source(&qualifier) {
                let column = Ident::new(source.columns.get(&column).unwrap_or(&column));
                let is_alone = depth == 0 && frame.scope.sources.len() == 1;
                let qualified = || Expr::CompoundIdentifier(vec![Ident::new(&source.canonical), column.clone()]);
                return Some(if is_alone { Expr::Identifier(column.clone()) } else { qualified() });
            }
        }
        None
    }

    /// An unqualified column is only renamed when a subquery gives it out under an alias.
    fn bare_column(&self, column: &str) -> Option<Expr> {
        let scope = &self.frames.last()?.scope;
        let source = scope.sources.iter().find(|source| source.columns.contains_key(column))?;
        let column = Ident::new(source.columns.get(column)?);
        Some(if scope.sources.len() == 1 {
            Expr::Identifier(column)
        } else {
            Expr::CompoundIdentifier(vec![Ident::new(&source.canonical), column])
        })
    }

    fn wildcards(&self, projection: &mut [SelectItem]) {
        let Some(frame) = self.frames.last() else { return };
        for item in projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) = item
                && let Some(source) = frame.scope.source(&names::bare(&name.to_string()))
            {
                if frame.scope.sources.len() == 1 {
                    *item = SelectItem::Wildcard(options.clone());
                } else {
                    *name = ObjectName::from(Ident::new(&source.canonical));
                }
            }
        }
    }

    fn see(&mut self, kind: StatementKind) {
        if self.kind == StatementKind::Other || kind != StatementKind::Read {
            self.kind = kind;
        }
    }

    /// Common table expressions get numbers for names before anything refers to them.
    fn name_expressions(&mut self, query: &mut Query) {
        let Some(with) = &mut query.with else { return };
        let all: Vec<String> = with.cte_tables.iter().map(|expression| lower(&expression.alias.name)).collect();
        if !with.recursive {
            for (at, expression) in with.cte_tables.iter().enumerate() {
                self.unseen.insert(address(&expression.query), all[at..].to_vec());
            }
        }
        for expression in &mut with.cte_tables {
            self.expressions_named += 1;
            let canonical = format!("w{}", self.expressions_named);
            let columns = output_columns(&expression.query, Some(&expression.alias));
            let written = lower(&expression.alias.name);
            expression.alias.name = Ident::new(&canonical);
            expression.alias.columns.clear();
            if let Some(frame) = self.frames.last_mut() {
                frame.expressions.insert(written, (canonical, columns));
            }
        }
    }
}

impl VisitorMut for Form<'_> {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<()> {
        match statement {
            Statement::Query(_) => {
                self.see(StatementKind::Read);
                self.open(&[], false, false);
            }
            Statement::Insert(insert) => {
                self.see(StatementKind::Insert);
                self.open(&[], false, false);
                insert.into = true;
                insert.optimizer_hints.clear();
                if let TableObject::TableName(name) = &insert.table {
                    let alias = insert.table_alias.take().map(|alias| TableAlias {
                        explicit: false,
                        name: alias.alias,
                        columns: Vec::new(),
                        at: None,
                    });
                    let source = self.scopes.table(name, alias.as_ref(), &Expressions::new());
                    if let Some(frame) = self.frames.last_mut() {
                        frame.scope.sources.push(source);
                    }
                }
            }
            Statement::Update(update) => {
                self.see(StatementKind::Update);
                update.optimizer_hints.clear();
                let mut from = vec![update.table.clone()];
                if let Some(UpdateTableFromKind::BeforeSet(more) | UpdateTableFromKind::AfterSet(more)) = &update.from {
                    from.extend(more.iter().cloned());
                }
                self.open(&from, false, false);
                for assignment in &mut update.assignments {
                    if let AssignmentTarget::ColumnName(name) = &mut assignment.target {
                        keep_last_part(name);
                    }
                }
            }
            Statement::Delete(delete) => {
                self.see(StatementKind::Delete);
                delete.optimizer_hints.clear();
                let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
                let from: Vec<TableWithJoins> = from.iter().chain(delete.using.iter().flatten()).cloned().collect();
                self.open(&from, false, false);
                self.name_deleted(delete);
            }
            _ => self.open(&[], false, false),
        }
        GO_ON
    }

    fn post_visit_statement(&mut self, _: &mut Statement) -> ControlFlow<()> {
        self.frames.pop();
        GO_ON
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        // A frame for the names of common table expressions; the sources follow when these are known.
        self.open(&[], false, false);
        if let (Some(names), Some(frame)) = (self.unseen.remove(&address(query)), self.frames.last_mut()) {
            frame.expressions.retain(|name, _| !names.contains(name));
        }
        self.name_expressions(query);
        if let SetExpr::Select(select) = query.body.as_ref() {
            let expressions = self.expressions();
            let scope = self.scope(&select.from, &expressions);
            if let Some(frame) = self.frames.last_mut() {
                frame.scope = scope;
                frame.awaits_select = true;
            }
        }
        aliases_spelled_out(query);
        limit_in_one_way(query);
        GO_ON
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.frames.pop();
        GO_ON
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        match self.frames.last_mut() {
            Some(frame) if frame.awaits_select => frame.awaits_select = false,
            _ => self.open(&select.from, false, true),
        }
        select.optimizer_hints.clear();
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { expr, .. } = item {
                let expr = mem::replace(expr, literal("?"));
                *item = SelectItem::UnnamedExpr(expr);
            }
        }
        self.wildcards(&mut select.projection);
        for join in select.from.iter_mut().flat_map(|item| &mut item.joins) {
            short_join(&mut join.join_operator);
        }
        GO_ON
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<()> {
        if self.frames.last().is_some_and(|frame| frame.of_select) {
            self.frames.pop();
        }
        GO_ON
    }

    /// Looks the source up while it still has its written name.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        self.is_function = matches!(factor, TableFactor::Table { args: Some(_), .. });
        let written = match (alias_of(factor), &*factor) {
            (Some(alias), _) => lower(&alias.name),
            (None, TableFactor::Table { name, .. }) => names::bare(&name.to_string()),
            _ => String::new(),
        };
        let source = self.frames.last().and_then(|frame| frame.scope.source(&written));
        let number = source.filter(|source| source.is_numbered).map(|source| source.canonical.clone());
        self.numbers.push(number);
        GO_ON
    }

    /// Takes the alias away, and puts a number where the source cannot do without a name.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let number = self.numbers.pop().flatten();
        if let Some(slot) = alias_slot(factor) {
            *slot = number.map(|number| TableAlias {
                explicit: true,
                name: Ident::new(number),
                columns: Vec::new(),
                at: None,
            });
        }
        GO_ON
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if mem::take(&mut self.is_function) {
            keep_last_part(relation);
            return GO_ON;
        }
        let written = relation.to_string();
        let canonical = match self.expressions().get(&names::folded(&written)) {
            Some((canonical, _)) => canonical.clone(),
            None => {
                let owned = self.ownership.of(&written);
                let logical = owned.logical.clone();
                self.tables.entry(logical.clone()).or_insert(owned);
                logical
            }
        };
        *relation = ObjectName::from(canonical.split('.').map(Ident::new).collect::<Vec<_>>());
        GO_ON
    }

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> ControlFlow<()> {
        ident.value = ident.value.to_lowercase();
        ident.quote_style = None;
        GO_ON
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if !matches!(&value.value, Value::Placeholder(name) if name == "?+") {
            value.value = Value::Placeholder("?".to_owned());
        }
        GO_ON
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let canonical = match expr {
            Expr::CompoundIdentifier(path) => self.column(path),
            Expr::Identifier(name) => self.column(std::slice::from_ref(name)),
            Expr::Function(function) => {
                keep_last_part(&mut function.name);
                None
            }
            _ => None,
        };
        if let Some(canonical) = canonical {
            *expr = canonical;
        }
        GO_ON
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        simplify(expr);
        GO_ON
    }
}

impl Form<'_> {
    /// `DELETE o FROM orders o`: what is deleted from is named by its alias.
    fn name_deleted(&self, delete: &mut Delete) {
        for name in &mut delete.tables {
            let source = self.frames.last().and_then(|frame| frame.scope.source(&names::bare(&name.to_string())));
            if let Some(source) = source {
                *name = ObjectName::from(Ident::new(&source.canonical));
            }
        }
    }
}

/// Tells queries of one statement apart while none of them moves.
fn address(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}
