//! The order of keys, and conditions on ranges of keys.
//!
//! A range `after < key <= upto` names the same rows on two servers only if both sort alike. Numbers, times and uuids do. Text sorts by a
//! collation whose rules differ between systems and versions, and enums by their definition. So an order has a name: [`KeyOrder::Native`] with
//! the identity of every collation in the key, usable when both sides say the same, and else [`KeyOrder::Bytes`], which is the same everywhere
//! but which the key's index serves only where the column's own collation is `C`.

use crate::model::table::TableName;
use crate::model::value::{Key, Value};
use crate::stores::KeyRange;
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::name_arrays;
use sqlx::postgres::PgConnection;
use std::fmt::Write;

/// An order of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOrder {
    /// Text by its bytes, enums by their labels' bytes, everything else by its own order.
    Bytes,
    /// Each column by its own collation; the text identifies them.
    Native(String),
}

impl KeyOrder {
    /// Its part of a method's name.
    pub fn name(&self) -> String {
        match self {
            Self::Bytes => "bytes".to_owned(),
            Self::Native(tag) => format!("native-{tag}"),
        }
    }

    /// Reads its part of a method's name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix("native-") {
            Some(tag) => Some(Self::Native(tag.to_owned())),
            None => (name == "bytes").then_some(Self::Bytes),
        }
    }
}

/// A column with what hashing and ordering must know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Quoted name.
    pub quoted: String,
    /// The type as the catalogue spells it.
    pub type_name: String,
    /// Oid of the type, a domain resolved to its base.
    pub base_type: i64,
    /// False for collations under which unequal strings may be equal.
    pub deterministic: bool,
    /// What the order depends on.
    pub sorts_by: SortsBy,
}

/// What a column's order depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortsBy {
    /// On the type alone, or on bytes.
    Value,
    /// On a collation: its identity, `None` when its version cannot be told.
    Collation(Option<String>),
    /// On an enum's definition: its labels in order.
    Labels(String),
}

#[derive(sqlx::FromRow)]
struct ColumnRow {
    name: String,
    type_name: String,
    base_type: i64,
    deterministic: bool,
    is_text: bool,
    is_c: bool,
    collation: Option<String>,
    labels: Option<String>,
}

/// Columns of one table. Providers' columns in `pg_collation` and `pg_database` changed names between versions, hence the detour over JSON.
/// The version of a libc collation is the library's, so any of them tells that of the database's default, which 14 does not show.
const COLUMNS: &str = "
    WITH RECURSIVE base (attnum, typ) AS (
         SELECT a.attnum, a.atttypid
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace ns ON ns.oid = c.relnamespace
          WHERE ns.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
         UNION ALL
         SELECT base.attnum, t.typbasetype FROM base JOIN pg_type t ON t.oid = base.typ WHERE t.typtype = 'd'),
    database AS (SELECT to_jsonb(d) AS j FROM pg_database d WHERE datname = current_database()),
    version AS (
         SELECT (SELECT max(pg_collation_actual_version(oid)) FROM pg_collation WHERE collprovider = 'c') AS libc,
                (SELECT max(pg_collation_actual_version(oid)) FROM pg_collation WHERE collprovider = 'i' AND collname = 'und-x-icu') AS icu),
    col AS (
         SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type_name, t.oid::int8 AS base_type, t.typtype,
                coalesce(c.collisdeterministic, true) AS deterministic, a.attcollation <> 0 AS is_text, t.oid AS typ, c.oid AS coll,
                CASE WHEN c.collprovider = 'd' THEN coalesce(database.j ->> 'datlocprovider', 'c') ELSE c.collprovider::text END AS provider,
                CASE WHEN c.collprovider = 'd' THEN coalesce(database.j ->> 'datlocale', database.j ->> 'daticulocale', database.j ->> 'datcollate')
                     ELSE coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate::text) END AS locale
           FROM base JOIN pg_type t ON t.oid = base.typ AND t.typtype <> 'd'
           JOIN pg_class r ON r.relname = $2 JOIN pg_namespace rn ON rn.oid = r.relnamespace AND rn.nspname = $1
           JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = base.attnum
           CROSS JOIN database
           LEFT JOIN pg_collation c ON c.oid = a.attcollation)
    SELECT name, type_name, base_type, deterministic, is_text,
           coalesce(provider IN ('c', 'b') AND locale IN ('C', 'POSIX', 'C.UTF-8', 'C.UTF8', 'PG_C_UTF_8')
                    AND (provider = 'b' OR locale IN ('C', 'POSIX')), false) AS is_c,
           CASE WHEN is_text THEN provider || ' ' || locale || ' ' || deterministic || ' ' ||
                CASE WHEN provider = 'c' AND locale ~* '^C\\.' THEN 'codepoint' WHEN provider = 'c' THEN version.libc
                     WHEN provider = 'i' THEN version.icu END END AS collation,
           (SELECT string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = typ) AS labels
      FROM col CROSS JOIN version";

/// Reads the columns of a table with their orders.
pub async fn columns(
    connection: &mut PgConnection,
    table: &TableName,
) -> Result<Vec<(String, KeyColumn)>, sqlx::Error> {
    let (mut schemas, mut names) = name_arrays(std::slice::from_ref(table));
    let rows: Vec<ColumnRow> =
        sqlx::query_as(COLUMNS).bind(schemas.pop()).bind(names.pop()).fetch_all(connection).await?;
    let column = |row: ColumnRow| {
        let sorts_by = match (row.labels, row.is_text && !row.is_c) {
            (Some(labels), _) => SortsBy::Labels(labels),
            (None, true) => SortsBy::Collation(row.collation),
            (None, false) => SortsBy::Value,
        };
        let quoted = quote::ident(&row.name);
        let column = KeyColumn {
            quoted,
            type_name: row.type_name,
            base_type: row.base_type,
            deterministic: row.deterministic,
            sorts_by,
        };
        (row.name, column)
    };
    Ok(rows.into_iter().map(column).collect())
}

/// The orders in which this key can be walked, best first. `digest` shortens the identity of the native one.
pub fn orders(key: &[KeyColumn]) -> Vec<KeyOrder> {
    let mut identity = String::new();
    for column in key {
        match &column.sorts_by {
            SortsBy::Value => identity.push('.'),
            SortsBy::Collation(Some(collation)) => identity.push_str(collation),
            SortsBy::Labels(labels) => identity.push_str(labels),
            // Two unknown versions are not one version.
            SortsBy::Collation(None) => return vec![KeyOrder::Bytes],
        }
        identity.push('\n');
    }
    if key.iter().all(|c| c.sorts_by == SortsBy::Value) {
        return vec![KeyOrder::Bytes];
    }
    vec![KeyOrder::Native(digest(&identity)), KeyOrder::Bytes]
}

/// Twelve hex digits of a SHA-256.
fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text.as_bytes()).iter().take(6).fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// True when the key's own index serves this order.
pub fn is_indexed(key: &[KeyColumn], order: &KeyOrder) -> bool {
    matches!(order, KeyOrder::Native(_)) || key.iter().all(|c| c.sorts_by == SortsBy::Value)
}

/// The key columns as sort expressions of an order.
pub fn sort_expressions(key: &[KeyColumn], order: &KeyOrder) -> Vec<String> {
    let expression = |column: &KeyColumn| match (order, &column.sorts_by) {
        (KeyOrder::Native(_), _) | (KeyOrder::Bytes, SortsBy::Value) => column.quoted.clone(),
        (KeyOrder::Bytes, SortsBy::Collation(_)) => format!("{} COLLATE \"C\"", column.quoted),
        (KeyOrder::Bytes, SortsBy::Labels(_)) => format!("{}::text COLLATE \"C\"", column.quoted),
    };
    key.iter().map(expression).collect()
}

/// A key's values as constants of the columns' types. A wrong number of values, or NULL, is none.
pub fn constants(key: &[KeyColumn], values: &Key, order: Option<&KeyOrder>) -> Option<Vec<String>> {
    if key.len() != values.len() {
        return None;
    }
    let constant = |(column, value): (&KeyColumn, &Value)| {
        let text = match value {
            Value::Literal(text) | Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Null | Value::Float(_) | Value::Bytes(_) => return None,
        };
        let as_text = order == Some(&KeyOrder::Bytes) && matches!(column.sorts_by, SortsBy::Labels(_));
        let type_name = if as_text { "text" } else { &column.type_name };
        Some(format!("{}::{type_name}", quote::literal(&text)))
    };
    key.iter().zip(values).map(constant).collect()
}

/// The condition for a range, with ` WHERE ` in front; empty for an open range. `None` when the range does not fit the key.
pub fn condition(key: &[KeyColumn], order: &KeyOrder, range: &KeyRange) -> Option<String> {
    let columns = sort_expressions(key, order);
    let mut sql = String::new();
    for (bound, operator, leading) in [(&range.after, ">", ">="), (&range.upto, "<=", "<=")] {
        let Some(values) = bound else { continue };
        let constants = constants(key, values, Some(order))?;
        let joint = if sql.is_empty() { " WHERE" } else { " AND" };
        // Writing to a String cannot fail.
        let _ = match (columns.as_slice(), constants.as_slice()) {
            ([column], [constant]) => write!(sql, "{joint} {column} {operator} {constant}"),
            // Several columns are compared as rows, which a B-tree answers, but whose two bounds the planner does not recognise as a range: it takes
            // one range of a large table for a quarter of it and scans the whole (measured: 120 ranges of lineitem in 130 s). The bound on the
            // leading column adds nothing to the result and everything to the estimate.
            ([first, ..], [lead, ..]) => write!(
                sql,
                "{joint} {first} {leading} {lead} AND ({}) {operator} ({})",
                columns.join(", "),
                constants.join(", ")
            ),
            _ => return None,
        };
    }
    Some(sql)
}

/// The expression that is true for keys up to and including `values`. `None` when they do not fit the key.
pub fn not_above(key: &[KeyColumn], order: &KeyOrder, values: &Key) -> Option<String> {
    let (columns, constants) = (sort_expressions(key, order), constants(key, values, Some(order))?);
    Some(match (columns.as_slice(), constants.as_slice()) {
        ([column], [constant]) => format!("{column} <= {constant}"),
        _ => format!("({}) <= ({})", columns.join(", "), constants.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_name: &str, sorts_by: SortsBy) -> KeyColumn {
        KeyColumn {
            quoted: quote::ident(name),
            type_name: type_name.into(),
            base_type: 25,
            deterministic: true,
            sorts_by,
        }
    }

    fn key(values: &[&str]) -> Option<Key> {
        Some(values.iter().map(|v| Value::Literal((*v).to_owned())).collect())
    }

    #[test]
    fn composite_ranges_compare_rows() {
        let columns = [column("a", "bigint", SortsBy::Value), column("b", "date", SortsBy::Value)];
        let range = KeyRange { after: key(&["1", "2020-01-01"]), upto: key(&["9", "2020-02-01"]) };
        assert_eq!(
            condition(&columns, &KeyOrder::Bytes, &range).unwrap(),
            " WHERE \"a\" >= '1'::bigint AND (\"a\", \"b\") > ('1'::bigint, '2020-01-01'::date) \
             AND \"a\" <= '9'::bigint AND (\"a\", \"b\") <= ('9'::bigint, '2020-02-01'::date)"
        );
        assert_eq!(condition(&columns, &KeyOrder::Bytes, &KeyRange::default()).unwrap(), "");
        let short = KeyRange { after: key(&["1"]), upto: None };
        assert_eq!(condition(&columns, &KeyOrder::Bytes, &short), None);
    }

    #[test]
    fn text_is_compared_by_bytes_unless_both_sides_know_the_collation() {
        let columns = [column("t", "text", SortsBy::Collation(Some("c en_US 2.36".into())))];
        let range = KeyRange { after: None, upto: key(&["it's"]) };
        assert_eq!(
            condition(&columns, &KeyOrder::Bytes, &range).unwrap(),
            " WHERE \"t\" COLLATE \"C\" <= 'it''s'::text"
        );
        let native = orders(&columns);
        assert_eq!(native.len(), 2);
        assert_eq!(condition(&columns, &native[0], &range).unwrap(), " WHERE \"t\" <= 'it''s'::text");
        assert_ne!(native[0], orders(&[column("t", "text", SortsBy::Collation(Some("c en_US 2.39".into())))])[0]);
        assert_eq!(orders(&[column("t", "text", SortsBy::Collation(None))]), [KeyOrder::Bytes]);
    }

    #[test]
    fn enums_follow_their_labels() {
        let columns = [column("m", "public.mood", SortsBy::Labels("'ok','bad'".into()))];
        let range = KeyRange { after: key(&["ok"]), upto: None };
        assert_eq!(
            condition(&columns, &KeyOrder::Bytes, &range).unwrap(),
            " WHERE \"m\"::text COLLATE \"C\" > 'ok'::text"
        );
        assert_eq!(condition(&columns, &orders(&columns)[0], &range).unwrap(), " WHERE \"m\" > 'ok'::public.mood");
    }

    #[test]
    fn names_round_trip() {
        for order in [KeyOrder::Bytes, KeyOrder::Native("abc".into())] {
            assert_eq!(KeyOrder::from_name(&order.name()), Some(order));
        }
        assert_eq!(KeyOrder::from_name("other"), None);
    }
}
