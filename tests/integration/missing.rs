//! What a server does not show has an id, and each id has a test that sees it appear.
//!
//! The ids are read from the code's text: a new one without a test fails here by its name. That the test is a good one only its reader can say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Engines by the first word of their ids.
const ENGINES: [&str; 7] = ["postgres", "mariadb", "mysql", "mongodb", "redis", "sqlite", "godwit"];

/// Subjects by which the ids of MariaDB and MySQL, which share their code, begin there.
const SUBJECTS: [&str; 6] = ["sessions", "locks", "statements", "indexes", "replication", "access"];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "json") {
            into.push(path);
        }
    }
}

/// Words in quotes that look like `a.b` or `a.b.c`.
fn dotted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').filter(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        (2..=3).contains(&parts.len())
            && parts.iter().all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    })
}

/// A file's code, and its tests if it has some.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find("#[cfg(test)]").unwrap_or(text.len()))
}

#[test]
fn each_missing_id_of_the_code_is_seen_by_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut code, mut tests) = (Vec::new(), Vec::new());
    for folder in ["src/stores", "src/engine"] {
        sources(&root.join(folder), &mut code);
    }
    sources(&root.join("tests"), &mut tests);
    let mut ids = BTreeSet::new();
    let mut seen = String::new();
    for path in &code {
        let text = std::fs::read_to_string(path).unwrap();
        // A folder of unit tests is nothing but tests.
        if path.components().any(|part| part.as_os_str() == "tests") {
            seen.push_str(&text);
            continue;
        }
        let (own, tested) = split(&text);
        seen.push_str(tested);
        if !own.contains("Missing") {
            continue;
        }
        for word in dotted(own) {
            let parts: Vec<&str> = word.split('.').collect();
            match parts.as_slice() {
                [engine, _, _] if ENGINES.contains(engine) => drop(ids.insert(word.to_owned())),
                [subject, _] if path.ends_with("src/stores/mysql/missing.rs") && SUBJECTS.contains(subject) => {
                    ids.insert(format!("mariadb.{word}"));
                }
                _ => {}
            }
        }
    }
    assert!(ids.len() > 35, "the ids were not found in the code: {ids:?}");
    for path in tests.iter().filter(|path| !path.ends_with("integration/missing.rs")) {
        seen.push_str(&std::fs::read_to_string(path).unwrap());
    }
    let unseen: Vec<&String> = ids.iter().filter(|id| !seen.contains(&format!("\"{id}\""))).collect();
    assert_eq!(unseen, [""; 0], "no test sees these");
}
