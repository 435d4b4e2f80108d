//! Unused, duplicate, beginning, invalid: what the rules say case by case.

use super::builder::{DAYS, Store, With, days_ago, index, now, table, unscanned};
use crate::advice::dialect::Dialect::{self, MariaDb, MongoDb, MySql, Postgres};
use crate::model::finding::Verdict;
use crate::model::index::Index;
use crate::model::lag::Reading;
use chrono::Duration;

const T: &str = "public.t";

fn store(dialect: Dialect, indexes: Vec<Index>) -> Store {
    let mut store = Store::new(dialect).table(table(T, &[("a", 1000.0), ("b", 1000.0), ("f1", 10.0), ("f10", 10.0)]));
    store.read.indexes = indexes;
    store
}

fn i(name: &str, columns: &[&str]) -> Index {
    index(T, name, columns)
}

#[test]
fn an_unused_index_is_reported_with_its_way_back() {
    let unused = |dialect| store(dialect, vec![unscanned(T, "public.i", &["a"])]);
    for (dialect, statement, undo) in [
        (Postgres, "DROP INDEX CONCURRENTLY public.i", "CREATE INDEX CONCURRENTLY i ON public.t USING btree (a)"),
        (
            MariaDb,
            "ALTER TABLE `public`.`t` ALTER INDEX `i` IGNORED",
            "ALTER TABLE `public`.`t` ALTER INDEX `i` NOT IGNORED",
        ),
        (
            MySql,
            "ALTER TABLE `public`.`t` ALTER INDEX `i` INVISIBLE",
            "ALTER TABLE `public`.`t` ALTER INDEX `i` VISIBLE",
        ),
        (
            MongoDb,
            "db.getSiblingDB(\"public\").getCollection(\"t\").hideIndex(\"public.i\")",
            "db.getSiblingDB(\"public\").getCollection(\"t\").unhideIndex(\"public.i\")",
        ),
    ] {
        let store = unused(dialect);
        assert_eq!(store.failing(), ["IX-UNUSED public.i"], "{dialect:?}");
        let found = &store.findings()[0];
        assert_eq!((found.statement.as_deref(), found.undo.as_deref()), (Some(statement), Some(undo)));
        assert!(found.window.is_some() && found.evidence.iter().any(|line| line.contains("40 proved days")));
    }
    // What is hidden already and was not missed goes.
    let hidden = unused(MariaDb).with(|store| store.read.indexes[0].hidden = true);
    assert_eq!(hidden.findings()[0].statement.as_deref(), Some("ALTER TABLE `public`.`t` DROP INDEX `i`"));
}

#[test]
fn without_a_proved_window_nothing_is_called_unused() {
    let young =
        store(Postgres, vec![unscanned(T, "public.i", &["a"])]).with(|store| store.read.window.since = days_ago(3));
    let found = young.findings();
    assert_eq!(found.len(), 1);
    assert!(matches!(&found[0].verdict, Verdict::NotCheckable { why } if why.contains("only 3 days")), "{found:?}");
    let unread = store(Postgres, vec![unscanned(T, "public.i", &["a"])])
        .with(|store| store.read.replicas_unread = vec!["standby".to_owned()]);
    assert!(matches!(&unread.findings()[0].verdict, Verdict::NotCheckable { why } if why.contains("standby")));
}

#[test]
fn an_index_of_a_partitioned_table_is_judged_as_a_whole() {
    let with = |scans: u64| {
        let root = unscanned(T, "public.root", &["a"]).with(|index| {
            index.bytes = Reading::Unknown("none of its own".to_owned());
            index.scans = Reading::Unknown("none of its own".to_owned());
        });
        let part = |name: &str, scans| {
            index(T, name, &["a"]).with(|index| {
                index.duty.part_of = Some("public.root".to_owned());
                index.scans = Reading::Known(scans);
            })
        };
        store(
            Postgres,
            vec![
                root,
                part("public.p1", 0).with(|i| i.table = "public.t1".to_owned()),
                part("public.p2", scans).with(|i| i.table = "public.t2".to_owned()),
            ],
        )
    };
    assert_eq!(with(0).failing(), ["IX-UNUSED public.root"]);
    assert_eq!(with(0).findings()[0].statement.as_deref(), Some("DROP INDEX public.root"));
    assert!(with(70_000).failing().is_empty());
}

#[test]
fn duplicates_keep_the_one_that_does_more() {
    let unique = |name: &str, constraint: bool| {
        i(name, &["a"]).with(|index| {
            index.duty.unique = true;
            index.duty.constraint = constraint.then(|| "t_a_key".to_owned());
        })
    };
    for (case, indexes, gone) in [
        ("plain", vec![i("public.y", &["a"]), i("public.x", &["a"])], vec!["IX-DUP public.y"]),
        ("a unique one stays", vec![i("public.x", &["a"]), unique("public.y", false)], vec!["IX-DUP public.x"]),
        ("a constraint stays", vec![unique("public.x", false), unique("public.y", true)], vec!["IX-DUP public.x"]),
        ("two constraints stay", vec![unique("public.x", true), unique("public.y", true)], vec![]),
        ("wholly reversed", vec![i("public.x", &["a", "-b"]), i("public.y", &["-a", "b"])], vec!["IX-DUP public.y"]),
        ("half reversed", vec![i("public.x", &["a", "b"]), i("public.y", &["a", "-b"])], vec![]),
        (
            "another predicate",
            vec![i("public.x", &["a"]), i("public.y", &["a"]).with(|x| x.predicate = "(b IS NULL)".to_owned())],
            vec![],
        ),
        (
            "another operator class",
            vec![
                i("public.x", &["a"]),
                i("public.y", &["a"]).with(|x| x.parts[0].operator_class = "text_pattern_ops".to_owned()),
            ],
            vec![],
        ),
        (
            "another collation",
            vec![i("public.x", &["a"]), i("public.y", &["a"]).with(|x| x.parts[0].collation = "C".to_owned())],
            vec![],
        ),
        (
            "another kind",
            vec![i("public.x", &["a"]), i("public.y", &["a"]).with(|x| x.method = "hash".to_owned())],
            vec![],
        ),
        (
            "carries more",
            vec![i("public.x", &["a"]), i("public.y", &["a"]).with(|x| x.include = vec!["b".to_owned()])],
            vec![],
        ),
        (
            "three of them",
            vec![i("public.x", &["a"]), i("public.y", &["a"]), i("public.z", &["a"])],
            vec!["IX-DUP public.y", "IX-DUP public.z"],
        ),
        ("expressions", vec![i("public.x", &["lower(a)"]), i("public.y", &["lower(a)"])], vec!["IX-DUP public.y"]),
        ("unlike expressions", vec![i("public.x", &["lower(a)"]), i("public.y", &["upper(a)"])], vec![]),
    ] {
        assert_eq!(store(Postgres, indexes).failing(), gone, "{case}");
    }
    let older = store(Postgres, vec![i("public.x", &["a"]), i("public.y", &["a"])]).with(|store| {
        store.first_seen = [("public.x".to_owned(), now()), ("public.y".to_owned(), days_ago(DAYS))].into()
    });
    assert_eq!(older.failing(), ["IX-DUP public.x"], "the older one stays");
}

#[test]
fn beginnings_are_advice_with_exceptions() {
    let long = |times: u64, scans: u64| {
        i("public.y", &["a", "b"]).with(|index| {
            index.bytes = Reading::Known(times * 50 * 1024 * 1024);
            index.scans = Reading::Known(scans);
        })
    };
    for (case, indexes, gone) in [
        ("plain", vec![i("public.x", &["a"]), long(1, 57_600)], vec!["IX-PREFIX public.x"]),
        (
            "a unique one is not redundant",
            vec![i("public.x", &["a"]).with(|x| x.duty.unique = true), long(1, 57_600)],
            vec![],
        ),
        ("much larger and less used", vec![i("public.x", &["a"]), long(4, 100)], vec![]),
        ("much larger and as much used", vec![i("public.x", &["a"]), long(4, 57_600)], vec!["IX-PREFIX public.x"]),
        (
            "carries what the other lacks",
            vec![i("public.x", &["a"]).with(|x| x.include = vec!["c".to_owned()]), long(1, 57_600)],
            vec![],
        ),
        (
            "carries what the other has",
            vec![i("public.x", &["a"]).with(|x| x.include = vec!["b".to_owned()]), long(1, 57_600)],
            vec!["IX-PREFIX public.x"],
        ),
        ("a name that begins like another", vec![i("public.x", &["f1"]), i("public.y", &["f10", "b"])], vec![]),
        ("not the first column", vec![i("public.x", &["b"]), long(1, 57_600)], vec![]),
        ("reversed", vec![i("public.x", &["-a"]), long(1, 57_600)], vec!["IX-PREFIX public.x"]),
        (
            "another predicate",
            vec![i("public.x", &["a"]), long(1, 57_600).with(|x| x.predicate = "(c > 1)".to_owned())],
            vec![],
        ),
        (
            "a hidden one stands in for nothing",
            vec![i("public.x", &["a"]), long(1, 57_600).with(|x| x.hidden = true)],
            vec![],
        ),
    ] {
        assert_eq!(store(Postgres, indexes).failing(), gone, "{case}");
    }
}

#[test]
fn innodb_appends_the_primary_key() {
    let primary = || {
        i("PRIMARY", &["id"]).with(|index| {
            index.duty.primary = true;
            index.duty.unique = true;
        })
    };
    let suffixed = store(MariaDb, vec![primary(), i("x", &["a"]), i("y", &["a", "id"])]);
    assert_eq!(suffixed.failing(), ["IX-DUP y"]);
    assert!(store(Postgres, vec![primary(), i("x", &["b", "a"]), i("y", &["a", "id"])]).failing().is_empty());
    // The first ten characters of a column are less than the column.
    let short = |n| i("x", &["a"]).with(|index| index.parts[0].prefix = n);
    assert_eq!(store(MariaDb, vec![primary(), short(Some(10)), i("y", &["a", "b"])]).failing(), ["IX-PREFIX x"]);
    assert!(
        store(MariaDb, vec![primary(), short(None), i("y", &["a", "b"]).with(|y| y.parts[0].prefix = Some(10))])
            .failing()
            .is_empty()
    );
    // The only index behind a foreign key stays, however unused it is.
    let behind = store(MariaDb, vec![primary(), unscanned(T, "x", &["a"])]).key("fk", T, &["a"], "public.p");
    assert!(behind.failing().is_empty());
}

#[test]
fn mongodb_compares_element_by_element() {
    for (case, one, other, gone) in [
        ("f1 is not the beginning of f10", i("f1_1", &["f1"]), i("f10_1", &["f10"]), vec![]),
        ("f1 begins f1, f10", i("f1_1", &["f1"]), i("f1_1_f10_1", &["f1", "f10"]), vec!["IX-PREFIX f1_1"]),
        (
            "an expiring one works though nobody scans it",
            unscanned(T, "ttl", &["a"]).with(|x| x.duty.expires = true),
            i("y", &["a", "b"]),
            vec![],
        ),
        ("sparse", i("x", &["a"]).with(|x| x.predicate = "sparse".to_owned()), i("y", &["a", "b"]), vec![]),
        (
            "text is required by its queries",
            unscanned(T, "x", &["a"]).with(|x| x.parts[0].operator_class = "text".to_owned()),
            i("y", &["b"]),
            vec![],
        ),
        ("a wildcard begins nothing", i("x", &["$**"]), i("y", &["$**", "b"]), vec![]),
    ] {
        assert_eq!(store(MongoDb, vec![one, other]).failing(), gone, "{case}");
    }
}

#[test]
fn invalid_indexes_are_mended_or_dropped() {
    let broken = |name: &str| i(name, &["a"]).with(|index| index.valid = false);
    for (index, statement) in [
        (broken("public.x"), Some("REINDEX INDEX CONCURRENTLY public.x")),
        (broken("public.x_ccnew"), Some("DROP INDEX CONCURRENTLY public.x_ccnew")),
        (broken("public.x_ccnew1"), Some("DROP INDEX CONCURRENTLY public.x_ccnew1")),
        (broken("public.x").with(|index| index.being_built = true), None),
        (i("public.x", &["a"]), None),
    ] {
        let found = store(Postgres, vec![index.clone()]).findings();
        assert_eq!(found.first().and_then(|finding| finding.statement.as_deref()), statement, "{index:?}");
        assert!(found.iter().all(|finding| finding.rule == "IX-INVALID"));
    }
}

#[test]
fn scans_of_whole_tables_are_counted_without_our_own() {
    let store = |own: u64, bytes: u64| {
        let mut table = table("public.big", &[("a", 100_000.0)]);
        table.bytes = Reading::Known(bytes);
        Store::new(Postgres)
            .table(table)
            .statement("select a from big where a = $1", 600, 90_000.0)
            .after_an_hour(|read| {
                read.tables[0].full_scans = Reading::Known(1_600);
                read.tables[0].full_scan_rows = Reading::Known(1_600_000_000);
            })
            .with(|store| {
                let scans = crate::advice::indexes::inspection::OwnScans { scans: own, rows: own * 1_000_000 };
                store.own_scans.insert("public.big".to_owned(), scans);
            })
    };
    assert_eq!(store(0, 100 << 20).failing(), ["IX-SCAN public.big"]);
    assert!(store(600, 100 << 20).failing().is_empty(), "the copier read it");
    assert!(store(0, 1 << 20).failing().is_empty(), "it is small");
    let limited = store(0, 100 << 20).with(|store| store.read.tables[0].full_scan_rows = Reading::Known(1_000_100_000));
    assert!(limited.failing().is_empty(), "a LIMIT cuts the scans");
    let restarted = store(0, 100 << 20).with(|store| store.read.epoch = "f".to_owned());
    assert!(restarted.failing().is_empty(), "the counters began anew");
    let unfiltered = store(0, 100 << 20).with(|store| store.statements[0].text = "select a from big".to_owned());
    assert!(unfiltered.failing().is_empty(), "nothing wants few rows");
    assert_eq!(now() - Duration::days(DAYS), days_ago(DAYS));
}

#[test]
fn every_rule_may_be_waived() {
    use crate::advice::indexes::{
        carried_over, documents, duplicate, foreign_key, full_scans, invalid, judge, key_commands, prefix, unused,
    };
    let mut rules = [
        carried_over::RULE,
        documents::RULE,
        duplicate::RULE,
        foreign_key::RULE,
        full_scans::RULE,
        invalid::RULE,
        judge::RULE,
        key_commands::RULE,
        prefix::RULE,
        unused::RULE,
    ];
    rules.sort_unstable();
    assert_eq!(rules, crate::model::access::declared::INDEX_RULES);
}
