//! From a statement's text to its syntax tree, within bounds: the text comes from a server and may be anything.

use crate::advice::dialect::Dialect;
use sqlparser::ast::Statement;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Longer statements are not parsed: the syntax tree of a chain of operators is as deep as the chain is long.
const TOKENS_PARSED: usize = 1_500;

/// Stack for one statement of [`TOKENS_PARSED`]: a chain of operators is a tree as deep as it is long, and to walk, print and drop a
/// tree takes a frame for each level. A thread of the engine has 2 MiB.
const STACK: usize = 32 * 1024 * 1024;

/// Bytes of text that are looked at.
const BYTES_READ: usize = 64 * 1024;

/// Does something with the syntax trees of a text where there is room for the deepest of them.
pub fn with_deep_stack<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK / 2, STACK, work)
}

/// The tokens of a text without blanks and comments; `None`: not even tokens can be made of it.
pub fn tokens(dialect: Dialect, text: &str) -> Option<Vec<Token>> {
    let text = bounded(text);
    let text = if dialect.is_innodb() { digest_spelled_out(text) } else { text.to_owned() };
    let tokens = Tokenizer::new(dialect.grammar()?, &text).tokenize().ok()?;
    let tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_) | Token::EOF)).collect();
    Some(with_binds(tokens))
}

/// The statements of a text; `None`: it cannot be parsed.
pub fn parse(dialect: Dialect, text: &str) -> Option<Vec<Statement>> {
    let mut tokens = without_long_lists(tokens(dialect, text)?);
    if tokens.len() > TOKENS_PARSED {
        return None;
    }
    tokens.push(Token::EOF);
    let statements = Parser::new(dialect.grammar()?).with_tokens(tokens).parse_statements().ok()?;
    (!statements.is_empty()).then_some(statements)
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(BYTES_READ);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Performance Schema shortens lists in a way that is no SQL: `IN (...)`, `VALUES (...)`, `LIMIT ?, ...`.
fn digest_spelled_out(text: &str) -> String {
    text.replace("(...)", "(?)").replace("( ... )", "(?)").replace(", ...", ", ?")
}

/// Marks `?` as a bind where PostgreSQL's grammar sees an operator, and reads the `?+` of canonical forms.
fn with_binds(tokens: Vec<Token>) -> Vec<Token> {
    let mut read: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let is_bind = match &token {
            Token::Question => !read.last().is_some_and(ends_operand),
            Token::Placeholder(name) => name == "?",
            _ => false,
        };
        if !is_bind {
            read.push(token);
            continue;
        }
        let plus = rest.next_if(|next| *next == Token::Plus);
        let is_list = plus.is_some() && matches!(rest.peek(), Some(Token::RParen | Token::RBracket));
        read.push(Token::Placeholder(if is_list { "?+" } else { "?" }.to_owned()));
        if !is_list {
            read.extend(plus);
        }
    }
    read
}

/// Whether an operator can follow.
fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => !BEFORE_OPERAND.contains(&word.keyword),
        Token::RParen | Token::RBracket => true,
        // An operator of jsonb, not a bind: behind it stands an operand.
        Token::Question => false,
        other => is_literal(other),
    }
}

/// Key words behind which a value stands.
const BEFORE_OPERAND: &[Keyword] = &[
    Keyword::SELECT,
    Keyword::DISTINCT,
    Keyword::WHERE,
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::ON,
    Keyword::HAVING,
    Keyword::BETWEEN,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::FIRST,
    Keyword::NEXT,
    Keyword::CASE,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::BY,
    Keyword::RETURNING,
    Keyword::FROM,
    Keyword::FOR,
    Keyword::INTERVAL,
    Keyword::ESCAPE,
    Keyword::BOTH,
    Keyword::LEADING,
    Keyword::TRAILING,
    Keyword::IS,
    Keyword::TO,
    Keyword::DATE,
    Keyword::TIMESTAMP,
];

/// Leaves one literal of each list of literals behind `IN`, so that a long list is not a long statement.
fn without_long_lists(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let opens = token == Token::LParen && kept.last().is_some_and(is_in);
        let ends_row = token == Token::RParen;
        kept.push(token);
        if ends_row && ends_row_of_values(&kept) {
            skip_rows(&mut rest);
        }
        if !opens {
            continue;
        }
        let mut list: Vec<Token> = Vec::new();
        while let Some(next) = rest.next_if(|next| is_literal(next) || *next == Token::Comma) {
            list.push(next);
        }
        // Anything but literals in it: it stays as it is.
        let keep = if rest.peek() == Some(&Token::RParen) { 1 } else { list.len() };
        kept.extend(list.into_iter().take(keep));
    }
    kept
}

/// Whether `kept` ends with `VALUES (literals)`.
fn ends_row_of_values(kept: &[Token]) -> bool {
    let Some(open) = kept.iter().rposition(|token| *token == Token::LParen) else { return false };
    let is_plain = kept[open + 1..kept.len() - 1].iter().all(|token| is_literal(token) || *token == Token::Comma);
    let before = open.checked_sub(1).and_then(|at| kept.get(at));
    is_plain && matches!(before, Some(Token::Word(word)) if [Keyword::VALUES, Keyword::VALUE].contains(&word.keyword))
}

/// Skips the rows behind the first one, as long as they are literals only. Rows of something else are left for the parser.
fn skip_rows(rest: &mut std::iter::Peekable<std::vec::IntoIter<Token>>) {
    loop {
        let mut ahead = rest.clone();
        if ahead.next() != Some(Token::Comma) || ahead.next() != Some(Token::LParen) {
            return;
        }
        while ahead.next_if(|next| is_literal(next) || *next == Token::Comma).is_some() {}
        if ahead.next() != Some(Token::RParen) {
            return;
        }
        *rest = ahead;
    }
}

fn is_in(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.keyword == Keyword::IN)
}

/// A literal or a bind.
pub fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedString(_)
            | Token::Placeholder(_)
            | Token::Question
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_literals_are_cut_to_one() {
        let long = format!("SELECT 1 FROM t WHERE a IN ({})", vec!["7"; 5_000].join(", "));
        let short = parse(Dialect::Postgres, "SELECT 1 FROM t WHERE a IN (7)");
        assert!(short.is_some());
        assert_eq!(parse(Dialect::Postgres, &long), short);
    }

    #[test]
    fn a_hostile_text_is_no_statement_and_no_crash() {
        assert_eq!(parse(Dialect::Postgres, &format!("SELECT {}1", "(".repeat(20_000))), None);
        assert_eq!(parse(Dialect::Postgres, &format!("SELECT 1{}", " + 1".repeat(20_000))), None);
        assert_eq!(parse(Dialect::MySql, ""), None);
        assert_eq!(parse(Dialect::MongoDb, "SELECT 1"), None);
    }

    #[test]
    fn digests_of_performance_schema_are_read() {
        assert!(parse(Dialect::MySql, "SELECT * FROM `orders` WHERE `id` IN (...) AND `x` = ?").is_some());
        assert!(parse(Dialect::MySql, "INSERT INTO `t` ( `a` , `b` ) VALUES (...) /* , ... */").is_some());
    }
}
