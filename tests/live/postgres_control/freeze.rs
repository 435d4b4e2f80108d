//! Holding, fencing, letting go: with writers in every state.

use super::lab::{Lab, SERVER_1, public, same, waits_for_a_lock};
use godwit::model::change::{CaptureItem, Position};
use godwit::model::table::TableName;
use godwit::stores::error::ErrorKind;
use godwit::stores::postgres::fence::MOVED_SQLSTATE;
use godwit::stores::{Activity, CaptureSpec, FenceState, Freeze, FreezeSpec, Probe, Store};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::time::{Duration, Instant};

const MOVED: &str = "orders has moved: it's on orders-db now";

fn spec(tables: &[TableName], lock_ms: u64, hold_ms: u64) -> FreezeSpec {
    FreezeSpec {
        tables: tables.to_vec(),
        lock_timeout: Duration::from_millis(lock_ms),
        hold_limit: Duration::from_millis(hold_ms),
        moved_message: MOVED.into(),
    }
}

async fn shop() -> Lab {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE orders (id int PRIMARY KEY, note text); CREATE TABLE lines (id int PRIMARY KEY); INSERT INTO orders VALUES (1, 'a')").await;
    lab
}

fn both() -> Vec<TableName> {
    vec![public("orders"), public("lines")]
}

/// SQLSTATE and message of the outcome.
async fn refusal(client: &mut PgConnection, sql: &str) -> (String, String) {
    let error = client.execute(AssertSqlSafe(sql.to_owned())).await.expect_err(sql);
    let error = error.into_database_error().unwrap();
    (error.code().unwrap().into_owned(), error.message().to_owned())
}

fn moved() -> (String, String) {
    (MOVED_SQLSTATE.to_owned(), MOVED.to_owned())
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_waiting_writer_goes_on_after_release() {
    let mut lab = shop().await;
    let guard = lab.store.hold(&spec(&both(), 2000, 5000)).await.unwrap();
    let mut writer = lab.client("writer").await;
    let write =
        tokio::spawn(
            async move { writer.execute("INSERT INTO orders VALUES (2, 'b')").await.map(|r| r.rows_affected()) },
        );
    waits_for_a_lock(&mut lab, "writer").await;
    assert_eq!(lab.text("SELECT count(*) FROM orders").await, "1", "readers go on");
    guard.release().await.unwrap();
    assert_eq!(write.await.unwrap().unwrap(), 1);
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Open);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn waiting_writers_wake_to_the_moved_message_after_the_fence() {
    let mut lab = shop().await;
    // One writer has prepared and run its statement before, so that its plan is cached.
    let mut prepared = lab.client("prepared").await;
    for n in [10, 11] {
        sqlx::query("INSERT INTO orders VALUES ($1, 'p')").bind(n).execute(&mut prepared).await.unwrap();
    }
    let mut guard = lab.store.hold(&spec(&both(), 2000, 5000)).await.unwrap();
    let mut plain = lab.client("plain").await;
    let mut truncating = lab.client("truncating").await;
    let plain = tokio::spawn(async move { refusal(&mut plain, "UPDATE orders SET note = 'x'").await });
    let truncating = tokio::spawn(async move { refusal(&mut truncating, "TRUNCATE orders").await });
    let prepared = tokio::spawn(async move {
        let outcome = sqlx::query("INSERT INTO orders VALUES ($1, 'p')").bind(12).execute(&mut prepared).await;
        let error = outcome.expect_err("the prepared insert passed the fence").into_database_error().unwrap();
        (error.code().unwrap().into_owned(), error.message().to_owned())
    });
    for application in ["plain", "prepared", "truncating"] {
        waits_for_a_lock(&mut lab, application).await;
    }
    guard.still_held().await.unwrap();
    guard.fence("cutover-1").await.unwrap();
    assert_eq!(plain.await.unwrap(), moved());
    assert_eq!(prepared.await.unwrap(), moved());
    assert_eq!(truncating.await.unwrap(), moved());
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Fenced { token: "cutover-1".into() });

    let mut client = lab.client("later").await;
    for sql in [
        "INSERT INTO lines VALUES (1)",
        "DELETE FROM orders",
        "COPY lines FROM PROGRAM 'echo 1'",
        "INSERT INTO orders VALUES (1) ON CONFLICT DO NOTHING",
    ] {
        assert_eq!(refusal(&mut client, sql).await, moved(), "{sql}");
    }
    // Our applier's sessions pass, and nobody else.
    client.execute("SET session_replication_role = replica").await.unwrap();
    client.execute("INSERT INTO lines VALUES (1)").await.unwrap();
    client.execute("SET session_replication_role = origin").await.unwrap();

    lab.store.open(&both()).await.unwrap();
    client.execute("INSERT INTO lines VALUES (2)").await.unwrap();
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Open);
    assert_eq!(lab.text("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").await, "0");
    lab.store.open(&both()).await.unwrap();
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_marker_lies_behind_a_transaction_that_commits_late() {
    let mut lab = shop().await;
    lab.run("SELECT pg_create_logical_replication_slot('ctl_' || current_database(), 'test_decoding')").await;
    let mut late = lab.client("late").await;
    late.execute("BEGIN; INSERT INTO orders VALUES (7, 'late')").await.unwrap();
    let open = lab.store.open_transactions(&both()).await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].application.as_str(), open[0].user.as_str()), ("late", "postgres"));
    let store = lab.another_store();
    let hold = tokio::spawn(async move {
        let mut guard = store.hold(&spec(&both(), 8000, 8000)).await.unwrap();
        let position = guard.marker(&[], "token-c02").await.unwrap();
        guard.release().await.unwrap();
        position
    });
    waits_for_a_lock(&mut lab, "godwit freeze").await;
    late.execute("COMMIT").await.unwrap();
    let Position::Lsn(marker) = hold.await.unwrap() else { panic!("not an LSN") };
    let log = lab
        .text("SELECT string_agg(data, '|' ORDER BY n) FROM pg_logical_slot_get_changes('ctl_' || current_database(), NULL, NULL) WITH ORDINALITY AS c (lsn, xid, data, n)")
        .await;
    let insert = log.find("note[text]:'late'").expect("the late insert is in the log");
    let message = log.find("token-c02").expect("the marker is in the log");
    assert!(insert < message, "{log}");
    assert!(marker > 0);
    lab.run("SELECT pg_drop_replication_slot('ctl_' || current_database())").await;
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_marker_comes_out_of_the_capture_behind_the_last_change_and_soon() {
    let mut lab = shop().await;
    let maps = vec![same("orders", &[("id", "integer"), ("note", "text")], &[0])];
    let spec_of_capture = CaptureSpec { name: lab.name.clone(), ignore_origin: "none".into(), tables: maps };
    let (origin, _) = lab.store.capture().prepare(&spec_of_capture, false).await.unwrap();
    assert_eq!(origin.server_identity, lab.store.facts().await.unwrap().identity);
    let mut stream = lab.store.capture().stream(&spec_of_capture, origin.position).await.unwrap();
    lab.run("INSERT INTO orders VALUES (42, 'last')").await;
    let mut guard = lab.store.hold(&spec(&both(), 2000, 8000)).await.unwrap();
    let started = Instant::now();
    guard.marker(std::slice::from_ref(&spec_of_capture), "token-1").await.unwrap();
    let mut changes = 0;
    'log: loop {
        assert!(started.elapsed() < Duration::from_secs(10), "the marker did not come out");
        for item in stream.next().await.unwrap() {
            match item {
                CaptureItem::Change(_) => changes += 1,
                CaptureItem::Marker { token, .. } if token == "token-1" => break 'log,
                _ => {}
            }
        }
    }
    assert_eq!(changes, 1);
    guard.release().await.unwrap();
    drop(stream);
    lab.store.capture().drop_capture(&spec_of_capture).await.unwrap();
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_long_transaction_ends_the_attempt_with_its_name_and_writers_pass_between_attempts() {
    let lab = shop().await;
    let mut long = lab.client("nightly report").await;
    long.execute("BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE").await.unwrap();
    let store = lab.another_store();
    let hold = tokio::spawn(async move { store.hold(&spec(&both(), 2000, 5000)).await.map(|_| ()) });
    let mut writer = lab.client("writer").await;
    let mut longest = Duration::ZERO;
    let mut n = 100;
    while !hold.is_finished() {
        n += 1;
        let started = Instant::now();
        sqlx::query("INSERT INTO orders VALUES ($1, 'w')").bind(n).execute(&mut writer).await.unwrap();
        longest = longest.max(started.elapsed());
    }
    let error = hold.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Contention);
    assert!(error.message.contains("nightly report"), "{error}");
    assert!(longest < Duration::from_millis(1500), "a writer waited {longest:?} of a budget of 2 s");
    long.execute("ROLLBACK").await.unwrap();
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn killing_the_holder_lets_writers_go_on_and_the_fence_fails() {
    let mut lab = shop().await;
    let mut guard = lab.store.hold(&spec(&both(), 2000, 5000)).await.unwrap();
    let mut writer = lab.client("writer").await;
    let write = tokio::spawn(async move { writer.execute("INSERT INTO orders VALUES (2, 'b')").await.map(|_| ()) });
    waits_for_a_lock(&mut lab, "writer").await;
    lab.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'godwit freeze' AND datname = current_database()").await;
    write.await.unwrap().unwrap();
    assert!(guard.still_held().await.is_err());
    assert!(guard.fence("cutover-2").await.is_err());
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Open);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_server_lets_go_when_it_hears_nothing() {
    let lab = shop().await;
    let mut guard = lab.store.hold(&spec(&both(), 2000, 300)).await.unwrap();
    let mut writer = lab.client("writer").await;
    // Nobody speaks to the holding session: the insert waits for the hold limit and no longer.
    writer.execute("INSERT INTO orders VALUES (2, 'b')").await.unwrap();
    assert!(guard.still_held().await.is_err());
    drop(guard);
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Open);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn another_engine_ends_the_hold_of_a_dead_one_before_it_answers() {
    let mut lab = shop().await;
    let guard = lab.store.hold(&spec(&both(), 2000, 60_000)).await.unwrap();
    // To a second store object the session is an orphan, as after a crash of the engine.
    let second = lab.another_store();
    assert_eq!(second.fence_state(&both()).await.unwrap(), FenceState::Open);
    assert_eq!(lab.text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'godwit freeze' AND datname = current_database()").await, "0");
    assert!(guard.fence("too-late").await.is_err());
    assert_eq!(second.fence_state(&both()).await.unwrap(), FenceState::Open);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_own_hold_survives_a_question_about_the_fence() {
    let lab = shop().await;
    let mut guard = lab.store.hold(&spec(&both(), 2000, 5000)).await.unwrap();
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Open);
    guard.still_held().await.unwrap();
    guard.release().await.unwrap();
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn dropping_the_guard_lets_writers_go_on() {
    let mut lab = shop().await;
    let guard = lab.store.hold(&spec(&both(), 2000, 60_000)).await.unwrap();
    drop(guard);
    lab.run("INSERT INTO orders VALUES (3, 'c')").await;
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn partitions_are_held_and_fenced_one_by_one() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run(
        "CREATE TABLE events (at int, what text) PARTITION BY RANGE (at);
         CREATE TABLE events_a PARTITION OF events FOR VALUES FROM (0) TO (10);
         CREATE TABLE events_b PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (at);
         CREATE TABLE events_b1 PARTITION OF events_b FOR VALUES FROM (10) TO (20)",
    )
    .await;
    let tables = [public("events")];
    let guard = lab.store.hold(&spec(&tables, 2000, 5000)).await.unwrap();
    guard.fence("parts").await.unwrap();
    let mut client = lab.client("later").await;
    for sql in [
        "INSERT INTO events VALUES (1)",
        "INSERT INTO events_a VALUES (1)",
        "INSERT INTO events_b1 VALUES (11)",
        "TRUNCATE events_b",
        "DELETE FROM events",
    ] {
        assert_eq!(refusal(&mut client, sql).await, moved(), "{sql}");
    }
    lab.run("DROP TRIGGER godwit_fence ON events_b1").await;
    assert_eq!(lab.store.fence_state(&tables).await.unwrap(), FenceState::Mixed { open: vec![public("events_b1")] });
    lab.store.close(&tables, "parts", MOVED).await.unwrap();
    assert_eq!(lab.store.fence_state(&tables).await.unwrap(), FenceState::Fenced { token: "parts".into() });
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn close_and_open_without_a_freeze_even_under_a_reader() {
    let mut lab = shop().await;
    lab.store.close(&both(), "t1", MOVED).await.unwrap();
    lab.store.close(&both(), "t2", MOVED).await.unwrap();
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Fenced { token: "t1".into() });
    let mut reader = lab.client("reader").await;
    let mut reading = reader.begin().await.unwrap();
    reading.execute("SELECT * FROM orders").await.unwrap();
    let started = Instant::now();
    lab.store.open(&both()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "a reader delayed the opening");
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Open);
    lab.run("INSERT INTO orders VALUES (9, 'open')").await;
    // A fence that was only disabled stands again after the next close, with the new token.
    lab.store.close(&both(), "t3", MOVED).await.unwrap();
    assert_eq!(lab.store.fence_state(&both()).await.unwrap(), FenceState::Fenced { token: "t3".into() });
    reading.rollback().await.unwrap();
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_prepared_transaction_is_seen_and_blocks() {
    let mut lab = shop().await;
    lab.run("BEGIN; INSERT INTO orders VALUES (5, 'two-phase'); PREPARE TRANSACTION 'ctl_gid'").await;
    let open = lab.store.open_transactions(&both()).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0].session, "prepared ctl_gid");
    let error = lab.store.hold(&spec(&both(), 300, 5000)).await.map(|_| ()).unwrap_err();
    assert!(error.message.contains("prepared ctl_gid"), "{error}");
    lab.run("ROLLBACK PREPARED 'ctl_gid'").await;
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_missing_table_is_refused_and_nothing_is_held() {
    let mut lab = shop().await;
    let error = lab.store.hold(&spec(&[public("orders"), public("nope")], 300, 5000)).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    lab.run("INSERT INTO lines VALUES (77)").await;
    lab.finish().await;
}
