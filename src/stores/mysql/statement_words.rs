//! The words of a statement: enough to tell which tables it names and how it would lock them. No parser: what waits may be in any dialect,
//! cut short, or wrong, and a name that is not found only leaves a blocker unknown.

/// The table that a statement of definition is about, with its database if it names one: what follows `TABLE`, or `ON` in `CREATE INDEX`.
pub fn subject(words: &[String]) -> Option<(Option<&str>, &str)> {
    let after = |keyword: &str| {
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(keyword))?;
        let noise = ["IF", "EXISTS", "ONLINE", "IGNORE"];
        let mut rest =
            words.get(at + 1..)?.iter().map(String::as_str).filter(|w| !noise.contains(&w.to_uppercase().as_str()));
        let first = rest.next()?;
        if rest.next() == Some(".") { Some((Some(first), rest.next()?)) } else { Some((None, first)) }
    };
    after("TABLE").or_else(|| after("ON"))
}

/// The lock that a statement takes on its tables.
pub fn table_mode(words: &[String]) -> &'static str {
    let first = words.first().map(|word| word.to_uppercase()).unwrap_or_default();
    let has = |wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted));
    match first.as_str() {
        "ALTER" | "DROP" | "CREATE" | "TRUNCATE" | "RENAME" | "OPTIMIZE" | "REPAIR" => "EXCLUSIVE",
        "LOCK" if has("WRITE") => "SHARED_NO_READ_WRITE",
        "LOCK" => "SHARED_READ_ONLY",
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "CALL" => "SHARED_WRITE",
        "SELECT" if has("UPDATE") => "SHARED_WRITE",
        _ => "SHARED_READ",
    }
}

/// The words of a statement, quotes of names taken off, dots as words; texts and comments left out.
pub fn names(statement: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = statement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '`' => {
                let mut word = String::new();
                for c in chars.by_ref().take_while(|c| *c != '`') {
                    word.push(c);
                }
                words.push(word);
            }
            '\'' | '"' => while chars.next().is_some_and(|next| next != c) {},
            '/' if chars.peek() == Some(&'*') => {
                let mut last = ' ';
                for next in chars.by_ref() {
                    if last == '*' && next == '/' {
                        break;
                    }
                    last = next;
                }
            }
            '.' => words.push(".".to_owned()),
            c if is_of_name(c) => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|next| is_of_name(*next)) {
                    word.push(next);
                }
                words.push(word);
            }
            _ => {}
        }
    }
    words
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_statements() {
        assert_eq!(
            names("ALTER /* x.y */ TABLE `a b`.`c` ADD d int DEFAULT 'e.f'"),
            ["ALTER", "TABLE", "a b", ".", "c", "ADD", "d", "int", "DEFAULT"]
        );
        assert_eq!(subject(&names("alter table if exists shop.orders add x int")), Some((Some("shop"), "orders")));
        assert_eq!(subject(&names("create index i on orders (a)")), Some((None, "orders")));
    }

    proptest::proptest! {
        #[test]
        fn any_statement_is_taken(text in "(\\PC|[`'\"/*.\\n]){0,60}") {
            let words = names(&text);
            let _ = (subject(&words), table_mode(&words));
        }
    }
}
