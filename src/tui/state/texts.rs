//! Texts of many rows in one piece of memory: a filter looks through all of them at every key, and what lies scattered over a view
//! of 20,000 rows would make it wait for memory longer than a frame lasts.

use crate::tui::clean::begin;

/// As much of one text as is looked through.
const LONGEST_BYTES: usize = 4 * 1024;

/// As much of a text as is kept of it.
pub fn kept(text: &str) -> &str {
    begin(text, LONGEST_BYTES)
}

/// Texts, by number in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.all.clear();
        self.ends.clear();
    }

    /// Adds one text, made of parts with a blank between them.
    pub fn push<'a>(&mut self, parts: impl IntoIterator<Item = &'a str>) {
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                self.all.push(' ');
            }
            self.all.push_str(kept(part));
        }
        self.ends.push(self.all.len());
    }

    /// The text of a number; empty: there is none.
    pub fn get(&self, number: usize) -> &str {
        let start = number.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        let span = start.zip(self.ends.get(number)).and_then(|(start, end)| self.all.get(*start..*end));
        span.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_number() {
        let mut texts = Texts::default();
        texts.push(["a", "b"]);
        texts.push([]);
        texts.push(["é"]);
        assert_eq!([0, 1, 2, 3].map(|number| texts.get(number)), ["a b", "", "é", ""]);
        texts.clear();
        assert_eq!(texts.get(0), "");
    }
}
