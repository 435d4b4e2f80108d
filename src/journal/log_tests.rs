use super::*;
use crate::model::ids::Operator;

fn started(pid: u32) -> Event {
    Event::EngineStarted { pid, version: "0".into(), host: "h".into(), user: Operator::from("mina") }
}

async fn filled(path: &Path, rows: u32) -> Journal {
    let mut journal = Journal::open(path).await.unwrap();
    for pid in 0..rows {
        journal.append(&[started(pid)], Utc::now()).await.unwrap();
    }
    journal
}

async fn tamper(path: &Path, sql: &'static str) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    connection.execute(sql).await.unwrap();
}

#[tokio::test]
async fn what_was_appended_is_read_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.db");
    let mut journal = filled(&path, 3).await;
    let entries = journal.append(&[started(7), started(8)], Utc::now()).await.unwrap();
    assert_eq!(entries.iter().map(|e| e.seq.0).collect::<Vec<_>>(), [4, 5]);
    let mut again = Journal::open(&path).await.unwrap();
    assert_eq!(again.head(), Seq(5));
    assert_eq!(again.read_since(Seq(3), 10).await.unwrap(), entries);
    assert_eq!(check(&path).await.unwrap().rows, 5);
}

#[tokio::test]
async fn a_changed_a_removed_and_a_moved_row_are_noticed() {
    let changes = [
        ("UPDATE journal SET body = replace(body, '\"pid\":1', '\"pid\":9') WHERE seq = 2", 2),
        ("UPDATE journal SET at = '2020-01-01T00:00:00Z' WHERE seq = 3", 3),
        ("DELETE FROM journal WHERE seq = 2", 2),
        ("UPDATE journal SET hash = (SELECT hash FROM journal WHERE seq = 1) WHERE seq = 2", 2),
    ];
    for (sql, bad) in changes {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j.db");
        drop(filled(&path, 4).await);
        tamper(&path, sql).await;
        match check(&path).await {
            Err(JournalError::Broken { seq, .. }) => assert_eq!(seq, bad, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_unknown_kind_is_kept_and_does_not_break_an_older_binary() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.db");
    drop(filled(&path, 1).await);
    let body = r#"{"kind":"from_the_future","x":1}"#;
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let at = "2026-01-01T00:00:00.000000Z";
    let previous: String =
        sqlx::query("SELECT hash FROM journal WHERE seq = 1").fetch_one(&mut connection).await.unwrap().get(0);
    sqlx::query("INSERT INTO journal VALUES (2, ?, 1, ?, ?)")
        .bind(at)
        .bind(body)
        .bind(chain::row_hash(&previous, 2, at, 1, body))
        .execute(&mut connection)
        .await
        .unwrap();
    let mut journal = Journal::open(&path).await.unwrap();
    journal.append(&[started(3)], Utc::now()).await.unwrap();
    let state = journal.replay().await.unwrap();
    assert_eq!((state.head, state.unknown_events), (Seq(3), 1));
    assert_eq!(check(&path).await.unwrap().unknown_rows, 1);
}

#[tokio::test]
async fn a_newer_layout_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("j.db");
    drop(filled(&path, 1).await);
    tamper(&path, "PRAGMA user_version = 99").await;
    let error = Journal::open(&path).await.err().unwrap().to_string();
    assert!(error.contains("form 99") && error.contains("newer godwit"), "{error}");
}
