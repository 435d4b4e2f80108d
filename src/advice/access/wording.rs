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

/// `1 table`, `2 tables`.
pub fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The first names of a long list and how many more there are.
pub fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
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
        assert_eq!(listed(&["a", "b"]), "a, b");
    }
}
