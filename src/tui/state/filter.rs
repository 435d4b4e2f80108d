//! Filters: words that must all occur; `!word` must not occur. Case does not count.

/// A filter as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

impl Filter {
    /// A filter from what was typed.
    pub fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for word in lower.split_whitespace() {
            match word.strip_prefix('!') {
                Some("") => {}
                Some(word) => unwanted.push(word.to_owned()),
                None => wanted.push(word.to_owned()),
            }
        }
        Self { text: text.to_owned(), wanted, unwanted }
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when everything matches.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }

    /// True when the fields together satisfy the filter.
    pub fn matches(&self, fields: &[&str]) -> bool {
        if self.is_empty() {
            return true;
        }
        let fields: Vec<String> = fields.iter().map(|f| f.to_lowercase()).collect();
        let occurs = |word: &String| fields.iter().any(|f| f.contains(word.as_str()));
        self.wanted.iter().all(occurs) && !self.unwanted.iter().any(occurs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_occur_and_none_of_the_negated() {
        let filter = Filter::new("Orders !retry");
        assert!(filter.matches(&["pipeline", "ORDERS is running"]));
        assert!(!filter.matches(&["orders", "is retrying"]));
        assert!(!filter.matches(&["billing"]));
        assert!(Filter::new(" ! ").is_empty());
        assert!(Filter::default().matches(&[]));
    }
}
