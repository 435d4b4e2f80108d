//! Numbers and lists in the sentences of findings.

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
    fn one_is_no_plural_and_a_long_list_says_how_much_it_leaves_out() {
        assert_eq!((counted(1, "table"), counted(2, "table")), ("1 table".to_owned(), "2 tables".to_owned()));
        assert_eq!(listed(&["a", "b"]), "a, b");
        assert!(listed(&["a"; 14]).ends_with("a, a and 2 more"));
    }
}
