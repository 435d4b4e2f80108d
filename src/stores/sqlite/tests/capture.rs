//! The log and its stream: what is captured, what is refused, what is noticed.

use super::lab::{Lab, Pipeline, changes, ints, items, kind, map_of};
use crate::model::change::{CaptureItem, Cell, Position, RowChange};
use crate::model::lag::Reading;
use crate::model::value::Value;
use crate::stores::error::ErrorKind;
use crate::stores::{Capture, ChunkData, KeyRange, Target};

const START: Position = Position::LogRow(0);

fn cells(values: &[i64]) -> Vec<Cell> {
    ints(values).into_iter().map(Cell::Value).collect()
}

#[tokio::test]
async fn changes_come_in_order_with_old_keys_and_whole_rows() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    source.prepare(&pipeline.capture, false).await.unwrap();
    app.run("INSERT INTO t (v) VALUES (10), (20); UPDATE t SET id = 7 WHERE v = 20; DELETE FROM t WHERE id = 1").await;
    app.run("BEGIN; INSERT INTO t VALUES (9, 9); ROLLBACK").await;
    app.run("INSERT OR REPLACE INTO t VALUES (7, 70); INSERT OR IGNORE INTO t VALUES (7, 71)").await;
    let all = items(&source, &pipeline.capture, START).await;
    assert!(matches!(all.last(), Some(CaptureItem::Commit { committed_at: Some(_), .. })));
    assert_eq!(
        changes(all),
        [
            RowChange::Insert { table: 0, row: cells(&[1, 10]) },
            RowChange::Insert { table: 0, row: cells(&[2, 20]) },
            RowChange::Update { table: 0, old_key: ints(&[2]), row: cells(&[7, 20]) },
            RowChange::Delete { table: 0, old_key: ints(&[1]) },
            RowChange::Update { table: 0, old_key: ints(&[7]), row: cells(&[7, 70]) },
        ]
    );
}

#[tokio::test]
async fn a_row_that_replace_removes_through_another_index_is_deleted() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, u INT UNIQUE); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    source.prepare(&pipeline.capture, false).await.unwrap();
    let expected = |delete: i64, row: [i64; 2], op: &str| {
        let change = match op {
            "i" => RowChange::Insert { table: 0, row: cells(&row) },
            _ => RowChange::Update { table: 0, old_key: ints(&[row[0]]), row: cells(&row) },
        };
        vec![RowChange::Delete { table: 0, old_key: ints(&[delete]) }, change]
    };
    // A row that is moved onto the key of another removes it too.
    let mut taken = vec![RowChange::Insert { table: 0, row: cells(&[11, 11]) }];
    taken.push(RowChange::Delete { table: 0, old_key: ints(&[11]) });
    taken.push(RowChange::Update { table: 0, old_key: ints(&[9]), row: cells(&[11, 2]) });
    let mut from = START;
    for (recursive, sql, want) in [
        (false, "INSERT OR REPLACE INTO t VALUES (9, 1)", expected(1, [9, 1], "i")),
        (false, "UPDATE OR REPLACE t SET u = 2 WHERE id = 9", expected(2, [9, 2], "u")),
        (false, "INSERT INTO t VALUES (11, 11); UPDATE OR REPLACE t SET id = 11 WHERE id = 9", taken),
        (true, "INSERT OR REPLACE INTO t VALUES (10, 3)", expected(3, [10, 3], "i")),
        (true, "UPDATE OR REPLACE t SET u = 3 WHERE id = 11", expected(10, [11, 3], "u")),
    ] {
        app.run(&format!("PRAGMA recursive_triggers = {recursive}; {sql}")).await;
        let all = items(&source, &pipeline.capture, from).await;
        from = match all.last() {
            Some(CaptureItem::Commit { position, .. }) => *position,
            other => panic!("{other:?}"),
        };
        assert_eq!(changes(all), want, "{sql}");
    }
}

#[tokio::test]
async fn what_the_opposite_pipeline_applies_does_not_come_back() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let there = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    there.build().await;
    there.start().await;
    let back = there.reversed();
    back.start_empty().await;
    app.run("INSERT INTO t VALUES (2, 2)").await;
    lab.app("b").await.run("UPDATE t SET v = 10 WHERE id = 1").await;
    assert_eq!((there.drain().await, back.drain().await), (0, 0));
    assert_eq!((there.drain().await, back.drain().await), (0, 0));
    let log = "SELECT count(*) FROM godwit_log_p WHERE op <> 'm'";
    assert_eq!((app.number(log).await, lab.app("b").await.number(&log.replace("_p", "_p_back")).await), (1, 1));
    assert_eq!(app.dump("t", &["id", "v"]).await, lab.app("b").await.dump("t", &["id", "v"]).await);
}

#[tokio::test]
async fn a_third_pipeline_captures_what_a_first_one_applies() {
    let lab = Lab::new();
    lab.app("a").await.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)").await;
    let (first, second, third) = (lab.store("a"), lab.store("b"), lab.store("c"));
    let one = Pipeline::new("one", &first, &second, vec![map_of(&first, "t").await]);
    let two = Pipeline::new("two", &second, &third, vec![map_of(&first, "t").await]);
    one.build().await;
    two.build().await;
    two.start_empty().await;
    one.start().await;
    two.drain().await;
    assert_eq!(lab.app("c").await.number("SELECT v FROM t").await, 1);
}

#[tokio::test]
async fn a_backlog_is_cut_and_its_memory_is_bounded() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    pipeline.build().await;
    pipeline.start_empty().await;
    app.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) INSERT INTO t SELECT i, i FROM n").await;
    let mut stream = source.stream(&pipeline.capture, START).await.unwrap();
    let (mut seen, mut commits) = (0, Vec::new());
    while seen < 25_000 {
        let batch = stream.next().await.unwrap();
        assert!(batch.len() <= 2_001, "{}", batch.len());
        seen += batch.iter().filter(|item| matches!(item, CaptureItem::Change(_))).count();
        commits.extend(batch.iter().filter_map(|item| match item {
            CaptureItem::Commit { position, .. } => Some(*position),
            _ => None,
        }));
    }
    assert_eq!(commits.last(), Some(&Position::LogRow(25_000)));
    let steps: Vec<u64> = commits.windows(2).filter_map(|pair| pair[1].distance_from(pair[0])).collect();
    assert!(commits.len() == 3 && steps.iter().all(|step| *step <= 12_000), "{commits:?}");
    drop(stream);
    assert_eq!(pipeline.drain().await, 0);
    assert_eq!(lab.app("b").await.number("SELECT count(*) FROM t").await, 25_000);
    // All of it was confirmed on the way, so the log is short again and remembers how far it was cut.
    let retention = source.retention(&pipeline.capture).await.unwrap();
    assert!(app.number("SELECT count(*) FROM godwit_log_p").await < 6_000);
    assert!(matches!(retention.resumable_from, Reading::Known(Position::LogRow(n)) if n >= 20_000), "{retention:?}");
    assert_eq!(kind(source.stream(&pipeline.capture, START).await), ErrorKind::LogLost);
}

#[tokio::test]
async fn a_capture_that_was_damaged_is_lost_and_says_so() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    let spec = &pipeline.capture;
    assert_eq!(kind(source.stream(spec, START).await), ErrorKind::LogLost);
    assert_eq!(kind(source.retention(spec).await), ErrorKind::LogLost);
    assert_eq!(kind(source.probe_marker(spec, "x").await), ErrorKind::LogLost);
    source.prepare(spec, false).await.unwrap();
    assert_eq!(kind(source.prepare(spec, false).await), ErrorKind::Exists);
    assert_eq!(kind(source.stream(spec, Position::LogRow(5)).await), ErrorKind::LogLost);
    let mut stream = source.stream(spec, START).await.unwrap();
    app.run("DROP TRIGGER \"godwit_log_p:0:ad\"").await;
    loop {
        match stream.next().await {
            Ok(batch) => assert!(batch.is_empty(), "{batch:?}"),
            Err(e) => {
                assert_eq!(e.kind, ErrorKind::LogLost);
                break;
            }
        }
    }
    source.drop_capture(spec).await.unwrap();
    source.drop_capture(spec).await.unwrap();
    assert_eq!(app.number("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'godwit%'").await, 0);
    source.prepare(spec, false).await.unwrap();
}

#[tokio::test]
async fn a_changed_schema_is_reported_once_with_its_column() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    source.prepare(&pipeline.capture, false).await.unwrap();
    let mut stream = source.stream(&pipeline.capture, START).await.unwrap();
    app.run("CREATE TABLE other (id INTEGER PRIMARY KEY)").await;
    assert!(stream.next().await.unwrap().is_empty());
    app.run("ALTER TABLE t ADD COLUMN w TEXT").await;
    let batch = stream.next().await.unwrap();
    let [CaptureItem::SchemaChange(change)] = &batch[..] else { panic!("{batch:?}") };
    assert_eq!(change.to_string(), "t: column w (TEXT) was added");
    assert!(stream.next().await.unwrap().is_empty());
    app.run("DROP TABLE t").await;
    let batch = stream.next().await.unwrap();
    let [CaptureItem::SchemaChange(change)] = &batch[..] else { panic!("{batch:?}") };
    assert_eq!(change.to_string(), "t: the table is gone");
}

#[tokio::test]
async fn rows_from_before_a_column_was_captured_do_not_say_what_it_held() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let before = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    source.prepare(&before.capture, false).await.unwrap();
    app.run("INSERT INTO t VALUES (1, 10)").await;
    app.run("ALTER TABLE t ADD COLUMN w TEXT DEFAULT 'old'").await;
    app.run("INSERT INTO t VALUES (2, 20, 'x')").await;
    // A stream that is opened afterwards says it before any row.
    let first = source.stream(&before.capture, START).await.unwrap().next().await.unwrap();
    let [CaptureItem::SchemaChange(change)] = &first[..] else { panic!("{first:?}") };
    assert_eq!(change.to_string(), "t: column w (TEXT, with a default) was added");
    assert_eq!(source.differences(&before.capture).await.unwrap(), [change.clone()]);

    let after = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    for _ in 0..2 {
        source.remap(&after.capture, &[]).await.unwrap();
        assert!(source.differences(&after.capture).await.unwrap().is_empty());
    }
    app.run("INSERT INTO t VALUES (3, 30, 'y'); UPDATE t SET v = 11 WHERE id = 1").await;
    let cells: Vec<Cell> = changes(items(&source, &after.capture, START).await)
        .into_iter()
        .filter_map(|change| match change {
            RowChange::Insert { mut row, .. } | RowChange::Update { mut row, .. } => row.pop(),
            RowChange::Delete { .. } | RowChange::Truncate { .. } => None,
        })
        .collect();
    let text = |text: &str| Cell::Value(Value::Text(text.to_owned()));
    assert_eq!(cells, [Cell::Unchanged, Cell::Unchanged, text("y"), text("old")]);
}

#[tokio::test]
async fn a_replaced_file_is_noticed() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    source.prepare(&pipeline.capture, false).await.unwrap();
    let mut stream = source.stream(&pipeline.capture, START).await.unwrap();
    std::fs::rename(lab.path("a"), lab.path("old")).unwrap();
    std::fs::copy(lab.path("old"), lab.path("a")).unwrap();
    loop {
        match stream.next().await {
            Ok(batch) => assert!(batch.is_empty()),
            Err(e) => {
                assert_eq!(e.kind, ErrorKind::LogLost);
                assert!(e.to_string().contains("replaced"), "{e}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn values_that_cannot_be_carried_are_refused_by_name() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let pipeline = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    source.prepare(&pipeline.capture, false).await.unwrap();
    app.run("INSERT INTO t VALUES ('k1', CAST(x'41ff' AS TEXT))").await;
    let error = source.stream(&pipeline.capture, START).await.unwrap().next().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    for part in ["(t)", "column v", "key k1", "UTF-8"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let (_, view) = source.snapshot(&pipeline.capture).await.unwrap();
    assert!(view.plan(0, 1).await.unwrap_err().to_string().contains("column v of the row with key k1"));
    app.run("UPDATE t SET v = NULL; INSERT INTO t VALUES (NULL, 'x')").await;
    let end = app.number("SELECT max(seq) FROM godwit_log_p").await;
    let mut stream = source.stream(&pipeline.capture, Position::LogRow(end as u64 - 1)).await.unwrap();
    assert!(stream.next().await.unwrap_err().to_string().contains("NULL in its key"));
}

#[tokio::test]
async fn a_snapshot_is_exactly_the_log_position_and_stays() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run(
        "CREATE TABLE t (a INT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID; CREATE TABLE empty (id INTEGER PRIMARY KEY)",
    )
    .await;
    app.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1700) INSERT INTO t SELECT i / 3, 'b' || i FROM n").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let maps = vec![map_of(&source, "t").await, map_of(&source, "empty").await];
    let pipeline = Pipeline::new("p", &source, &target, maps);
    let (origin, view) = source.prepare(&pipeline.capture, true).await.unwrap();
    let view = view.unwrap();
    app.run("DELETE FROM t WHERE a > 100; INSERT INTO t VALUES (-1, 'later')").await;
    let plan = view.plan(0, 6_000).await.unwrap();
    assert!((3..8).contains(&plan.chunks.len()), "{}", plan.chunks.len());
    assert_eq!(plan, view.plan(0, 6_000).await.unwrap());
    let mut reader = view.reader().await.unwrap();
    let mut rows = Vec::new();
    for chunk in &plan.chunks {
        reader.start(chunk).await.unwrap();
        while let Some(ChunkData::Rows(piece)) = reader.next().await.unwrap() {
            rows.extend(piece);
        }
    }
    assert_eq!(rows.len(), 1_700);
    assert!(rows.iter().all(|row| row[0] != Value::Int(-1)));
    assert_eq!(view.plan(1, 1).await.unwrap().chunks.len(), 1);
    let (later, _) = source.snapshot(&pipeline.capture).await.unwrap();
    assert!(origin.position < later.position);
    let after = changes(items(&source, &pipeline.capture, origin.position).await);
    assert_eq!(after.len() as u64, later.position.distance_from(origin.position).unwrap());
    assert_eq!(KeyRange::default(), KeyRange { after: None, upto: None });
    assert!(target.state(&pipeline.apply).await.unwrap().origin.is_none());
}

#[tokio::test]
async fn captures_are_refused_where_they_could_not_be_right() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run("CREATE TABLE nokey (v INT); CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    let (source, target) = (lab.store("a"), lab.store("b"));
    let keyless = Pipeline::new("p", &source, &target, vec![map_of(&source, "nokey").await]);
    assert_eq!(kind(source.prepare(&keyless.capture, false).await), ErrorKind::Unsupported);
    let odd = Pipeline::new("p'; DROP", &source, &target, vec![map_of(&source, "t").await]);
    assert_eq!(kind(source.prepare(&odd.capture, false).await), ErrorKind::Protocol);
    let good = Pipeline::new("p", &source, &target, vec![map_of(&source, "t").await]);
    let plan = source.statements(&good.capture).await.unwrap();
    assert!(plan.iter().any(|(sql, undo)| sql.starts_with("CREATE TRIGGER") && undo.starts_with("DROP TRIGGER")));
    app.run_alone("PRAGMA journal_mode = DELETE").await;
    let error = source.prepare(&good.capture, false).await.err().unwrap();
    assert!(error.to_string().contains("PRAGMA journal_mode = WAL"), "{error}");
    assert_eq!(app.number("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'godwit%'").await, 0);
    assert_eq!(kind(lab.store("none").prepare(&good.capture, false).await), ErrorKind::Unreachable);
    lab.app("wide").await.run("PRAGMA encoding = 'UTF-8'").await;
}
