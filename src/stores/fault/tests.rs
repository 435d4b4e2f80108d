//! The script itself, on a SQLite file.

use super::*;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::sqlite::store::SqliteStore;
use std::time::Duration;

fn wrapped(dir: &tempfile::TempDir, script: &FaultScript) -> StoreRef {
    let options = crate::stores::OpenOptions {
        id: "s".into(),
        statement_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
    };
    FaultStore::wrap(Arc::new(SqliteStore::new(options, dir.path().join("f"))), script.clone())
}

fn spec() -> ApplySpec {
    ApplySpec { name: "p".to_owned(), tables: Vec::new() }
}

fn origin(row: u64) -> CaptureOrigin {
    CaptureOrigin { server_identity: String::new(), position: Position::LogRow(row) }
}

#[tokio::test]
async fn the_nth_call_fails_before_or_after_its_effect() {
    let (dir, script) = (tempfile::tempdir().unwrap(), FaultScript::new());
    let store = wrapped(&dir, &script);
    script.fail("target.begin", 2, When::Before, ErrorKind::Unreachable);
    let lost = script.fail("target.begin", 3, When::After, ErrorKind::TimedOut);
    store.target().begin(&spec(), &origin(1)).await.unwrap();
    let error = store.target().begin(&spec(), &origin(2)).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (ErrorKind::Unreachable, Operation::Checkpoint));
    assert_eq!(store.target().state(&spec()).await.unwrap().origin, Some(origin(1)));
    assert!(!lost.was_hit());
    assert_eq!(store.target().begin(&spec(), &origin(3)).await.unwrap_err().kind, ErrorKind::TimedOut);
    assert!(lost.was_hit());
    assert_eq!(store.target().state(&spec()).await.unwrap().origin, Some(origin(3)));
    store.target().begin(&spec(), &origin(4)).await.unwrap();
    assert_eq!(script.calls("target.begin"), 4);
}

#[tokio::test]
async fn a_held_call_waits_for_its_release() {
    let (dir, script) = (tempfile::tempdir().unwrap(), FaultScript::new());
    let store = wrapped(&dir, &script);
    let held = script.hold("applier.commit", 1, When::Before);
    store.target().begin(&spec(), &origin(1)).await.unwrap();
    let mut applier = store.target().applier(&spec()).await.unwrap();
    let task = tokio::spawn(async move { applier.commit(Position::LogRow(5)).await });
    held.await_hit().await;
    assert_eq!(store.target().state(&spec()).await.unwrap().applied, None);
    assert!(!task.is_finished());
    held.release();
    task.await.unwrap().unwrap();
    assert_eq!(store.target().state(&spec()).await.unwrap().applied, Some(Position::LogRow(5)));
    script.hold("probe.facts", 1, When::After);
    script.slow("probe.facts", Duration::from_secs(3_600));
    script.clear();
    store.probe().facts().await.unwrap();
}
