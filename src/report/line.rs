//! One line of text, made safe for a terminal, a log and a report. Columns stay where they are: blanks are kept.

/// The text without control characters (tabs become spaces), without bidi controls and without marks that nobody sees.
pub fn clean(text: &str) -> String {
    text.chars().filter_map(|c| if c == '\t' { Some(' ') } else { (!is_hostile(c)).then_some(c) }).collect()
}

/// JSON whose texts a terminal can show: the same characters as escapes, so that a name stays exactly what it is. JSON itself leaves all of them
/// but those below U+0020 as they are.
pub fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hostile(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters (C0, DEL, C1), the characters that change the direction of what follows, and those that make two names look alike.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_json_stay_what_they_are_and_move_no_cursor() {
        let name = "a\u{9b}31m\u{202e}b\u{1b}";
        let json = escaped(&serde_json::to_string(name).unwrap());
        assert_eq!(json, r#""a\u009b31m\u202eb\u001b""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }

    #[test]
    fn escapes_and_bidi_controls_do_not_get_through() {
        assert_eq!(clean("a\u{1b}[31mb\u{202e}c\u{9b}d\te\r"), "a[31mbcd e");
        assert_eq!(clean("größe 表"), "größe 表");
        assert_eq!(clean("or\u{200b}ders\u{feff}"), "orders");
    }
}
