//! Slots, positions and streams.

use super::lab::{Database, Pair, wait_until};
use godwit::model::change::{CaptureItem, Position};
use godwit::stores::error::ErrorKind;
use godwit::stores::{Capture, ChangeStream, Target};

const SCHEMA: &str = "CREATE TABLE t (id integer PRIMARY KEY, v text)";

/// The next batch that is not empty.
async fn some(stream: &mut Box<dyn ChangeStream>) -> Vec<CaptureItem> {
    for _ in 0..200 {
        let items = stream.next().await.unwrap();
        if !items.is_empty() {
            return items;
        }
    }
    panic!("nothing came");
}

/// Reads until an item meets the condition; everything up to it.
async fn until(stream: &mut Box<dyn ChangeStream>, end: impl Fn(&CaptureItem) -> bool) -> Vec<CaptureItem> {
    let mut all = Vec::new();
    while !all.iter().any(&end) {
        all.extend(some(stream).await);
    }
    all
}

fn is_commit(item: &CaptureItem) -> bool {
    matches!(item, CaptureItem::Commit { .. })
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_capture_is_made_once_and_removed_whole() {
    let pair = Pair::create("once", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, snapshot) = capture.prepare(spec, false).await.unwrap();
    assert!(snapshot.is_none() && origin.server_identity.starts_with("system "));
    assert_eq!(capture.prepare(spec, false).await.err().unwrap().kind, ErrorKind::Exists);
    let retention = capture.retention(spec).await.unwrap();
    assert!(retention.log_end >= origin.position);
    assert_eq!(retention.resumable_from.known(), Some(&origin.position));
    assert_eq!(retention.room.known(), Some(&None));
    capture.drop_capture(spec).await.unwrap();
    capture.drop_capture(spec).await.unwrap();
    let answer = pair.source.sql("SELECT count(*) AS n FROM pg_publication").await;
    assert_eq!(answer.value("n"), Some("0"));
    assert_eq!(capture.retention(spec).await.unwrap_err().kind, ErrorKind::LogLost);
    assert_eq!(capture.stream(spec, origin.position).await.err().unwrap().kind, ErrorKind::LogLost);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_table_without_identity_is_refused_because_publishing_would_break_its_writers() {
    let pair = Pair::create("noident", "CREATE TABLE t (v text)", &["t"]).await;
    let error = pair.source.capture().prepare(&pair.capture_spec, true).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.message.contains("REPLICA IDENTITY FULL"), "{error}");
    pair.source.sql("INSERT INTO t VALUES ('a'); UPDATE t SET v = 'b'").await;
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_slot_that_was_made_anew_is_noticed_and_never_skipped_over() {
    let pair = Pair::create("lost", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    pair.source.sql("INSERT INTO t VALUES (1, 'lost between')").await;
    let slot = format!("godwit_{}", spec.name);
    pair.source
        .sql(&format!(
            "SELECT pg_drop_replication_slot('{slot}'); SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"
        ))
        .await;
    let error = capture.stream(spec, origin.position).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::LogLost);
    assert!(error.message.contains(&origin.position.to_string()), "{error}");
    pair.source
        .sql(&format!(
            "SELECT pg_drop_replication_slot('{slot}'); SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"
        ))
        .await;
    let error = capture.stream(spec, origin.position).await.err().unwrap();
    assert!(error.kind == ErrorKind::LogLost && error.message.contains("test_decoding"), "{error}");
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn changes_come_in_order_and_again_until_they_are_confirmed() {
    let pair = Pair::create("again", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    pair.source.sql("INSERT INTO t VALUES (1, 'a')").await;
    pair.source.sql("INSERT INTO t VALUES (2, 'b')").await;
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    let mut first = until(&mut stream, is_commit).await;
    while first.iter().filter(|item| is_commit(item)).count() < 2 {
        first.extend(some(&mut stream).await);
    }
    let commits: Vec<Position> = first
        .iter()
        .filter_map(|item| if let CaptureItem::Commit { position, .. } = item { Some(*position) } else { None })
        .collect();
    assert!(commits[0] < commits[1]);
    assert_eq!(stream.confirm(Position::Lsn(u64::MAX)).await.unwrap_err().kind, ErrorKind::Protocol);
    // An unconfirmed stream repeats everything; one that begins after the first commit repeats only the second.
    drop(stream);
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    assert_eq!(until(&mut stream, is_commit).await[0], first[0]);
    drop(stream);
    let mut stream = capture.stream(spec, commits[0]).await.unwrap();
    let again = until(&mut stream, is_commit).await;
    assert_eq!(again.iter().filter(|item| matches!(item, CaptureItem::Change(_))).count(), 1);
    stream.confirm(commits[1]).await.unwrap();
    wait_until("the slot has moved", async || {
        stream.next().await.unwrap();
        capture.retention(spec).await.unwrap().resumable_from.known() == Some(&commits[1])
    })
    .await;
    drop(stream);
    assert_eq!(capture.stream(spec, commits[0]).await.err().unwrap().kind, ErrorKind::LogLost);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_quiet_table_moves_on_while_others_are_busy() {
    let pair = Pair::create("quiet", &format!("{SCHEMA}; CREATE TABLE other (n integer)"), &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    pair.source.sql("INSERT INTO other SELECT generate_series(1, 10000)").await;
    let end = capture.retention(spec).await.unwrap().log_end;
    let moved = |item: &CaptureItem| matches!(item, CaptureItem::Progress { position } if *position >= end);
    let items = until(&mut stream, moved).await;
    assert!(items.iter().all(|item| matches!(item, CaptureItem::Progress { .. })), "{items:?}");
    let Some(CaptureItem::Progress { position }) = items.last() else { panic!("no progress") };
    stream.confirm(*position).await.unwrap();
    wait_until("the slot has moved", async || {
        stream.next().await.unwrap();
        capture.retention(spec).await.unwrap().resumable_from.known() == Some(position)
    })
    .await;
    drop(stream);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_killed_walsender_is_unreachable_and_a_dead_engines_one_is_replaced() {
    let pair = Pair::create("killed", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    stream.next().await.unwrap();
    let kill = format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'godwit_{}'",
        spec.name
    );
    pair.source.sql(&kill).await;
    let error = loop {
        if let Err(error) = stream.next().await {
            break error;
        }
    };
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    // A stream that hangs on somewhere does not keep its successor out.
    let mut hanging = capture.stream(spec, origin.position).await.unwrap();
    pair.source.sql("INSERT INTO t VALUES (1, 'a')").await;
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    until(&mut stream, is_commit).await;
    loop {
        if hanging.next().await.is_err() {
            break;
        }
    }
    drop(stream);
    pair.drop().await;
}

fn tells(items: &[CaptureItem], sentence: &str) -> bool {
    items.iter().any(|item| matches!(item, CaptureItem::SchemaChange(change) if change.to_string() == sentence))
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn schema_changes_are_told_and_left_out_columns_are_not() {
    let schema = "CREATE TABLE t (id integer PRIMARY KEY, v text, secret text)";
    let mut pair = Pair::create("schema", schema, &["t"]).await;
    pair.capture_spec.tables[0].columns.truncate(2);
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    pair.source.sql("INSERT INTO t VALUES (1, 'a', 'left out')").await;
    let items = until(&mut stream, is_commit).await;
    assert!(!items.iter().any(|item| matches!(item, CaptureItem::SchemaChange(_))), "{items:?}");
    assert!(!format!("{items:?}").contains("left out"));
    pair.source.sql("ALTER TABLE t ADD COLUMN extra integer; INSERT INTO t VALUES (2, 'b', 'x', 5)").await;
    let items = until(&mut stream, is_commit).await;
    assert!(tells(&items, "public.t: column extra (integer) was added"), "{items:?}");
    assert_eq!(items.iter().filter(|item| matches!(item, CaptureItem::Change(_))).count(), 1);
    pair.source.sql("ALTER TABLE t ALTER COLUMN v TYPE varchar(9); INSERT INTO t VALUES (3, 'c', 'x', 5)").await;
    let items = until(&mut stream, is_commit).await;
    assert!(tells(&items, "public.t: column v is now character varying(9), it was text"), "{items:?}");
    pair.source.sql("ALTER TABLE t DROP COLUMN v; INSERT INTO t VALUES (4, 'x', 5)").await;
    let items = until(&mut stream, is_commit).await;
    assert!(tells(&items, "public.t: column v is gone"), "{items:?}");
    // Told before the row: whoever applies ends there.
    let row = items.iter().position(|item| matches!(item, CaptureItem::Change(_)));
    assert!(items.iter().position(|item| matches!(item, CaptureItem::SchemaChange(_))) < row, "{items:?}");
    drop(stream);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_renamed_or_remade_table_is_never_passed_over() {
    let pair = Pair::create("rename", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    pair.source.sql("ALTER TABLE t RENAME TO other; INSERT INTO other VALUES (1, 'a')").await;
    let error = loop {
        match stream.next().await {
            Ok(items) => assert!(!items.iter().any(is_commit)),
            Err(error) => break error,
        }
    };
    assert!(error.kind == ErrorKind::SchemaChanged && error.message.contains("public.other"), "{error}");
    assert_eq!(stream.next().await.unwrap_err().kind, ErrorKind::Unreachable);
    drop(stream);
    pair.source.sql("ALTER TABLE other RENAME TO t").await;
    capture.stream(spec, origin.position).await.unwrap();
    pair.source.sql(&format!("DROP TABLE t; {SCHEMA}")).await;
    assert_eq!(capture.retention(spec).await.unwrap_err().kind, ErrorKind::SchemaChanged);
    assert_eq!(capture.stream(spec, origin.position).await.err().unwrap().kind, ErrorKind::SchemaChanged);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_opposite_pipelines_writes_do_not_come_back() {
    let pair = Pair::create("origin", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    // The opposite pipeline applies on this very server under the name that is to be ignored.
    let back = godwit::stores::ApplySpec { name: spec.ignore_origin.clone(), tables: spec.tables.clone() };
    let target = pair.source.target();
    target.state(&back).await.unwrap();
    target.begin(&back, &origin).await.unwrap();
    let mut applier = target.applier(&back).await.unwrap();
    let literal = |text: &str| godwit::model::change::Cell::Value(godwit::model::value::Value::Literal(text.into()));
    let change =
        godwit::model::change::RowChange::Insert { table: 0, row: vec![literal("7"), literal("from the other side")] };
    applier.push(vec![change]).await.unwrap();
    applier.commit(Position::Lsn(1)).await.unwrap();
    pair.source.sql("INSERT INTO t VALUES (8, 'own')").await;
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    let items = until(&mut stream, is_commit).await;
    let text = format!("{items:?}");
    assert!(text.contains("own") && !text.contains("other side"), "{text}");
    assert!(matches!(items[0], CaptureItem::Progress { .. }), "{text}");
    drop((stream, applier));
    target.forget(&back).await.unwrap();
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_million_rows_in_one_transaction_come_in_bounded_batches() {
    let pair = Pair::create("million", SCHEMA, &["t"]).await;
    let (capture, spec) = (pair.source.capture(), &pair.capture_spec);
    let (origin, _) = capture.prepare(spec, false).await.unwrap();
    pair.source.sql("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 1000000) n").await;
    let mut stream = capture.stream(spec, origin.position).await.unwrap();
    let (mut changes, mut largest, mut done) = (0, 0, false);
    while !done {
        let items = stream.next().await.unwrap();
        largest = largest.max(items.len());
        changes += items.iter().filter(|item| matches!(item, CaptureItem::Change(_))).count();
        done = items.iter().any(is_commit);
    }
    assert_eq!(changes, 1_000_000);
    assert!(largest <= 8192, "{largest}");
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    eprintln!("{}", peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
    drop(stream);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn server_facts_and_rights_are_told_in_sentences() {
    let db = Database::create("GODWIT_LAB_PG1", "rights").await;
    db.sql("DROP ROLE IF EXISTS gw_weak; CREATE ROLE gw_weak LOGIN; CREATE TABLE t (id integer PRIMARY KEY)").await;
    let mut link = db.link.clone();
    link.address.user = "gw_weak".into();
    let target = godwit::stores::postgres::target::PgTarget::new(link);
    let spec = godwit::stores::ApplySpec { name: "weak".into(), tables: db.maps(&["t"]).await };
    let error = target.loader(&spec).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("GRANT SET ON PARAMETER session_replication_role TO \"gw_weak\""), "{error}");
    db.sql("GRANT SET ON PARAMETER session_replication_role TO gw_weak").await;
    target.loader(&spec).await.unwrap();
    let error = target.applier(&spec).await.err().unwrap();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("pg_replication_origin_create"), "{error}");
    db.sql("REVOKE SET ON PARAMETER session_replication_role FROM gw_weak; DROP ROLE gw_weak").await;
    db.drop().await;
}
