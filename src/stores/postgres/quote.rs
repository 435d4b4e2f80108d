//! PostgreSQL's own rules for writing names and strings into a statement.
//!
//! Values are bound wherever the protocol allows; these functions are for the rest (names, utility and replication commands).

use crate::model::table::TableName;

/// A quoted identifier: always in double quotes, so that case, reserved words and other scripts stay what they are.
pub fn ident(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// A quoted table name with its schema; a name without a schema means `public`, never the search path.
pub fn table(name: &TableName) -> String {
    format!("{}.{}", ident(name.schema.as_deref().unwrap_or("public")), ident(&name.name))
}

/// A quoted string. With a backslash in it the `E''` form is used, which means the same whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let escaped = text.contains('\\');
    let mut out = String::with_capacity(text.len() + 4);
    // The blank keeps the E from joining an identifier that stands before it.
    out.push_str(if escaped { " E'" } else { "'" });
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        assert_eq!(ident("orders"), "\"orders\"");
        assert_eq!(ident("Weird \"Name\""), "\"Weird \"\"Name\"\"\"");
        assert_eq!(ident("주문"), "\"주문\"");
    }

    #[test]
    fn tables() {
        assert_eq!(table(&TableName::bare("t")), "\"public\".\"t\"");
        assert_eq!(table(&TableName::in_schema("a.b", "c\"d")), "\"a.b\".\"c\"\"d\"");
    }

    #[test]
    fn literals() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
        assert_eq!(literal(""), "''");
    }
}
