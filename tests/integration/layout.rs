//! The layout (docs/architecture.md): what lies where, and how large it may be.

use super::source::{BlockKind, Source, repository, rust_files};
use std::path::Path;

/// Everything that the top of the repository may hold; besides these only what git, cargo and proptest make.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "docs",
    "profiles",
    "src",
    "tests",
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".gitignore",
    ".rustfmt.toml",
];
const MADE_BY_TOOLS: &[&str] = &[".git", "proptest-regressions", "target"];

/// Above this a file needs to be cut along the nouns in it.
const LONGEST_FILE: usize = 700;

#[test]
fn the_top_level_holds_only_what_the_layout_names() {
    let entries = std::fs::read_dir(repository()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strangers: Vec<String> =
        names.filter(|name| !TOP_LEVEL.contains(&name.as_str()) && !MADE_BY_TOOLS.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "not in the layout: {strangers:?}");
}

#[test]
fn no_source_file_is_too_long() {
    let files = ["src", "tests"].into_iter().flat_map(rust_files);
    let long: Vec<String> = files
        .filter(|file| file.lines > LONGEST_FILE)
        .map(|file| format!("{}: {} lines", file.path.display(), file.lines))
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", long.join("\n"));
}

#[test]
fn mod_files_only_declare() {
    let files = ["src", "tests"].into_iter().flat_map(rust_files);
    let index_files = files.filter(|file| ["mod.rs", "lib.rs"].iter().any(|name| file.path.ends_with(name)));
    let bodies: Vec<String> = index_files.flat_map(|file| function_bodies(&file)).collect();
    assert!(bodies.is_empty(), "logic in an index file:\n{}", bodies.join("\n"));
}

/// Functions with a body, outside of traits.
fn function_bodies(file: &Source) -> Vec<String> {
    let outside_traits = file.blocks.iter().filter(|block| file.blocks[block.parent].kind != BlockKind::Trait);
    outside_traits
        .filter_map(|block| match &block.kind {
            BlockKind::Function(name) => Some(format!("{}:{}: fn {name}", file.path.display(), block.line)),
            _ => None,
        })
        .collect()
}

#[test]
fn bodies_are_found_and_trait_defaults_are_not() {
    let text = "pub mod a;\ntrait T { fn no(&self); fn also_not(&self) { } }\nimpl X {\n    fn yes() {}\n}";
    let found = function_bodies(&Source::parse(Path::new("src/stores/mod.rs"), text));
    assert_eq!(found, ["src/stores/mod.rs:4: fn yes"]);
}
