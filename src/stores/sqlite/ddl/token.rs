//! Tokens of SQLite's SQL, as far as names and parentheses go.

/// What a token is, as far as rewriting must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or an unquoted name.
    Word,
    /// A name in double quotes, back-ticks or brackets.
    Quoted,
    /// A text in single quotes; SQLite also takes one for a name.
    Literal,
    /// One character of anything else; numbers are words.
    Symbol,
}

/// One token of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written, quotes included.
    pub text: &'a str,
    /// White space or a comment stands before it; operators of two characters have none inside.
    pub spaced: bool,
}

impl Token<'_> {
    /// True for this keyword, in any case.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// True for this symbol.
    pub fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The name that the token says, without its quotes.
    pub fn name(&self) -> String {
        let inner = |quote: &str| {
            let cut = self.text.get(1..self.text.len().saturating_sub(1)).unwrap_or_default();
            cut.replace(&quote.repeat(2), quote)
        };
        match (self.kind, self.text.chars().next()) {
            (Kind::Quoted, Some('[')) => self.text.trim_start_matches('[').trim_end_matches(']').to_owned(),
            (Kind::Quoted, Some('`')) => inner("`"),
            (Kind::Quoted, _) => inner("\""),
            (Kind::Literal, _) => inner("'"),
            _ => self.text.to_owned(),
        }
    }

    /// True where it can be a name.
    pub fn is_name(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Literal)
    }
}

/// Cuts a statement into tokens; never fails, whatever the text.
pub fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = sql;
    let mut spaced = false;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = space_length(rest) {
            spaced = true;
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        let (kind, length) = match first {
            '\'' => (Kind::Literal, quoted_length(rest, '\'')),
            '"' | '`' => (Kind::Quoted, quoted_length(rest, first)),
            '[' => (Kind::Quoted, rest.find(']').map_or(rest.len(), |end| end + 1)),
            c if is_word_char(c) => (Kind::Word, rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len())),
            c => (Kind::Symbol, c.len_utf8()),
        };
        let (text, after) = rest.split_at(length);
        found.push(Token { kind, text, spaced });
        spaced = false;
        rest = after;
    }
    found
}

/// Length of the white space or comment at the beginning.
fn space_length(text: &str) -> Option<usize> {
    if text.starts_with("--") {
        return Some(text.find('\n').map_or(text.len(), |end| end + 1));
    }
    if let Some(comment) = text.strip_prefix("/*") {
        return Some(comment.find("*/").map_or(text.len(), |end| end + 4));
    }
    match text.find(|c: char| !c.is_ascii_whitespace()) {
        Some(0) => None,
        Some(length) => Some(length),
        None => Some(text.len()),
    }
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// Length of a quoted token; a doubled quote stands for itself.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return at + 1,
            }
        }
    }
    text.len()
}
