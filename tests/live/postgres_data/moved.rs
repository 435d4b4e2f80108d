//! Rows that moved between the two snapshots of a resumed copy, with values that the log leaves out.

use super::lab::{Database, Pair, load};
use godwit::pipelines::copier::control::channel;
use godwit::pipelines::copier::pump::{Pump, PumpEnd};
use godwit::pipelines::copier::route::CopierRoute;
use godwit::pipelines::copier::status::CopierStatus;
use godwit::stores::{Capture, OpenOptions, StoreRef, Target, registry};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The database as a store, as the engine opens it.
fn store(variable: &str, database: &Database) -> StoreRef {
    let mut url = url::Url::parse(&std::env::var(variable).unwrap()).unwrap();
    url.set_path(&database.name);
    let options = OpenOptions {
        id: variable.into(),
        statement_timeout: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
    };
    registry::open("postgres", options, url.as_str()).unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_row_that_moved_into_a_copied_chunk_comes_back_with_its_toast() {
    let schema =
        "CREATE TABLE t (id integer PRIMARY KEY, v integer, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL";
    let pair = Pair::create("moved", schema, &["t"]).await;
    pair.target.sql("ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    pair.source.sql("INSERT INTO t SELECT n, 0, repeat(md5(n::text), 100) FROM generate_series(1, 4000) n").await;
    let (capture, target) = (pair.source.capture(), pair.target.target());
    let (origin, first) = capture.prepare(&pair.capture_spec, true).await.unwrap();
    target.state(&pair.apply_spec).await.unwrap();
    target.begin(&pair.apply_spec, &origin).await.unwrap();
    let first = first.unwrap();
    let plan = first.plan(0, 64 * 1024).await.unwrap();
    assert!(plan.chunks.len() >= 3, "{plan:?}");
    target.save_plan(&pair.apply_spec, 0, &plan).await.unwrap();
    let (last, others) = plan.chunks.split_last().unwrap();
    load(first.as_ref(), &target, &pair.apply_spec, std::slice::from_ref(last)).await;
    drop(first);

    // New versions go to the end of the table, which is copied already. One row then changes its key, one goes, one changes the long value.
    let page = "SELECT (ctid::text::point)[0]::int AS page FROM t WHERE id = 1";
    let before = pair.source.sql(page).await.value("page").unwrap().to_owned();
    pair.source.sql("UPDATE t SET v = 1 WHERE id <= 40").await;
    assert_ne!(pair.source.sql(page).await.value("page"), Some(before.as_str()), "the rows must have moved");
    let (second_origin, second) = capture.snapshot(&pair.capture_spec).await.unwrap();
    load(second.as_ref(), &target, &pair.apply_spec, others).await;
    drop(second);
    target.remove_duplicates(&pair.apply_spec, 0).await.unwrap();
    target.save_consistent_from(&pair.apply_spec, second_origin.position).await.unwrap();
    pair.target.sql("ALTER TABLE t ADD PRIMARY KEY (id)").await;
    let missing = pair.target.sql("SELECT 40 - count(*) AS n FROM t WHERE id <= 40").await;
    assert_eq!(missing.value("n"), Some("40"), "the case is not what it is meant to be");
    pair.source
        .sql(
            "UPDATE t SET id = 100001 WHERE id = 1; DELETE FROM t WHERE id = 2; UPDATE t SET big = 'short' WHERE id = 3;
             UPDATE t SET v = 2 WHERE id = 4; UPDATE t SET id = 100005, v = 7 WHERE id = 5; INSERT INTO t VALUES (200000, 1, 'new')",
        )
        .await;

    let route = CopierRoute {
        pipeline: "moved".into(),
        source: store("GODWIT_LAB_PG1", &pair.source),
        target: store("GODWIT_LAB_PG2", &pair.target),
        capture: pair.capture_spec.clone(),
        apply: pair.apply_spec.clone(),
    };
    let (status, (_controller, control), changed) = (CopierStatus::default(), channel(), AtomicBool::new(false));
    capture.probe_marker(&pair.capture_spec, "all of it").await.unwrap();
    let pump = Pump { route: &route, status: &status, control, until: Some("all of it"), schema_changed: &changed };
    assert_eq!(pump.run().await.unwrap(), PumpEnd::Passed);
    pair.assert_same("SELECT id, v, md5(big) AS big FROM t ORDER BY id").await;
    let state = target.state(&pair.apply_spec).await.unwrap();
    assert!(state.consistent_from.unwrap() > second_origin.position, "repeats are expected up to where rows were read");
    drop(route);
    pair.drop().await;
}
