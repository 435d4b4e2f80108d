//! Checkpoints, loading and applying.

use super::lab::{Lab, Pipeline, ints, kind, map_of};
use crate::model::change::{Cell, Position, RowChange};
use crate::model::table::{Generation, RowIdentity};
use crate::model::value::Value;
use crate::stores::error::ErrorKind;
use crate::stores::{
    Applied, CaptureOrigin, Checksum, Chunk, ChunkData, ChunkPlan, ChunkRange, Inventory, KeyRange, MapSide, Target,
};

const SCHEMA: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, u INT UNIQUE, note TEXT DEFAULT 'kept')";

fn origin(row: u64) -> CaptureOrigin {
    CaptureOrigin { server_identity: "x".to_owned(), position: Position::LogRow(row) }
}

fn insert(id: i64, u: i64) -> RowChange {
    RowChange::Insert { table: 0, row: ints(&[id, u]).into_iter().map(Cell::Value).collect() }
}

fn update(old: i64, id: i64, u: i64) -> RowChange {
    RowChange::Update { table: 0, old_key: ints(&[old]), row: ints(&[id, u]).into_iter().map(Cell::Value).collect() }
}

fn delete(id: i64) -> RowChange {
    RowChange::Delete { table: 0, old_key: ints(&[id]) }
}

/// A lab whose file `b` has the table, and a pipeline that carries two of its columns.
async fn prepared(lab: &Lab) -> (crate::stores::sqlite::store::SqliteStore, crate::stores::ApplySpec) {
    lab.app("b").await.run(SCHEMA).await;
    let target = lab.store("b");
    let mut map = map_of(&target, "t").await;
    map.columns.truncate(2);
    let spec = Pipeline::new("p", &target, &target, vec![map]).apply;
    target.state(&spec).await.unwrap();
    (target, spec)
}

#[tokio::test]
async fn what_a_target_remembers_is_read_back() {
    let lab = Lab::new();
    let (target, spec) = prepared(&lab).await;
    let mut early = target.applier(&spec).await.unwrap();
    assert_eq!(kind(early.push(vec![insert(1, 1)]).await), ErrorKind::NotFound);
    assert_eq!(kind(early.commit(Position::LogRow(1)).await), ErrorKind::NotFound);
    drop(early);
    assert_eq!(kind(target.save_consistent_from(&spec, Position::LogRow(1)).await), ErrorKind::NotFound);
    target.begin(&spec, &origin(7)).await.unwrap();
    let chunk = |ordinal, range| Chunk { table: 0, ordinal, range: ChunkRange::Keys(range) };
    let range = KeyRange { after: Some(vec![Value::Text("ü'".to_owned())]), upto: None };
    let plan = ChunkPlan { chunks: vec![chunk(0, KeyRange::default()), chunk(1, range)], generation: "g".to_owned() };
    target.save_plan(&spec, 0, &plan).await.unwrap();
    let mut loader = target.loader(&spec).await.unwrap();
    loader.start(&plan.chunks[1]).await.unwrap();
    loader.push(ChunkData::Rows(vec![ints(&[1, 10]), ints(&[2, 20])])).await.unwrap();
    assert_eq!(loader.finish().await.unwrap().rows, 2);
    loader.start(&plan.chunks[0]).await.unwrap();
    loader.push(ChunkData::Rows(vec![ints(&[3, 30])])).await.unwrap();
    loader.abort().await.unwrap();
    target.save_consistent_from(&spec, Position::LogRow(9)).await.unwrap();
    let state = target.state(&spec).await.unwrap();
    assert_eq!(state.origin, Some(origin(7)));
    assert_eq!((state.applied, state.consistent_from), (None, Some(Position::LogRow(9))));
    assert_eq!(state.plans, [(spec.tables[0].source.clone(), plan.clone())]);
    assert_eq!(state.chunks.iter().map(|(_, n, l)| (*n, l.rows)).collect::<Vec<_>>(), [(1, 2)]);
    assert_eq!(lab.app("b").await.number("SELECT count(*) FROM t WHERE note = 'kept'").await, 2);
    // A failed piece leaves nothing of its chunk; a short row is not taken for one with NULLs.
    loader.start(&plan.chunks[0]).await.unwrap();
    assert_eq!(kind(loader.push(ChunkData::Rows(vec![ints(&[4])])).await), ErrorKind::Protocol);
    assert_eq!(kind(loader.finish().await), ErrorKind::Protocol);
    drop(loader);
    target.clear_table(&spec, 0).await.unwrap();
    assert!(target.state(&spec).await.unwrap().chunks.is_empty());
    assert!(!target.has_rows(&spec.tables[0].target).await.unwrap());
    target.begin(&spec, &origin(8)).await.unwrap();
    let state = target.state(&spec).await.unwrap();
    assert_eq!((state.origin, state.plans.len(), state.consistent_from), (Some(origin(8)), 0, None));
    target.forget(&spec).await.unwrap();
    assert_eq!(lab.app("b").await.number("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'godwit%'").await, 0);
}

#[tokio::test]
async fn changes_are_idempotent_and_anomalies_are_counted() {
    let lab = Lab::new();
    let (target, spec) = prepared(&lab).await;
    target.begin(&spec, &origin(0)).await.unwrap();
    let mut applier = target.applier(&spec).await.unwrap();
    let all = || vec![insert(1, 1), insert(2, 2), insert(3, 3), update(1, 1, 11), update(2, 5, 2), delete(3)];
    assert_eq!(applier.push(all()).await.unwrap(), Applied { changes: 6, anomalies: 0 });
    applier.commit(Position::LogRow(6)).await.unwrap();
    let mut app = lab.app("b").await;
    app.run("UPDATE t SET note = 'mine'").await;
    assert_eq!(app.dump("t", &["id", "u"]).await.len(), 2);
    // An insert that meets its row updates it and leaves columns alone that are not carried.
    let again = applier.push(vec![insert(1, 12), update(9, 9, 90), delete(77)]).await.unwrap();
    assert_eq!(again, Applied { changes: 3, anomalies: 3 });
    applier.rollback().await.unwrap();
    assert_eq!(app.number("SELECT count(*) FROM t").await, 2);
    applier.push(vec![insert(1, 12)]).await.unwrap();
    applier.commit(Position::LogRow(7)).await.unwrap();
    assert_eq!(app.number("SELECT count(*) FROM t WHERE u = 12 AND note = 'mine'").await, 1);
    // Somebody else's row in the way is an error, and nothing of the batch stays.
    app.run("INSERT INTO t VALUES (100, 100, 'x')").await;
    let error = applier.push(vec![insert(50, 50), insert(51, 100)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().contains("(t)"), "{error}");
    assert_eq!(app.number("SELECT count(*) FROM t WHERE id IN (50, 51)").await, 0);
    assert_eq!(kind(applier.push(vec![RowChange::Delete { table: 0, old_key: vec![] }]).await), ErrorKind::Protocol);
    let nan = vec![Cell::Value(Value::Int(1)), Cell::Value(Value::Float(f64::NAN))];
    assert_eq!(kind(applier.push(vec![RowChange::Insert { table: 0, row: nan }]).await), ErrorKind::Rejected);
    // A cell that the log does not carry stays as it is.
    let partial = vec![Cell::Value(Value::Int(1)), Cell::Unchanged];
    applier.push(vec![RowChange::Update { table: 0, old_key: ints(&[1]), row: partial }]).await.unwrap();
    applier.push(vec![RowChange::Truncate { tables: vec![0] }, insert(1, 1)]).await.unwrap();
    applier.commit(Position::LogRow(8)).await.unwrap();
    assert_eq!(app.number("SELECT count(*) FROM t").await, 1);
    assert_eq!(target.state(&spec).await.unwrap().applied, Some(Position::LogRow(8)));
    // Somebody who forgets the pipeline while it runs stops it.
    target.forget(&spec).await.unwrap();
    assert!(applier.push(vec![insert(2, 2)]).await.is_err());
}

#[tokio::test]
async fn while_the_log_repeats_itself_rows_in_the_way_give_way() {
    let lab = Lab::new();
    let (target, spec) = prepared(&lab).await;
    // The copy holds the end of a story in which 1 gave its unique value to 2; the log tells it from the beginning.
    lab.app("b").await.run("INSERT INTO t VALUES (1, 9, 'x'), (2, 1, 'x')").await;
    target.begin(&spec, &origin(0)).await.unwrap();
    target.save_consistent_from(&spec, Position::LogRow(4)).await.unwrap();
    let mut applier = target.applier(&spec).await.unwrap();
    applier.push(vec![insert(1, 1), update(1, 1, 9), insert(2, 1), update(1, 1, 9)]).await.unwrap();
    applier.commit(Position::LogRow(4)).await.unwrap();
    let rows = lab.app("b").await.dump("t", &["id", "u"]).await;
    assert_eq!(rows, ["integer:X'31'|integer:X'39'", "integer:X'32'|integer:X'31'"]);
    assert_eq!(kind(applier.push(vec![insert(3, 1)]).await), ErrorKind::Rejected);
}

#[tokio::test]
async fn a_connection_that_is_dropped_leaves_nothing_and_blocks_nobody() {
    let lab = Lab::new();
    let (target, spec) = prepared(&lab).await;
    target.begin(&spec, &origin(0)).await.unwrap();
    let mut applier = target.applier(&spec).await.unwrap();
    applier.push(vec![insert(1, 1)]).await.unwrap();
    drop(applier);
    let mut app = lab.app("b").await;
    app.run("INSERT INTO t VALUES (1, 1, 'app')").await;
    assert_eq!(app.number("SELECT applying IS NULL FROM godwit_control").await, 1);
    assert_eq!(target.state(&spec).await.unwrap().applied, None);
}

#[tokio::test]
async fn sums_agree_exactly_when_rows_do() {
    let lab = Lab::new();
    let (mut left, mut right) = (lab.app("a").await, lab.app("b").await);
    let fill = "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v); \
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT 'K' || i, i FROM n";
    left.run(fill).await;
    right.run(fill).await;
    let (a, b) = (lab.store("a"), lab.store("b"));
    let map = map_of(&a, "t").await;
    let method = a.methods(&map, MapSide::Source).await.unwrap().remove(0);
    assert_eq!(method, "sqlite-xxh3-v1+nocase");
    let ranges = a.ranges(&map, MapSide::Source, &KeyRange::default(), 300, &method).await.unwrap();
    assert_eq!(ranges.len(), 4);
    right
        .run("UPDATE t SET v = '500' WHERE v = 500; DELETE FROM t WHERE v = 7; INSERT INTO t VALUES ('new', x'00')")
        .await;
    let (mut rows, mut different) = (0, 0);
    for range in &ranges {
        let (x, y) = (
            a.sums(&map, MapSide::Source, std::slice::from_ref(range), &method).await.unwrap(),
            b.sums(&map, MapSide::Target, std::slice::from_ref(range), &method).await.unwrap(),
        );
        rows += x[0].rows;
        different += usize::from(x != y);
        assert_eq!(a.row_sums(&map, MapSide::Source, range, &method).await.unwrap().len() as u64, x[0].rows);
    }
    assert_eq!(rows, 1_000);
    assert!((2..=3).contains(&different), "{different}");
    let keys = ["K7", "k500", "new"].map(|k| vec![Value::Text(k.to_owned())]);
    let found = b.rows(&map, MapSide::Target, &keys).await.unwrap();
    assert!(found[0].is_none());
    assert_eq!(found[1], Some(vec![Value::Text("K500".to_owned()), Value::Text("500".to_owned())]));
    assert_eq!(found[2].as_ref().map(|row| row[1].clone()), Some(Value::Bytes(vec![0])));
    assert_eq!(kind(a.sums(&map, MapSide::Source, &ranges[..1], "other").await), ErrorKind::Unsupported);
    // A target with another collation has the order of bytes in common with its source, and ranges agree in it.
    lab.app("c").await.run(&fill.replace("COLLATE NOCASE", "")).await;
    let c = lab.store("c");
    left.run("UPDATE t SET k = lower(k) WHERE v % 2 = 0").await;
    lab.app("c").await.run("UPDATE t SET k = lower(k) WHERE v % 2 = 0").await;
    let common = c.methods(&map, MapSide::Target).await.unwrap().remove(0);
    assert!(a.methods(&map, MapSide::Source).await.unwrap().contains(&common));
    let ranges = a.ranges(&map, MapSide::Source, &KeyRange::default(), 300, &common).await.unwrap();
    for range in &ranges {
        let x = a.sums(&map, MapSide::Source, std::slice::from_ref(range), &common).await.unwrap();
        assert_eq!(x, c.sums(&map, MapSide::Target, std::slice::from_ref(range), &common).await.unwrap());
    }
}

#[tokio::test]
async fn the_inventory_describes_what_is_there() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run(
        "CREATE TABLE \"ünter \"\"q\" (a INT NOT NULL, b, g AS (a + 1), UNIQUE (a)); CREATE TABLE nokey (v); \
         CREATE VIEW w AS SELECT 1; CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE godwit_x (id); \
         CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO auto VALUES (5), (14)",
    )
    .await;
    let store = lab.store("a");
    let tables = store.tables().await.unwrap();
    assert_eq!(tables.iter().map(|t| t.name.name.as_str()).collect::<Vec<_>>(), ["auto", "nokey", "ünter \"q"]);
    assert_eq!(tables[0].estimated_rows, Some(10));
    assert_eq!(tables[0].columns[0].generation, Generation::Sequence);
    assert_eq!(tables[1].identity, RowIdentity::Missing);
    assert_eq!(tables[2].identity, RowIdentity::Key(vec!["a".to_owned()]));
    assert_eq!(tables[2].columns[2].generation, Generation::Computed);
    assert_eq!(tables[2].columns.iter().map(|c| c.nullable).collect::<Vec<_>>(), [false, true, true]);
    assert!(lab.store("none").tables().await.unwrap().is_empty());
    assert!(!lab.path("none").exists());
    assert_eq!(kind(lab.store("none").table(&tables[0].name).await), ErrorKind::NotFound);
}
