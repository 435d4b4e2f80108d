//! Qualified names: what servers print and statements say, as parts that can be compared.

/// The parts of a qualified name without their quotes, in lower case: `"Shop".orders` is `[shop, orders]`.
///
/// A doubled quote inside of quotes stands for one. A dot inside of quotes parts nothing.
pub fn parts(name: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quote = None;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = found.len() - 1;
        match (quote, letter) {
            (Some(open), _) if letter == open => {
                if letters.peek() == Some(&open) {
                    letters.next();
                    found[last].push(letter);
                } else {
                    quote = None;
                }
            }
            (None, '"' | '`') => quote = Some(letter),
            (None, '.') => found.push(String::new()),
            _ => found[last].extend(letter.to_lowercase()),
        }
    }
    found
}

/// The parts joined by dots: equal for two spellings of the same name.
pub fn folded(name: &str) -> String {
    parts(name).join(".")
}

/// The last part.
pub fn bare(name: &str) -> String {
    parts(name).pop().unwrap_or_default()
}

/// Whether two names may mean the same: they agree in all parts that both have, from the last one on.
pub fn meet(one: &str, other: &str) -> bool {
    parts(one).iter().rev().zip(parts(other).iter().rev()).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_taken_off_and_case_is_folded() {
        for (name, expected) in [
            ("public.orders", vec!["public", "orders"]),
            ("\"Shop\".\"Order.Lines\"", vec!["shop", "order.lines"]),
            ("`a``b`.c", vec!["a`b", "c"]),
            ("orders", vec!["orders"]),
        ] {
            assert_eq!(parts(name), expected, "{name}");
        }
        assert!(meet("public.orders", "Orders") && meet("shop.orders", "`shop`.`orders`"));
        assert!(!meet("public.orders", "sales.orders") && !meet("f1", "f10"));
    }
}
