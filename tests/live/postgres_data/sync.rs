//! Copy, capture and apply together.

use super::copy::{ALL_ROWS, ALL_TYPES, ALL_VALUES};
use super::lab::{Pair, load};
use godwit::model::change::{Cell, Position, RowChange};
use godwit::model::value::Value;
use godwit::stores::error::ErrorKind;
use godwit::stores::{Capture, Target};

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn every_type_is_applied_exactly() {
    let pair = Pair::create("applytypes", ALL_TYPES, &["Tülle 주문"]).await;
    let origin = pair.copy(1 << 20).await;
    let mut pump = pair.pump(origin.position).await;
    pair.source.sql(ALL_VALUES).await;
    pair.drain(&mut pump).await;
    pair.assert_same(ALL_ROWS).await;
    pair.source
        .sql(r#"UPDATE "Tülle 주문" SET t = t || '!', d = d * 2, moods = moods || 'ok'::mood, small = 3; DELETE FROM "Tülle 주문" WHERE id = 2"#)
        .await;
    pair.drain(&mut pump).await;
    pair.assert_same(ALL_ROWS).await;
    assert_eq!((pump.total.changes, pump.total.anomalies), (7, 0));
    drop(pump);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn unchanged_toast_key_updates_and_truncate() {
    let schema =
        "CREATE TABLE t (id integer PRIMARY KEY, note text, big text); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;
                  CREATE TABLE u (id integer PRIMARY KEY, v integer UNIQUE); CREATE TABLE w (id integer PRIMARY KEY)";
    let pair = Pair::create("toast", schema, &["t", "u", "w"]).await;
    pair.source
        .sql("INSERT INTO t SELECT n, 'n', repeat(n::text, 5000) FROM generate_series(1, 50) n; INSERT INTO u SELECT n, n FROM generate_series(1, 9) n;
              INSERT INTO w VALUES (1), (2)")
        .await;
    let origin = pair.copy(1 << 20).await;
    let mut pump = pair.pump(origin.position).await;
    let all = "SELECT id, note, md5(big) FROM t ORDER BY id";
    for sql in [
        // Unchanged TOAST alone, and together with another key; then moved keys that still do not carry it.
        "UPDATE t SET note = 'changed' WHERE id <= 20",
        "UPDATE t SET id = id + 100 WHERE id <= 10; UPDATE t SET note = 'moved' WHERE id > 100",
        "BEGIN; UPDATE t SET big = repeat('z', 9000) WHERE id = 30; UPDATE t SET note = 'after' WHERE id = 30; COMMIT",
        "BEGIN; DELETE FROM t WHERE id = 31; INSERT INTO t VALUES (31, 'anew', 'small'); UPDATE t SET id = 131 WHERE id = 31; COMMIT",
        "BEGIN; INSERT INTO t VALUES (999, 'short-lived', ''); DELETE FROM t WHERE id = 999; COMMIT",
        // Values of a unique column that wander between rows, in an order that works only row by row.
        "BEGIN; UPDATE u SET v = -1 WHERE id = 1; UPDATE u SET v = 1 WHERE id = 2; UPDATE u SET v = 2 WHERE id = 3; UPDATE u SET v = 3 WHERE id = 1; COMMIT",
    ] {
        pair.source.sql(sql).await;
        pair.drain(&mut pump).await;
        pair.assert_same(all).await;
        pair.assert_same("SELECT * FROM u ORDER BY id").await;
    }
    pair.source.sql("BEGIN; INSERT INTO w VALUES (3); TRUNCATE w; INSERT INTO w VALUES (4); COMMIT; TRUNCATE u").await;
    pair.drain(&mut pump).await;
    pair.assert_same("SELECT id FROM w").await;
    pair.assert_same("SELECT * FROM u").await;
    pair.assert_same(all).await;
    assert_eq!(pump.total.anomalies, 0);
    drop(pump);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn tables_without_a_key_are_kept_as_multisets() {
    let schema = "CREATE TABLE t (a integer, b json, c char(4), p point); ALTER TABLE t REPLICA IDENTITY FULL";
    let pair = Pair::create("nokey", schema, &["t"]).await;
    let rows = "SELECT a, b::text, c, p::text, count(*) FROM t GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4";
    pair.source.sql("INSERT INTO t SELECT n % 3, '{\"n\": 1}', 'x', '(1,2)' FROM generate_series(1, 12) n; INSERT INTO t DEFAULT VALUES").await;
    let origin = pair.copy(1 << 20).await;
    let mut pump = pair.pump(origin.position).await;
    for sql in [
        "DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE a = 1 LIMIT 2)",
        "UPDATE t SET b = '{\"n\": 2}' WHERE ctid IN (SELECT ctid FROM t WHERE a = 2 LIMIT 1); UPDATE t SET a = 9 WHERE a IS NULL",
        "INSERT INTO t VALUES (5, '[]', 'y', NULL), (5, '[]', 'y', NULL); DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t)",
    ] {
        pair.source.sql(sql).await;
        pair.drain(&mut pump).await;
        pair.assert_same(rows).await;
    }
    assert_eq!(pump.total.anomalies, 0);
    drop(pump);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn partitions_identity_and_generated_columns_follow() {
    let schema = "
        CREATE TABLE p (id integer GENERATED ALWAYS AS IDENTITY, kind text, n integer, twice integer GENERATED ALWAYS AS (n * 2) STORED,
            PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
        CREATE TABLE p_a PARTITION OF p FOR VALUES IN ('a'); CREATE TABLE p_b PARTITION OF p FOR VALUES IN ('b');
        CREATE TABLE i (code text PRIMARY KEY, seq integer GENERATED ALWAYS AS IDENTITY, v text)";
    let pair = Pair::create("follow", schema, &["p", "i"]).await;
    let origin = pair.copy(1 << 20).await;
    let mut pump = pair.pump(origin.position).await;
    for sql in [
        "INSERT INTO p (kind, n) SELECT CASE WHEN n % 2 = 0 THEN 'a' ELSE 'b' END, n FROM generate_series(1, 100) n; INSERT INTO i (code) VALUES ('x'), ('y')",
        "UPDATE p SET n = n + 1000; UPDATE i SET v = 'set', seq = DEFAULT WHERE code = 'x'",
        "UPDATE p SET kind = 'a' WHERE id = 1; DELETE FROM p WHERE id BETWEEN 50 AND 60; UPDATE i SET code = 'z' WHERE code = 'y'",
    ] {
        pair.source.sql(sql).await;
        pair.drain(&mut pump).await;
        pair.assert_same("SELECT tableoid::regclass::text, * FROM p ORDER BY id").await;
        pair.assert_same("SELECT * FROM i ORDER BY code").await;
    }
    assert_eq!(pump.total.anomalies, 0);
    drop(pump);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn repeated_changes_change_nothing_and_are_counted() {
    let pair = Pair::create("repeat", "CREATE TABLE t (id integer PRIMARY KEY, v text)", &["t"]).await;
    let origin = pair.copy(1 << 20).await;
    let mut pump = pair.pump(origin.position).await;
    pair.source.sql("INSERT INTO t SELECT n, 'a' FROM generate_series(1, 100) n").await;
    pair.source.sql("UPDATE t SET v = 'b' WHERE id <= 50; DELETE FROM t WHERE id > 90").await;
    pair.drain(&mut pump).await;
    assert_eq!((pump.total.changes, pump.total.anomalies), (160, 0));
    let applied = pump.applied;
    assert_eq!(pair.target.target().state(&pair.apply_spec).await.unwrap().applied, Some(applied));
    // Nothing was confirmed beyond what was committed; a crash before the confirmation repeats everything.
    drop(pump);
    pair.source.sql("UPDATE t SET v = 'c' WHERE id = 1").await;
    let error = pair.source.capture().stream(&pair.capture_spec, origin.position).await.err();
    assert!(error.is_none_or(|e| e.kind == ErrorKind::LogLost));
    let mut applier = pair.target.target().applier(&pair.apply_spec).await.unwrap();
    let literal = |text: &str| Value::Literal(text.into());
    let row = |id: &str, v: &str| vec![Cell::Value(literal(id)), Cell::Value(literal(v))];
    let repeated = vec![
        RowChange::Insert { table: 0, row: row("1", "again") },
        RowChange::Update { table: 0, old_key: vec![literal("700")], row: row("700", "inserted") },
        RowChange::Update {
            table: 0,
            old_key: vec![literal("701")],
            row: vec![Cell::Value(literal("701")), Cell::Unchanged],
        },
        RowChange::Delete { table: 0, old_key: vec![literal("702")] },
    ];
    assert_eq!(applier.push(repeated).await.unwrap().anomalies, 4);
    // A key that moved already: nothing under the old one, the row under the new one.
    let moved = RowChange::Update { table: 0, old_key: vec![literal("703")], row: row("2", "moved again") };
    assert_eq!(applier.push(vec![moved]).await.unwrap().anomalies, 1);
    applier.rollback().await.unwrap();
    applier.push(vec![RowChange::Insert { table: 0, row: row("1", "again") }]).await.unwrap();
    applier.commit(applied).await.unwrap();
    let answer = pair.target.sql("SELECT count(*) AS n, max(v) FILTER (WHERE id = 1) AS v FROM t").await;
    assert_eq!((answer.value("n"), answer.value("v")), (Some("90"), Some("again")));
    drop(applier);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_refused_change_is_named_and_leaves_nothing() {
    let pair = Pair::create("refuse", "CREATE TABLE t (id integer PRIMARY KEY, v text)", &["t"]).await;
    let origin = pair.copy(1 << 20).await;
    pair.target.sql("ALTER TABLE t ADD CHECK (v <> 'bad')").await;
    let mut applier = pair.target.target().applier(&pair.apply_spec).await.unwrap();
    let row = |id: &str, v: &str| vec![Cell::Value(Value::Literal(id.into())), Cell::Value(Value::Literal(v.into()))];
    let changes = (0..100)
        .map(|n| RowChange::Insert { table: 0, row: row(&n.to_string(), if n == 77 { "bad" } else { "good" }) })
        .collect();
    let error = applier.push(changes).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().contains("insert into public.t, key (77)"), "{error}");
    // The applier is usable again, and a checkpoint that somebody removed is noticed.
    applier.push(vec![RowChange::Insert { table: 0, row: row("1", "good") }]).await.unwrap();
    applier.commit(origin.position).await.unwrap();
    pair.assert_same("SELECT count(*) FROM pg_class WHERE relname = 't'").await;
    assert_eq!(pair.target.sql("SELECT count(*) AS n FROM t").await.value("n"), Some("1"));
    pair.target.sql("DELETE FROM godwit.checkpoint").await;
    assert_eq!(applier.commit(origin.position).await.unwrap_err().kind, ErrorKind::NotFound);
    drop(applier);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_copy_resumes_with_a_second_snapshot() {
    let pair = Pair::create("resume", "CREATE TABLE t (id integer, v text)", &["t"]).await;
    pair.source.sql("ALTER TABLE t ADD PRIMARY KEY (id); INSERT INTO t SELECT n, repeat('x', 300) FROM generate_series(1, 5000) n").await;
    let mut spec = pair.apply_spec.clone();
    spec.tables[0].key = vec![0];
    let mut capture_spec = pair.capture_spec.clone();
    capture_spec.tables = spec.tables.clone();
    let (capture, target) = (pair.source.capture(), pair.target.target());
    let (origin, first) = capture.prepare(&capture_spec, true).await.unwrap();
    let first = first.unwrap();
    target.begin(&spec, &origin).await.unwrap();
    let plan = first.plan(0, 256 * 1024).await.unwrap();
    target.save_plan(&spec, 0, &plan).await.unwrap();
    let half = plan.chunks.len() / 2;
    for (chunks, snapshot) in [(&plan.chunks[..half], first.as_ref())] {
        load(snapshot, &target, &spec, chunks).await;
    }
    drop(first);
    // Rows move to the end of the table, rows go, rows come: between the two snapshots.
    pair.source.sql("UPDATE t SET v = 'moved' WHERE id % 10 = 0; DELETE FROM t WHERE id % 10 = 1; INSERT INTO t VALUES (9000, 'new')").await;
    let (second_origin, second) = capture.snapshot(&capture_spec).await.unwrap();
    assert!(second_origin.position > origin.position);
    let state = target.state(&spec).await.unwrap();
    assert_eq!((state.chunks.len(), &state.plans[0].1), (half, &plan));
    assert_eq!(second.plan(0, 256 * 1024).await.unwrap().generation, plan.generation);
    load(second.as_ref(), &target, &spec, &plan.chunks[half..]).await;
    drop(second);
    assert!(target.remove_duplicates(&spec, 0).await.unwrap() > 0);
    target.save_consistent_from(&spec, second_origin.position).await.unwrap();
    pair.target.sql("ALTER TABLE t ADD PRIMARY KEY (id)").await;
    let pair = Pair { capture_spec, apply_spec: spec, ..pair };
    let mut pump = pair.pump(origin.position).await;
    pair.drain(&mut pump).await;
    pair.assert_same("SELECT id, v FROM t ORDER BY id").await;
    assert_eq!(target.state(&pair.apply_spec).await.unwrap().consistent_from, Some(second_origin.position));
    drop(pump);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_dead_appliers_session_is_replaced() {
    let pair = Pair::create("dead", "CREATE TABLE t (id integer PRIMARY KEY)", &["t"]).await;
    let origin = pair.copy(1 << 20).await;
    let target = pair.target.target();
    let mut dead = target.applier(&pair.apply_spec).await.unwrap();
    let row = |id: &str| RowChange::Insert { table: 0, row: vec![Cell::Value(Value::Literal(id.into()))] };
    dead.push(vec![row("1")]).await.unwrap();
    let mut alive = target.applier(&pair.apply_spec).await.unwrap();
    assert_eq!(dead.commit(Position::Lsn(5)).await.unwrap_err().kind, ErrorKind::Unreachable);
    alive.push(vec![row("2")]).await.unwrap();
    alive.commit(origin.position).await.unwrap();
    assert_eq!(pair.target.dump("SELECT id FROM t").await, vec![vec![Some("2".to_owned())]]);
    drop((dead, alive));
    pair.drop().await;
}
