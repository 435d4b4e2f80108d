//! Strips from text whatever could steer a terminal or reorder what is read.
//!
//! Query texts, object names and error messages are written by whoever can reach a store: an escape sequence in one of
//! them must not move the cursor, write the clipboard, or make `drop` read as `pord`.

use std::borrow::Cow;

/// `text` on one line without control bytes, escape sequences, bidi controls and invisible characters. Line breaks and
/// tabs become one space.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\t' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if is_harmless(c) => out.push(c),
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// The lines of `text`, each cleaned.
pub fn clean_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(clean)
}

/// The first `bytes` of `text`, up to a whole character.
pub fn begin(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// After ESC: a control sequence, a string up to its terminator, or one more character.
fn skip_escape(rest: &mut Rest<'_>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        Some(c) if !c.is_control() => {
            let intermediate = (' '..='/').contains(c);
            rest.next();
            if intermediate {
                rest.next();
            }
        }
        _ => {}
    }
}

/// Parameters and intermediates up to the final byte. Stops at anything that is not part of a sequence.
fn skip_control_sequence(rest: &mut Rest<'_>) {
    while let Some(&c) = rest.peek() {
        if !(' '..='~').contains(&c) {
            return;
        }
        rest.next();
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

/// Up to BEL or ST. An unterminated string ends at the line's end, so that it cannot swallow a whole text.
fn skip_string(rest: &mut Rest<'_>) {
    while let Some(&c) = rest.peek() {
        match c {
            '\n' => return,
            '\u{7}' | '\u{9c}' => {
                rest.next();
                return;
            }
            '\u{1b}' => {
                rest.next();
                if rest.peek() == Some(&'\\') {
                    rest.next();
                }
                return;
            }
            _ => {
                rest.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_vanish_as_a_whole() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(clean("x\u{1b}]52;c;ZXZpbA==\u{7}y"), "xy");
        assert_eq!(clean("x\u{1b}]0;title\u{1b}\\y"), "xy");
        assert_eq!(clean("x\u{9b}2Jy"), "xy");
        assert_eq!(clean("x\u{1b}(0y\u{1b}cz"), "xyz");
    }

    #[test]
    fn order_of_reading_cannot_be_forged() {
        assert_eq!(clean("drop \u{202e}elbat\u{202c} x"), "drop elbat x");
        assert_eq!(clean("a\u{200b}b\u{2066}c\u{feff}"), "abc");
    }

    #[test]
    fn a_text_of_many_lines_stays_on_one() {
        assert_eq!(clean("select 1\r\nfrom t\n\twhere x"), "select 1 from t  where x");
        assert_eq!(clean_lines("a\r\nb\u{7}\n").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_beginning_ends_with_a_whole_character() {
        assert_eq!([begin("aé", 2), begin("aé", 3), begin("", 9)], ["a", "aé", ""]);
    }

    #[test]
    fn ordinary_text_is_not_copied() {
        assert!(matches!(clean("Grüße 日本 é"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_that_steers_survives(text in any::<String>()) {
            prop_assert!(clean(&text).chars().all(is_harmless));
        }
    }
}
