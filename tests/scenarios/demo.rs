//! `godwit demo --headless`, as a newcomer runs it, and under `kill -9`: processes of their own, and a verdict that does not ask
//! the engine.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn demo(dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_godwit"));
    command.args(["demo", "--headless", "--dir"]).arg(dir).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Checks the verdict; returns everything that was printed.
#[track_caller]
fn assert_sound(output: Output) -> String {
    let (printed, complaints) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{printed}\n{complaints}");
    let last = printed.lines().last().unwrap();
    assert!(last.starts_with("demo: acknowledged "), "{last}");
    assert!(last.contains(", lost 0, duplicated 0, drift 0, longest write wait "), "{last}");
    assert!(last.ends_with(", cutovers 2, rollbacks 1, verdict OK"), "{last}");
    let acknowledged: u64 = last.split([' ', ',']).nth(2).unwrap().parse().unwrap();
    assert!(acknowledged > 1_000, "{last}");
    printed
}

#[test]
fn the_demo_ends_with_a_verdict_that_nothing_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let printed = assert_sound(demo(&dir.path().join("demo"), &[]).output().unwrap());
    // Every phase of the ladder is told, and nothing is left behind.
    for phase in ["assess", "build", "backfill", "sync", "verify", "tune", "secure", "cutover", "watch", "retire"] {
        assert!(printed.lines().any(|line| line.ends_with(&format!("  {phase} succeeded"))), "{phase}\n{printed}");
    }
    assert!(!dir.path().join("demo").exists());
}

#[test]
fn an_engine_that_is_killed_again_and_again_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("demo");
    let mut child = demo(&dir, &["--revive"]).spawn().unwrap();
    // What is printed must be read while it runs, or the pipe fills.
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
    let lock = dir.join("state/godwit/demo/engine.lock");
    let mut kills = 0;
    // The pauses are the script of the faults: uneven, so that the kills fall on different steps; long enough for an engine to get somewhere in between.
    for pause_ms in [2_400, 900, 1_700, 3_100, 700, 2_300, 1_300, 2_900, 1_100, 1_900, 2_700, 1_500] {
        std::thread::sleep(Duration::from_millis(pause_ms));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        let Some(pid) = std::fs::read_to_string(&lock).ok().and_then(|owner| owner_pid(&owner)) else { continue };
        // An engine that has just ended by itself, or was killed and not replaced yet, is nobody to kill.
        kills += u32::from(is_engine(pid) && kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
    }
    let mut output = child.wait_with_output().unwrap();
    output.stdout = reader.join().unwrap().into_bytes();
    assert_sound(output);
    assert!(kills >= 5, "only {kills} kills");
}

/// The process id in an owner's words: `pid 4711 of root on ...`.
fn owner_pid(owner: &str) -> Option<i32> {
    owner.strip_prefix("pid ")?.split(' ').next()?.parse().ok()
}

/// Never kill a process that only got the number of one of ours.
fn is_engine(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains("godwit engine"))
}
