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
    }
}
