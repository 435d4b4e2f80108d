//! Filters: words that must all occur; `!word` must not occur; `field:word` looks in that field only. Case does not count.

/// One field of a row.
#[derive(Clone, Copy, Debug)]
pub struct FieldText<'a> {
    /// Its name in `name:word`; empty: it has none.
    pub name: &'static str,
    /// What it holds.
    pub text: &'a str,
    /// True when words without a name pass it over.
    pub by_name_only: bool,
}

/// A field that all words look at.
pub fn field<'a>(name: &'static str, text: &'a str) -> FieldText<'a> {
    FieldText { name, text, by_name_only: false }
}

/// A field that only `name:word` looks at.
pub fn by_name<'a>(name: &'static str, text: &'a str) -> FieldText<'a> {
    FieldText { name, text, by_name_only: true }
}

/// One word of a filter, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    /// As typed, without `!`.
    whole: String,
    /// Split at the first `:`.
    named: Option<(String, String)>,
    /// It must not occur.
    unwanted: bool,
}

impl Word {
    fn new(word: &str) -> Option<Self> {
        let (whole, unwanted) = word.strip_prefix('!').map_or((word, false), |word| (word, true));
        let named = whole.split_once(':').filter(|(name, _)| !name.is_empty());
        let named = named.map(|(name, word)| (name.to_owned(), word.to_owned()));
        (!whole.is_empty()).then(|| Self { whole: whole.to_owned(), named, unwanted })
    }

    fn occurs(&self, fields: &[FieldText<'_>]) -> bool {
        // A name that the list does not have is no name: `public:orders` may be what is looked for.
        match self.named.as_ref().filter(|(name, _)| fields.iter().any(|field| field.name == name)) {
            Some((name, word)) => fields.iter().any(|field| field.name == name && contains(field.text, word)),
            None => fields.iter().any(|field| !field.by_name_only && contains(field.text, &self.whole)),
        }
    }
}

/// A filter as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
    words: Vec<Word>,
}

impl Filter {
    /// A filter from what was typed.
    pub fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        Self { text: text.to_owned(), words: lower.split_whitespace().filter_map(Word::new).collect() }
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when everything matches.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// True when the fields together satisfy the filter.
    pub fn matches(&self, fields: &[&str]) -> bool {
        if self.is_empty() {
            return true;
        }
        let fields: Vec<FieldText<'_>> = fields.iter().map(|text| field("", text)).collect();
        self.finds(&fields)
    }

    /// True when the named fields together satisfy the filter. Several fields may have one name.
    pub fn finds(&self, fields: &[FieldText<'_>]) -> bool {
        self.words.iter().all(|word| word.occurs(fields) != word.unwanted)
    }
}

/// True when `word`, which is in lower case, occurs in `text` whatever the case of that. Without a copy of plain text: a list
/// of 20,000 rows is looked through at every key.
fn contains(text: &str, word: &str) -> bool {
    let (text, bytes) = (text, word.as_bytes());
    let Some(first) = bytes.first() else { return true };
    if !text.is_ascii() || !word.is_ascii() {
        return text.to_lowercase().contains(word);
    }
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| byte.eq_ignore_ascii_case(first)) {
        let begun = &rest[at..];
        match begun.get(..bytes.len()) {
            Some(begin) if begin.eq_ignore_ascii_case(bytes) => return true,
            Some(_) => rest = &begun[1..],
            None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_words_must_occur_and_none_of_the_negated() {
        let filter = Filter::new("Orders !retry");
        assert!(filter.matches(&["pipeline", "ORDERS is running"]));
        assert!(!filter.matches(&["orders", "is retrying"]));
        assert!(!filter.matches(&["billing"]));
        assert!(Filter::new(" ! ").is_empty());
        assert!(Filter::default().matches(&[]));
    }

    #[test]
    fn a_named_word_looks_in_its_field_only() {
        let row = [field("store", "legacy"), field("rule", "PG-08"), field("subject", "public:orders of legacy-2")];
        let finds = |text: &str| Filter::new(text).finds(&row);
        assert!(finds("store:LEGACY rule:pg"));
        assert!(!finds("rule:legacy"));
        assert!(!finds("!store:leg"));
        assert!(finds("!store:orders"));
        assert!(finds("public:orders"), "a name that no field has is part of the word");
        assert!(finds("store:"), "half a word narrows nothing yet");
    }

    #[test]
    fn a_field_by_name_only_is_passed_over_by_other_words() {
        let row = [field("severity", "high"), by_name("least", "info low medium high")];
        assert!(Filter::new("least:medium").finds(&row));
        assert!(!Filter::new("medium").finds(&row));
        assert!(!Filter::new("least:critical").finds(&row));
    }

    proptest! {
        #[test]
        fn looking_without_a_copy_finds_the_same(text in "[a-cA-Cé ]{0,20}", word in "[a-cé]{1,3}") {
            prop_assert_eq!(contains(&text, &word), text.to_lowercase().contains(&word));
        }
    }
}
