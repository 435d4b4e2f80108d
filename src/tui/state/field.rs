//! One line of typed input.

/// What a field must hold before its dialog may be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Must {
    /// Exactly this text.
    Equal(String),
    /// Any text.
    Say,
    /// One of these; up and down go through them.
    OneOf(&'static [&'static str]),
}

/// Longest text that a field takes, in characters.
const MAX_CHARS: usize = 200;

/// An input line. Typing goes to its end; there is no cursor to move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it asks for.
    pub label: String,
    /// What was typed.
    pub value: String,
    /// What it must hold.
    pub must: Must,
}

impl Field {
    /// An empty field; one with choices begins with the first.
    pub fn new(label: impl Into<String>, must: Must) -> Self {
        let value = match &must {
            Must::OneOf(choices) => choices.first().copied().unwrap_or_default().to_owned(),
            Must::Equal(_) | Must::Say => String::new(),
        };
        Self { label: label.into(), value, must }
    }

    /// Adds one character; control characters and what does not fit are ignored.
    pub fn push(&mut self, c: char) {
        if !c.is_control() && self.value.chars().count() < MAX_CHARS {
            self.value.push(c);
        }
    }

    /// Removes the last character.
    pub fn erase(&mut self) {
        self.value.pop();
    }

    /// Goes to the next or the one before among the choices. False when the field has none.
    pub fn cycle(&mut self, forward: bool) -> bool {
        let Must::OneOf(choices) = &self.must else { return false };
        let at = choices.iter().position(|c| *c == self.value).unwrap_or(0);
        let step = if forward { 1 } else { choices.len().saturating_sub(1) };
        if let Some(next) = choices.get((at + step) % choices.len().max(1)) {
            self.value = (*next).to_owned();
        }
        true
    }

    /// What is wrong with the value; `None` when it may be sent.
    pub fn wrong(&self) -> Option<String> {
        match &self.must {
            Must::Equal(name) => (self.value != *name).then(|| format!("type exactly: {name}")),
            Must::Say => self.value.trim().is_empty().then(|| format!("{} may not be empty", self.label)),
            Must::OneOf(choices) => {
                (!choices.contains(&self.value.as_str())).then(|| format!("choose one of: {}", choices.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_go_round_and_names_must_be_exact() {
        let mut knob = Field::new("knob", Must::OneOf(&["a", "b"]));
        assert_eq!(knob.value, "a");
        assert!(knob.cycle(false));
        assert_eq!(knob.value, "b");
        assert!(knob.cycle(true));
        assert_eq!((knob.value.as_str(), knob.wrong()), ("a", None));

        let mut name = Field::new("name", Must::Equal("cutover".into()));
        for c in "cutove".chars() {
            name.push(c);
        }
        name.push('\u{1b}');
        assert!(name.wrong().is_some());
        name.push('r');
        assert_eq!(name.wrong(), None);
        assert!(!name.cycle(true));
    }
}
