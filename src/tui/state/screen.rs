//! The screens.

use crate::model::view::ViewKind;

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
    /// Sessions of all stores.
    Activity,
    /// Who waits for whom.
    Locks,
    /// Replication and kept logs of the stores themselves.
    Replication,
}

impl Screen {
    /// All, in the order of their digits.
    pub const ALL: [Self; 8] = [
        Self::Overview,
        Self::Phases,
        Self::Pipelines,
        Self::Verification,
        Self::Journal,
        Self::Activity,
        Self::Locks,
        Self::Replication,
    ];

    /// Letters of the longest word.
    pub const LONGEST_WORD: usize = 12;

    /// The word for tabs and for the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Phases => "phases",
            Self::Pipelines => "pipelines",
            Self::Verification => "verification",
            Self::Journal => "journal",
            Self::Activity => "activity",
            Self::Locks => "locks",
            Self::Replication => "replication",
        }
    }

    /// The view of the stores that it shows. It is watched only while the screen is shown, so that nothing flows that nobody sees.
    pub fn view(self) -> Option<ViewKind> {
        match self {
            Self::Activity | Self::Locks => Some(ViewKind::Activity),
            Self::Replication => Some(ViewKind::Replication),
            Self::Overview | Self::Phases | Self::Pipelines | Self::Verification | Self::Journal => None,
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
