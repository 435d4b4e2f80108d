//! Tracing to the engine's log file. The file is for people in an incident: one line an event, UTC, cleaned of control bytes.

use crate::report::line::clean;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// A log longer than this is set aside as `engine.log.1` when an engine starts.
const KEEP_BYTES: u64 = 16 * 1024 * 1024;
/// What is logged unless `GODWIT_LOG` says otherwise, in the notation of `tracing-subscriber`.
const DEFAULT_FILTER: &str = "info,sqlx=warn";

/// Opens a log file for appending, private to its owner.
///
/// # Errors
/// When the directory or the file cannot be made.
pub fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::DirBuilderExt;
    if let Some(dir) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    File::options().create(true).append(true).mode(0o600).open(path)
}

/// Starts logging to `path`; with `aloud`, to standard error as well (an engine in the foreground).
///
/// # Errors
/// When the file cannot be opened, the filter cannot be read, or logging has been started already.
pub fn start(path: &Path, aloud: bool) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|m| m.len() > KEEP_BYTES) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let filter = match std::env::var("GODWIT_LOG") {
        Ok(text) => EnvFilter::try_new(text).map_err(|e| io::Error::other(format!("GODWIT_LOG: {e}")))?,
        Err(_) => EnvFilter::new(DEFAULT_FILTER),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Log { file: Arc::new(open(path)?), aloud })
        .try_init()
        .map_err(io::Error::other)
}

/// Where events go.
#[derive(Clone, Debug)]
struct Log {
    file: Arc<File>,
    aloud: bool,
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Log {
    /// The subscriber hands each event over in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut line = clean(String::from_utf8_lossy(event).trim_end_matches('\n'));
        line.push('\n');
        self.file.as_ref().write_all(line.as_bytes())?;
        if self.aloud {
            io::stderr().lock().write_all(line.as_bytes())?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_ref().flush()
    }
}

/// The last lines of a log, cleaned: what to show when an engine did not start. Reads at most 64 kB.
pub fn last_lines(path: &Path, count: usize) -> Vec<String> {
    let Ok(bytes) = tail(path, 64 * 1024) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(count)).map(|line| clean(line)).collect()
}

fn tail(path: &Path, bytes: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_holds_no_escape_and_belongs_to_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state").join("engine.log");
        let mut log = Log { file: Arc::new(open(&path).unwrap()), aloud: false };
        log.write_all(b"evil \x1b]0;title\x07 name\nsecond\n").unwrap();
        log.write_all(b"next\n").unwrap();
        assert_eq!(last_lines(&path, 5), ["evil ]0;title namesecond", "next"]);
        assert_eq!(last_lines(&path, 1), ["next"]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_log_that_is_not_there_has_no_lines() {
        assert!(last_lines(Path::new("/nonexistent/engine.log"), 3).is_empty());
    }
}
