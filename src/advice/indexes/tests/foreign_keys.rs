//! The seven cases of foreign keys that were measured on PostgreSQL 15, and who hears of them.

use super::builder::{Store, With, index, table};
use crate::advice::dialect::Dialect;
use crate::advice::indexes::foreign_key::{Cover, RULE, cover};
use crate::model::finding::Severity;
use crate::model::index::{ForeignKey, Index};
use crate::model::lag::Reading;

fn key(columns: &[&str]) -> ForeignKey {
    ForeignKey {
        name: "fk".to_owned(),
        table: "public.child".to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        parent: "public.parent".to_owned(),
        cascades: false,
    }
}

fn of(columns: &[&str]) -> Index {
    index("public.child", "public.i", columns)
}

#[test]
fn the_seven_measured_cases() {
    let partial = of(&["q"]).with(|index| index.predicate = "(NOT d)".to_owned());
    let brin = of(&["q"]).with(|index| index.method = "brin".to_owned());
    let carried = of(&["x"]).with(|index| index.include = vec!["q".to_owned()]);
    for (case, fk, index, truth) in [
        ("both columns in the other order", key(&["a", "b"]), of(&["b", "a"]), Cover::Full),
        ("partial", key(&["q"]), partial, Cover::None),
        ("brin", key(&["q"]), brin, Cover::None),
        ("only carried along", key(&["q"]), carried, Cover::None),
        ("followed by another column", key(&["q"]), of(&["q", "x"]), Cover::Full),
        ("another column between", key(&["a", "b"]), of(&["a", "x", "b"]), Cover::Weak),
        ("on other columns", key(&["q"]), of(&["x"]), Cover::None),
    ] {
        assert_eq!(cover(&fk, &index), truth, "{case}");
    }
    assert_eq!(cover(&key(&["q"]), &of(&["q"]).with(|index| index.valid = false)), Cover::None);
    assert_eq!(cover(&key(&["q"]), &of(&["q"]).with(|index| index.method = "hash".to_owned())), Cover::Full);
    assert_eq!(cover(&key(&["email"]), &of(&["lower(email)"])), Cover::None);
}

#[test]
fn how_bad_it_is_depends_on_deletes_and_size() {
    let store = |rows: u64, deleted: u64| {
        Store::new(Dialect::Postgres)
            .table(table("public.child", &[("q", 1000.0)]).with(|table| table.rows = Reading::Known(rows)))
            .table(table("public.parent", &[("id", 1000.0)]).with(|table| table.deleted = Reading::Known(deleted)))
            .key("fk", "public.child", &["q"], "public.parent")
    };
    for (rows, deleted, severity) in [
        (1_000_000, 50, Severity::High),
        (1_000_000, 0, Severity::Medium),
        (50, 50, Severity::Medium),
        (50, 0, Severity::Info),
    ] {
        let found = store(rows, deleted).findings();
        assert_eq!((found[0].rule.as_str(), found[0].severity), (RULE, severity), "{rows} rows, {deleted} deleted");
    }
    let weak = store(1_000_000, 50).with(|store| store.read.foreign_keys[0].columns.push("z".to_owned()));
    assert_eq!(weak.index(index("public.child", "public.i", &["q", "x", "z"])).findings()[0].severity, Severity::Low);
    let found = &store(1_000_000, 0).findings()[0];
    assert_eq!(found.statement.as_deref(), Some("CREATE INDEX CONCURRENTLY child_q_idx ON public.child (q)"));
    assert_eq!(found.undo.as_deref(), Some("DROP INDEX CONCURRENTLY public.child_q_idx"));
    assert!(found.why_not.iter().any(|why| why.contains("no parent was deleted")));
}

#[test]
fn innodb_makes_the_index_by_itself() {
    let store = Store::new(Dialect::MariaDb)
        .table(table("shop.child", &[("q", 1000.0)]))
        .table(table("shop.parent", &[("id", 1000.0)]))
        .key("fk", "shop.child", &["q"], "shop.parent");
    assert!(store.failing().is_empty());
}
