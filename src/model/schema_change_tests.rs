use super::*;
use crate::model::table::ColumnMap;
use proptest::prelude::*;

fn column(name: &str, type_name: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        nullable: true,
        generation: Generation::Plain,
        has_default: false,
    }
}

fn map(columns: &[(&str, &str)]) -> TableMap {
    let mapped = |(name, type_name): &(&str, &str)| ColumnMap {
        source: (*name).to_owned(),
        target: (*name).to_owned(),
        source_type: (*type_name).to_owned(),
        target_type: (*type_name).to_owned(),
    };
    TableMap {
        source: TableName::bare("t"),
        target: TableName::bare("t"),
        columns: columns.iter().map(mapped).collect(),
        key: vec![0],
    }
}

fn table(columns: &[(&str, &str)]) -> Table {
    Table {
        name: TableName::bare("t"),
        columns: columns.iter().map(|(name, type_name)| column(name, type_name)).collect(),
        identity: RowIdentity::Key(vec![columns[0].0.to_owned()]),
        estimated_rows: None,
        size_bytes: None,
    }
}

fn found(before: &[(&str, &str)], now: &[(&str, &str)]) -> Vec<String> {
    differences(&map(before), &["secret".to_owned()], None, &table(now)).iter().map(ToString::to_string).collect()
}

#[test]
fn every_difference_is_named() {
    let before = [("id", "int"), ("a", "text")];
    assert!(found(&before, &[("id", "int"), ("a", "text"), ("secret", "int")]).is_empty());
    assert_eq!(found(&before, &[("id", "int"), ("a", "text"), ("b", "")]), ["t: column b (without a type) was added"]);
    assert_eq!(found(&before, &[("id", "int")]), ["t: column a is gone"]);
    assert_eq!(found(&before, &[("id", "int"), ("a", "blob")]), ["t: column a is now blob, it was text"]);
    assert_eq!(
        found(&before, &[("id", "int"), ("b", "text")]),
        ["t: column a is gone and b is there instead: it was renamed"]
    );
    assert_eq!(
        found(&before, &[("id", "int"), ("b", "blob")]),
        ["t: column a is gone", "t: column b (blob) was added"]
    );
    // A renamed key still tells rows apart.
    assert_eq!(
        found(&before, &[("key", "int"), ("a", "text")]),
        ["t: column id is gone and key is there instead: it was renamed"]
    );
    let mut computed = table(&before);
    computed.columns.push(Column { generation: Generation::Computed, ..column("twice", "int") });
    assert!(differences(&map(&before), &[], None, &computed).is_empty());
}

#[test]
fn what_the_server_knows_of_renames_is_not_guessed() {
    let (before, now) = (map(&[("id", "int"), ("a", "text")]), table(&[("id", "int"), ("b", "text")]));
    let words = |renames: &[(String, String)]| {
        let found = differences(&before, &[], Some(renames), &now);
        found.iter().map(|c| c.difference.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(words(&[]), ["column a is gone", "column b (text) was added"]);
    assert_eq!(words(&[("a".into(), "b".into())]), ["column a is gone and b is there instead: it was renamed"]);
}

#[test]
fn a_lost_or_changed_key_is_a_difference() {
    let before = map(&[("id", "int"), ("a", "text")]);
    let with =
        |identity| differences(&before, &[], None, &Table { identity, ..table(&[("id", "int"), ("a", "text")]) });
    assert!(with(RowIdentity::FullRow).is_empty());
    assert_eq!(with(RowIdentity::Missing)[0].difference, Difference::Identity { now: RowIdentity::Missing });
    assert_eq!(with(RowIdentity::Key(vec!["a".into()])).len(), 1);
}

proptest! {
    /// Whatever a table became: a mapped column that is there as it was is never in a difference, every other one is, and so is every
    /// column that is neither mapped nor left out.
    #[test]
    fn nothing_is_passed_over(
        now in proptest::collection::btree_map("[a-f]", prop_oneof![Just("int"), Just("text")], 0..6),
        mapped in proptest::collection::btree_map("[a-d]", prop_oneof![Just("int"), Just("text")], 1..5),
        left_out in proptest::collection::btree_set("[e-f]", 0..2),
    ) {
        let pairs = |columns: &std::collections::BTreeMap<String, &'static str>| {
            std::iter::once(("id".to_owned(), "int")).chain(columns.iter().map(|(n, t)| (n.clone(), *t))).collect::<Vec<_>>()
        };
        let (now_pairs, map_pairs) = (pairs(&now), pairs(&mapped));
        fn borrow<'a>(pairs: &'a [(String, &'static str)]) -> Vec<(&'a str, &'a str)> {
            pairs.iter().map(|(n, t)| (n.as_str(), *t)).collect()
        }
        let left_out: Vec<String> = left_out.into_iter().collect();
        let found = differences(&map(&borrow(&map_pairs)), &left_out, None, &table(&borrow(&now_pairs)));
        for (name, type_name) in &mapped {
            let about = found.iter().filter(|c| c.difference.column() == Some(name)).count();
            prop_assert_eq!(about, usize::from(now.get(name) != Some(type_name)), "{}", name);
        }
        for name in now.keys().filter(|n| !mapped.contains_key(*n)) {
            let about = found.iter().filter(|c| match &c.difference {
                Difference::Added { column } => column.name == *name,
                Difference::Renamed { now, .. } => now.name == *name,
                _ => false,
            }).count();
            prop_assert_eq!(about, usize::from(!left_out.contains(name)), "{}", name);
        }
    }
}
