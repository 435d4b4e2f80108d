//! What names mean inside of a query block: aliases of tables and of columns, and names of common table expressions.

use crate::advice::names;
use crate::advice::ownership::Ownership;
use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
};
use std::collections::BTreeMap;

/// One source of rows of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What columns are qualified by in the text, in lower case: the alias, else the last part of the name.
    pub alias: String,
    /// What they are qualified by in canonical form.
    pub canonical: String,
    /// The physical name; `None`: a subquery, a common table expression or a function.
    pub table: Option<String>,
    /// Its canonical name is a number that has to stand in the text as an alias.
    pub is_numbered: bool,
    /// Canonical names of output columns that have an alias inside of a subquery.
    pub columns: BTreeMap<String, String>,
}

/// The sources of one block.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// In order of appearance.
    pub sources: Vec<Source>,
}

impl Scope {
    /// The source that a qualifier means here.
    pub fn source(&self, qualifier: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.alias == qualifier)
    }
}

/// Common table expressions that can be seen, by name, with their output columns.
pub type Expressions = BTreeMap<String, (String, BTreeMap<String, String>)>;

/// Makes scopes. Subqueries and repeated tables are numbered in order of appearance, so that their names depend on no alias.
#[derive(Debug)]
pub struct Scopes<'a> {
    ownership: &'a Ownership,
    subqueries: usize,
    repeated: usize,
}

impl<'a> Scopes<'a> {
    /// For one statement.
    pub fn new(ownership: &'a Ownership) -> Self {
        Self { ownership, subqueries: 0, repeated: 0 }
    }

    /// The scope of a FROM clause inside of blocks with the sources `outer`.
    pub fn of(&mut self, from: &[TableWithJoins], expressions: &Expressions, outer: &[&str]) -> Scope {
        let mut scope = Scope::default();
        for item in from {
            self.item(item, expressions, &mut scope);
        }
        self.number_repeated(&mut scope, outer);
        scope
    }

    /// A table that occurs twice in a block is `r1` and `r2`; one that occurs around the block as well is `r1` in it.
    fn number_repeated(&mut self, scope: &mut Scope, outer: &[&str]) {
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        for name in outer {
            count.insert((*name).to_owned(), 1);
        }
        for source in &scope.sources {
            *count.entry(source.canonical.clone()).or_default() += 1;
        }
        for source in &mut scope.sources {
            if !source.is_numbered && count.get(&source.canonical).is_some_and(|count| *count > 1) {
                self.repeated += 1;
                source.canonical = format!("r{}", self.repeated);
                source.is_numbered = true;
            }
        }
    }

    fn item(&mut self, item: &TableWithJoins, expressions: &Expressions, scope: &mut Scope) {
        self.factor(&item.relation, expressions, scope);
        for join in &item.joins {
            self.factor(&join.relation, expressions, scope);
        }
    }

    fn factor(&mut self, factor: &TableFactor, expressions: &Expressions, scope: &mut Scope) {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                scope.sources.push(self.table(name, alias.as_ref(), expressions));
            }
            TableFactor::Derived { subquery, alias, .. } => {
                self.subqueries += 1;
                let canonical = format!("q{}", self.subqueries);
                let columns = output_columns(subquery, alias.as_ref());
                let alias = alias.as_ref().map_or_else(|| canonical.clone(), |alias| lower(&alias.name));
                scope.sources.push(Source { alias, canonical, table: None, is_numbered: true, columns });
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.item(table_with_joins, expressions, scope),
            other => {
                self.subqueries += 1;
                let canonical = format!("q{}", self.subqueries);
                let alias = alias_of(other).map_or_else(|| canonical.clone(), |alias| lower(&alias.name));
                scope.sources.push(Source {
                    alias,
                    canonical,
                    table: None,
                    is_numbered: true,
                    columns: BTreeMap::new(),
                });
            }
        }
    }

    /// A table by name, or a common table expression of that name.
    pub fn table(&self, name: &ObjectName, alias: Option<&TableAlias>, expressions: &Expressions) -> Source {
        let written = name.to_string();
        let last = names::bare(&written);
        let alias = alias.map_or_else(|| last.clone(), |alias| lower(&alias.name));
        match expressions.get(&names::folded(&written)) {
            Some((canonical, columns)) => {
                let columns = columns.clone();
                Source { alias, canonical: canonical.clone(), table: None, is_numbered: false, columns }
            }
            None => Source {
                alias,
                canonical: self.ownership.of(&written).logical,
                table: Some(names::folded(&written)),
                is_numbered: false,
                columns: BTreeMap::new(),
            },
        }
    }
}

/// Canonical names of the columns that a subquery gives out under an alias: by position.
pub fn output_columns(query: &Query, alias: Option<&TableAlias>) -> BTreeMap<String, String> {
    let mut columns = BTreeMap::new();
    if let Some(select) = first_select(&query.body) {
        for (at, item) in select.projection.iter().enumerate() {
            if let SelectItem::ExprWithAlias { expr, alias } = item
                && own_name(expr).as_deref() != Some(lower(alias).as_str())
            {
                columns.insert(lower(alias), format!("c{}", at + 1));
            }
        }
    }
    for (at, column) in alias.map_or(&[][..], |alias| &alias.columns).iter().enumerate() {
        columns.insert(lower(&column.name), format!("c{}", at + 1));
    }
    columns
}

/// The SELECT whose output names are those of the whole.
pub fn first_select(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => first_select(&query.body),
        SetExpr::SetOperation { left, .. } => first_select(left),
        _ => None,
    }
}

/// The name that a column has without an alias.
pub fn own_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(lower(name)),
        Expr::CompoundIdentifier(path) => path.last().map(lower),
        _ => None,
    }
}

/// The alias of a source of rows, whatever it is.
pub fn alias_of(factor: &TableFactor) -> Option<&TableAlias> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::JsonTable { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
        _ => None,
    }
}

/// A name in lower case, without its quotes.
pub fn lower(name: &Ident) -> String {
    name.value.to_lowercase()
}
