//! A store with planted defects and as many decoys, for each engine: exactly the defects are found. Prints found / planted / false.

use super::builder::{Store, With, counter, failing, index, table, unscanned};
use crate::advice::dialect::Dialect;
use crate::advice::indexes::candidates::{candidates, questions};
use crate::advice::indexes::judge::{Answer, judge};
use crate::advice::indexes::workload::Workload;
use crate::model::lag::Reading;
use crate::model::what_if::WhatIf;
use std::collections::BTreeSet;

/// All findings of a store, with a planner that calls every filter by a selective column a gain.
fn all(store: &Store) -> Vec<String> {
    let mut found = store.failing();
    let spots = store.spots();
    let inspection = store.inspection(&spots);
    let workload = Workload::of(&inspection);
    let candidates = candidates(&inspection, &workload);
    let answers: Vec<Answer> = questions(&candidates, 1_000)
        .into_iter()
        .map(|question| Answer {
            candidate: question.candidate,
            fingerprint: question.fingerprint,
            answer: Ok(WhatIf { before: 20_000.0, after: 10.0, used: vec![0], samples: Vec::new() }),
        })
        .collect();
    // Only PostgreSQL has a planner that can be asked.
    let answers = if store.dialect == Dialect::Postgres { answers } else { Vec::new() };
    found.extend(failing(&judge(&inspection, &workload, &candidates, &answers)));
    found
}

fn score(name: &str, store: &Store, planted: &[&str], decoys: usize) {
    let found: BTreeSet<String> = all(store).into_iter().collect();
    let planted: BTreeSet<String> = planted.iter().map(|defect| (*defect).to_owned()).collect();
    let hit = found.intersection(&planted).count();
    let wrong: Vec<&String> = found.difference(&planted).collect();
    let missed: Vec<&String> = planted.difference(&found).collect();
    println!("{name}: found {hit} / planted {} / false {} ({decoys} decoys)", planted.len(), wrong.len());
    assert!(wrong.is_empty() && missed.is_empty(), "{name}: false {wrong:?}, missed {missed:?}");
}

#[test]
fn postgres() {
    let t =
        |name: &str| table(name, &[("id", 1_000_000.0), ("a", 50_000.0), ("b", 40_000.0), ("c", 30_000.0), ("d", 5.0)]);
    let i = index;
    let mut store = Store::new(Dialect::Postgres);
    for name in [
        "public.one",
        "public.two",
        "public.child",
        "public.parent",
        "public.hot",
        "public.part",
        "public.tiny",
        "public.log",
    ] {
        store = store.table(t(name));
    }
    // Defects.
    store = store
        .index(unscanned("public.one", "public.one_unused", &["d"]))
        .index(i("public.one", "public.one_a", &["a"]))
        .index(i("public.one", "public.one_a_again", &["a"]))
        .index(i("public.two", "public.two_b", &["b"]))
        .index(i("public.two", "public.two_b_c", &["b", "c"]))
        .index(i("public.two", "public.two_broken_ccnew", &["d"]).with(|index| index.valid = false))
        .key("child_a", "public.child", &["a"], "public.parent")
        .key("child_b", "public.child", &["b"], "public.parent")
        .key("child_c", "public.child", &["c"], "public.parent")
        .index(
            i("public.child", "public.child_a_some", &["a"]).with(|index| index.predicate = "(d IS NULL)".to_owned()),
        )
        .index(i("public.child", "public.child_b_brin", &["b"]).with(|index| index.method = "brin".to_owned()))
        .index(i("public.child", "public.child_c_carried", &["id"]).with(|index| index.include = vec!["c".to_owned()]))
        .statement("select * from one o where o.b = $1", 1_000, 5_000.0)
        .statement("select * from log where a = $1 and c > $2", 600, 80_000.0);
    // Decoys: partial, carried, half reversed, unique beginning, only for a foreign key, used on a replica, young, backing a
    // constraint, an expression's, being built, small, a filter that an index serves already, the updated column.
    let mut decoys = 13;
    store = store
        .index(i("public.part", "public.part_a", &["a"]))
        .index(i("public.part", "public.part_a_live", &["a"]).with(|index| index.predicate = "(d IS NULL)".to_owned()))
        .index(i("public.part", "public.part_b_carrying", &["b"]).with(|index| index.include = vec!["id".to_owned()]))
        .index(i("public.part", "public.part_b_c", &["b", "-c"]))
        .index(i("public.part", "public.part_b_c_up", &["b", "c"]).with(|index| index.include = vec!["d".to_owned()]))
        .index(i("public.two", "public.two_c_key", &["c"]).with(|index| index.duty.unique = true))
        .index(i("public.two", "public.two_c_d", &["c", "d"]))
        .key("child_ab", "public.child", &["a", "b", "d"], "public.parent")
        .index(unscanned("public.child", "public.child_d_b_a", &["d", "b", "a"]))
        .index(unscanned("public.one", "public.one_replica", &["c"]))
        .index(unscanned("public.one", "public.one_young", &["id", "d"]))
        .index(unscanned("public.one", "public.one_key", &["id"]).with(|index| {
            index.duty.unique = true;
            index.duty.constraint = Some("one_key".to_owned());
        }))
        .index(unscanned("public.one", "public.one_lower", &["lower(c)"]))
        .index(i("public.one", "public.one_building", &["d", "c"]).with(|index| {
            index.valid = false;
            index.being_built = true;
        }))
        .index(unscanned("public.tiny", "public.tiny_d", &["d"]).with(|index| index.bytes = Reading::Known(8_192)))
        .statement("select * from two where c = $1 and id = $2", 5_000, 100.0)
        .statement("select * from part where a = $1", 5_000, 100.0)
        .statement("update hot set d = $1 where id = $2", 300_000, 30.0)
        .statement("select * from hot where d = $1 and c = $2", 50, 900.0)
        .index(i("public.hot", "public.hot_id", &["id"]))
        .index(i("public.hot", "public.hot_b", &["b"]));
    let replica = {
        let mut read = store.read.clone();
        for index in &mut read.indexes {
            index.scans = Reading::Known(u64::from(index.name == "public.one_replica") * 99);
        }
        read
    };
    store.replicas.push(("standby".to_owned(), replica));
    store.first_seen.insert("public.one_young".to_owned(), super::builder::days_ago(5));
    for table in &mut store.read.tables {
        match table.table.as_str() {
            "public.parent" => table.deleted = Reading::Known(4_000),
            "public.hot" => {
                table.updated = Reading::Known(350_000_000);
                table.updated_in_place = Reading::Known(350_000_000);
            }
            _ => {}
        }
    }
    // The copier reads `part` from end to end; somebody else reads `log`.
    store = store.after_an_hour(|read| {
        for table in
            read.tables.iter_mut().filter(|table| ["public.log", "public.part"].contains(&table.table.as_str()))
        {
            table.full_scans = Reading::Known(1_600);
            table.full_scan_rows = Reading::Known(1_600_000_000);
        }
        for table in &mut read.tables {
            match table.table.as_str() {
                "public.parent" => table.deleted = Reading::Known(4_100),
                "public.hot" => {
                    table.updated = Reading::Known(350_360_000);
                    table.updated_in_place = Reading::Known(350_360_000);
                }
                _ => {}
            }
        }
    });
    decoys += 1;
    let own = crate::advice::indexes::inspection::OwnScans { scans: 600, rows: 600_000_000 };
    store.own_scans.insert("public.part".to_owned(), own);
    let planted = [
        "IX-UNUSED public.one_unused",
        "IX-DUP public.one_a_again",
        "IX-PREFIX public.two_b",
        "IX-INVALID public.two_broken_ccnew",
        "IX-FK public.child.child_a",
        "IX-FK public.child.child_b",
        "IX-FK public.child.child_c",
        "IX-SCAN public.log",
        "IX-NEW public.one (b)",
        "IX-NEW public.log (a, c)",
    ];
    score("postgres", &store, &planted, decoys);
}

#[test]
fn mariadb() {
    let wasteful = |text: &str, without: u64| {
        counter(text, 1_000, 5_000.0)
            .with(|line| (line.examined, line.without_index) = (Some(1_000_000_000), Some(without)))
    };
    let primary = index("shop.t", "PRIMARY", &["id"]).with(|index| {
        index.duty.primary = true;
        index.duty.unique = true;
    });
    let mut store = Store::new(Dialect::MariaDb)
        .table(table(
            "shop.t",
            &[("id", 1_000_000.0), ("a", 50_000.0), ("b", 40_000.0), ("c", 30_000.0), ("e", 20_000.0), ("g", 10_000.0)],
        ))
        .index(primary)
        // Defects.
        .index(unscanned("shop.t", "unused", &["c", "b"]))
        .index(index("shop.t", "a1", &["a"]))
        .index(index("shop.t", "a2", &["a", "id"]))
        .index(index("shop.t", "short", &["b"]).with(|index| index.parts[0].prefix = Some(10)))
        .index(index("shop.t", "long", &["b"]))
        // Decoys: behind a foreign key, unique, ignored already and small, a query that has its index.
        .key("fk", "shop.t", &["c"], "shop.p")
        .index(unscanned("shop.t", "behind_fk", &["c", "id"]))
        .index(unscanned("shop.t", "unique_never_read", &["e", "a"]).with(|index| index.duty.unique = true))
        .index(unscanned("shop.t", "small", &["e", "b"]).with(|index| index.bytes = Reading::Known(16_384)));
    store.statements.push(wasteful("SELECT * FROM `t` WHERE `g` = ?", 1_000));
    store.statements.push(wasteful("SELECT * FROM `t` WHERE `a` = ?", 0));
    // `c, b` leads with the foreign key's column too: only one of the two may go.
    score("mariadb", &store, &["IX-UNUSED unused", "IX-DUP a2", "IX-PREFIX short", "IX-NEW shop.t (g)"], 4);
}

impl With for crate::model::statement::StatementCounter {}

#[test]
fn mongodb() {
    let find = |filter: &str, examined: u64| {
        let text = format!(r#"{{"find": "t", "filter": {filter}}}"#);
        counter(&text, 1_000, 5_000.0).with(|line| (line.examined, line.rows) = (Some(examined), Some(1_000)))
    };
    let mut store = Store::new(Dialect::MongoDb)
        .table(table("shop.t", &[("a", 100.0), ("b", 1_000.0), ("c", 10.0), ("f1", 10.0), ("f10", 10.0)]))
        // Defects.
        .index(unscanned("shop.t", "unused", &["c", "a"]))
        .index(index("shop.t", "b_1", &["b"]))
        .index(index("shop.t", "b_1_c_1", &["b", "c"]))
        // Decoys: names that begin alike, expiring, sparse, text, unique, a query with its index, a range of poor use.
        .index(index("shop.t", "f1_1", &["f1"]))
        .index(index("shop.t", "f10_1_c", &["f10", "c"]))
        .index(unscanned("shop.t", "ttl", &["at"]).with(|index| index.duty.expires = true))
        .index(index("shop.t", "sparse", &["f10"]).with(|index| index.predicate = "sparse".to_owned()))
        .index(unscanned("shop.t", "words", &["body"]).with(|index| index.parts[0].operator_class = "text".to_owned()))
        .index(unscanned("shop.t", "code", &["code"]).with(|index| index.duty.unique = true));
    store.statements.push(find(r#"{"a": 1}"#, 100_000_000));
    store.statements.push(find(r#"{"b": 1}"#, 100_000_000));
    store.statements.push(find(r#"{"c": {"$ne": 1}}"#, 100_000_000));
    score("mongodb", &store, &["IX-UNUSED unused", "IX-PREFIX b_1", "IX-ESR shop.t (a)"], 7);
}

#[test]
fn a_reset_window_hides_what_it_cannot_prove() {
    let store = Store::new(Dialect::Postgres)
        .table(table("public.t", &[("a", 9.0)]))
        .index(unscanned("public.t", "public.i", &["a"]))
        .with(|store| store.read.window.since = super::builder::days_ago(1));
    score("reset window", &store, &[], 1);
}
