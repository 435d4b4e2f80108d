//! Snapshot and load.

use super::lab::{Pair, copy_tables};
use godwit::model::change::Position;
use godwit::stores::error::ErrorKind;
use godwit::stores::{Capture, ChunkData, Target};

/// Every kind of type and of column that a table can have.
pub const ALL_TYPES: &str = r#"
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy "quoted"');
    CREATE TYPE point3 AS (x integer, y numeric, m mood);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TYPE span AS RANGE (subtype = numeric);
    CREATE TABLE "Tülle 주문" (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        "Größe ""x""" numeric, small smallint, big bigint, r real, d double precision, money_ numeric(12,2),
        t text, vc varchar(10), c char(5), b bytea, j json, jb jsonb, u uuid, flag boolean,
        ts timestamp, tz timestamptz, da date, ti time, ttz timetz, iv interval,
        inet_ inet, cidr_ cidr, mac macaddr, bits bit(5), vbits varbit, po point, bx box,
        ints integer[], texts text[], grid integer[][], nums numrange, sp span, multi int4multirange,
        mood_ mood, moods mood[], comp point3, comps point3[], dom positive, doms positive[],
        doubled integer GENERATED ALWAYS AS (small * 2) STORED,
        tsv tsvector, x xml, reg regclass, oid_ oid, nm name
    );"#;

pub const ALL_VALUES: &str = r#"
    INSERT INTO "Tülle 주문" ("Größe ""x""", small, big, r, d, money_, t, vc, c, b, j, jb, u, flag, ts, tz, da, ti, ttz, iv,
        inet_, cidr_, mac, bits, vbits, po, bx, ints, texts, grid, nums, sp, multi, mood_, moods, comp, comps, dom, doms, tsv, x, reg, oid_, nm)
    VALUES
    ('NaN', 1, 9223372036854775807, 'Infinity', 0.1, 1234567890.12, E'tab\tnew\nline\\back "q" ''a'' 주문', 'short', 'ab', '\x00ff10',
     '{"a" : 1}', '{"b": [1, 2.50]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', true, 'infinity', '-infinity', 'infinity', '23:59:59.999999',
     '01:02:03+09', '-1 year -2 mons +3 days -04:05:06.789', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '10101', '1', '(1.5,-2)', '(3,4),(1,2)',
     '{1,NULL,3}', '{"a,b","c\"d",NULL,"NULL",""}', '{{1,2},{3,4}}', '[1.5,)', '(1,2]', '{[1,3),[5,7)}', 'happy "quoted"', '{sad,"happy \"quoted\""}',
     '(1,NaN,ok)', '{"(1,2.5,sad)","(,,)"}', 7, '{1,2}', 'a fat cat', '<a>ü</a>', 'pg_class', 42, 'name'),
    ('Infinity', -1, -9223372036854775808, 'NaN', '-Infinity', -0.01, '', '', '', '', '[]', 'null', NULL, false, '0044-03-15 12:00:00 BC', '2024-02-29 23:59:59.999999+00',
     '4713-01-01 BC', '00:00', NULL, 'P1Y2M3DT4H5M6.000001S', '::1', '::/0', NULL, '00000', '', NULL, NULL, '{}', '{}', '{}', 'empty', 'empty', '{}', 'sad', '{}',
     NULL, '{}', 1, '{}', '', NULL, 'pg_catalog.pg_type', 0, ''),
    (-1e-1000, NULL, NULL, 1.17549435e-38, 2.2250738585072014e-308, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);"#;

pub const ALL_ROWS: &str = r#"SELECT t::text FROM "Tülle 주문" t ORDER BY id"#;

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn every_type_is_copied_exactly() {
    let pair = Pair::create("types", ALL_TYPES, &["Tülle 주문"]).await;
    pair.source.sql(ALL_VALUES).await;
    // An oid differs between servers in its number but not in its name: user types must travel as text.
    pair.target.sql("CREATE TYPE unrelated AS ENUM ('a'); CREATE TABLE other (a integer)").await;
    pair.copy(1 << 20).await;
    pair.assert_same(ALL_ROWS).await;
    let state = pair.target.target().state(&pair.apply_spec).await.unwrap();
    assert_eq!(state.chunks.iter().map(|(_, _, loaded)| loaded.rows).sum::<u64>(), 3);
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn partitions_and_many_chunks_are_copied_whole() {
    let schema = "
        CREATE TABLE events (id bigint, kind text, body text, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
        CREATE TABLE events_a PARTITION OF events FOR VALUES IN ('a');
        CREATE TABLE events_b PARTITION OF events FOR VALUES IN ('b') PARTITION BY RANGE (id);
        CREATE TABLE events_b_low PARTITION OF events_b FOR VALUES FROM (0) TO (5000);
        CREATE TABLE events_b_rest PARTITION OF events_b DEFAULT;
        CREATE TABLE empty (id integer PRIMARY KEY);";
    let pair = Pair::create("parts", schema, &["events", "empty"]).await;
    pair.source
        .sql("INSERT INTO events SELECT n, CASE WHEN n % 3 = 0 THEN 'a' ELSE 'b' END, repeat('x', (n % 400)::int) FROM generate_series(0, 9999) n")
        .await;
    pair.copy(64 * 1024).await;
    pair.assert_same(
        "SELECT tableoid::regclass::text, count(*), sum(id), sum(length(body)) FROM events GROUP BY 1 ORDER BY 1",
    )
    .await;
    let state = pair.target.target().state(&pair.apply_spec).await.unwrap();
    assert!(state.chunks.len() > 20, "{} chunks", state.chunks.len());
    assert_eq!(state.plans.len(), 2);
    assert_eq!(state.plans.iter().map(|(_, plan)| plan.chunks.len()).sum::<usize>(), state.chunks.len());
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_chunk_is_never_loaded_twice_and_an_aborted_one_leaves_nothing() {
    let pair = Pair::create("twice", "CREATE TABLE t (id integer, v text)", &["t"]).await;
    pair.source
        .sql("ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t SELECT n, 'v' FROM generate_series(1, 1000) n")
        .await;
    let (origin, snapshot) = pair.source.capture().prepare(&pair.capture_spec, true).await.unwrap();
    let (snapshot, target) = (snapshot.unwrap(), pair.target.target());
    target.begin(&pair.apply_spec, &origin).await.unwrap();
    let plan = snapshot.plan(0, 1 << 20).await.unwrap();
    let (mut reader, mut loader) = (snapshot.reader().await.unwrap(), target.loader(&pair.apply_spec).await.unwrap());
    for aborted in [true, false, true] {
        reader.start(&plan.chunks[0]).await.unwrap();
        loader.start(&plan.chunks[0]).await.unwrap();
        while let Some(data) = reader.next().await.unwrap() {
            loader.push(data).await.unwrap();
        }
        if aborted {
            loader.abort().await.unwrap();
        } else {
            assert_eq!(loader.finish().await.unwrap().rows, 1000);
        }
    }
    reader.start(&plan.chunks[0]).await.unwrap();
    loader.start(&plan.chunks[0]).await.unwrap();
    while let Some(data) = reader.next().await.unwrap() {
        loader.push(data).await.unwrap();
    }
    assert_eq!(loader.finish().await.unwrap_err().kind, ErrorKind::Rejected);
    loader.abort().await.unwrap();
    assert_eq!(pair.target.sql("SELECT count(*) AS n FROM t").await.value("n"), Some("1000"));
    target.clear_table(&pair.apply_spec, 0).await.unwrap();
    assert!(target.state(&pair.apply_spec).await.unwrap().chunks.is_empty());
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_row_that_the_target_refuses_is_named() {
    let pair = Pair::create("refused", "CREATE TABLE t (id integer PRIMARY KEY, v text)", &["t"]).await;
    pair.target.sql("ALTER TABLE t ADD CONSTRAINT short CHECK (length(v) < 5)").await;
    pair.source.sql("INSERT INTO t SELECT n, repeat('x', n % 7) FROM generate_series(1, 200000) n").await;
    let (origin, snapshot) = pair.source.capture().prepare(&pair.capture_spec, true).await.unwrap();
    let (snapshot, target) = (snapshot.unwrap(), pair.target.target());
    target.begin(&pair.apply_spec, &origin).await.unwrap();
    let plan = snapshot.plan(0, 1 << 30).await.unwrap();
    let (mut reader, mut loader) = (snapshot.reader().await.unwrap(), target.loader(&pair.apply_spec).await.unwrap());
    reader.start(&plan.chunks[0]).await.unwrap();
    loader.start(&plan.chunks[0]).await.unwrap();
    let error = loop {
        match reader.next().await.unwrap() {
            Some(data) => {
                if let Err(error) = loader.push(data).await {
                    break error;
                }
            }
            None => break loader.finish().await.unwrap_err(),
        }
    };
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.to_string().contains("short"), "{error}");
    loader.abort().await.unwrap();
    // The loader is usable again.
    pair.target.sql("ALTER TABLE t DROP CONSTRAINT short").await;
    copy_tables(snapshot.as_ref(), &target, &pair.apply_spec, 1 << 20).await;
    pair.assert_same("SELECT count(*), sum(length(v)) FROM t").await;
    pair.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn the_snapshot_holds_while_rows_change_and_memory_of_pieces_is_bounded() {
    let pair = Pair::create("hold", "CREATE TABLE t (id integer PRIMARY KEY, v text)", &["t"]).await;
    pair.source.sql("INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n").await;
    let (origin, snapshot) = pair.source.capture().prepare(&pair.capture_spec, true).await.unwrap();
    assert!(matches!(origin.position, Position::Lsn(lsn) if lsn > 0));
    let snapshot = snapshot.unwrap();
    pair.source.sql("UPDATE t SET v = 'changed'; DELETE FROM t WHERE id <= 10000").await;
    // A rewrite would shuffle pages: it must wait for the snapshot.
    let mut other = pair.source.connect().await;
    other.query("SET lock_timeout = '100ms'").await.unwrap();
    assert_eq!(other.query("TRUNCATE t").await.unwrap_err().sqlstate(), Some("55P03"));
    let target = pair.target.target();
    target.begin(&pair.apply_spec, &origin).await.unwrap();
    let mut reader = snapshot.reader().await.unwrap();
    let plan = snapshot.plan(0, 1 << 20).await.unwrap();
    for chunk in &plan.chunks {
        reader.start(chunk).await.unwrap();
        while let Some(ChunkData::Raw(bytes)) = reader.next().await.unwrap() {
            assert!(bytes.len() <= 256 * 1024);
        }
    }
    copy_tables(snapshot.as_ref(), &target, &pair.apply_spec, 1 << 20).await;
    let answer = pair.target.sql("SELECT count(*) AS n, min(length(v)) AS shortest FROM t").await;
    assert_eq!((answer.value("n"), answer.value("shortest")), (Some("20000"), Some("200")));
    drop((reader, snapshot));
    super::lab::wait_until("the locks are gone", async || other.query("TRUNCATE t").await.is_ok()).await;
    pair.drop().await;
}
