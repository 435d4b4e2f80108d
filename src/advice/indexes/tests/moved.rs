//! Indexes of the source that the target lacks.

use super::builder::{Store, With, index, table, unscanned};
use crate::advice::dialect::Dialect;
use crate::advice::indexes::carried_over::{Moved, look};
use crate::model::finding::{Finding, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::index::Index;

fn found(source: Vec<Index>, to: Dialect, target: Vec<Index>, moved: &Moved) -> Vec<Finding> {
    let mut here = Store::new(Dialect::Postgres).table(table("public.orders", &[("id", 9.0)]));
    here.id = StoreId::from("legacy");
    here.read.indexes = source;
    let mut there = Store::new(to).table(table(&moved.to, &[("id", 9.0)]));
    there.read.indexes = target;
    let (a, b) = (here.spots(), there.spots());
    look(&here.inspection(&a), &there.inspection(&b), std::slice::from_ref(moved))
}

fn moved(to: &str) -> Moved {
    Moved { from: "public.orders".to_owned(), to: to.to_owned(), ..Moved::default() }
}

fn there(columns: &[&str]) -> Index {
    index("sales.orders", "sales.x", columns)
}

fn here(columns: &[&str]) -> Index {
    index("public.orders", "public.i", columns)
}

#[test]
fn what_is_there_under_another_name_is_not_missed() {
    let unique = |index: Index| index.with(|index| index.duty.unique = true);
    let partial = |index: Index| index.with(|index| index.predicate = "(b IS NULL)".to_owned());
    for (case, source, target, severity) in [
        ("missing", here(&["a"]), vec![], Some(Severity::Medium)),
        ("the same", here(&["a"]), vec![there(&["a"])], None),
        ("one that begins like it", here(&["a"]), vec![there(&["a", "b"])], None),
        ("reversed", here(&["a", "-b"]), vec![there(&["-a", "b"])], None),
        ("other columns first", here(&["a"]), vec![there(&["b", "a"])], Some(Severity::Medium)),
        ("not unique there", unique(here(&["a"])), vec![there(&["a"])], Some(Severity::High)),
        ("unique in another order", unique(here(&["a", "b"])), vec![unique(there(&["b", "a"]))], None),
        ("unique over more", unique(here(&["a"])), vec![unique(there(&["a", "b"]))], Some(Severity::High)),
        ("whole for partial", partial(here(&["a"])), vec![there(&["a"])], None),
        ("partial for whole", here(&["a"]), vec![partial(there(&["a"]))], Some(Severity::Medium)),
        (
            "a unique part is not a unique whole",
            unique(partial(here(&["a"]))),
            vec![unique(there(&["a"]))],
            Some(Severity::High),
        ),
        ("invalid there", here(&["a"]), vec![there(&["a"]).with(|index| index.valid = false)], Some(Severity::Medium)),
        ("unused on the source", unscanned("public.orders", "public.i", &["a"]), vec![], Some(Severity::Info)),
        (
            "another kind",
            here(&["a"]).with(|index| index.method = "gin".to_owned()),
            vec![there(&["a"])],
            Some(Severity::Medium),
        ),
    ] {
        let found = found(vec![source], Dialect::Postgres, target, &moved("sales.orders"));
        assert_eq!(found.first().map(|finding| finding.severity), severity, "{case}");
    }
}

#[test]
fn renamed_columns_and_other_engines_are_followed() {
    let mut renamed = moved("shop.orders");
    renamed.renamed.insert("customer_id".to_owned(), "customer".to_owned());
    renamed.dropped.push("secret".to_owned());
    let source = vec![here(&["customer_id", "-created_at"]), here(&["secret"]), here(&["lower(email)"])];
    let missing = found(source.clone(), Dialect::MongoDb, Vec::new(), &renamed);
    assert_eq!(missing[0].subject, "shop.orders (customer, created_at DESC)");
    let expected = "db.getSiblingDB(\"shop\").getCollection(\"orders\").createIndex({\"customer\": 1, \"created_at\": -1}, {name: \"orders_customer_created_at_idx\"})";
    assert_eq!(missing[0].statement.as_deref(), Some(expected));
    assert!(matches!(missing[1].verdict, Verdict::NotCheckable { .. }), "an expression cannot be told");
    assert_eq!(missing.len(), 2, "a column that did not move needs no index");
    let target = vec![index("shop.orders", "x", &["customer", "-created_at"])];
    assert_eq!(found(source, Dialect::MongoDb, target, &renamed).len(), 1);
}

#[test]
fn duplicates_of_the_source_are_proposed_once_and_kinds_are_kept() {
    let twice = vec![here(&["a"]), here(&["a"]).with(|index| index.name = "public.j".to_owned())];
    assert_eq!(found(twice, Dialect::Postgres, Vec::new(), &moved("sales.orders")).len(), 1);
    let gin = vec![here(&["tags"]).with(|index| index.method = "gin".to_owned())];
    let missing = found(gin, Dialect::Postgres, Vec::new(), &moved("sales.orders"));
    assert_eq!(
        missing[0].statement.as_deref(),
        Some("CREATE INDEX CONCURRENTLY orders_tags_idx ON sales.orders USING gin (tags)")
    );
    assert_eq!(missing[0].store, StoreId::from("shop"));
}

#[test]
fn a_missing_primary_key_is_built_beside_the_traffic() {
    let primary = here(&["id"]).with(|index| {
        index.duty.primary = true;
        index.duty.unique = true;
    });
    let of = |dialect| found(vec![primary.clone()], dialect, Vec::new(), &moved("sales.orders")).remove(0);
    let postgres = of(Dialect::Postgres);
    let expected = "CREATE UNIQUE INDEX CONCURRENTLY orders_id_idx ON sales.orders (id); ALTER TABLE sales.orders ADD CONSTRAINT orders_id_idx PRIMARY KEY USING INDEX orders_id_idx";
    assert_eq!((postgres.severity, postgres.statement.as_deref()), (Severity::High, Some(expected)));
    assert_eq!(postgres.undo.as_deref(), Some("ALTER TABLE sales.orders DROP CONSTRAINT orders_id_idx"));
    assert_eq!(of(Dialect::MariaDb).statement.as_deref(), Some("ALTER TABLE `sales`.`orders` ADD PRIMARY KEY (`id`)"));
}

#[test]
fn a_name_that_is_taken_is_not_used_again() {
    let other = index("sales.orders", "sales.orders_a_idx", &["z"]);
    let missing = found(vec![here(&["a"])], Dialect::Postgres, vec![other], &moved("sales.orders"));
    assert_eq!(missing[0].statement.as_deref(), Some("CREATE INDEX CONCURRENTLY orders_a_idx2 ON sales.orders (a)"));
}
