//! Holding writers, markers, fences, and what is left when a holder vanishes.

use super::lab::{Lab, PATIENCE, Pipeline, kind, map_of};
use crate::model::table::TableName;
use crate::stores::error::ErrorKind;
use crate::stores::sqlite::store::SqliteStore;
use crate::stores::{Activity, Capture, FenceState, Freeze, FreezeGuard, FreezeSpec, MapSide, Sequences, Target};
use std::time::{Duration, Instant};

fn spec(hold_limit: Duration) -> FreezeSpec {
    FreezeSpec {
        tables: vec![TableName::bare("t")],
        lock_timeout: Duration::from_millis(300),
        hold_limit,
        moved_message: "t has moved to the orders store; it's read-only here".to_owned(),
    }
}

async fn hold(store: &SqliteStore) -> Box<dyn FreezeGuard> {
    store.hold(&spec(PATIENCE)).await.unwrap()
}

async fn lab_with_table() -> Lab {
    let lab = Lab::new();
    lab.app("a")
        .await
        .run("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v INT); INSERT INTO t (v) VALUES (1)")
        .await;
    lab
}

/// Starts a writer that must wait, and returns once it has tried for a while.
fn writer(lab: &Lab, sql: &'static str) -> tokio::task::JoinHandle<Result<Duration, String>> {
    let path = lab.path("a");
    tokio::spawn(async move {
        use sqlx::{ConnectOptions, Executor};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
        let mut conn = options.connect().await.map_err(|e| e.to_string())?;
        let started = Instant::now();
        conn.execute(sqlx::raw_sql(sql)).await.map_err(|e| e.to_string())?;
        Ok(started.elapsed())
    })
}

#[tokio::test]
async fn writers_wait_and_go_on_after_a_release() {
    let lab = lab_with_table().await;
    let store = lab.store("a");
    let mut guard = hold(&store).await;
    let waiting = writer(&lab, "INSERT INTO t (v) VALUES (2)");
    assert_eq!(lab.app("a").await.number("SELECT count(*) FROM t").await, 1);
    guard.still_held().await.unwrap();
    assert!(store.open_transactions(&[]).await.unwrap().is_empty(), "Godwit's own freeze is left out");
    assert!(!waiting.is_finished());
    guard.release().await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(store.fence_state(&[TableName::bare("t")]).await.unwrap(), FenceState::Open);
}

#[tokio::test]
async fn a_marker_comes_out_behind_everything_while_the_lock_is_held() {
    let lab = lab_with_table().await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipelines = ["p", "q"].map(|name| (name, &source, &target)).map(|(name, a, b)| (name.to_owned(), a, b));
    let map = map_of(&source, "t").await;
    let one = Pipeline::new(&pipelines[0].0, &source, &target, vec![map.clone()]);
    let other = lab.store("c");
    let two = Pipeline::new(&pipelines[1].0, &source, &other, vec![map]);
    for pipeline in [&one, &two] {
        pipeline.build().await;
        pipeline.start().await;
    }
    let (mut pump_one, mut pump_two) = (one.pump().await, two.pump().await);
    lab.app("a").await.run("INSERT INTO t (v) VALUES (2), (3); DELETE FROM t WHERE id = 1").await;
    let mut guard = hold(&source).await;
    assert_eq!(kind(guard.marker(&[], "none").await), ErrorKind::Protocol);
    let waiting = writer(&lab, "INSERT INTO t (v) VALUES (4)");
    guard.marker(&[one.capture.clone(), two.capture.clone()], "drained").await.unwrap();
    pump_one.until_marker("drained").await;
    pump_two.until_marker("drained").await;
    assert_eq!((pump_one.anomalies, pump_two.anomalies), (0, 0));
    guard.still_held().await.unwrap();
    for name in ["b", "c"] {
        assert_eq!(lab.app(name).await.number("SELECT count(*) FROM t WHERE v IN (2, 3)").await, 2);
        assert_eq!(lab.app(name).await.number("SELECT count(*) FROM t").await, 2);
    }
    // A stream that is opened again in the same freeze sees the marker too.
    drop(pump_one);
    one.pump().await.until_marker("drained").await;
    drop(guard);
    waiting.await.unwrap().unwrap();
    assert!(one.pump().await.step().await.is_empty(), "the marker ended with its freeze");
}

#[tokio::test]
async fn the_fence_wakes_waiting_writers_with_its_sentence_and_lets_the_applier_pass() {
    let lab = lab_with_table().await;
    let store = lab.store("a");
    let tables = [TableName::bare("T")];
    let guard = hold(&store).await;
    let waiting = writer(&lab, "INSERT OR IGNORE INTO t (v) VALUES (2)");
    guard.fence("cutover-1").await.unwrap();
    assert!(waiting.await.unwrap().unwrap_err().contains("it's read-only here"));
    let mut app = lab.app("a").await;
    for sql in [
        "INSERT OR REPLACE INTO t VALUES (1, 5)",
        "UPDATE OR IGNORE t SET v = 2",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 2) ON CONFLICT DO UPDATE SET v = 3",
    ] {
        assert!(app.try_run(sql).await.unwrap_err().to_string().contains("has moved"), "{sql}");
    }
    assert_eq!(app.number("SELECT v FROM t").await, 1);
    assert_eq!(store.fence_state(&tables).await.unwrap(), FenceState::Fenced { token: "cutover-1".to_owned() });
    // The reverse pipeline writes through the fence.
    let other = lab.store("b");
    let pipeline = Pipeline::new("back", &other, &store, vec![map_of(&store, "t").await]);
    Pipeline::new("x", &store, &other, vec![map_of(&store, "t").await]).build().await;
    pipeline.start_empty().await;
    lab.app("b").await.run("INSERT INTO t VALUES (2, 22)").await;
    assert_eq!(pipeline.drain().await, 0);
    assert_eq!(app.number("SELECT v FROM t WHERE id = 2").await, 22);
    // A fence that somebody damaged is neither open nor closed.
    app.run("CREATE TABLE other (id INTEGER PRIMARY KEY)").await;
    let both = [TableName::bare("t"), TableName::bare("other")];
    assert_eq!(store.fence_state(&both).await.unwrap(), FenceState::Mixed { open: vec![TableName::bare("other")] });
    store.close(&both, "cutover-2", "closed").await.unwrap();
    assert_eq!(store.fence_state(&both).await.unwrap(), FenceState::Fenced { token: "cutover-2".to_owned() });
    store.open(&both).await.unwrap();
    store.open(&both).await.unwrap();
    assert_eq!(store.fence_state(&both).await.unwrap(), FenceState::Open);
    app.run("INSERT INTO t (v) VALUES (6)").await;
}

#[tokio::test]
async fn a_reverse_pipeline_is_set_up_inside_the_freeze_and_stands_with_the_fence() {
    let lab = lab_with_table().await;
    let (old, new) = (lab.store("a"), lab.store("b"));
    let there = Pipeline::new("p", &old, &new, vec![map_of(&old, "t").await]);
    there.build().await;
    there.start().await;
    let back = there.reversed();
    let guard = hold(&old).await;
    assert_eq!(kind(old.probe_marker(&there.capture, "lag").await), ErrorKind::Contention);
    assert!(old.state(&back.apply).await.unwrap().origin.is_none());
    back.start_empty().await;
    assert!(old.state(&back.apply).await.unwrap().origin.is_some());
    // Given up: as if it had never been.
    guard.release().await.unwrap();
    assert!(old.state(&back.apply).await.unwrap().origin.is_none());
    back.source.drop_capture(&back.capture).await.unwrap();
    // Kept: committed with the fence, and an applier that was opened before it goes on.
    let guard = hold(&old).await;
    back.start_empty().await;
    let mut pump = back.pump().await;
    guard.fence("cutover").await.unwrap();
    lab.app("b").await.run("UPDATE t SET v = 5").await;
    new.probe_marker(&back.capture, "end").await.unwrap();
    pump.until_marker("end").await;
    assert_eq!((pump.anomalies, lab.app("a").await.number("SELECT v FROM t").await), (0, 5));
}

#[tokio::test]
async fn a_holder_that_vanishes_lets_the_writers_go_on() {
    let lab = lab_with_table().await;
    let store = lab.store("a");
    drop(hold(&store).await);
    writer(&lab, "INSERT INTO t (v) VALUES (2)").await.unwrap().unwrap();
    // A silent guard gives the lock up by itself.
    let mut guard = store.hold(&spec(Duration::from_millis(50))).await.unwrap();
    writer(&lab, "INSERT INTO t (v) VALUES (3)").await.unwrap().unwrap();
    assert_eq!(kind(guard.still_held().await), ErrorKind::TimedOut);
    assert_eq!(kind(guard.fence("late").await), ErrorKind::TimedOut);
    assert_eq!(store.fence_state(&[TableName::bare("t")]).await.unwrap(), FenceState::Open);
    // A task that is killed while it holds.
    let task = tokio::spawn(async move {
        let guard = hold(&store).await;
        std::future::pending::<()>().await;
        drop(guard);
    });
    let blocked = lab.store("a");
    while blocked.open_transactions(&[]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    task.abort();
    writer(&lab, "INSERT INTO t (v) VALUES (4)").await.unwrap().unwrap();
}

#[tokio::test]
async fn a_long_transaction_makes_the_freeze_fail_in_its_time() {
    let lab = lab_with_table().await;
    let store = lab.store("a");
    let mut app = lab.app("a").await;
    app.run("BEGIN IMMEDIATE; INSERT INTO t (v) VALUES (2)").await;
    let open = store.open_transactions(&[]).await.unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    let started = Instant::now();
    assert_eq!(kind(store.hold(&spec(PATIENCE)).await), ErrorKind::Contention);
    assert!(started.elapsed() < Duration::from_secs(5));
    app.run("COMMIT").await;
    hold(&store).await.release().await.unwrap();
    assert!(store.open_transactions(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn counters_move_forward_only() {
    let lab = lab_with_table().await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let map = map_of(&source, "t").await;
    let pipeline = Pipeline::new("p", &source, &target, vec![map.clone()]);
    pipeline.build().await;
    lab.app("a").await.run("INSERT INTO t VALUES (41, 0); DELETE FROM t WHERE id = 41").await;
    let states = source.read(std::slice::from_ref(&map), MapSide::Source).await.unwrap();
    assert_eq!(states.iter().map(|s| s.high_water).collect::<Vec<_>>(), [41]);
    target.advance_past(&states).await.unwrap();
    let mut app = lab.app("b").await;
    app.run("INSERT INTO t (v) VALUES (1)").await;
    assert_eq!(app.number("SELECT max(id) FROM t").await, 42);
    target.advance_past(&states).await.unwrap();
    app.run("INSERT INTO t (v) VALUES (1)").await;
    assert_eq!(app.number("SELECT max(id) FROM t").await, 43);
    app.run("CREATE TABLE plain (id INTEGER PRIMARY KEY)").await;
    let mut wrong = states;
    wrong[0].counterpart = TableName::bare("plain");
    assert_eq!(kind(target.advance_past(&wrong).await), ErrorKind::Unsupported);
}
