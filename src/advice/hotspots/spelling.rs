//! Parts of a statement that have several spellings, in one.

use crate::advice::hotspots::scope::{first_select, lower, own_name};
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, GroupByExpr, JoinOperator, LimitClause, ObjectName, ObjectNamePart, Offset,
    OffsetRows, OrderByKind, Query, SelectItem, SetExpr, TableAlias, TableFactor, UnaryOperator, Value, ValueWithSpan,
};
use std::collections::BTreeMap;
use std::mem;

/// One expression whose parts are canonical already.
pub fn simplify(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::Spaceship, right } => {
            let key = |side: &Expr| (is_value(side), side.to_string());
            if key(left) > key(right) {
                mem::swap(left, right);
            }
        }
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } if is_value(inner) => {
            *expr = literal("?");
        }
        Expr::Nested(inner) if is_simple(inner) => {
            let inner = mem::replace(inner.as_mut(), literal("?"));
            *expr = inner;
        }
        Expr::InList { list, .. } if list.iter().all(is_value) => *list = vec![literal("?+")],
        // `= ANY($1)` is how drivers spell a list.
        Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } if is_list(right) => {
            let left = mem::replace(left.as_mut(), literal("?"));
            *expr = Expr::InList { expr: Box::new(left), list: vec![literal("?+")], negated: false };
        }
        Expr::Array(array) if !array.elem.is_empty() && array.elem.iter().all(is_value) => {
            array.elem = vec![literal("?+")];
        }
        Expr::Cast { kind, .. } if *kind == CastKind::DoubleColon => *kind = CastKind::Cast,
        _ => {}
    }
}

fn is_value(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) => true,
        Expr::Tuple(parts) => parts.iter().all(is_value),
        _ => false,
    }
}

fn is_list(expr: &Expr) -> bool {
    match expr {
        Expr::Value(_) | Expr::Array(_) => true,
        Expr::Cast { expr, .. } | Expr::Nested(expr) => is_list(expr),
        _ => false,
    }
}

/// Needs no parentheses around it.
fn is_simple(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Value(_) | Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Nested(_) | Expr::Function(_)
    )
}

/// A literal or a bind.
pub fn literal(text: &str) -> Expr {
    Expr::value(Value::Placeholder(text.to_owned()))
}

/// Takes the schema off.
pub fn keep_last_part(name: &mut ObjectName) {
    if let Some(last) = name.0.pop() {
        name.0 = vec![last];
    }
    if let [ObjectNamePart::Identifier(ident)] = name.0.as_mut_slice() {
        ident.quote_style = None;
    }
}

/// `INNER JOIN` is `JOIN`, `LEFT OUTER JOIN` is `LEFT JOIN`.
pub fn short_join(join: &mut JoinOperator) {
    let plain = mem::replace(join, JoinOperator::CrossApply);
    *join = match plain {
        JoinOperator::Inner(on) => JoinOperator::Join(on),
        JoinOperator::LeftOuter(on) => JoinOperator::Left(on),
        JoinOperator::RightOuter(on) => JoinOperator::Right(on),
        other => other,
    };
}

/// Where the alias of a source of rows is.
pub fn alias_slot(factor: &mut TableFactor) -> Option<&mut Option<TableAlias>> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::JsonTable { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => Some(alias),
        _ => None,
    }
}

/// `LIMIT a, b`, `FETCH FIRST b ROWS ONLY` and `LIMIT b OFFSET a` are one.
pub fn limit_in_one_way(query: &mut Query) {
    if let Some(LimitClause::OffsetCommaLimit { offset, limit }) =
        query.limit_clause.take_if(|clause| matches!(clause, LimitClause::OffsetCommaLimit { .. }))
    {
        let offset = Some(Offset { value: offset, rows: OffsetRows::None });
        query.limit_clause = Some(LimitClause::LimitOffset { limit: Some(limit), offset, limit_by: Vec::new() });
    }
    if let Some(fetch) = query.fetch.take_if(|fetch| !fetch.with_ties && !fetch.percent) {
        let quantity = Some(fetch.quantity.unwrap_or_else(|| literal("?")));
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => *limit = quantity,
            Some(_) => {}
            None => {
                query.limit_clause =
                    Some(LimitClause::LimitOffset { limit: quantity, offset: None, limit_by: Vec::new() });
            }
        }
    }
    if let Some(LimitClause::LimitOffset { offset: Some(offset), .. }) = &mut query.limit_clause {
        offset.rows = OffsetRows::None;
    }
    if let SetExpr::Values(values) = query.body.as_mut() {
        values.rows.truncate(1);
        for row in &mut values.rows {
            if row.content.iter().all(|cell| matches!(cell, Expr::Value(_))) {
                row.content = vec![literal("?+")];
            }
        }
    }
}

/// ORDER BY, GROUP BY and HAVING may name an output column by its alias or its number: they get its expression instead.
pub fn aliases_spelled_out(query: &mut Query) {
    let mut by_alias: BTreeMap<String, Expr> = BTreeMap::new();
    let mut by_number: Vec<Option<Expr>> = Vec::new();
    if let Some(select) = first_select(&query.body) {
        for item in &select.projection {
            by_number.push(match item {
                SelectItem::UnnamedExpr(expr) => Some(expr.clone()),
                SelectItem::ExprWithAlias { expr, alias } => {
                    if own_name(expr).as_deref() != Some(lower(alias).as_str()) {
                        by_alias.insert(lower(alias), expr.clone());
                    }
                    Some(expr.clone())
                }
                _ => None,
            });
        }
    }
    let spell_out = |expr: &mut Expr| {
        let meant = match expr {
            Expr::Identifier(name) => by_alias.get(&lower(name)).cloned(),
            Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => {
                let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                at.and_then(|at| by_number.get(at).cloned().flatten())
            }
            _ => None,
        };
        if let Some(meant) = meant {
            *expr = meant;
        }
    };
    if let Some(OrderByKind::Expressions(terms)) = query.order_by.as_mut().map(|order| &mut order.kind) {
        terms.iter_mut().for_each(|term| spell_out(&mut term.expr));
    }
    if let SetExpr::Select(select) = query.body.as_mut()
        && let GroupByExpr::Expressions(terms, _) = &mut select.group_by
    {
        terms.iter_mut().for_each(spell_out);
    }
}
