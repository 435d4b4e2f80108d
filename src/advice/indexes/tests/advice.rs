//! Candidates, planners' answers, and what comes of them.

use super::builder::{Store, With, column, counter, failing, index, table};
use crate::advice::dialect::Dialect;
use crate::advice::indexes::candidates::{Candidate, candidates, questions};
use crate::advice::indexes::judge::{Answer, judge};
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::{definition, foreign_key, shape};
use crate::model::finding::{Confidence, Finding};
use crate::model::index::ColumnUse;
use crate::model::lag::Reading;
use crate::model::what_if::WhatIf;

fn orders() -> Store {
    Store::new(Dialect::Postgres).table(table(
        "public.orders",
        &[
            ("id", 1_000_000.0),
            ("customer_id", 50_000.0),
            ("status", 5.0),
            ("created_at", 900_000.0),
            ("total", 10_000.0),
            ("deleted_at", 1_000.0),
        ],
    ))
}

fn proposed(store: &Store) -> Vec<Candidate> {
    let spots = store.spots();
    let inspection = store.inspection(&spots);
    candidates(&inspection, &Workload::of(&inspection))
}

/// Keys, carried columns and predicate of all candidates.
fn shown(store: &Store) -> Vec<String> {
    let candidates = proposed(store).into_iter();
    candidates
        .map(|candidate| {
            let include = if candidate.include.is_empty() {
                String::new()
            } else {
                format!(" + {}", candidate.include.join(","))
            };
            let only =
                if candidate.predicate.is_empty() { String::new() } else { format!(" where {}", candidate.predicate) };
            format!("{}{include}{only}", shape::keys(&candidate.parts))
        })
        .collect()
}

/// Findings when the planner answers each question with the given costs.
fn judged(store: &Store, answer: impl Fn(&Candidate) -> Option<(f64, f64)>) -> Vec<Finding> {
    let spots = store.spots();
    let inspection = store.inspection(&spots);
    let workload = Workload::of(&inspection);
    let candidates = candidates(&inspection, &workload);
    let answers: Vec<Answer> = questions(&candidates, 1_000)
        .into_iter()
        .filter_map(|question| {
            let (before, after) = answer(&candidates[question.candidate])?;
            let answer = Ok(WhatIf { before, after, used: vec![0], samples: Vec::new() });
            Some(Answer { candidate: question.candidate, fingerprint: question.fingerprint, answer })
        })
        .collect();
    judge(&inspection, &workload, &candidates, &answers)
}

#[test]
fn keys_are_equalities_then_the_order_or_one_range() {
    for (text, expected) in [
        ("select 1 from orders where customer_id = $1", vec!["customer_id", "customer_id + ..."]),
        ("select * from orders where customer_id = $1 and created_at > $2", vec!["customer_id, created_at"]),
        (
            "select * from orders where customer_id = $1 order by created_at desc limit 10",
            vec!["customer_id, created_at"],
        ),
        ("select * from orders where customer_id in ($1) order by created_at", vec!["customer_id"]),
        (
            "select * from orders where customer_id = $1 and total > $2 order by created_at limit 10",
            vec!["customer_id, created_at", "customer_id, total"],
        ),
        (
            "select * from orders where customer_id = $1 order by created_at desc, total limit 10",
            vec!["customer_id, created_at DESC, total"],
        ),
        ("select * from orders where customer_id = $1 and status = $2", vec!["customer_id, status"]),
        ("select * from orders where customer_id = $1 or created_at = $2", vec!["customer_id", "created_at"]),
        ("select * from orders order by created_at limit 5", vec!["created_at"]),
        ("select * from orders where total like $1", vec![]),
        ("select * from orders", vec![]),
    ] {
        // What is carried along only serves statements that want few columns; it is tested below.
        let expected: Vec<&str> = expected.into_iter().filter(|keys| !keys.contains('+')).collect();
        let found: Vec<String> =
            shown(&orders().statement(text, 100, 5_000.0)).into_iter().filter(|keys| !keys.contains('+')).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn shared_columns_come_first_so_that_statements_share_an_index() {
    let store = orders()
        .statement("select * from orders where total = $1 and customer_id = $2", 100, 5_000.0)
        .statement("select * from orders where total = $1 and created_at = $2", 100, 4_000.0);
    assert_eq!(shown(&store), ["total, customer_id", "total, created_at"]);
}

#[test]
fn what_exists_already_is_not_proposed() {
    let with = |text: &str, columns: &[&str]| {
        shown(&orders().index(index("public.orders", "public.i", columns)).statement(text, 100, 5_000.0))
    };
    assert!(
        with("select * from orders where customer_id = $1 and status = $2", &["status", "customer_id", "total"])
            .is_empty()
    );
    assert!(
        with("select * from orders where customer_id = $1 order by created_at desc", &["customer_id", "-created_at"])
            .is_empty()
    );
    assert_eq!(with("select * from orders where customer_id = $1", &["status", "customer_id"]), ["customer_id"]);
    let unique = orders().index(index("public.orders", "public.pk", &["id"]).with(|index| index.duty.unique = true));
    assert!(shown(&unique.statement("select * from orders where id = $1 and status = $2", 100, 5_000.0)).is_empty());
    let partial = orders().index(
        index("public.orders", "public.i", &["customer_id"]).with(|i| i.predicate = "(deleted_at IS NULL)".to_owned()),
    );
    assert_eq!(shown(&partial.statement("select * from orders where customer_id = $1", 100, 5_000.0)), ["customer_id"]);
    let invalid =
        orders().index(index("public.orders", "public.i", &["customer_id"]).with(|index| index.valid = false));
    assert_eq!(shown(&invalid.statement("select * from orders where customer_id = $1", 100, 5_000.0)), ["customer_id"]);
}

#[test]
fn small_tables_and_unfit_types_are_left_alone() {
    let small = orders().with(|store| {
        store.read.tables[0].rows = Reading::Known(500);
        store.read.tables[0].bytes = Reading::Known(50 * 8192);
    });
    assert!(shown(&small.statement("select * from orders where customer_id = $1", 100, 5_000.0)).is_empty());
    for kind in ["jsonb", "json", "point", "integer[]"] {
        let store = orders().with(|store| store.read.tables[0].columns[1].kind = kind.to_owned());
        assert!(
            shown(&store.statement("select * from orders where customer_id = $1", 100, 5_000.0)).is_empty(),
            "{kind}"
        );
    }
    let email = ColumnUse { kind: "text".to_owned(), ..column("email", 900_000.0) };
    let with_email = || {
        let email = email.clone();
        orders().with(|store| store.read.tables[0].columns.push(email))
    };
    assert_eq!(
        shown(&with_email().statement("select * from orders where lower(email) = $1", 100, 5_000.0)),
        ["lower(email)"]
    );
    // to_char depends on settings: PostgreSQL would refuse the index.
    assert!(
        shown(&with_email().statement("select * from orders where to_char(created_at, 'YYYY') = $1", 100, 5_000.0))
            .is_empty()
    );
}

#[test]
fn a_condition_of_nearly_all_calls_makes_a_partial_index() {
    let rare = |nulls: f64| {
        orders().with(|store| store.read.tables[0].columns[5].nulls = Some(nulls)).statement(
            "select * from orders where customer_id = $1 and deleted_at is null",
            1_000,
            5_000.0,
        )
    };
    assert!(shown(&rare(0.05)).contains(&"customer_id where deleted_at IS NULL".to_owned()));
    assert!(!shown(&rare(0.9)).iter().any(|keys| keys.contains("where")), "most rows are in it");
    let mixed = rare(0.05).statement("select * from orders where customer_id = $1", 1_000, 5_000.0);
    assert!(!shown(&mixed).iter().any(|keys| keys.contains("where")), "half of the calls do without");
}

#[test]
fn the_planner_decides_and_the_statement_is_exact() {
    let store = orders().statement("select * from orders where customer_id = $1", 1_000, 5_000.0);
    let found = judged(&store, |_| Some((20_000.0, 8.0)));
    assert_eq!(failing(&found), ["IX-NEW public.orders (customer_id)"]);
    let finding = &found[0];
    assert_eq!(finding.confidence, Confidence::Planned);
    assert_eq!(
        finding.statement.as_deref(),
        Some("CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id)")
    );
    assert_eq!(finding.undo.as_deref(), Some("DROP INDEX CONCURRENTLY public.orders_customer_id_idx"));
    let effect = finding.effect.as_ref().unwrap();
    // 1,000 calls of 5 ms in an hour are 1,389 µs a second.
    assert!((effect.saves_us_per_second.unwrap() - 1_388.3).abs() < 1.0, "{effect:?}");
    assert_eq!(effect.bytes, Some(definition::bytes(1_000_000.0, 4.0)));
    assert!(!effect.locking.is_empty() && !effect.write_cost.is_empty() && finding.window.is_some());
    assert!(judged(&store, |_| Some((20_000.0, 12_000.0))).is_empty(), "less than half is saved");
    let question = &questions(&proposed(&store), 10)[0];
    assert_eq!(question.index, "CREATE INDEX ON public.orders (customer_id)");
    assert_eq!(question.statement, "select * from orders where customer_id = $1");
}

#[test]
fn few_values_make_no_index_however_cheap_its_copy_of_the_column_looks() {
    let store = orders().statement("select count(*) from orders where status = $1", 1_000, 5_000.0);
    assert!(judged(&store, |_| Some((20_000.0, 4_000.0))).is_empty(), "a fifth of the rows");
    let first =
        orders().statement("select id from orders where status = $1 order by created_at limit 10", 1_000, 5_000.0);
    assert_eq!(failing(&judged(&first, |_| Some((20_000.0, 8.0)))), ["IX-NEW public.orders (status, created_at)"]);
}

#[test]
fn a_value_that_is_most_of_the_table_is_told() {
    let mut store = orders().statement("select * from orders where customer_id = $1", 1_000, 5_000.0);
    let column = store.read.tables[0].columns.iter_mut().find(|column| column.name == "customer_id").unwrap();
    column.common = vec![0.6, 0.01];
    let found = judged(&store, |_| Some((20_000.0, 8.0)));
    assert!(found[0].why_not.iter().any(|why| why.contains("60 % of the rows")), "{:?}", found[0].why_not);
}

#[test]
fn an_index_that_the_plan_does_not_use_is_not_advised() {
    let store = orders().statement("select * from orders where customer_id = $1", 1_000, 5_000.0);
    let spots = store.spots();
    let inspection = store.inspection(&spots);
    let workload = Workload::of(&inspection);
    let candidates = candidates(&inspection, &workload);
    let answer =
        |answer| vec![Answer { candidate: 0, fingerprint: candidates[0].served[0].fingerprint.clone(), answer }];
    let unused = answer(Ok(WhatIf { before: 100.0, after: 1.0, used: Vec::new(), samples: Vec::new() }));
    assert!(judge(&inspection, &workload, &candidates, &unused).is_empty());
    let failed = answer(Err("permission denied".to_owned()));
    let found = judge(&inspection, &workload, &candidates, &failed);
    assert_eq!(found[0].confidence, Confidence::Estimated);
    assert!(found[0].why_not.iter().any(|why| why.contains("permission denied")));
}

#[test]
fn an_index_that_serves_a_foreign_key_as_well_says_so() {
    let store = orders().key("orders_customer", "public.orders", &["customer_id"], "public.customers").statement(
        "select * from orders where customer_id = $1 order by created_at desc limit 10",
        100_000,
        5_000.0,
    );
    let paired = |store: &Store| {
        let mut found = judged(store, |_| Some((20_000.0, 8.0)));
        found.extend(store.findings());
        let spots = store.spots();
        foreign_key::pair(&store.inspection(&spots), &proposed(store), &mut found);
        found
    };
    let found = paired(&store);
    assert_eq!(
        failing(&found),
        ["IX-NEW public.orders (customer_id, created_at)", "IX-FK public.orders.orders_customer"]
    );
    assert!(found[0].evidence.iter().any(|line| line.contains("serves the foreign key orders_customer as well")));
    let why = "IX-NEW on public.orders (customer_id, created_at) would serve the key as well: with that index it needs none of its own";
    assert!(found[1].why_not.iter().any(|line| line == why), "{:?}", found[1].why_not);
    assert!(found[0].sentence.contains("would serve 1 statement"), "{}", found[0].sentence);
    let window = found[0].window.as_ref().unwrap();
    assert_eq!(window.proof, "statements of the 60 min until 1970-02-10 00:00:00 UTC");
    let other = orders().key("orders_status", "public.orders", &["status"], "public.states").statement(
        "select * from orders where customer_id = $1",
        100_000,
        5_000.0,
    );
    let found = paired(&other);
    assert_eq!(failing(&found), ["IX-NEW public.orders (customer_id)", "IX-FK public.orders.orders_status"]);
    assert!(!found[0].evidence.iter().any(|line| line.contains("foreign key")));
    assert!(!found[1].why_not.iter().any(|line| line.contains("IX-NEW")));
}

/// Why-not notes about writes that would feel an index on `status, customer_id`, with updates of the last 40 days of which a share stayed in place.
fn felt(dialect: Dialect, update: &str, in_place: Option<u64>) -> Vec<String> {
    let store = Store { dialect, ..orders() }
        .with(|store| {
            store.read.tables[0].updated = Reading::Known(3_456_000);
            store.read.tables[0].updated_in_place =
                in_place.map_or_else(|| Reading::Unknown("not counted".to_owned()), Reading::Known);
        })
        .statement(update, 3_600, 20.0)
        .statement("select * from orders where status = $1 and customer_id = $2", 100_000, 5_000.0);
    let found = judged(&store, |_| Some((20_000.0, 8.0)));
    found.into_iter().flat_map(|finding| finding.why_not).filter(|why| why.contains("of its time")).collect()
}

#[test]
fn a_write_that_would_feel_the_index_is_named() {
    let insert = "insert into orders (id, customer_id, status) values ($1, $2, $3)";
    let elsewhere = "update orders set total = $1 where id = $2";
    let covered = "update orders set status = $1 where id = $2";
    for (dialect, statement, in_place, expected) in [
        (Dialect::Postgres, insert, Some(0), Some("inserts: 26 %")),
        // On PostgreSQL a row that moves is written to every index, one that stays to none.
        (Dialect::Postgres, elsewhere, Some(0), Some("updates: 26 %")),
        (Dialect::Postgres, elsewhere, Some(3_456_000), None),
        (Dialect::Postgres, covered, Some(3_456_000), Some("updates: 26 %")),
        (Dialect::MariaDb, elsewhere, None, None),
        (Dialect::MariaDb, covered, None, Some("updates: 26 %")),
    ] {
        let notes = felt(dialect, statement, in_place);
        let fits = expected.map_or(notes.is_empty(), |words| notes.iter().any(|note| note.contains(words)));
        assert!(fits, "{dialect:?} {statement} {in_place:?}: {notes:?}");
    }
}

#[test]
fn an_index_that_ends_in_place_updates_has_to_pay_for_them() {
    let store = |calls: u64| {
        orders()
            .with(|store| {
                // 40 days of 100 updates a second, all in place.
                store.read.tables[0].updated = Reading::Known(345_600_000);
                store.read.tables[0].updated_in_place = Reading::Known(345_600_000);
            })
            .index(index("public.orders", "public.a", &["total"]))
            .index(index("public.orders", "public.b", &["created_at"]))
            .statement("update orders set status = $1 where id = $2", 360_000, 20.0)
            .statement("select * from orders where status = $1 and customer_id = $2", calls, 5_000.0)
    };
    let on_status = |candidate: &Candidate| candidate.parts.iter().any(|part| part.term == "status");
    let answer = |candidate: &Candidate| on_status(candidate).then_some((20_000.0, 8.0));
    assert!(
        judged(&store(100), answer).iter().all(|finding| !finding.subject.contains("status")),
        "the gain is less than the loss"
    );
    let found = judged(&store(100_000), answer);
    let finding = found.iter().find(|finding| finding.subject.contains("status")).expect("the gain is larger");
    assert!(finding.effect.as_ref().unwrap().write_cost.contains("HOT"), "{finding:?}");
    assert!(finding.why_not.iter().any(|why| why.contains("100 % of updates")), "{:?}", finding.why_not);
}

#[test]
fn a_longer_candidate_stands_in_for_its_beginning_and_replaces_an_index() {
    let store = orders().index(index("public.orders", "public.old", &["customer_id"])).statement(
        "select * from orders where customer_id = $1 and created_at > $2",
        1_000,
        5_000.0,
    );
    let found = judged(&store, |_| Some((20_000.0, 8.0)));
    let expected = "CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx ON public.orders (customer_id, created_at); DROP INDEX CONCURRENTLY public.old";
    assert_eq!(found[0].statement.as_deref(), Some(expected));
    assert!(found[0].undo.as_deref().unwrap().starts_with("CREATE INDEX CONCURRENTLY old"));
    let two = orders().statement("select * from orders where customer_id = $1", 1_000, 5_000.0).statement(
        "select * from orders where customer_id = $1 order by created_at limit 1",
        1_000,
        5_000.0,
    );
    assert_eq!(failing(&judged(&two, |_| Some((20_000.0, 8.0)))), ["IX-NEW public.orders (customer_id, created_at)"]);
}

#[test]
fn between_two_ways_the_better_one_is_taken() {
    let store = orders().statement(
        "select * from orders where customer_id = $1 and total > $2 order by created_at limit 10",
        1_000,
        5_000.0,
    );
    let by_order =
        |candidate: &Candidate| Some((20_000.0, if candidate.parts[1].term == "created_at" { 10.0 } else { 4_000.0 }));
    let by_range =
        |candidate: &Candidate| Some((20_000.0, if candidate.parts[1].term == "created_at" { 9_000.0 } else { 10.0 }));
    assert_eq!(failing(&judged(&store, by_order)), ["IX-NEW public.orders (customer_id, created_at)"]);
    assert_eq!(failing(&judged(&store, by_range)), ["IX-NEW public.orders (customer_id, total)"]);
}

#[test]
fn without_a_planner_only_the_selective_is_advised_and_called_an_estimate() {
    let found = judged(&orders().statement("select * from orders where customer_id = $1", 1_000, 5_000.0), |_| None);
    assert_eq!(found[0].confidence, Confidence::Estimated);
    assert!(found[0].why_not.iter().any(|why| why.contains("hypopg")));
    assert!(
        judged(&orders().statement("select count(*) from orders where status = $1", 1_000, 5_000.0), |_| None)
            .is_empty()
    );
    let never_scanned = orders().with(|store| store.read.tables[0].full_scans = Reading::Known(0));
    assert!(
        judged(&never_scanned.statement("select * from orders where customer_id = $1", 1_000, 5_000.0), |_| None)
            .is_empty()
    );
}

#[test]
fn mariadb_is_judged_by_its_digests() {
    let store = |examined: u64, without: u64| {
        let mut line = counter("SELECT * FROM `orders` WHERE `customer_id` = ?", 1_000, 5_000.0);
        (line.examined, line.without_index) = (Some(examined), Some(without));
        Store::new(Dialect::MariaDb)
            .table(table("shop.orders", &[("id", 1_000_000.0), ("customer_id", 50_000.0)]))
            .with(|store| store.statements.push(line))
    };
    let found = judged(&store(1_000_000_000, 1_000), |_| None);
    assert_eq!(
        found[0].statement.as_deref(),
        Some(
            "ALTER TABLE `shop`.`orders` ADD INDEX `orders_customer_id_idx` (`customer_id`), ALGORITHM=INPLACE, LOCK=NONE"
        )
    );
    assert_eq!(found[0].confidence, Confidence::Estimated);
    assert!(judged(&store(50_000, 1_000), |_| None).is_empty(), "few rows are looked at in vain");
    assert!(judged(&store(1_000_000_000, 100), |_| None).is_empty(), "most executions have an index");
}

#[test]
fn mongodb_gets_equality_sort_range() {
    let find = |filter: &str, sort: &str| {
        let text = format!(r#"{{"find": "orders", "filter": {filter}, "sort": {sort}}}"#);
        let mut line = counter(&text, 1_000, 5_000.0);
        (line.examined, line.rows) = (Some(100_000_000), Some(1_000));
        let columns = [("a", 100.0), ("b", 1_000.0), ("s", 10.0), ("r", 10.0), ("l1", 5.0), ("l2", 5.0)];
        Store::new(Dialect::MongoDb).table(table("shop.orders", &columns)).with(|store| {
            for at in [4, 5] {
                store.read.tables[0].columns[at].kind = "array".to_owned();
            }
            store.statements.push(line);
        })
    };
    for (filter, sort, keys) in [
        (r#"{"r": {"$gt": 1}, "a": 1, "b": {"$in": [1, 2]}}"#, r#"{"s": -1}"#, Some("b, a, s, r")),
        (r#"{"a": 1}"#, r#"{"s": 1, "r": -1}"#, Some("a, s, r DESC")),
        (r#"{"a": 1, "b": {"$ne": 3}}"#, "{}", Some("a")),
        (r#"{"a": {"$exists": false}}"#, "{}", None),
        (r#"{"a": {"$regex": "x"}}"#, "{}", None),
        (r#"{"a": {"$regex": "^x"}}"#, "{}", Some("a")),
        (r#"{"l1": 1, "l2": 2, "a": 3}"#, "{}", Some("a, l1")),
        ("{}", r#"{"s": 1}"#, None),
    ] {
        let found = find(filter, sort).failing();
        assert_eq!(
            found,
            keys.map(|keys| format!("IX-ESR shop.orders ({keys})")).into_iter().collect::<Vec<_>>(),
            "{filter} {sort}"
        );
    }
    assert_eq!(
        find(r#"{"$or": [{"a": 1}, {"b": 2}]}"#, "{}").failing(),
        ["IX-ESR shop.orders (a)", "IX-ESR shop.orders (b)"]
    );
    let reversed = find(r#"{"a": 1}"#, r#"{"s": 1}"#).index(index("shop.orders", "x", &["-a", "-s", "r"]));
    assert!(reversed.failing().is_empty(), "an index serves both ways");
    let hidden = find(r#"{"a": 1}"#, "{}").index(index("shop.orders", "x", &["a"]).with(|index| index.hidden = true));
    assert_eq!(hidden.failing(), ["IX-ESR shop.orders (a)"]);
    let few = find(r#"{"a": 1}"#, "{}").with(|store| store.read.tables[0].rows = Reading::Known(900));
    assert!(few.failing().is_empty());
    let found = find(r#"{"a": 1}"#, "{}").findings();
    assert_eq!(
        found[0].statement.as_deref(),
        Some("db.getSiblingDB(\"shop\").getCollection(\"orders\").createIndex({\"a\": 1}, {name: \"orders_a_idx\"})")
    );
}

#[test]
fn redis_is_told_of_commands_that_hold_everybody_up() {
    let store = |statements: &[(&str, f64)]| {
        let mut store = Store::new(Dialect::Redis);
        store.statements = statements.iter().map(|(text, mean)| counter(text, 1_000, *mean)).collect();
        store.failing()
    };
    let quick = [("get", 2.0), ("hget", 3.0), ("mget", 4.0)];
    let with = |more: (&'static str, f64)| store(&[quick[0], quick[1], quick[2], more]);
    assert_eq!(with(("keys", 30.0)), ["IX-KEYS keys"]);
    assert!(with(("hgetall", 5.0)).is_empty());
    assert_eq!(with(("hgetall", 80.0)), ["IX-KEYS hgetall"]);
    assert_eq!(with(("smembers", 2_000.0)), ["IX-KEYS smembers"]);
    assert!(with(("xadd", 5_000.0)).is_empty(), "it does not grow with the data");
}
