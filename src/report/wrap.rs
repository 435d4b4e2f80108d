//! Sentences folded to the width of a terminal.

use unicode_width::UnicodeWidthStr;

/// Columns of the narrowest terminal that is counted on.
pub const WIDTH: usize = 80;

/// The text in lines of at most [`WIDTH`] columns, each ended: the first one begins with `first`, the others are set in a little more
/// than that one is. Words are never parted; one that is too long has a line of its own.
pub fn wrapped(first: &str, text: &str) -> String {
    let blanks = first.len() - first.trim_start().len();
    let rest = " ".repeat(if blanks > 0 { blanks + 2 } else { 3 });
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.width() + 1 + word.width() > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = rest.clone();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

/// The text on one line of at most `columns`; an ellipsis says that there is more.
pub fn cut(text: &str, columns: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.width() <= columns {
        return line;
    }
    let mut kept = String::new();
    for letter in line.chars() {
        if kept.width() + letter.to_string().width() + 1 > columns {
            break;
        }
        kept.push(letter);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wide_as_a_terminal_and_words_stay_whole() {
        let text = wrapped("     but: ", &"some 주문 words ".repeat(20));
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(
            text.starts_with("     but: some 주문") && text.lines().skip(1).all(|line| line.starts_with("       "))
        );
        assert_eq!(text.split_whitespace().count(), 61);
        let long = "x".repeat(200);
        assert_eq!(wrapped("a: ", &format!("b {long} c")), format!("a: b\n   {long}\n   c\n"));
        assert_eq!(wrapped("a: ", ""), "a:\n");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("select  *\n from t", 80), "select * from t");
        assert_eq!(cut("주문주문", 5), "주문…");
    }
}
