//! Text in tones: pieces, lines, and breaking lines to a width. All text is cleaned here, the only way to the screen.

use crate::tui::clean::{begin, clean};
use crate::tui::theme::Tone;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Longest text that one piece shows. What a server sends may be of any length, and a frame has its time.
const MAX_SHOWN_BYTES: usize = 64 * 1024;

/// Cleaned, and cut where it is too long, which it then says.
fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_SHOWN_BYTES {
        return clean(text);
    }
    let head = clean(begin(text, MAX_SHOWN_BYTES));
    Cow::Owned(format!("{head}… (cut: {} bytes in all)", text.len()))
}

/// Text of one tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Cleaned text.
    pub text: Cow<'a, str>,
    /// Its tone.
    pub tone: Tone,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a> {
    /// From left to right.
    pub pieces: Vec<Piece<'a>>,
    /// Columns by which further rows are indented when the line is broken.
    pub hang: usize,
}

impl<'a> Text<'a> {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of one tone.
    pub fn of(tone: Tone, text: impl Into<Cow<'a, str>>) -> Self {
        Self::new().add(tone, text)
    }

    /// Adds a piece.
    #[must_use]
    pub fn add(mut self, tone: Tone, text: impl Into<Cow<'a, str>>) -> Self {
        let text = match text.into() {
            Cow::Borrowed(text) => bounded(text),
            Cow::Owned(text) => match bounded(&text) {
                Cow::Borrowed(_) if text.len() <= MAX_SHOWN_BYTES => Cow::Owned(text),
                cleaned => Cow::Owned(cleaned.into_owned()),
            },
        };
        if !text.is_empty() {
            self.pieces.push(Piece { text, tone });
        }
        self
    }

    /// Adds plain text.
    #[must_use]
    pub fn plain(self, text: impl Into<Cow<'a, str>>) -> Self {
        self.add(Tone::Plain, text)
    }

    /// Adds dim text.
    #[must_use]
    pub fn dim(self, text: impl Into<Cow<'a, str>>) -> Self {
        self.add(Tone::Dim, text)
    }

    /// Sets the indent of further rows.
    #[must_use]
    pub fn hang(mut self, columns: usize) -> Self {
        self.hang = columns;
        self
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|p| p.text.width()).sum()
    }

    /// The line broken at spaces into rows of at most `width` columns; a word that is longer is cut.
    pub fn wrap(&self, width: usize) -> Vec<Text<'static>> {
        let mut rows = Vec::new();
        let (mut row, mut used) = (Text::new(), 0);
        // In a very narrow place an indent would leave no room for a wide character.
        let hang = if width < 8 { 0 } else { self.hang.min(width / 2) };
        for (word, tone) in self.words() {
            let mut word = word;
            let space = used == 0 || (used == hang && !rows.is_empty());
            if space && !rows.is_empty() {
                word = word.trim_start();
            }
            while used + word.trim_end().width() > width.max(1) {
                if used > hang || (used > 0 && rows.is_empty()) {
                    rows.push(std::mem::take(&mut row));
                    word = word.trim_start();
                } else {
                    let (head, tail) = split_at_width(word, width.saturating_sub(used).max(1));
                    row = row.add(tone, head.to_owned());
                    rows.push(std::mem::take(&mut row));
                    word = tail;
                }
                row = if hang > 0 { row.add(Tone::Plain, " ".repeat(hang)) } else { row };
                used = hang;
                if word.is_empty() {
                    break;
                }
            }
            used += word.width();
            row = row.add(tone, word.to_owned());
        }
        rows.push(row);
        rows
    }

    /// Words with the spaces before them.
    fn words(&self) -> impl Iterator<Item = (&str, Tone)> {
        self.pieces.iter().flat_map(|piece| {
            let text = piece.text.as_ref();
            let mut ends: Vec<usize> = Vec::new();
            let mut before_space = false;
            for (at, c) in text.char_indices() {
                if c == ' ' && before_space {
                    ends.push(at);
                }
                before_space = c != ' ';
            }
            ends.push(text.len());
            let mut start = 0;
            ends.into_iter().map(move |end| {
                let word = &text[start..end];
                start = end;
                (word, piece.tone)
            })
        })
    }
}

/// Columns that the name of a line takes in a detail.
pub const NAMES: usize = 12;

/// A line of a detail: a name in front, and a text that hangs behind it.
pub fn named(name: &str, tone: Tone, text: impl Into<String>) -> Text<'static> {
    Text::of(Tone::Dim, format!("{name:<NAMES$}")).add(tone, text.into()).hang(NAMES)
}

/// Splits after as many characters as fit into `width` columns, but at least one.
fn split_at_width(text: &str, width: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > width && at > 0 {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// `text` in at most `width` columns, with an ellipsis where it was cut.
pub fn fit(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    match width {
        0 => Cow::Borrowed(""),
        1 => Cow::Borrowed("…"),
        _ => {
            let mut used = 0;
            let mut out = String::new();
            for c in text.chars() {
                let columns = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
                if used + columns > width - 1 {
                    break;
                }
                used += columns;
                out.push(c);
            }
            out.push('…');
            Cow::Owned(out)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &Text<'_>, width: usize) -> Vec<String> {
        text.wrap(width).iter().map(|row| row.pieces.iter().map(|p| p.text.as_ref()).collect()).collect()
    }

    #[test]
    fn lines_break_at_spaces_and_hang() {
        let text = Text::of(Tone::Dim, "why: ").plain("the lag is not known").hang(5);
        assert_eq!(rows(&text, 15), ["why: the lag is", "     not known"]);
        assert_eq!(rows(&Text::of(Tone::Plain, "abcdefgh"), 3), ["abc", "def", "gh"]);
        assert_eq!(rows(&Text::new(), 3), [""]);
    }

    #[test]
    fn a_text_of_any_length_is_cut_and_says_so() {
        let text = Text::of(Tone::Plain, "é".repeat(5_000_000));
        assert!(text.pieces[0].text.len() < MAX_SHOWN_BYTES + 100);
        assert!(text.pieces[0].text.ends_with("… (cut: 10000000 bytes in all)"));
    }

    #[test]
    fn what_does_not_fit_ends_in_an_ellipsis() {
        assert_eq!(fit("orders", 6), "orders");
        assert_eq!(fit("orders", 4), "ord…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("orders", 0), "");
    }

    proptest! {
        #[test]
        fn no_row_is_wider_than_asked(text in "[a-z日 ]{0,60}", width in 2usize..20, hang in 0usize..12) {
            let text = Text::of(Tone::Plain, text).hang(hang);
            for row in text.wrap(width) {
                let visible: String = row.pieces.iter().map(|p| p.text.as_ref()).collect();
                prop_assert!(visible.trim_end().width() <= width, "{visible:?} in {width}");
            }
        }

        #[test]
        fn no_letter_is_lost(text in "[a-z ]{0,60}", width in 1usize..20) {
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            let wrapped = rows(&Text::of(Tone::Plain, text.clone()), width).concat();
            prop_assert_eq!(letters(&wrapped), letters(&text));
        }
    }
}
