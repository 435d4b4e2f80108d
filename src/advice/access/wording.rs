//! Words of PostgreSQL's statements.

use crate::advice::dialect::Dialect;

/// Words that stand for no one role where a role is expected: a role of that name is quoted.
const NO_ROLE: [&str; 2] = ["none", "public"];

/// A role's name as it stands in a statement.
pub fn role(name: &str) -> String {
    if NO_ROLE.contains(&name) { format!("\"{name}\"") } else { Dialect::Postgres.quoted(name) }
}

/// To whom: a role or everybody.
pub fn grantee(name: Option<&str>) -> String {
    name.map_or_else(|| "PUBLIC".to_owned(), role)
}

/// A value as it stands in a statement.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(role("orders_app"), "orders_app");
        assert_eq!(role("Orders"), "\"Orders\"");
        assert_eq!(role("user"), "\"user\"");
        assert_eq!(role("a\"b"), "\"a\"\"b\"");
        assert_eq!(grantee(None), "PUBLIC");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
