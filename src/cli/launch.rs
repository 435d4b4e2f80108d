//! Starting an engine in the background: a process of its own that outlives this terminal.

use crate::cli::choice::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::telemetry;
use crate::wire::client::{ClientError, Connection};
use crate::wire::place::Place;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest wait for a started engine to answer. It replays its journal first and asks stores about steps in doubt.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Lines of the log that are shown when it did not start.
const LOG_LINES: usize = 20;

/// Makes sure that an engine answers on the socket: the one that runs, or a new one. True when it was started here.
///
/// # Errors
/// When the new one ends or stays silent; the last lines of its log are part of the sentence.
pub async fn ensure(profile: &Path, chosen: &Chosen, environment: &[(&'static str, PathBuf)]) -> Result<bool, Failure> {
    match Connection::open(&chosen.place.socket, "cli").await {
        Ok(_) => return Ok(false),
        Err(ClientError::NotRunning { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let mut child = spawn(profile, &chosen.place, environment)?;
    let answers = async {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        loop {
            beat.tick().await;
            if Connection::open(&chosen.place.socket, "cli").await.is_ok() {
                return Ok(());
            }
            let ended =
                child.try_wait().map_err(|e| Failure::new(Exit::Io, format!("cannot watch the engine: {e}")))?;
            if let Some(status) = ended {
                return Err(Failure::new(
                    Exit::EngineFailed,
                    format!("the engine ended while it started ({status}){}", last_words(&chosen.place)),
                ));
            }
        }
    };
    tokio::time::timeout(START_TIMEOUT, answers).await.unwrap_or_else(|_| {
        Err(Failure::new(
            Exit::TimedOut,
            format!(
                "the engine was started but does not answer after {} s{}",
                START_TIMEOUT.as_secs(),
                last_words(&chosen.place)
            ),
        ))
    })?;
    Ok(true)
}

/// Starts `godwit engine --detached`. What it says before it opens its log goes to the same file. It leaves this session by itself
/// (`setsid`); it is not made the leader of a process group here, because a leader cannot do that.
fn spawn(profile: &Path, place: &Place, environment: &[(&'static str, PathBuf)]) -> Result<Child, Failure> {
    let log_path = place.log();
    let log = telemetry::open(&log_path).map_err(|e| Failure::file("open the engine's log", &log_path, &e))?;
    let profile = std::path::absolute(profile).map_err(|e| Failure::file("find", profile, &e))?;
    let program = std::env::current_exe()
        .map_err(|e| Failure::new(Exit::EngineFailed, format!("cannot find the path of this program: {e}")))?;
    Command::new(&program)
        .arg("engine")
        .arg("--profile")
        .arg(profile)
        .arg("--detached")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| Failure::new(Exit::EngineFailed, format!("cannot start {}: {e}", program.display())))
}

/// The end of the engine's log as the end of a sentence.
pub fn last_words(place: &Place) -> String {
    let lines = telemetry::last_lines(&place.log(), LOG_LINES);
    if lines.is_empty() {
        return format!("; its log {} is empty", place.log().display());
    }
    format!("; the last lines of {}:\n  {}", place.log().display(), lines.join("\n  "))
}
