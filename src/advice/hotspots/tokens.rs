//! The fallback where a statement cannot be parsed: its tokens, with literals and lists taken out.

use crate::advice::dialect::Dialect;
use crate::advice::hotspots::sql;
use sqlparser::tokenizer::Token;

/// Tokens in lower case, literals as `?`, lists of them as `?+`. Aliases and schemas stay: without a syntax tree nothing is known of them.
pub fn canonical(dialect: Dialect, text: &str) -> String {
    match sql::tokens(dialect, text) {
        Some(tokens) => of_tokens(&tokens),
        None => of_text(text),
    }
}

fn of_tokens(tokens: &[Token]) -> String {
    let mut words: Vec<String> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let word = if sql::is_literal(token) {
            "?".to_owned()
        } else {
            match token {
                Token::Word(word) => word.value.to_lowercase(),
                other => other.to_string().to_lowercase(),
            }
        };
        push(&mut words, word);
    }
    while words.last().is_some_and(|word| word == ";") {
        words.pop();
    }
    words.join(" ")
}

/// `?, ?, ?` is one `?+`, and so is a list of such rows.
fn push(words: &mut Vec<String>, word: String) {
    let tail = |n: usize| words.len().checked_sub(n).and_then(|at| words.get(at)).map(String::as_str);
    let is_value = |word: Option<&str>| matches!(word, Some("?" | "?+"));
    if word == "?" && tail(1) == Some(",") && is_value(tail(2)) {
        words.truncate(words.len() - 2);
        words.push("?+".to_owned());
        return;
    }
    let closes_same_row = word == ")"
        && is_value(tail(1))
        && tail(2) == Some("(")
        && tail(3) == Some(",")
        && tail(4) == Some(")")
        && is_value(tail(5))
        && tail(6) == Some("(");
    if closes_same_row {
        words.truncate(words.len() - 3);
        return;
    }
    words.push(word);
}

/// Not even tokens: quotes that never end. Letters outside of quotes and digits are what is left.
fn of_text(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text.trim_end_matches([';', ' ', '\n']);
    while let Some(first) = rest.chars().next() {
        let length = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let taken = match first {
            '\'' => rest[1..].find('\'').map_or(rest.len(), |at| at + 2),
            _ if is_word(first) => length(is_word),
            _ => first.len_utf8(),
        };
        let word = &rest[..taken];
        match first {
            '\'' | '0'..='9' | '$' => push(&mut words, "?".to_owned()),
            _ if first.is_whitespace() => {}
            _ => push(&mut words, word.to_lowercase()),
        }
        rest = &rest[taken..];
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        canonical(Dialect::Postgres, text)
    }

    #[test]
    fn literals_lists_and_case_are_gone_and_digits_in_names_stay() {
        assert_eq!(of("FROB users_2009 (1, 'a',$3) /* c */ ;"), "frob users_2009 ( ?+ )");
        assert_eq!(of("frob Users_2009 (7)"), "frob users_2009 ( ? )");
        assert_eq!(of("frob VALUES (1,2),(3,4),(5,6)"), of("FROB values (8,9) , (1,1)"));
        assert_ne!(of("frob users_2009"), of("frob users_2010"));
    }

    #[test]
    fn an_unfinished_quote_is_still_named_alike() {
        assert_eq!(of("select a from t where x = 'unfinis"), of("SELECT a FROM t WHERE x = 'other"));
        assert_ne!(of("select a from t where x = 'unfinis"), of("SELECT b FROM t WHERE x = 'other"));
    }
}
