//! Which relations a piece of code names: read out of its text, which goes no further.

use super::relations::Relations;
use crate::model::access::object::plain;
use std::collections::{BTreeMap, BTreeSet};

/// Names of relations, for finding them in a text.
pub struct Mentions {
    qualified: BTreeMap<String, String>,
    /// By the last part; only where one relation has it.
    bare: BTreeMap<String, Option<String>>,
}

/// Words after which a relation's name stands.
const BEFORE_A_NAME: [&str; 8] = ["from", "join", "into", "update", "table", "only", "truncate", "using"];

impl Mentions {
    /// For one reading.
    pub fn new(relations: &Relations) -> Self {
        let mut names = Self { qualified: BTreeMap::new(), bare: BTreeMap::new() };
        for relation in &relations.listed {
            let name = plain(&relation.name);
            let bare = name.rsplit_once('.').map_or(name.as_str(), |(_, bare)| bare).to_owned();
            let only = names.bare.contains_key(&bare);
            names.bare.insert(bare, if only { None } else { Some(relation.name.clone()) });
            names.qualified.insert(name, relation.name.clone());
        }
        names
    }

    /// Relations that the text names where SQL expects a relation, sorted. Comments and strings are no names.
    pub fn in_text(&self, text: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        let mut before = String::new();
        for word in words(text) {
            if BEFORE_A_NAME.contains(&before.as_str()) {
                let known = self.qualified.get(&word).or_else(|| self.bare.get(&word)?.as_ref());
                found.extend(known.cloned());
            }
            before = word;
        }
        found.into_iter().collect()
    }
}

/// Names and keywords of SQL, unquoted ones in lower case; a qualified name is one word.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while let Some(inner) = chars.next() {
                    if inner == '"' && chars.next_if_eq(&'"').is_none() {
                        break;
                    }
                    word.push(inner);
                }
                continue;
            }
            c if c.is_alphanumeric() || matches!(c, '_' | '.' | '$') => {
                word.extend(c.to_lowercase());
                continue;
            }
            '\'' => while chars.next().is_some_and(|c| c != '\'') {},
            '-' if chars.peek() == Some(&'-') => while chars.next().is_some_and(|c| c != '\n') {},
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                for c in chars.by_ref() {
                    if last == '*' && c == '/' {
                        break;
                    }
                    last = c;
                }
            }
            _ => {}
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    words.push(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Mentions {
        let (mut qualified, mut bare) = (BTreeMap::new(), BTreeMap::new());
        for name in ["public.orders", "public.item", "stock.item", "\"Weird\".\"a b\""] {
            qualified.insert(plain(name), name.to_owned());
        }
        bare.insert("orders".to_owned(), Some("public.orders".to_owned()));
        bare.insert("item".to_owned(), None);
        Mentions { qualified, bare }
    }

    #[test]
    fn relations_are_found_where_sql_expects_them() {
        let found = |text| names().in_text(text);
        assert_eq!(found("BEGIN INSERT INTO Orders(id) VALUES (NEW.id); RETURN NEW; END"), ["public.orders"]);
        assert_eq!(
            found("select * from stock.item, x join \"Weird\".\"a b\" on true"),
            ["\"Weird\".\"a b\"", "stock.item"]
        );
        assert!(found("-- from orders\n/* from orders */ RAISE 'from orders'; orders := 1; from item").is_empty());
    }
}
