//! A secret from a command: run without a shell, without input, and not for long.

use super::{LONGEST_BYTES, SecretProblem, text_of};
use crate::config::names;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Longest run time of a secret command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest part of standard error that is repeated, in characters.
const STDERR_CHARS: usize = 300;

/// What comes from the command, in whichever order it comes.
enum Heard {
    Line(std::io::Result<Vec<u8>>),
    Stderr(Vec<u8>),
    Exit(std::io::Result<ExitStatus>),
}

/// Runs `argv` and returns the first line that it writes.
pub(super) fn first_line(argv: &[String], timeout: Duration) -> Result<String, SecretProblem> {
    let (program, arguments) = argv.split_first().map_or(("", argv), |(first, rest)| (first.as_str(), rest));
    let shown = names::shown(program);
    let not_started = |source| SecretProblem::NotStarted { program: shown.clone(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that what the command started is ended with it.
        .process_group(0)
        .spawn()
        .map_err(not_started)?;
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let (tell, heard) = mpsc::channel();
    // The threads end by themselves: when the command ends or is ended, and at the latest when the last holder of a pipe does.
    // A receiver that is gone has its answer already, so a failed send means nothing.
    if let Some(stdout) = child.stdout.take() {
        let tell = tell.clone();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            let mut reader = BufReader::new(stdout.take(LONGEST_BYTES + 1));
            let read = reader.read_until(b'\n', &mut line).map(|_| line);
            let _ = tell.send(Heard::Line(read));
            // What follows the first line is thrown away, so that the command does not fail at a closed pipe.
            let _ = std::io::copy(&mut reader.into_inner().into_inner(), &mut std::io::sink());
        });
    }
    if let Some(stderr) = child.stderr.take() {
        let tell = tell.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut reader = stderr.take(LONGEST_BYTES);
            // What was read before an error is still worth showing.
            let _ = reader.read_to_end(&mut bytes);
            let _ = tell.send(Heard::Stderr(bytes));
            let _ = std::io::copy(&mut reader.into_inner(), &mut std::io::sink());
        });
    }
    std::thread::spawn(move || {
        let _ = tell.send(Heard::Exit(child.wait()));
    });
    let answer = listen(&heard, timeout);
    let Some((status, line, stderr)) = answer else {
        // Failing to end it means that it has just ended.
        let _ = group.map(|group| killpg(group, Signal::SIGKILL));
        return Err(SecretProblem::TimedOut { program: shown });
    };
    let status = status.map_err(not_started)?;
    let line = line.map_err(not_started)?;
    if !status.success() {
        return Err(SecretProblem::Failed {
            program: shown,
            status: status.to_string(),
            stderr: last_words(&stderr, &line),
        });
    }
    text_of(line).ok_or(SecretProblem::NotText { origin: format!("command `{shown}`") })
}

type Answer = (std::io::Result<ExitStatus>, std::io::Result<Vec<u8>>, Vec<u8>);

/// Waits for the exit and the first line, and after a failure for standard error. A process that the command left
/// behind may hold the pipes open; standard error is then not waited for beyond a moment. `None`: not in time.
fn listen(heard: &Receiver<Heard>, timeout: Duration) -> Option<Answer> {
    let mut deadline = Instant::now() + timeout;
    let (mut status, mut line, mut stderr) = (None, None, None);
    loop {
        let failed =
            status.as_ref().is_some_and(|s: &std::io::Result<ExitStatus>| !s.as_ref().is_ok_and(ExitStatus::success));
        if status.is_some() && line.is_some() && (!failed || stderr.is_some()) {
            break;
        }
        match heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Heard::Line(read)) => line = Some(read),
            Ok(Heard::Stderr(bytes)) => stderr = Some(bytes),
            Ok(Heard::Exit(exit)) => {
                status = Some(exit);
                // Its own output is in the pipe by now; only what others hold open could make us wait.
                deadline = deadline.min(Instant::now() + Duration::from_secs(1));
            }
            Err(_) => break,
        }
    }
    Some((status?, line.unwrap_or_else(|| Ok(Vec::new())), stderr.unwrap_or_default()))
}

/// The end of what the command wrote to standard error, on one line, without its output.
fn last_words(stderr: &[u8], output: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(stderr).into_owned();
    let output = String::from_utf8_lossy(output);
    if output.trim().len() >= 3 {
        text = text.replace(output.trim(), "***");
    }
    let text = super::super::url::redact_url(&text);
    let text = names::visible(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = text.trim_end_matches('.');
    match text.char_indices().rev().nth(STDERR_CHARS - 1) {
        Some((start, _)) if start > 0 => format!("...{}", &text[start..]),
        _ => text.to_owned(),
    }
}
