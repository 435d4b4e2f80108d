//! Names and text in SQL: SQLite's own quoting rules, the only place that applies them.

/// An identifier between double quotes. Every name of a user's object is quoted, so keywords and odd characters are harmless.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Several identifiers, separated by commas.
pub fn idents<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// A text literal, for the places where SQLite takes no bound value (trigger bodies, RAISE). A NUL byte would end the
/// statement, so it is left out; Godwit's own literals have none.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\0', "").replace('\'', "''"))
}

/// An identifier as it is shown and typed: between quotes only where it would not mean itself without them.
pub fn printed(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_plain = starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain && !RESERVED.contains(&folded(name).as_str()) { name.to_owned() } else { ident(name) }
}

/// The name behind [`printed`].
pub fn unprinted(printed: &str) -> String {
    match printed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => printed.to_owned(),
    }
}

/// Key words that the grammar does not take as a name. Source: `parse.y`, all tokens without a fallback to ID.
const RESERVED: &[&str] = &[
    "add",
    "all",
    "alter",
    "and",
    "as",
    "autoincrement",
    "between",
    "case",
    "check",
    "collate",
    "commit",
    "constraint",
    "create",
    "default",
    "deferrable",
    "delete",
    "distinct",
    "drop",
    "else",
    "escape",
    "exists",
    "foreign",
    "from",
    "group",
    "having",
    "in",
    "index",
    "insert",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "limit",
    "not",
    "nothing",
    "notnull",
    "null",
    "on",
    "or",
    "order",
    "primary",
    "references",
    "returning",
    "select",
    "set",
    "table",
    "then",
    "to",
    "transaction",
    "union",
    "unique",
    "update",
    "using",
    "values",
    "when",
    "where",
];

/// An ASCII lower-case copy: how SQLite compares names of tables and columns.
pub fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_text_survive_quotes() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(idents(["x", "y z"]), "\"x\", \"y z\"");
        assert_eq!(text("it's\0"), "'it''s'");
        assert_eq!(folded("ÄB"), "Äb");
        for (name, shown) in [("orders", "orders"), ("Order", "\"Order\""), ("a\"b", "\"a\"\"b\""), ("1st", "\"1st\"")]
        {
            assert_eq!(printed(name), shown);
            assert_eq!(unprinted(shown), name);
        }
    }
}
