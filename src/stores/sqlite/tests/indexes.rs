//! Indexes and foreign keys as advice sees them.

use super::lab::Lab;
use crate::model::lag::Reading;
use crate::model::what_if::Parameters;
use crate::stores::error::ErrorKind;
use crate::stores::observe::IndexStats;

#[tokio::test]
async fn every_property_that_advice_needs_is_read() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE);
         CREATE TABLE c (a INT, b TEXT, p INT REFERENCES p ON DELETE CASCADE, q INT, PRIMARY KEY (a, b), FOREIGN KEY (q) REFERENCES p) WITHOUT ROWID;
         CREATE INDEX by_expression ON c (lower(b) DESC, a) WHERE q IS NOT NULL;
         CREATE INDEX by_text ON c (b COLLATE NOCASE)",
    )
    .await;
    let store = lab.store("a");
    let read = store.indexes().await.unwrap();
    let told = |name: &str| {
        let index = read.value.indexes.iter().find(|index| index.name == name).unwrap();
        let parts: Vec<String> = index
            .parts
            .iter()
            .map(|p| {
                format!(
                    "{}{}{}",
                    p.term,
                    if p.descending { " desc" } else { "" },
                    if p.is_expression { "!" } else { "" }
                )
            })
            .collect();
        (parts.join(", "), index.predicate.clone(), index.duty.unique, index.duty.primary)
    };
    assert_eq!(told("rowid of p"), ("id".to_owned(), String::new(), true, true));
    assert_eq!(told("sqlite_autoindex_p_1"), ("code".to_owned(), String::new(), true, false));
    assert_eq!(told("sqlite_autoindex_c_1"), ("a, b".to_owned(), String::new(), true, true));
    assert_eq!(told("by_expression"), ("lower(b) desc!, a".to_owned(), "q IS NOT NULL".to_owned(), false, false));
    let by_text = read.value.indexes.iter().find(|index| index.name == "by_text").unwrap();
    assert_eq!(by_text.parts[0].collation, "NOCASE");
    let mut keys: Vec<(&str, &str, bool)> =
        read.value.foreign_keys.iter().map(|key| (key.name.as_str(), key.parent.as_str(), key.cascades)).collect();
    keys.sort_unstable();
    assert_eq!(keys, [("(p)", "p", true), ("(q)", "p", false)]);
    assert!(read.value.tables.iter().all(|table| matches!(table.full_scans, Reading::Unknown(_))));
    assert_eq!(read.missing[0].id, "sqlite.indexes.use");
    assert_eq!(store.what_if("SELECT 1", &Parameters::default(), &[]).await.unwrap_err().kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_has_no_indexes() {
    let lab = Lab::new();
    assert!(lab.store("none").indexes().await.unwrap().value.tables.is_empty());
}
