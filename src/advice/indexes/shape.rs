//! What an index is, apart from its name: for telling whether two are the same, or one begins like the other.

use crate::advice::dialect::Dialect;
use crate::model::index::{Index, IndexPart};

/// Whether the key parts of `one` are the first of `other`, in the same or in wholly reversed order: scans run both ways.
pub fn begins(one: &[IndexPart], other: &[IndexPart]) -> bool {
    one.len() <= other.len()
        && (one.iter().zip(other).all(|(a, b)| is_same(a, b))
            || one.iter().zip(other).all(|(a, b)| is_same(&reversed(a), b)))
}

/// Whether two lists of key parts are equal in either direction.
pub fn equal(one: &[IndexPart], other: &[IndexPart]) -> bool {
    one.len() == other.len() && begins(one, other)
}

fn is_same(one: &IndexPart, other: &IndexPart) -> bool {
    let names_match =
        if one.is_expression { one.term == other.term } else { one.term.eq_ignore_ascii_case(&other.term) };
    names_match
        && one.is_expression == other.is_expression
        && one.operator_class == other.operator_class
        && one.collation == other.collation
        && one.descending == other.descending
        && one.nulls_first == other.nulls_first
        && one.prefix == other.prefix
}

fn reversed(part: &IndexPart) -> IndexPart {
    IndexPart { descending: !part.descending, nulls_first: !part.nulls_first, ..part.clone() }
}

/// Whether the last part of `one` is only a beginning of the column that `other` has whole, or more of: `a(10)` against `a`.
pub fn begins_shorter(one: &[IndexPart], other: &[IndexPart]) -> bool {
    let Some((last, before)) = one.split_last() else { return false };
    let Some(facing) = other.get(before.len()) else { return false };
    let is_shorter = match (last.prefix, facing.prefix) {
        (Some(_), None) => true,
        (Some(short), Some(long)) => short < long,
        _ => false,
    };
    is_shorter
        && begins(before, &other[..before.len()])
        && is_same(&IndexPart { prefix: facing.prefix, ..last.clone() }, facing)
}

/// Key parts as the engine stores them: InnoDB appends the primary key to every secondary index.
pub fn stored_parts(index: &Index, primary: Option<&Index>, dialect: Dialect) -> Vec<IndexPart> {
    let mut parts = index.parts.clone();
    if dialect.is_innodb() && !index.duty.primary {
        for part in primary.map_or(&[][..], |primary| &primary.parts) {
            if !parts.iter().any(|known| known.term.eq_ignore_ascii_case(&part.term)) {
                parts.push(part.clone());
            }
        }
    }
    parts
}

/// Whether two indexes have the same kind, rows and uniqueness rule: all but keys and included columns.
pub fn is_alike(one: &Index, other: &Index) -> bool {
    one.method.eq_ignore_ascii_case(&other.method)
        && one.predicate == other.predicate
        && one.hidden == other.hidden
        && one.valid
        && other.valid
        && !one.being_built
        && !other.being_built
        && one.duty.expires == other.duty.expires
}

/// Whether every column that `one` carries along is somewhere in `other`.
pub fn carries(one: &Index, other: &Index) -> bool {
    one.include.iter().all(|column| {
        let mut all = other.include.iter().chain(other.parts.iter().map(|part| &part.term));
        all.any(|known| known.eq_ignore_ascii_case(column))
    })
}

/// Whether scans can run backwards and beginnings can be used: a tree over whole values.
pub fn is_ordered(index: &Index, dialect: Dialect) -> bool {
    match dialect {
        Dialect::MongoDb => index.parts.iter().all(|part| part.operator_class.is_empty() && !part.term.contains("$**")),
        Dialect::Postgres | Dialect::Sqlite => ["btree", ""].contains(&index.method.to_lowercase().as_str()),
        Dialect::MariaDb | Dialect::MySql => index.method.eq_ignore_ascii_case("btree"),
        Dialect::Redis => false,
    }
}

/// The columns of the keys, as text for people: `a, lower(b) DESC`.
pub fn keys(parts: &[IndexPart]) -> String {
    let words = parts.iter().map(|part| {
        let prefix = part.prefix.map(|n| format!("({n})")).unwrap_or_default();
        format!("{}{prefix}{}", part.term, if part.descending { " DESC" } else { "" })
    });
    words.collect::<Vec<_>>().join(", ")
}

/// A plain ascending key part over a column.
pub fn plain(column: &str) -> IndexPart {
    IndexPart {
        term: column.to_owned(),
        is_expression: false,
        operator_class: String::new(),
        collation: String::new(),
        descending: false,
        nulls_first: false,
        prefix: None,
    }
}
