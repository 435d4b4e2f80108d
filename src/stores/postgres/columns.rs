//! How a chunk's columns are selected and in which COPY format they may travel.

use crate::model::table::TableMap;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::quote;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Outcome;
use crate::stores::postgres::wire::link::Link;

/// The first bytes of every binary COPY. A text COPY in UTF-8 cannot begin with them, so a loader can tell the two apart.
pub const BINARY_SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// A table's select list and the format for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Quoted columns with casts, in the map's order.
    pub list: String,
    /// `binary` or `text`.
    pub format: &'static str,
}

/// Finds column types whose binary form means something only on this server: it carries type oids of objects that were made by
/// users (elements of arrays and composites), is an oid itself (`regclass` and the like), or does not exist.
///
/// `embedded` is true where the type's own oid is written into the data. Oids from 10000 on are handed out at run time.
const NOT_PORTABLE: &str = "
    WITH RECURSIVE part (oid, embedded) AS (
        SELECT a.atttypid, false FROM pg_attribute a
         WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY ($2::text[])
        UNION
        SELECT inner_type.oid, inner_type.embedded
          FROM part JOIN pg_type t ON t.oid = part.oid
          CROSS JOIN LATERAL (
            SELECT t.typbasetype, part.embedded WHERE t.typtype = 'd'
            UNION ALL SELECT t.typelem, true WHERE t.typcategory = 'A'
            UNION ALL SELECT a.atttypid, true FROM pg_attribute a
                       WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL SELECT r.rngsubtype, false FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
          ) AS inner_type (oid, embedded))
    SELECT format_type(t.oid, NULL) AS type FROM part JOIN pg_type t ON t.oid = part.oid
     WHERE (part.embedded AND t.oid >= 10000) OR t.typsend = 0 OR t.typreceive = 0 OR t.typname LIKE 'reg%' AND t.oid < 10000
     LIMIT 1";

/// Reads from the source's catalogue how `map` is to be selected.
pub async fn selection(connection: &mut Connection, map: &TableMap) -> Outcome<Selection> {
    let names: Vec<&str> = map.columns.iter().map(|c| c.source.as_str()).collect();
    let table = quote::table(&map.source);
    let answer = connection.query_with(NOT_PORTABLE, &[Some(&table), Some(&array_literal(&names))]).await?;
    let list = map.columns.iter().map(|c| {
        let name = quote::ident(&c.source);
        let (from, to) = (base_type(&c.source_type), base_type(&c.target_type));
        // Without modifiers: an explicit cast to varchar(10) would cut silently, where storing into it is an error.
        if from == to { name } else { format!("{name}::{to}") }
    });
    Ok(Selection {
        list: list.collect::<Vec<_>>().join(", "),
        format: if answer.rows.is_empty() { "binary" } else { "text" },
    })
}

/// A type's spelling without its modifiers: `numeric(12,2)[]` is `numeric[]`. `character` and `bit` alone would mean a length of 1, so
/// they get the names that mean any length.
pub fn base_type(spelling: &str) -> String {
    let (mut out, mut quoted, mut depth) = (String::with_capacity(spelling.len()), false, 0_u32);
    for c in spelling.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => {
                depth += 1;
                continue;
            }
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (quoted || c != ')') {
            out.push(c);
        }
    }
    match out.as_str() {
        "character" => "bpchar".to_owned(),
        "character[]" => "bpchar[]".to_owned(),
        "bit" => "\"bit\"".to_owned(),
        "bit[]" => "\"bit\"[]".to_owned(),
        _ => out,
    }
}

/// An array literal of `text`, for a text parameter.
pub fn array_literal(values: &[&str]) -> String {
    let quoted: Vec<String> =
        values.iter().map(|v| format!("\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

/// The map at an index of the pipeline's list; anything else is a defect of the caller.
pub fn map_at<'a>(
    link: &Link,
    operation: Operation,
    tables: &'a [TableMap],
    index: usize,
) -> Result<&'a TableMap, StoreError> {
    tables.get(index).ok_or_else(|| {
        link.error(
            operation,
            ErrorKind::Protocol,
            format!("table {index} is not one of the pipeline's {} tables", tables.len()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_left_out() {
        for (spelling, base) in [
            ("integer", "integer"),
            ("numeric(12,2)", "numeric"),
            ("numeric(12,2)[]", "numeric[]"),
            ("timestamp(3) without time zone", "timestamp without time zone"),
            ("public.\"odd (name)\"", "public.\"odd (name)\""),
            ("character(10)", "bpchar"),
            ("bit(3)[]", "\"bit\"[]"),
            ("bit varying(3)", "bit varying"),
        ] {
            assert_eq!(base_type(spelling), base);
        }
    }

    #[test]
    fn array_literals_are_escaped() {
        assert_eq!(array_literal(&["a", "b\"c", "d\\e", "f,g"]), r#"{"a","b\"c","d\\e","f,g"}"#);
    }
}
