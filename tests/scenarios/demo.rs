//! `godwit demo --headless`, as a newcomer runs it: processes of their own, and a verdict that does not ask the engine.

use std::process::{Command, Stdio};

#[test]
fn the_demo_ends_with_a_verdict_that_nothing_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_godwit"))
        .args(["demo", "--headless", "--dir"])
        .arg(dir.path().join("demo"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (printed, complaints) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{printed}\n{complaints}");
    let last = printed.lines().last().unwrap();
    assert!(last.starts_with("demo: acknowledged "), "{last}");
    assert!(last.contains(", lost 0, duplicated 0, drift 0, longest write wait "), "{last}");
    assert!(last.ends_with(", cutovers 2, rollbacks 1, verdict OK"), "{last}");
    let acknowledged: u64 = last.split([' ', ',']).nth(2).unwrap().parse().unwrap();
    assert!(acknowledged > 1_000, "{last}");
    // Every phase of the ladder is told, and nothing is left behind.
    for phase in ["assess", "build", "backfill", "sync", "verify", "tune", "secure", "cutover", "watch", "retire"] {
        assert!(printed.lines().any(|line| line.ends_with(&format!("  {phase} succeeded"))), "{phase}\n{printed}");
    }
    assert!(!dir.path().join("demo").exists());
}
