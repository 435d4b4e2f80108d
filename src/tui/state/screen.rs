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
    /// Statements by what they cost.
    HotSpots,
    /// Index advice.
    Indexes,
    /// Access audit.
    Access,
}

impl Screen {
    /// All, in the order of their keys.
    pub const ALL: [Self; 11] = [
        Self::Overview,
        Self::Phases,
        Self::Pipelines,
        Self::Verification,
        Self::Journal,
        Self::Activity,
        Self::Locks,
        Self::Replication,
        Self::HotSpots,
        Self::Indexes,
        Self::Access,
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
            Self::HotSpots => "hotspots",
            Self::Indexes => "indexes",
            Self::Access => "access",
        }
    }

    /// The view of the stores that it shows. It is watched only while the screen is shown, so that nothing flows that nobody sees.
    pub fn view(self) -> Option<ViewKind> {
        match self {
            Self::Activity | Self::Locks => Some(ViewKind::Activity),
            Self::Replication => Some(ViewKind::Replication),
            Self::HotSpots => Some(ViewKind::HotSpots),
            Self::Indexes => Some(ViewKind::Indexes),
            Self::Access => Some(ViewKind::Access),
            Self::Overview | Self::Phases | Self::Pipelines | Self::Verification | Self::Journal => None,
        }
    }

    /// Its key: the digits in the order of the keyboard's row, then `u` (users' rights).
    pub fn key(self) -> char {
        match self {
            Self::Overview => '1',
            Self::Phases => '2',
            Self::Pipelines => '3',
            Self::Verification => '4',
            Self::Journal => '5',
            Self::Activity => '6',
            Self::Locks => '7',
            Self::Replication => '8',
            Self::HotSpots => '9',
            Self::Indexes => '0',
            Self::Access => 'u',
        }
    }

    /// The screen that a word of the command line means: its own word, or the short one that other tools taught.
    pub fn by_word(word: &str) -> Option<Self> {
        match word {
            "hot" => Some(Self::HotSpots),
            "idx" => Some(Self::Indexes),
            "acl" => Some(Self::Access),
            _ => Self::ALL.into_iter().find(|screen| screen.word() == word),
        }
    }

    /// Names of fields that a filter knows here; empty: it looks at whole rows only.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Activity => &["store", "session", "login", "application", "client", "database", "state", "wait"],
            Self::HotSpots => &["store", "service", "table", "login", "operation", "kind", "source", "verdict"],
            Self::Indexes | Self::Access => &["store", "severity", "least", "verdict", "rule", "subject"],
            Self::Overview
            | Self::Phases
            | Self::Pipelines
            | Self::Verification
            | Self::Journal
            | Self::Locks
            | Self::Replication => &[],
        }
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
