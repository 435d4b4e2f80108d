//! Reading and rewriting CREATE statements.
//!
//! SQLite keeps a table's definition as the text that made it, and only that text holds its CHECK constraints, defaults,
//! collations and generated columns. So a definition is not put together anew from pragmas: it is cut into tokens and
//! written out again with new names, without columns that are not mapped and without foreign keys that leave the mapped set. All else
//! stays as it was written.

pub mod index;
mod token;

use super::quote::{folded, ident};
use std::collections::HashMap;
use token::{Kind, Token, tokens};

/// True when the statement has this keyword outside of quotes and comments.
pub fn has_keyword(sql: &str, word: &str) -> bool {
    tokens(sql).iter().any(|token| token.is_word(word))
}

/// True when the statement mentions this name, quoted or not.
pub fn mentions(sql: &str, name: &str) -> bool {
    tokens(sql)
        .iter()
        .any(|token| matches!(token.kind, Kind::Word | Kind::Quoted) && folded(&token.name()) == folded(name))
}

/// Names of a table on both sides.
#[derive(Clone, Debug, Default)]
pub struct Renames {
    /// The table's name now and then.
    pub table: (String, String),
    /// Columns that are carried: folded name now, name then.
    pub columns: HashMap<String, String>,
    /// Folded names of columns that are not carried.
    pub dropped: Vec<String>,
}

/// A rewritten statement and what had to be left out of it, one sentence each.
#[derive(Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The statement.
    pub sql: String,
    /// What is not in it.
    pub left_out: Vec<String>,
}

/// Rewrites CREATE TABLE. `parents` holds the renames of every table of the set, by folded name.
///
/// # Errors
/// Says what in the statement could not be understood.
pub fn create_table(sql: &str, own: &Renames, parents: &HashMap<String, Renames>) -> Result<Rewritten, String> {
    let all = tokens(sql);
    let open = all.iter().position(|t| t.is("(")).ok_or("a CREATE TABLE without a list of columns")?;
    let close = group_end(&all, open).ok_or("a CREATE TABLE whose parentheses do not match")?;
    let mut left_out = Vec::new();
    let mut kept = Vec::new();
    let rewriter = Rewriter { own, parents };
    for definition in split_at_commas(&all[open + 1..close]) {
        if let Some(text) = rewriter.definition(definition, &mut left_out) {
            kept.push(text);
        }
    }
    let options = as_written(&all[close + 1..]);
    let sql = format!("CREATE TABLE {} ({}) {options}", ident(&own.table.1), kept.join(", "));
    Ok(Rewritten { sql: sql.trim_end().to_owned(), left_out })
}

/// The definition of one column of a CREATE TABLE, as a target has it; `None` when the statement has no such column.
///
/// # Errors
/// Says what in the statement could not be understood.
pub fn column(
    sql: &str,
    own: &Renames,
    parents: &HashMap<String, Renames>,
    name: &str,
) -> Result<Option<Rewritten>, String> {
    let all = tokens(sql);
    let open = all.iter().position(|t| t.is("(")).ok_or("a CREATE TABLE without a list of columns")?;
    let close = group_end(&all, open).ok_or("a CREATE TABLE whose parentheses do not match")?;
    let rewriter = Rewriter { own, parents };
    let mut left_out = Vec::new();
    let definition = split_at_commas(&all[open + 1..close])
        .into_iter()
        .find(|d| d.first().is_some_and(|t| t.is_name() && folded(&t.name()) == folded(name)))
        .and_then(|d| rewriter.definition(d, &mut left_out));
    Ok(definition.map(|sql| Rewritten { sql, left_out }))
}

/// Rewrites CREATE INDEX; `None` when the index needs a column that is not carried.
///
/// # Errors
/// Says what in the statement could not be understood.
pub fn create_index(sql: &str, own: &Renames) -> Result<Option<String>, String> {
    let all = tokens(sql);
    let on = all.iter().position(|t| t.is_word("ON")).ok_or("a CREATE INDEX without ON")?;
    let name = on.checked_sub(1).and_then(|at| all.get(at)).ok_or("a CREATE INDEX without a name")?;
    let columns = all.get(on + 2..).ok_or("a CREATE INDEX without columns")?;
    let rewriter = Rewriter { own, parents: &HashMap::new() };
    if rewriter.needs_dropped(columns) {
        return Ok(None);
    }
    let unique = if all.iter().take(on).any(|t| t.is_word("UNIQUE")) { "UNIQUE " } else { "" };
    let columns = rewriter.expression(columns);
    Ok(Some(format!("CREATE {unique}INDEX {} ON {} {columns}", ident(&name.name()), ident(&own.table.1))))
}

/// Index of the parenthesis that closes the one at `open`.
fn group_end(all: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in all.iter().enumerate().skip(open) {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn split_at_commas<'t, 'a>(all: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut depth = 0i32;
    all.split(|token| {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        depth == 0 && token.is(",")
    })
    .filter(|part| !part.is_empty())
    .collect()
}

struct Rewriter<'r> {
    own: &'r Renames,
    parents: &'r HashMap<String, Renames>,
}

/// A foreign key clause inside a definition.
struct ForeignKey {
    /// Its tokens, CONSTRAINT included.
    at: std::ops::Range<usize>,
    /// Token of the parent's name.
    parent: usize,
    /// Tokens of the parent's columns, parentheses included; empty without them.
    parent_columns: std::ops::Range<usize>,
}

impl Rewriter<'_> {
    /// A column or a table constraint, or `None` when nothing of it is carried.
    fn definition(&self, tokens: &[Token<'_>], left_out: &mut Vec<String>) -> Option<String> {
        let first = tokens.first()?;
        let is_constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|w| first.is_word(w));
        if is_constraint {
            let text = self.clauses(tokens, left_out);
            return (!text.is_empty()).then_some(text);
        }
        let name = first.name();
        if self.own.dropped.contains(&folded(&name)) {
            return None;
        }
        let computed = tokens.iter().any(|t| t.is_word("AS"));
        if computed && self.needs_dropped(&tokens[1..]) {
            left_out
                .push(format!("computed column {name} of {}: it needs a column that is not carried", self.own.table.0));
            return None;
        }
        let target = self.own.columns.get(&folded(&name)).cloned().unwrap_or(name);
        Some(format!("{} {}", ident(&target), self.clauses(&tokens[1..], left_out)).trim_end().to_owned())
    }

    /// The rest of a definition without what cannot be carried.
    fn clauses(&self, tokens: &[Token<'_>], left_out: &mut Vec<String>) -> String {
        let mut parts = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if let Some(foreign) = foreign_key(tokens, at) {
                at = foreign.at.end;
                match self.foreign_key(tokens, &foreign) {
                    Some(text) => parts.push(text),
                    None => left_out.push(format!(
                        "foreign key of {} to {}: that table is not part of this pipeline",
                        self.own.table.0,
                        tokens[foreign.parent].name()
                    )),
                }
                continue;
            }
            if let Some(end) = grouped_clause(tokens, at) {
                let clause = &tokens[at..end];
                if self.needs_dropped(clause) {
                    let what = as_written(clause);
                    left_out.push(format!("{what} of {}: it needs a column that is not carried", self.own.table.0));
                } else {
                    parts.push(self.expression(clause));
                }
                at = end;
                continue;
            }
            // Up to the next clause that is looked at, as it was written.
            let from = at;
            while at < tokens.len()
                && (at == from || (foreign_key(tokens, at).is_none() && grouped_clause(tokens, at).is_none()))
            {
                at += 1;
            }
            parts.push(as_written(&tokens[from..at]));
        }
        in_a_row(&parts)
    }

    fn foreign_key(&self, tokens: &[Token<'_>], foreign: &ForeignKey) -> Option<String> {
        let parent = self.parents.get(&folded(&tokens[foreign.parent].name()))?;
        if self.needs_dropped(&tokens[foreign.at.start..foreign.parent]) {
            return None;
        }
        let target = Rewriter { own: parent, parents: self.parents };
        let columns = &tokens[foreign.parent_columns.clone()];
        if target.needs_dropped(columns) {
            return None;
        }
        let after = foreign.parent_columns.end.max(foreign.parent + 1);
        let parts = [
            self.expression(&tokens[foreign.at.start..foreign.parent]),
            ident(&parent.table.1),
            target.expression(columns),
            as_written(&tokens[after..foreign.at.end]),
        ];
        Some(in_a_row(&parts))
    }

    /// True when a name in these tokens is a column that is not carried.
    fn needs_dropped(&self, tokens: &[Token<'_>]) -> bool {
        let is_dropped = |t: &Token<'_>| {
            matches!(t.kind, Kind::Word | Kind::Quoted) && self.own.dropped.contains(&folded(&t.name()))
        };
        tokens.iter().any(is_dropped)
    }

    /// Tokens with columns and the table itself under their new names. Functions, collations and types of a CAST are not columns.
    fn expression(&self, tokens: &[Token<'_>]) -> String {
        let mut text = String::new();
        for (at, token) in tokens.iter().enumerate() {
            if token.spaced && at > 0 {
                text.push(' ');
            }
            let before = at.checked_sub(1).and_then(|i| tokens.get(i));
            let after = tokens.get(at + 1);
            let is_name = matches!(token.kind, Kind::Word | Kind::Quoted);
            let qualifies = after.is_some_and(|t| t.is("."));
            // A function, a blob literal, or a name that stands where no column can.
            let is_other = after.is_some_and(|t| t.is("(") || (t.kind == Kind::Literal && !t.spaced))
                || before.is_some_and(|t| ["COLLATE", "AS", "CONSTRAINT"].iter().any(|w| t.is_word(w)));
            let name = folded(&token.name());
            if is_name && qualifies && name == folded(&self.own.table.0) {
                text.push_str(&ident(&self.own.table.1));
                continue;
            }
            match self.own.columns.get(&name) {
                Some(target) if is_name && !qualifies && !is_other && folded(target) != name => {
                    text.push_str(&ident(target));
                }
                _ => text.push_str(token.text),
            }
        }
        text
    }
}

/// Tokens as they were written, without comments.
fn as_written(tokens: &[Token<'_>]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.spaced && at > 0 {
            text.push(' ');
        }
        text.push_str(token.text);
    }
    text
}

/// Non-empty parts with a space between them.
fn in_a_row(parts: &[String]) -> String {
    parts.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// The foreign key clause that begins at `at`, if one does.
fn foreign_key(tokens: &[Token<'_>], at: usize) -> Option<ForeignKey> {
    let start = at;
    let mut at = at;
    let word = |at: usize, w: &str| tokens.get(at).is_some_and(|t| t.is_word(w));
    if word(at, "CONSTRAINT") {
        at += 2;
    }
    if word(at, "FOREIGN") {
        at = group_end(tokens, at + 2)? + 1;
    }
    if !word(at, "REFERENCES") || !tokens.get(at + 1)?.is_name() {
        return None;
    }
    let parent = at + 1;
    at = parent + 1;
    let parent_columns = if tokens.get(at).is_some_and(|t| t.is("(")) {
        let end = group_end(tokens, at)? + 1;
        let columns = at..end;
        at = end;
        columns
    } else {
        at..at
    };
    loop {
        if word(at, "ON") && ["DELETE", "UPDATE", "INSERT"].iter().any(|w| word(at + 1, w)) {
            at += if word(at + 2, "SET") || word(at + 2, "NO") { 4 } else { 3 };
        } else if word(at, "MATCH") {
            at += 2;
        } else if word(at, "DEFERRABLE") || (word(at, "NOT") && word(at + 1, "DEFERRABLE")) {
            at += if word(at, "NOT") { 2 } else { 1 };
            if word(at, "INITIALLY") {
                at += 2;
            }
        } else {
            break;
        }
    }
    Some(ForeignKey { at: start..at.min(tokens.len()), parent, parent_columns })
}

/// End of the clause with a parenthesis that begins at `at`: CHECK (..), UNIQUE (..), PRIMARY KEY (..), AS (..), with their name.
fn grouped_clause(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let word = |at: usize, w: &str| tokens.get(at).is_some_and(|t| t.is_word(w));
    let mut open = if word(at, "CONSTRAINT") { at + 2 } else { at };
    if word(open, "PRIMARY") {
        open += 1;
    }
    if !["CHECK", "UNIQUE", "KEY", "AS"].iter().any(|w| word(open, w)) || !tokens.get(open + 1)?.is("(") {
        return None;
    }
    Some(group_end(tokens, open + 1)? + 1)
}

#[cfg(test)]
mod tests;
