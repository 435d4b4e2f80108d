//! Text from servers, made safe for a terminal, a log and a report.
//!
//! Invariant: what [`clean`] returns holds no control byte, no escape sequence, no bidirectional control and at most
//! [`MAX_CHARS`] characters, whatever the server sent.

/// Longest text that is kept, in characters; more is cut with a `…`.
pub const MAX_CHARS: usize = 2_000;

/// Strips escape sequences, C0 and C1 control characters and bidi controls, folds white space to single blanks and bounds the length.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_CHARS));
    let mut kept = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match c {
            '\u{1b}' => {
                skip_escape(&mut chars);
                continue;
            }
            // The one-character forms of CSI, OSC, DCS, SOS, PM and APC.
            '\u{9b}' => {
                skip_csi(&mut chars);
                continue;
            }
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => {
                skip_string(&mut chars);
                continue;
            }
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_invisible(c) => continue,
            c => c,
        };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if kept == MAX_CHARS {
            out.pop();
            out.push('…');
            return out;
        }
        out.push(c);
        kept += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// Characters that change how their neighbours are drawn without being seen: bidi controls, zero-width marks, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// After ESC: a CSI sequence, a string sequence, or a two-character escape with intermediates.
fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        Some(' '..='/') => {
            while chars.next_if(|c| matches!(c, ' '..='/')).is_some() {}
            chars.next_if(|c| matches!(c, '0'..='~'));
        }
        Some('0'..='~') => {
            chars.next();
        }
        _ => {}
    }
}

/// Parameters and intermediates up to the final byte of a CSI sequence.
fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    chars.next_if(|c| matches!(c, '@'..='~'));
}

/// A string sequence up to BEL or ST; one without an end swallows the rest, as a terminal would.
fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_passes() {
        assert_eq!(clean("relation \"주문\" does not exist"), "relation \"주문\" does not exist");
    }

    #[test]
    fn white_space_is_folded() {
        assert_eq!(clean("  a\r\n\tb  c \n"), "a b c");
    }

    #[test]
    fn escape_sequences_go_whole() {
        assert_eq!(clean("a\u{1b}[31;1mred\u{1b}[0m b"), "ared b");
        assert_eq!(clean("x\u{1b}]0;title\u{7}y\u{1b}]8;;http://evil\u{1b}\\z"), "xyz");
        assert_eq!(clean("x\u{9b}2Jy\u{90}dcs\u{9c}z\u{1b}(Bq"), "xyzq");
        assert_eq!(clean("end\u{1b}"), "end");
        assert_eq!(clean("open\u{1b}]0;never closed"), "open");
    }

    #[test]
    fn bidi_and_zero_width_go() {
        assert_eq!(clean("user\u{202e}nimda\u{200b}\u{2066}x\u{2069}\u{feff}"), "usernimdax");
    }

    #[test]
    fn length_is_bounded() {
        let long = clean(&"é".repeat(MAX_CHARS * 2));
        assert_eq!(long.chars().count(), MAX_CHARS);
        assert!(long.ends_with('…'));
    }

    proptest! {
        #[test]
        fn never_leaves_anything_harmful(text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f\u{202a}-\u{202e}\u{1b}]){0,300}") {
            let out = clean(&text);
            prop_assert!(out.chars().all(|c| !c.is_control() && !is_invisible(c)));
            prop_assert!(out.chars().count() <= MAX_CHARS);
            prop_assert_eq!(clean(&out), out.clone());
        }
    }
}
