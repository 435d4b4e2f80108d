use super::*;
use crate::model::table::{Generation, RowIdentity, TableName};
use SchemaChangePolicy::{Apply, Ignore, Stop};

fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        nullable: true,
        generation: Generation::Plain,
        has_default: false,
    }
}

fn mapped(name: &str, source_type: &str, target_type: &str) -> ColumnMap {
    ColumnMap {
        source: name.to_owned(),
        target: name.to_owned(),
        source_type: source_type.to_owned(),
        target_type: target_type.to_owned(),
    }
}

/// A table `t(id, a int)` against another side that has `columns` besides the key.
struct Bench {
    columns: Vec<Column>,
    key: Vec<usize>,
    resumed: bool,
    excluded: Vec<String>,
}

impl Bench {
    fn with(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), key: vec![0], resumed: false, excluded: Vec::new() }
    }

    fn resumed(self) -> Self {
        Self { resumed: true, ..self }
    }

    fn decide(&self, policy: SchemaChangePolicy, difference: Difference) -> Decision {
        let change = SchemaChange { table: TableName::bare("t"), difference };
        let map = TableMap {
            source: TableName::bare("t"),
            target: TableName::bare("t"),
            columns: vec![mapped("id", "int", "int"), mapped("a", "int", "int")],
            key: self.key.clone(),
        };
        let other = Table {
            name: TableName::bare("t"),
            columns: [vec![column("id", "int")], self.columns.clone()].concat(),
            identity: RowIdentity::Key(vec!["id".into()]),
            estimated_rows: None,
            size_bytes: None,
        };
        let case = Case {
            policy,
            resumed: self.resumed,
            excluded: &self.excluded,
            change: &change,
            map: &map,
            other: Some(&other),
            other_store: "new",
            holds: &|wide, narrow| wide == narrow || (wide, narrow) == ("bigint", "int"),
        };
        case.decide()
    }
}

fn why(decision: Decision) -> String {
    match decision {
        Decision::Stop(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

fn added(type_name: &str) -> Difference {
    Difference::Added { column: column("b", type_name) }
}

#[test]
fn an_added_column() {
    let plain = || Bench::with(&[column("a", "int")]);
    assert_eq!(plain().decide(Ignore, added("text")), Decision::LeaveOut);
    assert_eq!(plain().decide(Apply, added("text")), Decision::Add);
    let stop = why(plain().decide(Stop, added("text")));
    assert!(stop.contains("column b (text) was added") && stop.contains("add the column to t of new"), "{stop}");
    let refused = why(plain().resumed().decide(Stop, added("text")));
    assert!(refused.contains("t of new has no column b"), "{refused}");

    let ready = || Bench::with(&[column("a", "int"), column("b", "bigint")]);
    // Even where the other side is ready, somebody must have said so.
    why(ready().decide(Stop, added("int")));
    let follows = Decision::Map(mapped("b", "int", "bigint"));
    assert_eq!(ready().resumed().decide(Stop, added("int")), follows);
    assert_eq!(ready().decide(Apply, added("int")), follows);
    assert!(why(ready().decide(Apply, added("text"))).contains("t of new.b is bigint and cannot hold every value"));

    let keyless = Bench { key: Vec::new(), ..plain() };
    assert!(why(keyless.decide(Apply, added("text"))).contains("cannot be told apart"));
    assert_eq!(keyless.decide(Ignore, added("text")), Decision::LeaveOut);
    for policy in [Stop, Ignore, Apply] {
        let bench = Bench { excluded: vec!["b".into()], ..plain() };
        assert_eq!(bench.decide(policy, added("text")), Decision::LeaveOut, "the profile leaves it out");
    }
}

#[test]
fn a_column_made_anew_holds_other_values() {
    let anew = || Difference::Added { column: column("a", "int") };
    let bench = || Bench::with(&[column("a", "int")]);
    assert_eq!(bench().decide(Apply, anew()), Decision::Recapture);
    for policy in [Stop, Ignore] {
        assert!(why(bench().decide(policy, anew())).contains("dropped and made anew"));
        assert_eq!(bench().resumed().decide(policy, anew()), Decision::Recapture);
    }
}

#[test]
fn a_removed_column() {
    let gone = || Difference::Removed { column: "a".into() };
    let there = || Bench::with(&[column("a", "int")]);
    assert!(why(there().decide(Stop, gone())).contains("goes on without it"));
    assert_eq!(there().resumed().decide(Stop, gone()), Decision::Unmap);
    let needed = || Bench::with(&[Column { nullable: false, ..column("a", "int") }]);
    let default = || Bench::with(&[Column { nullable: false, has_default: true, ..column("a", "int") }]);
    for policy in [Ignore, Apply] {
        assert_eq!(there().decide(policy, gone()), Decision::Unmap);
        assert_eq!(default().decide(policy, gone()), Decision::Unmap);
        assert_eq!(Bench::with(&[]).decide(policy, gone()), Decision::Unmap);
    }
    for policy in [Stop, Ignore, Apply] {
        assert!(why(needed().resumed().decide(policy, gone())).contains("NOT NULL and has no default"));
        let key = Difference::Removed { column: "id".into() };
        assert!(why(there().resumed().decide(policy, key)).contains("rows are told apart by it"));
    }
}

#[test]
fn a_retyped_column() {
    let to = |now: &str| Difference::Retyped { column: "a".into(), was: "int".into(), now: now.into() };
    let narrow = || Bench::with(&[column("a", "int")]);
    let wide = || Bench::with(&[column("a", "bigint")]);
    assert_eq!(narrow().decide(Apply, to("bigint")), Decision::Widen);
    assert!(why(narrow().decide(Ignore, to("bigint"))).contains("cannot hold every value"));
    assert!(why(narrow().decide(Apply, to("text"))).contains("cannot hold every value"));
    assert!(why(narrow().resumed().decide(Stop, to("bigint"))).contains("give t of new.a the type bigint"));
    let follows = Decision::Map(mapped("a", "bigint", "bigint"));
    why(wide().decide(Stop, to("bigint")));
    assert_eq!(wide().resumed().decide(Stop, to("bigint")), follows);
    assert_eq!(wide().decide(Ignore, to("bigint")), follows);
}

#[test]
fn a_renamed_column_is_a_persons_matter() {
    let renamed = || Difference::Renamed { column: "a".into(), now: column("b", "int") };
    for policy in [Stop, Ignore, Apply] {
        why(Bench::with(&[column("a", "int")]).decide(policy, renamed()));
        let refused = why(Bench::with(&[column("a", "int")]).resumed().decide(policy, renamed()));
        assert!(refused.contains("t of new has no column b"), "{refused}");
        let both = Bench::with(&[column("a", "int"), column("b", "int")]).resumed();
        assert!(why(both.decide(policy, renamed())).contains("has both a and b"));
        let ready = Bench::with(&[column("b", "int")]).resumed();
        assert_eq!(ready.decide(policy, renamed()), Decision::Map(mapped("b", "int", "int")));
    }
}

#[test]
fn what_no_policy_can_follow() {
    for policy in [Stop, Ignore, Apply] {
        for difference in [
            Difference::Gone,
            Difference::Remade,
            Difference::TableRenamed { now: TableName::bare("u") },
            Difference::Identity { now: RowIdentity::Missing },
        ] {
            let reason = why(Bench::with(&[column("a", "int")]).resumed().decide(policy, difference));
            assert!(reason.starts_with("the schema of t changed: "), "{reason}");
        }
    }
}
