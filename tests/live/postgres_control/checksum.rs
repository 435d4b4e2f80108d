//! Comparing: equal data has equal sums, and every difference that a value can have is seen.

use super::lab::{Lab, SERVER_1, SERVER_2, same};
use godwit::model::table::TableMap;
use godwit::model::value::{Key, Value};
use godwit::stores::{Checksum, KeyRange, MapSide, RangeSum};

/// The best method that both sides have.
async fn agreed(source: &Lab, target: &Lab, map: &TableMap) -> String {
    let ours = source.store.methods(map, MapSide::Source).await.unwrap();
    let theirs = target.store.methods(map, MapSide::Target).await.unwrap();
    ours.iter().find(|m| theirs.contains(m)).unwrap_or_else(|| panic!("{ours:?} {theirs:?}")).clone()
}

async fn whole(lab: &Lab, map: &TableMap, method: &str) -> RangeSum {
    sum_of(&lab.store, map, MapSide::Source, &KeyRange::default(), method).await
}

async fn sum_of(store: &impl Checksum, map: &TableMap, side: MapSide, range: &KeyRange, method: &str) -> RangeSum {
    store.sums(map, side, std::slice::from_ref(range), method).await.unwrap()[0]
}

async fn cut(store: &impl Checksum, map: &TableMap, rows: u64, method: &str) -> Vec<KeyRange> {
    store.ranges(map, MapSide::Source, &KeyRange::default(), rows, method).await.unwrap()
}

fn literal(text: &str) -> Value {
    Value::Literal(text.into())
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn every_difference_of_a_value_is_seen() {
    let (mut source, mut target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    let columns = [
        ("id", "integer"),
        ("num", "numeric"),
        ("f", "double precision"),
        ("t", "text"),
        ("mood", "public.mood"),
        ("arr", "numeric[]"),
        ("j", "jsonb"),
        ("iv", "interval"),
        ("b", "bytea"),
        ("tz", "timestamp with time zone"),
        ("c", "public.pair"),
        ("r", "numrange"),
        ("d", "public.amount"),
        ("m", "money"),
        ("bits", "bit varying"),
        ("ch", "character(4)"),
    ];
    let map = same("t", &columns, &[0]);
    let shape: Vec<String> = columns.iter().map(|(n, t)| format!("{n} {t}")).collect();
    let schema = format!(
        "CREATE TYPE mood AS ENUM ('ok', 'bad'); CREATE TYPE pair AS (x int, y numeric); CREATE DOMAIN amount AS numeric CHECK (VALUE > -100);
         CREATE TABLE t ({}, PRIMARY KEY (id))",
        shape.join(", ")
    );
    // Another enum first, so that the labels' oids differ between the servers.
    target.run("CREATE TYPE earlier AS ENUM ('a', 'b', 'c')").await;
    for lab in [&mut source, &mut target] {
        lab.run(&schema).await;
        lab.run("INSERT INTO t SELECT n, 5, 0.1, 'x', 'ok', '{1,2}', '{\"a\": 1}', '1 mon', '\\x00ff', '2026-01-02 03:04:05+00', '(1,2)', '[1,2)', 1, 7, '101', 'ab' FROM generate_series(1, 50) n").await;
    }
    let method = agreed(&source, &target, &map).await;
    assert!(method.starts_with("pg-record-hash-"), "{method}");
    let methods = source.store.methods(&map, MapSide::Source).await.unwrap();
    assert_eq!(methods.len(), 2, "{methods:?}");
    for method in &methods {
        let expected = whole(&source, &map, method).await;
        assert_eq!(expected.rows, 50);
        assert_eq!(whole(&target, &map, method).await, expected, "{method}");
        for change in [
            "num = -5",
            "num = 5.0",
            "num = 'NaN'",
            "num = 'Infinity'",
            "num = '-Infinity'",
            "num = NULL",
            "num = 0",
            "f = 0",
            "f = '-0'",
            "f = 'NaN'",
            "t = ''",
            "t = NULL",
            "t = 'x '",
            "mood = 'bad'",
            "arr = '{1,-2}'",
            "arr = '{1,2.0}'",
            "arr = '[0:1]={1,2}'",
            "j = '{\"a\": -1}'",
            "j = 'null'",
            "iv = '30 days'",
            "b = '\\x00fe'",
            "tz = tz + interval '1 microsecond'",
            "tz = 'infinity'",
            "c = '(1,-2)'",
            "r = '[-1,2)'",
            "r = '[1,2]'",
            "d = -1",
            "d = 1.0",
            "m = 8",
            "bits = '1010'",
            "ch = 'abc'",
        ] {
            target.run(&format!("UPDATE t SET {change} WHERE id = 7")).await;
            let changed = whole(&target, &map, method).await;
            assert_eq!(changed.rows, 50);
            assert_ne!(changed.hash, expected.hash, "{method} does not see {change}");
            target.run("UPDATE t SET (num, f, t, mood, arr, j, iv, b, tz, c, r, d, m, bits, ch) = (SELECT num, f, t, mood, arr, j, iv, b, tz, c, r, d, m, bits, ch FROM t AS o WHERE o.id = 8) WHERE id = 7").await;
        }
        assert_eq!(whole(&target, &map, method).await, expected, "{method}");
    }
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn composite_ranges_cover_the_table_and_narrow_to_rows() {
    let (mut source, mut target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    for lab in [&mut source, &mut target] {
        lab.run("CREATE TABLE t (a int, b text COLLATE \"C\", v timestamptz DEFAULT '2026-01-01 12:00:00+00', PRIMARY KEY (b, a))").await;
        lab.run("INSERT INTO t (a, b) SELECT n % 7, 'key ' || n % 100 || '''' FROM generate_series(1, 1000) n ON CONFLICT DO NOTHING").await;
    }
    let map = same("t", &[("a", "integer"), ("b", "text"), ("v", "timestamp with time zone")], &[1, 0]);
    let method = agreed(&source, &target, &map).await;
    assert!(method.ends_with(":bytes"), "{method}");
    let ranges = cut(&source.store, &map, 64, &method).await;
    assert_eq!(ranges.len(), 700_usize.div_ceil(64));
    let mut total = 0;
    for range in &ranges {
        let sum = sum_of(&source.store, &map, MapSide::Source, range, &method).await;
        assert_eq!(sum_of(&target.store, &map, MapSide::Target, range, &method).await, sum);
        assert!(sum.rows <= 64);
        total += sum.rows;
    }
    assert_eq!(total, 700);

    // A session in another time zone must not matter (V02): the pinned settings win over the database's.
    target.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET TimeZone = %L', current_database(), 'Asia/Seoul'); END $$").await;
    let seoul = target.another_store();
    assert_eq!(
        whole(&source, &map, &method).await,
        sum_of(&seoul, &map, MapSide::Target, &KeyRange::default(), &method).await
    );

    target.run("UPDATE t SET v = NULL WHERE (a, b) = (3, 'key 3''')").await;
    let mut differing = Vec::new();
    for range in &ranges {
        let ours = source.store.row_sums(&map, MapSide::Source, range, &method).await.unwrap();
        let theirs = target.store.row_sums(&map, MapSide::Target, range, &method).await.unwrap();
        differing.extend(ours.into_iter().filter(|row| !theirs.contains(row)).map(|(key, _)| key));
    }
    let key: Key = vec![literal("key 3'"), literal("3")];
    assert_eq!(differing, std::slice::from_ref(&key));
    let absent: Key = vec![literal("no such"), literal("1")];
    let rows = target.store.rows(&map, MapSide::Target, &[absent.clone(), key.clone()]).await.unwrap();
    assert_eq!(rows, [None, Some(vec![literal("3"), literal("key 3'"), Value::Null])]);
    let rows = source.store.rows(&map, MapSide::Source, &[key, absent]).await.unwrap();
    assert_eq!(rows, [Some(vec![literal("3"), literal("key 3'"), literal("2026-01-01 12:00:00+00")]), None]);
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn servers_that_sort_text_differently_compare_by_bytes() {
    let (mut source, mut target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    source.run("CREATE TABLE t (k text COLLATE \"und-x-icu\" PRIMARY KEY)").await;
    target.run("CREATE TABLE t (k text COLLATE \"C\" PRIMARY KEY)").await;
    for lab in [&mut source, &mut target] {
        lab.run("INSERT INTO t SELECT CASE n % 4 WHEN 0 THEN upper(c) WHEN 1 THEN c WHEN 2 THEN '-' || c ELSE 'é' || c END FROM generate_series(1, 2000) n, LATERAL (SELECT substr(md5(n::text), 1, 6)) AS x (c)").await;
    }
    let map = same("t", &[("k", "text")], &[0]);
    let method = agreed(&source, &target, &map).await;
    assert!(method.ends_with(":bytes"), "{method}");
    assert!(source.store.methods(&map, MapSide::Source).await.unwrap()[0].contains(":native-"));
    for cutter in [&source, &target] {
        let ranges = cut(&cutter.store, &map, 150, &method).await;
        assert!(ranges.len() > 10);
        let mut total = 0;
        for range in &ranges {
            let sum = sum_of(&source.store, &map, MapSide::Source, range, &method).await;
            assert_eq!(sum_of(&target.store, &map, MapSide::Target, range, &method).await, sum);
            total += sum.rows;
        }
        assert_eq!(total, 2000);
        // All at once: one scan on the side whose index sorts otherwise, a search a range on the other.
        let ours = source.store.sums(&map, MapSide::Source, &ranges, &method).await.unwrap();
        assert_eq!(target.store.sums(&map, MapSide::Target, &ranges, &method).await.unwrap(), ours);
        assert_eq!(ours.iter().map(|sum| sum.rows).sum::<u64>(), 2000);
    }
    assert!(!source.store.reads_in_order(&map, MapSide::Source, &method).await.unwrap());
    assert!(target.store.reads_in_order(&map, MapSide::Target, &method).await.unwrap());
    // The same collation of the same library on both sides keeps its index.
    target.run("ALTER TABLE t ALTER k TYPE text COLLATE \"und-x-icu\"").await;
    let method = agreed(&source, &target, &map).await;
    assert!(method.contains(":native-"), "{method}");
    let ranges = cut(&source.store, &map, 150, &method).await;
    for range in &ranges {
        let sum = sum_of(&source.store, &map, MapSide::Source, range, &method).await;
        assert_eq!(sum_of(&target.store, &map, MapSide::Target, range, &method).await, sum);
    }
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_large_table_is_cut_by_a_sample_into_ranges_that_cover_it() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE t (a int, b int, filler text, PRIMARY KEY (a, b))").await;
    lab.run("INSERT INTO t SELECT n / 10, n % 10, repeat('x', 200) FROM generate_series(1, 60000) n").await;
    lab.run("ANALYZE t").await;
    let map = same("t", &[("a", "integer"), ("b", "integer"), ("filler", "text")], &[0, 1]);
    let method = agreed(&lab, &lab, &map).await;
    let ranges = cut(&lab.store, &map, 5_000, &method).await;
    assert!((9..=15).contains(&ranges.len()), "{}", ranges.len());
    let sums = lab.store.sums(&map, MapSide::Source, &ranges, &method).await.unwrap();
    assert_eq!(sums.iter().map(|sum| sum.rows).sum::<u64>(), 60_000);
    assert!(sums.iter().all(|sum| sum.rows < 15_000), "{sums:?}");
    // What is left of an interrupted pass, and the inside of a range that differs.
    let rest = KeyRange { after: ranges[4].upto.clone(), upto: None };
    let rest = lab.store.ranges(&map, MapSide::Source, &rest, 5_000, &method).await.unwrap();
    let left: u64 = lab.store.sums(&map, MapSide::Source, &rest, &method).await.unwrap().iter().map(|s| s.rows).sum();
    assert_eq!(left, sums[5..].iter().map(|s| s.rows).sum::<u64>());
    let inside = lab.store.ranges(&map, MapSide::Source, &ranges[3], 1_000, &method).await.unwrap();
    assert_eq!(inside[0].after, ranges[3].after);
    assert_eq!(inside.last().unwrap().upto, ranges[3].upto);
    let within: u64 =
        lab.store.sums(&map, MapSide::Source, &inside, &method).await.unwrap().iter().map(|s| s.rows).sum();
    assert_eq!(within, sums[3].rows);
    lab.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_table_without_a_key_is_a_multiset() {
    let (mut source, mut target) = (Lab::create(SERVER_1).await, Lab::create(SERVER_2).await);
    for (lab, rows) in [(&mut source, "('a'), ('a')"), (&mut target, "('b'), ('b')")] {
        lab.run(&format!("CREATE TABLE t (x text); INSERT INTO t VALUES {rows}")).await;
    }
    let map = same("t", &[("x", "text")], &[]);
    let method = agreed(&source, &target, &map).await;
    assert_eq!(cut(&source.store, &map, 1, &method).await, [KeyRange::default()]);
    assert_ne!(whole(&source, &map, &method).await, whole(&target, &map, &method).await, "pairs must not cancel out");
    let rows = source.store.row_sums(&map, MapSide::Source, &KeyRange::default(), &method).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
    assert!(source.store.rows(&map, MapSide::Source, &[vec![]]).await.is_err());
    source.finish().await;
    target.finish().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_empty_table_and_wrong_questions() {
    let mut lab = Lab::create(SERVER_1).await;
    lab.run("CREATE TABLE t (id int PRIMARY KEY, gone text)").await;
    let map = same("t", &[("id", "integer"), ("gone", "text")], &[0]);
    let method = agreed(&lab, &lab, &map).await;
    assert_eq!(cut(&lab.store, &map, 10, &method).await, [KeyRange::default()]);
    assert_eq!(whole(&lab, &map, &method).await, RangeSum { rows: 0, hash: 0 });
    assert!(lab.store.sums(&map, MapSide::Source, &[KeyRange::default()], "sha-999:bytes").await.is_err());
    let misfit = KeyRange { after: Some(vec![literal("1"), literal("2")]), upto: None };
    assert!(lab.store.sums(&map, MapSide::Source, &[misfit], &method).await.is_err());
    lab.run("ALTER TABLE t DROP gone").await;
    let error = lab.store.sums(&map, MapSide::Source, &[KeyRange::default()], &method).await.unwrap_err();
    assert_eq!(error.kind, godwit::stores::error::ErrorKind::SchemaChanged, "{error}");
    lab.finish().await;
}
