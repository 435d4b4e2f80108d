//! Statements without their literals: what is kept of a statement where its values must not be.
//!
//! The text may be cut anywhere and its line breaks may be gone, so whatever is not certain to be no literal goes: an open quotation
//! reaches to the end, and so does a comment of one line.

/// What stands for a literal.
const HOLE: &str = "?";

/// The statement with every literal replaced by `?`.
///
/// Text in double quotes stays where it can be a name and nothing else, that is before a colon (the key of a document) or where
/// `quotes_names` says that the engine quotes names so.
pub fn without_literals(statement: &str, quotes_names: bool) -> String {
    let mut out = String::with_capacity(statement.len());
    let mut rest = statement;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let in_word = out.chars().next_back().is_some_and(is_word);
        rest = match c {
            '\'' => {
                // E'...', N'...', X'...': the letter belongs to the literal and may escape by backslash.
                out.push_str(HOLE);
                quoted(after, '\'').1
            }
            '"' => {
                let (inside, behind) = quoted(after, '"');
                if quotes_names || behind.trim_start().starts_with(':') {
                    out.push('"');
                    out.push_str(inside);
                } else {
                    out.push_str(HOLE);
                }
                behind
            }
            '$' if !in_word => match dollar_quoted(rest) {
                Some(behind) => {
                    out.push_str(HOLE);
                    behind
                }
                None => {
                    // A parameter such as $1 holds no value.
                    let end = after.find(|c: char| !is_word(c)).unwrap_or(after.len());
                    out.push('$');
                    out.push_str(&after[..end]);
                    &after[end..]
                }
            },
            '-' if after.starts_with('-') => {
                out.push_str("-- ?");
                ""
            }
            '/' if after.starts_with('*') => {
                out.push_str("/* ? */");
                after.find("*/").map_or("", |end| &after[end + 2..])
            }
            c if c.is_ascii_digit() && !in_word => {
                out.push_str(HOLE);
                &rest[number(rest)..]
            }
            c => {
                out.push(c);
                after
            }
        };
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text up to and with the closing quotation mark, and what is behind it. A doubled mark and one behind a backslash do not close:
/// where the engine knows no backslash escapes, that hides more than it must and never less.
fn quoted(text: &str, mark: char) -> (&str, &str) {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            c if c == mark => {
                if chars.peek().is_some_and(|(_, next)| *next == mark) {
                    chars.next();
                } else {
                    return text.split_at(at + c.len_utf8());
                }
            }
            _ => {}
        }
    }
    (text, "")
}

/// What is behind `$tag$ ... $tag$`; `None` where no such text begins.
fn dollar_quoted(text: &str) -> Option<&str> {
    let tag_end = text[1..].find('$')? + 2;
    let tag = text.get(..tag_end)?;
    let name = &tag[1..tag.len() - 1];
    if !name.chars().all(is_word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let body = &text[tag_end..];
    Some(body.find(tag).map_or("", |end| &body[end + tag.len()..]))
}

/// Length of the number that `text` begins with: digits, a fraction, an exponent, hexadecimal digits.
fn number(text: &str) -> usize {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let signed_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !text.starts_with("0x");
        if !(is_word(c) || c == '.' || signed_exponent) {
            return at;
        }
        before = c;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_and_names_stay() {
        let kept = |text: &str| without_literals(text, true);
        assert_eq!(kept("SELECT * FROM t1 WHERE a = 'x''y' AND b2 = 17"), "SELECT * FROM t1 WHERE a = ? AND b2 = ?");
        assert_eq!(kept("SELECT 1.5e-3, 0xFF, -2, $1"), "SELECT ?, ?, -?, $1");
        assert_eq!(kept("INSERT INTO \"Order 7\" VALUES ('it\\'s', 3)"), "INSERT INTO \"Order 7\" VALUES (?, ?)");
        assert_eq!(kept("DO $x$ secret $ 'y' $x$, 2"), "DO ?, ?");
        assert_eq!(kept("SELECT a /* card 4111 */ FROM t -- for bob"), "SELECT a /* ? */ FROM t -- ?");
    }

    #[test]
    fn a_text_that_was_cut_hides_its_end() {
        assert_eq!(without_literals("SELECT 'sec", true), "SELECT ?");
        assert_eq!(without_literals("SELECT $$sec", true), "SELECT ?");
        assert_eq!(without_literals("SELECT /* sec", true), "SELECT /* ? */");
    }

    #[test]
    fn in_documents_keys_stay_and_values_go() {
        let text = "{\"find\": \"orders\", \"filter\": {\"mail\" : \"a@b\", age: 7}}";
        assert_eq!(without_literals(text, false), "{\"find\": ?, \"filter\": {\"mail\" : ?, age: ?}}");
    }
}
