//! The five screens.

/// A screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// The migration at a glance.
    #[default]
    Overview,
    /// The ladder and what an operator may do with each phase.
    Phases,
    /// Each pipeline in detail.
    Pipelines,
    /// What is proved equal.
    Verification,
    /// What happened.
    Journal,
}

impl Screen {
    /// All, in the order of their digits.
    pub const ALL: [Self; 5] = [Self::Overview, Self::Phases, Self::Pipelines, Self::Verification, Self::Journal];

    /// The word for tabs and for the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Phases => "phases",
            Self::Pipelines => "pipelines",
            Self::Verification => "verification",
            Self::Journal => "journal",
        }
    }

    /// Its digit, from 1.
    pub fn digit(self) -> usize {
        self as usize + 1
    }

    /// The one to the right; the first after the last.
    #[must_use]
    pub fn following(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    /// The one to the left; the last before the first.
    #[must_use]
    pub fn preceding(self) -> Self {
        Self::ALL[(self as usize + Self::ALL.len() - 1) % Self::ALL.len()]
    }
}
