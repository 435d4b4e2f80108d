//! Names in a profile: which characters they may have, how they are shown, and which valid one was probably meant.

/// Longest name that is compared or shown in full, in characters.
const LONGEST: usize = 60;

/// The valid name that is most like the written one, if it is near enough to be meant: at most one edit in three
/// characters and never more than three. Case and `-` against `_` do not count.
pub(super) fn nearest<'n>(written: &str, valid: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = written.chars().count();
    if length == 0 || length > LONGEST {
        return None;
    }
    let folded = fold(written);
    valid
        .into_iter()
        .filter(|name| *name != written && name.chars().count() <= LONGEST)
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .filter(|(distance, name)| *distance <= (length.max(name.chars().count()) / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn fold(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// A word from the file as it may appear on a terminal: control and invisible characters escaped, overlong text cut.
pub(super) fn shown(word: &str) -> String {
    let text = visible(word);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Text with every character escaped that could move the cursor, hide or reorder what follows.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hidden = matches!(c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
        if c.is_control() || hidden {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// `a, b and c`, for lists of valid words.
pub(super) fn listed<'n>(words: impl IntoIterator<Item = &'n str>) -> String {
    let mut rest = words.into_iter();
    let mut words: Vec<String> = rest.by_ref().take(20).map(shown).collect();
    match rest.count() {
        0 => {}
        more => words.push(format!("{more} more")),
    }
    match words.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// What a name is used for decides what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameRule {
    /// A directory, a socket and a part of replication slot names: lower case, at most 24 characters.
    Slot,
    /// A word on screens and the command line: at most 40 characters.
    Word,
    /// A Unix user or group: what `useradd` takes, and the `@` and `\` of directory services.
    Account,
}

/// `Err` says what is wrong with the name as the end of a sentence that begins with the name.
pub(super) fn check(name: &str, rule: NameRule) -> Result<(), String> {
    let (longest, allowed): (usize, &str) = match rule {
        NameRule::Slot => (24, "lower-case letters a-z, digits, `-` and `_`"),
        NameRule::Word => (40, "letters a-z and A-Z, digits, `-` and `_`"),
        NameRule::Account => (64, "letters, digits, `.`, `-`, `_`, `$`, `\\` and `@`"),
    };
    let fits = |c: char| match rule {
        NameRule::Slot => c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'),
        NameRule::Word => c.is_ascii_alphanumeric() || matches!(c, '-' | '_'),
        NameRule::Account => c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '$' | '\\' | '@'),
    };
    if name.is_empty() {
        return Err("is empty".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| !fits(*c)) {
        return Err(format!("holds `{}`; it may hold {allowed}", visible(&bad.to_string())));
    }
    if name.starts_with('-') {
        return Err("begins with `-`, which the command line would take for an option".to_owned());
    }
    match name.chars().count() {
        count if count > longest => Err(format!("has {count} characters; at most {longest} fit")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("engin", ["url", "engine"]), Some("engine"));
        assert_eq!(nearest("Orders_DB", ["orders-db"]), Some("orders-db"));
        assert_eq!(nearest("customer", ["customers", "orders"]), Some("customers"));
        assert_eq!(nearest("lsg", ["lag", "drift"]), Some("lag"));
        assert_eq!(nearest("abc", ["xyz"]), None);
        assert_eq!(nearest(&"x".repeat(5_000), ["x"]), None);
    }

    #[test]
    fn what_could_move_the_cursor_is_escaped() {
        assert_eq!(shown("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(shown(&"y".repeat(100)), format!("{}...", "y".repeat(60)));
    }
}
