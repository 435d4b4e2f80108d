//! What the caller decides before the cockpit opens.

use crate::tui::coach::Coach;

/// When colour is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Unless the environment has a non-empty `NO_COLOR`.
    #[default]
    Auto,
    /// Whatever the environment says.
    Always,
    /// Never; bold, reverse and underline stay.
    Never,
}

impl ColorChoice {
    /// The decision, given the value of `NO_COLOR`.
    pub fn allows(self, no_color: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => no_color.is_none_or(str::is_empty),
        }
    }
}

/// The zone in which times of day are shown; it is named beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// UTC, as in the journal.
    #[default]
    Utc,
    /// The machine's own zone.
    Local,
}

/// How the cockpit behaves.
#[derive(Clone, Debug, Default)]
pub struct CockpitOptions {
    /// Look only: no key and no command changes anything, whatever the role allows.
    pub observe: bool,
    /// Shows a newcomer what to press next.
    pub coach: Option<Coach>,
    /// Colour.
    pub color: ColorChoice,
    /// At most one frame for new readings every five seconds.
    pub low_bandwidth: bool,
    /// Zone for times of day.
    pub zone: Zone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_counts_only_when_it_is_not_empty() {
        assert!(ColorChoice::Auto.allows(None));
        assert!(ColorChoice::Auto.allows(Some("")));
        assert!(!ColorChoice::Auto.allows(Some("0")));
        assert!(ColorChoice::Always.allows(Some("1")));
        assert!(!ColorChoice::Never.allows(None));
    }
}
