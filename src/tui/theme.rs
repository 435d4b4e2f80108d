//! Tones: what a piece of text means, and the one place where that becomes a colour.
//!
//! Only the terminal's own 16 colours are used, so that the operator's palette decides how they look. No tone is told by
//! colour alone: each place that uses one also has a word or a mark.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Plain,
    /// Text that may be passed over.
    Dim,
    /// Headings and what is most important in a row.
    Strong,
    /// All is well.
    Good,
    /// Work is going on.
    Busy,
    /// Somebody should look.
    Warn,
    /// Something failed.
    Bad,
    /// A key to press.
    Key,
    /// Somebody is waited for.
    Call,
    /// The migration is a production one.
    Production,
    /// The selected row or the place where typing goes.
    Selected,
}

/// Tones to styles.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colored: bool,
}

impl Theme {
    /// With or without colour.
    pub fn new(colored: bool) -> Self {
        Self { colored }
    }

    /// The style of a tone. Without colour only bold, dim and reverse are used.
    pub fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let shape = match tone {
            Tone::Plain | Tone::Good | Tone::Busy | Tone::Warn => plain,
            Tone::Dim => plain.add_modifier(Modifier::DIM),
            Tone::Strong | Tone::Bad | Tone::Key | Tone::Call => plain.add_modifier(Modifier::BOLD),
            Tone::Selected => plain.add_modifier(Modifier::REVERSED),
            Tone::Production if self.colored => plain.add_modifier(Modifier::BOLD),
            Tone::Production => plain.add_modifier(Modifier::BOLD | Modifier::REVERSED),
        };
        if !self.colored {
            return shape;
        }
        match tone {
            Tone::Plain | Tone::Dim | Tone::Strong | Tone::Selected => shape,
            Tone::Good => shape.fg(Color::Green),
            Tone::Busy | Tone::Key => shape.fg(Color::Cyan),
            Tone::Warn => shape.fg(Color::Yellow),
            Tone::Bad => shape.fg(Color::Red),
            Tone::Call => shape.fg(Color::Magenta),
            Tone::Production => shape.fg(Color::White).bg(Color::Red),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TONES: [Tone; 11] = [
        Tone::Plain,
        Tone::Dim,
        Tone::Strong,
        Tone::Good,
        Tone::Busy,
        Tone::Warn,
        Tone::Bad,
        Tone::Key,
        Tone::Call,
        Tone::Production,
        Tone::Selected,
    ];

    #[test]
    fn without_colour_no_tone_has_one() {
        for tone in TONES {
            let style = Theme::new(false).style(tone);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
        }
    }

    #[test]
    fn colours_are_the_terminals_own() {
        for tone in TONES {
            let style = Theme::new(true).style(tone);
            for color in [style.fg, style.bg].into_iter().flatten() {
                assert!(!matches!(color, Color::Rgb(..) | Color::Indexed(_)), "{tone:?} uses {color:?}");
            }
        }
    }
}
