//! Exit codes: documented in `docs/operator/exit-codes.md`, stable for scripts.

use std::process::ExitCode;

/// How a run of `godwit` ended. Numbers never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing was found.
    Ok = 0,
    /// It ran and found something: a failed check, drift, a broken journal, a demo verdict that is not OK.
    Finding = 1,
    /// The command line is not one that can be carried out: unknown words, a missing scope, a question without a terminal.
    Usage = 2,
    /// No engine runs for this migration.
    NoEngine = 3,
    /// The engine refused the command; nothing was changed.
    Rejected = 4,
    /// What was waited for failed: a phase (also one that is stuck or was taken back), a pipeline, or a comparison.
    PhaseFailed = 5,
    /// The connection to the engine was lost: the outcome is in the journal.
    ConnectionLost = 6,
    /// The profile cannot be read or is not valid.
    Profile = 7,
    /// A file, a directory or a store could not be read or written.
    Io = 8,
    /// The engine could not start, or ended with an error.
    EngineFailed = 9,
    /// A bounded wait expired.
    TimedOut = 10,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in rising order: what the documentation lists.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::Finding,
        Self::Usage,
        Self::NoEngine,
        Self::Rejected,
        Self::PhaseFailed,
        Self::ConnectionLost,
        Self::Profile,
        Self::Io,
        Self::EngineFailed,
        Self::TimedOut,
        Self::Interrupted,
    ];

    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The word in the documentation.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Finding => "finding",
            Self::Usage => "usage",
            Self::NoEngine => "no-engine",
            Self::Rejected => "rejected",
            Self::PhaseFailed => "phase-failed",
            Self::ConnectionLost => "connection-lost",
            Self::Profile => "profile",
            Self::Io => "io",
            Self::EngineFailed => "engine-failed",
            Self::TimedOut => "timed-out",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_code_and_no_other() {
        let page = include_str!("../../docs/operator/exit-codes.md");
        let listed: Vec<(u8, String)> = page
            .lines()
            .filter_map(|line| {
                let mut cells = line.split('|').map(str::trim).skip(1);
                let code = cells.next()?.parse().ok()?;
                Some((code, cells.next()?.trim_matches('`').to_owned()))
            })
            .collect();
        let known: Vec<(u8, String)> = Exit::ALL.iter().map(|e| (e.code(), e.word().to_owned())).collect();
        assert_eq!(listed, known);
    }
}
