//! Putting target names into definitions that the source's server spelled.
//!
//! Only lists of plain columns are rewritten: `USING btree (a DESC, b) INCLUDE (c)`. Expressions are never edited; the caller leaves out what it cannot take as it is.

use crate::stores::postgres::quote;
use crate::stores::postgres::schema::object::identifier;

/// Splits `text` at its first parenthesised group: before, inside, after. Quotes are respected.
pub fn group(text: &str) -> Option<(&str, &str, &str)> {
    let mut depth = 0_u32;
    let mut start = 0;
    let mut quoted: Option<char> = None;
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Some(open), c) if c == open => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '(') => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            (None, ')') if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some((&text[..start], &text[start + 1..at], &text[at + 1..]));
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// The items of a list, split at commas outside of parentheses and quotes.
fn items(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    let mut quoted: Option<char> = None;
    for (at, c) in list.char_indices() {
        match (quoted, c) {
            (Some(open), c) if c == open => quoted = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quoted = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(list[start..at].trim());
                start = at + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(list[start..].trim());
    parts
}

/// Replaces the column at the beginning of each item; `None` for an item that does not begin with a column.
fn rename_items(list: &str, rename: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let renamed = |item: &&str| {
        let (column, rest) = identifier(item)?;
        // `lower(a)` begins with a function, not a column.
        if rest.starts_with('(') {
            return None;
        }
        Some(format!("{}{rest}", quote::ident(&rename(&column)?)))
    };
    items(list).iter().map(renamed).collect::<Option<Vec<_>>>().map(|items| items.join(", "))
}

/// Renames the columns in the first group and in the `INCLUDE` group behind it. `None` when an item is no plain column or `rename` does not know it.
pub fn rename_columns(definition: &str, rename: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let (before, list, after) = group(definition)?;
    let list = rename_items(list, rename)?;
    let Some(included) = after.strip_prefix(" INCLUDE ") else {
        return Some(format!("{before}({list}){after}"));
    };
    let (_, columns, rest) = group(included)?;
    let columns = rename_items(columns, rename)?;
    Some(format!("{before}({list}) INCLUDE ({columns}){rest}"))
}

/// Takes a foreign key's definition apart: its columns, the referenced table's columns, and what follows (actions, deferrability).
pub fn foreign_key(definition: &str) -> Option<(&str, &str, &str)> {
    let (_, columns, rest) = group(definition.strip_prefix("FOREIGN KEY ")?)?;
    let mut rest = rest.strip_prefix(" REFERENCES ")?;
    loop {
        let (_, after) = identifier(rest)?;
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => {
                let (_, referenced, actions) = group(after)?;
                return Some((columns, referenced, actions));
            }
        }
    }
}

/// Renames a plain list of columns.
pub fn rename_list(list: &str, rename: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    rename_items(list, rename)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(name: &str) -> Option<String> {
        match name {
            "a" => Some("alpha".into()),
            "gone" => None,
            other => Some(other.into()),
        }
    }

    #[test]
    fn lists_of_columns() {
        let renamed = |text| rename_columns(text, &rename);
        assert_eq!(
            renamed("USING btree (a DESC, \"B c\") INCLUDE (a) WITH (fillfactor='70')").unwrap(),
            "USING btree (\"alpha\" DESC, \"B c\") INCLUDE (\"alpha\") WITH (fillfactor='70')"
        );
        assert_eq!(renamed("PRIMARY KEY (a, b) DEFERRABLE").unwrap(), "PRIMARY KEY (\"alpha\", \"b\") DEFERRABLE");
        assert_eq!(
            renamed("RANGE (a COLLATE pg_catalog.\"C\")").unwrap(),
            "RANGE (\"alpha\" COLLATE pg_catalog.\"C\")"
        );
        assert_eq!(renamed("USING btree (lower(a))"), None);
        assert_eq!(renamed("USING btree ((a + 1))"), None);
        assert_eq!(renamed("USING btree (a, gone)"), None);
        assert_eq!(
            renamed("USING gist (a WITH &&, b gist_ops (x='1,2'))").unwrap(),
            "USING gist (\"alpha\" WITH &&, \"b\" gist_ops (x='1,2'))"
        );
    }

    #[test]
    fn foreign_keys_come_apart() {
        let text = "FOREIGN KEY (a, \"b)\") REFERENCES public.\"odd (table\"(x, y) ON DELETE SET NULL (a) DEFERRABLE";
        assert_eq!(foreign_key(text), Some(("a, \"b)\"", "x, y", " ON DELETE SET NULL (a) DEFERRABLE")));
        assert_eq!(foreign_key("CHECK (a > 0)"), None);
    }
}
