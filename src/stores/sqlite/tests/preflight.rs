//! Named checks and what they say.

use super::lab::Lab;
use crate::model::check::{Check, Verdict};
use crate::model::table::TableName;
use crate::stores::{Preflight, Side};

fn verdict(checks: &[Check], id: &str, subject: &str) -> Verdict {
    let found = checks.iter().find(|c| c.id == id && c.subject == subject);
    found.unwrap_or_else(|| panic!("no check {id} {subject} in {checks:#?}")).verdict
}

fn names(tables: &[&str]) -> Vec<TableName> {
    tables.iter().map(|t| TableName::bare(t)).collect()
}

#[tokio::test]
async fn a_good_file_passes_and_bad_tables_are_named_with_a_fix() {
    let lab = Lab::new();
    let mut app = lab.app("a").await;
    app.run(
        "CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE TABLE nokey (v); CREATE TABLE loose (k TEXT PRIMARY KEY); \
         CREATE TABLE nulls (k TEXT PRIMARY KEY); INSERT INTO nulls VALUES (NULL); \
         CREATE TABLE part (id INTEGER PRIMARY KEY, u INT); CREATE UNIQUE INDEX p ON part (u) WHERE u > 0; \
         CREATE TRIGGER own BEFORE INSERT ON part BEGIN UPDATE part SET u = NULL; END",
    )
    .await;
    let store = lab.store("a");
    let tables = names(&["good", "nokey", "loose", "nulls", "part", "absent"]);
    let checks = store.checks(Side::Source, &tables).await;
    for (id, subject, expected) in [
        ("sqlite.file", "", Verdict::Pass),
        ("sqlite.directory", "", Verdict::Pass),
        ("sqlite.file_system", "", Verdict::Pass),
        ("sqlite.connection", "", Verdict::Pass),
        ("sqlite.version", "", Verdict::Pass),
        ("sqlite.encoding", "", Verdict::Pass),
        ("sqlite.journal_mode", "", Verdict::Pass),
        ("sqlite.integrity", "", Verdict::Pass),
        ("sqlite.godwit_objects", "", Verdict::Pass),
        ("sqlite.application_settings", "", Verdict::NotCheckable),
        ("sqlite.key", "good", Verdict::Pass),
        ("sqlite.key", "nokey", Verdict::Fail),
        ("sqlite.key", "loose", Verdict::Warn),
        ("sqlite.key", "nulls", Verdict::Fail),
        ("sqlite.replace", "part", Verdict::Warn),
        ("sqlite.triggers", "part", Verdict::Warn),
        ("sqlite.recursive_trigger", "part", Verdict::Warn),
        ("sqlite.table", "absent", Verdict::Fail),
    ] {
        assert_eq!(verdict(&checks, id, subject), expected, "{id} {subject}");
    }
    assert!(checks.iter().all(|c| (c.verdict == Verdict::Pass) == c.fix.is_empty()), "{checks:#?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_fail_their_check() {
    let lab = Lab::new();
    let source = lab.store("none").checks(Side::Source, &[]).await;
    assert_eq!(verdict(&source, "sqlite.file", ""), Verdict::Fail);
    let target = lab.store("none").checks(Side::Target, &names(&["t"])).await;
    assert_eq!(verdict(&target, "sqlite.file", ""), Verdict::Pass);
    assert!(!lab.path("none").exists(), "a check never writes");
    std::fs::write(lab.path("text"), "this is not a database, though it is long enough to look like one").unwrap();
    let checks = lab.store("text").checks(Side::Source, &[]).await;
    assert_eq!(verdict(&checks, "sqlite.connection", ""), Verdict::Fail);
    let mut app = lab.app("old").await;
    app.run("PRAGMA journal_mode = DELETE; CREATE TABLE t (id INTEGER PRIMARY KEY)").await;
    drop(app);
    std::fs::hard_link(lab.path("old"), lab.path("alias")).unwrap();
    let checks = lab.store("old").checks(Side::Source, &[]).await;
    assert_eq!(verdict(&checks, "sqlite.journal_mode", ""), Verdict::Fail);
    assert_eq!(verdict(&checks, "sqlite.file", ""), Verdict::Fail);
    let checks = lab.store("old").checks(Side::Target, &[]).await;
    assert_eq!(verdict(&checks, "sqlite.journal_mode", ""), Verdict::Warn);
}
