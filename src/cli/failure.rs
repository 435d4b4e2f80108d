//! What a command ends with when it cannot go on: an exit code and one sentence.

use crate::cli::exit::Exit;
use crate::wire::client::ClientError;
use std::fmt;
use std::path::Path;

/// The end of a command. An empty sentence ends quietly (the reader of our output went away).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What failed, where, why, what to do next.
    pub sentence: String,
}

/// What every command returns: the exit code, or why it could not be carried out.
pub type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure with its sentence.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }

    /// A command line that cannot be carried out.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, sentence)
    }

    /// A file operation that failed.
    pub fn file(what: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(Exit::Io, format!("cannot {what} {}: {error}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match &error {
            ClientError::NotRunning { .. } => Exit::NoEngine,
            ClientError::Refused(_) => Exit::Rejected,
            ClientError::Closed | ClientError::Silent | ClientError::Frame(_) => Exit::ConnectionLost,
        };
        let next = match exit {
            Exit::ConnectionLost => "; what was asked may have happened: look at `godwit log`",
            _ => "",
        };
        Self::new(exit, format!("{error}{next}"))
    }
}

/// Failures of our own output. A broken pipe is a reader that has seen enough: a quiet end, not an error.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, "");
        }
        Self::new(Exit::Io, format!("cannot write the output: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_a_quiet_end() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(failure, Failure::new(Exit::Ok, ""));
    }

    #[test]
    fn a_lost_connection_sends_the_operator_to_the_journal() {
        let failure = Failure::from(ClientError::Closed);
        assert_eq!(failure.exit, Exit::ConnectionLost);
        assert!(failure.sentence.contains("godwit log"), "{failure}");
    }
}
