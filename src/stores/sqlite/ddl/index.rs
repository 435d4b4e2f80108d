//! What a CREATE INDEX statement says and the catalogue's tables do not: expressions and the predicate.

use super::token::{Token, tokens};

/// The key parts of an index and its predicate, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexText {
    /// Each part without its direction and collation.
    pub parts: Vec<String>,
    /// Empty: the index is whole.
    pub predicate: String,
}

/// Reads a CREATE INDEX statement; a text that is none has no parts.
pub fn index_text(sql: &str) -> IndexText {
    let tokens = tokens(sql);
    let Some(open) = tokens.iter().position(|token| token.is("(")) else { return IndexText::default() };
    let mut text = IndexText::default();
    let mut part: Vec<&Token<'_>> = Vec::new();
    let mut depth = 0usize;
    let mut rest = tokens[open..].iter();
    for token in rest.by_ref() {
        depth += usize::from(token.is("("));
        let is_edge = depth == 1 && (token.is("(") || token.is(")") || token.is(","));
        if is_edge {
            if !part.is_empty() {
                text.parts.push(written(without_order(&part)));
                part.clear();
            }
        } else {
            part.push(token);
        }
        if token.is(")") {
            depth -= 1;
            if depth == 0 {
                break;
            }
        }
    }
    if rest.next().is_some_and(|token| token.is_word("where")) {
        let predicate: Vec<&Token<'_>> = rest.filter(|token| !token.is(";")).collect();
        text.predicate = written(&predicate);
    }
    text
}

/// A part without `COLLATE name`, `ASC` and `DESC` behind it.
fn without_order<'p, 't>(part: &'p [&'t Token<'t>]) -> &'p [&'t Token<'t>] {
    match part {
        [before @ .., last] if last.is_word("asc") || last.is_word("desc") => without_order(before),
        [before @ .., collate, _] if collate.is_word("collate") => without_order(before),
        all => all,
    }
}

fn written(tokens: &[&Token<'_>]) -> String {
    let mut text = String::new();
    for token in tokens {
        if token.spaced && !text.is_empty() {
            text.push(' ');
        }
        text.push_str(token.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_predicate_are_told_apart() {
        let read = |sql: &str| {
            let text = index_text(sql);
            (text.parts.join(" | "), text.predicate)
        };
        assert_eq!(read("CREATE INDEX i ON t (a, \"b c\" DESC)"), ("a | \"b c\"".into(), String::new()));
        assert_eq!(
            read(
                "CREATE UNIQUE INDEX i ON t(lower( a ) collate nocase asc,-- the second\n b) WHERE x IN (1, 2) AND y;"
            ),
            ("lower( a ) | b".into(), "x IN (1, 2) AND y".into())
        );
        assert_eq!(read("CREATE INDEX i ON t (coalesce(a, (b)))"), ("coalesce(a, (b))".into(), String::new()));
        assert_eq!(read("nothing of the kind"), (String::new(), String::new()));
        assert_eq!(read("CREATE INDEX i ON t (a"), (String::new(), String::new()));
    }
}
