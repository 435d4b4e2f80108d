//! The dependency rule (docs/architecture.md): which part of `src/` may import which.
//!
//! Read from the source text: every path that starts with `crate`, `super` or the package's name, in `use` groups and in
//! the middle of code. Test code may also use `stores` (for their fakes), except in `model` and `tui`.

use super::source::{BlockKind, Source, repository, rust_files};
use std::collections::BTreeSet;

/// A folder or file directly under `src/`, and the module paths that it may name besides its own.
struct Layer {
    name: &'static str,
    may: &'static [&'static str],
}

const MODEL: &[&str] = &["model"];

/// The arrows. What is not here is not allowed, and a layer that is not here has no place.
const LAYERS: &[Layer] = &[
    Layer { name: "lib", may: &[] },
    Layer { name: "main", may: &["cli"] },
    Layer {
        name: "cli",
        may: &[
            "advice",
            "config",
            "engine",
            "journal",
            "model",
            "pipelines",
            "report",
            "stores",
            "telemetry",
            "tui",
            "verify",
            "wire",
        ],
    },
    // The design's table leaves the engine's own end of the socket out; somebody has to hold it, and it is not the command line.
    Layer {
        name: "engine",
        may: &["journal", "stores", "pipelines", "verify", "advice", "config", "model", "wire::place", "wire::server"],
    },
    Layer { name: "pipelines", may: &["stores", "model"] },
    Layer { name: "verify", may: &["stores", "model"] },
    Layer { name: "stores", may: MODEL },
    Layer { name: "advice", may: MODEL },
    Layer { name: "journal", may: MODEL },
    Layer { name: "wire", may: MODEL },
    Layer { name: "report", may: MODEL },
    Layer { name: "config", may: MODEL },
    Layer { name: "tui", may: &["model", "wire::client", "config", "report"] },
    Layer { name: "telemetry", may: &["report"] },
    Layer { name: "model", may: &[] },
];

/// Engines are met through the traits of `stores`: above them nothing names one. The demo in `cli` is about SQLite and may.
const ENGINES: &[&str] = &["stores::postgres", "stores::sqlite"];
const MAY_NAME_ENGINES: &[&str] = &["stores", "cli"];

/// Database drivers, and the layers that may use one.
const DRIVERS: &[&str] = &["sqlx", "postgres_protocol"];
const MAY_USE_DRIVERS: &[&str] = &["stores", "journal", "cli"];

/// The crates that `model` may use besides the standard library.
const CRATES_OF_MODEL: &[&str] = &["serde", "chrono"];

#[test]
fn every_import_follows_an_arrow() {
    let crates = dependencies();
    let files = rust_files("src");
    let violations: Vec<String> = files.iter().flat_map(|file| violations(file, &crates)).collect();
    assert!(violations.is_empty(), "imports against the dependency rule:\n{}", violations.join("\n"));
}

/// The names by which the code knows the dependencies in Cargo.toml.
fn dependencies() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// One sentence, with file and line, for each import that no arrow allows.
fn violations(file: &Source, crates: &BTreeSet<String>) -> Vec<String> {
    let module = module_path(file);
    let name = module.first().map_or("lib", String::as_str);
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
        return vec![format!("{}:1: `{name}` has no place among the layers", file.path.display())];
    };
    let mut found = Vec::new();
    let mut complain = |line, path: &str, why: &str| {
        found.push(format!("{}:{line}: `{path}`: {why}", file.path.display()));
    };
    for import in imports(file, &module) {
        let test_of_logic = import.test && !["model", "tui"].contains(&name);
        let allowed = |root: &str| starts_with(&import.path, root);
        if allowed(name) || import.path.is_empty() {
            continue;
        }
        let follows_arrow = layer.may.iter().any(|root| allowed(root)) || (test_of_logic && allowed("stores"));
        if !follows_arrow {
            complain(import.line, &import.path, &format!("{name} may import only {}", sentence(layer.may)));
        } else if !import.test && ENGINES.iter().any(|root| allowed(root)) && !MAY_NAME_ENGINES.contains(&name) {
            complain(
                import.line,
                &import.path,
                &format!("{name} may meet an engine only through the traits of stores"),
            );
        }
    }
    for (line, external) in externals(file, crates) {
        if name == "model" && !CRATES_OF_MODEL.contains(&external.as_str()) {
            complain(line, &external, "model may use only std, serde and chrono");
        } else if DRIVERS.contains(&external.as_str()) && !MAY_USE_DRIVERS.contains(&name) {
            complain(line, &external, &format!("{name} may not use a database driver"));
        }
    }
    found
}

fn sentence(names: &[&str]) -> String {
    if names.is_empty() { "itself".into() } else { names.join(", ") }
}

fn starts_with(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// `src/stores/postgres/locks.rs` is `[stores, postgres, locks]`; `src/main.rs` is `[main]`, `src/lib.rs` is empty.
fn module_path(file: &Source) -> Vec<String> {
    let path = file.path.strip_prefix("src").unwrap().with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// A path inside the package, from its root.
struct Import {
    path: String,
    line: usize,
    test: bool,
}

fn imports(file: &Source, module: &[String]) -> Vec<Import> {
    let mut found = Vec::new();
    for (index, token) in file.tokens.iter().enumerate() {
        let is_start = file.text(index + 1) == "::" && (index == 0 || file.text(index - 1) != "::");
        let root: Vec<String> = match token.text.as_str() {
            "crate" | "godwit" if is_start => Vec::new(),
            // The first `super` leaves the module around it, which may be inside the file.
            "super" if is_start => {
                let inline = file.inline_modules(token.block).into_iter().map(str::to_owned);
                let mut around: Vec<String> = module.iter().cloned().chain(inline).collect();
                around.pop();
                around
            }
            _ => continue,
        };
        let mut paths = Vec::new();
        read_tree(file, index + 2, root, &mut paths);
        let (line, test) = (token.line, token.test);
        found.extend(paths.into_iter().map(|path| Import { path: path.join("::"), line, test }));
    }
    found
}

/// Reads what follows a `::`: a name and what is behind it, or a group of such. Returns the index behind it.
fn read_tree(file: &Source, index: usize, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    match file.text(index) {
        "{" => {
            let mut next = index + 1;
            while !["}", ""].contains(&file.text(next)) {
                next = read_tree(file, next, path.clone(), found);
                // Behind `as name`, or a comma.
                while ![",", "}", ""].contains(&file.text(next)) {
                    next += 1;
                }
                next += usize::from(file.text(next) == ",");
            }
            next + 1
        }
        "super" => {
            path.pop();
            read_rest(file, index, path, found)
        }
        "self" | "*" => read_rest(file, index, path, found),
        name => {
            path.push(name.to_owned());
            read_rest(file, index, path, found)
        }
    }
}

fn read_rest(file: &Source, index: usize, path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
    // `::<` gives types to a function and does not go deeper.
    if file.text(index + 1) == "::" && file.text(index + 2) != "<" {
        return read_tree(file, index + 2, path, found);
    }
    found.push(path);
    index + 1
}

/// Where the file names a crate from Cargo.toml: `name::` at the start of a path, or `use name`.
fn externals(file: &Source, crates: &BTreeSet<String>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, token) in file.tokens.iter().enumerate() {
        let before = if index == 0 { "" } else { file.text(index - 1) };
        // `{model::x, url::y}`: inside a group of `use crate::` a name is no crate; such files have a module of that name.
        let starts_path = before != "::" && (file.text(index + 1) == "::" || before == "use");
        if starts_path && crates.contains(&token.text) && !declares_module(file, &token.text) {
            found.push((token.line, token.text.clone()));
        }
    }
    found
}

fn declares_module(file: &Source, name: &str) -> bool {
    let inline = file.blocks.iter().any(|block| block.kind == BlockKind::Module(name.to_owned()));
    inline || file.tokens.windows(2).any(|pair| pair[0].text == "mod" && pair[1].text == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn check(path: &str, text: &str) -> Vec<String> {
        let crates = ["sqlx", "serde", "serde_json", "chrono"].map(str::to_owned).into();
        violations(&Source::parse(Path::new(path), text), &crates)
    }

    #[test]
    fn arrows_are_followed() {
        assert!(
            check("src/stores/postgres/locks.rs", "use crate::model::{ids::StoreId, table};\nuse super::x;").is_empty()
        );
        assert!(
            check("src/tui/state/lag.rs", "use crate::{wire::client::Client, report, config::{self, theme}};")
                .is_empty()
        );
        assert!(check("src/main.rs", "fn main() { godwit::cli::run() }").is_empty());
        assert!(check("src/wire/mod.rs", "//! See [`crate::engine`].\nconst A: &str = \"crate::engine\";").is_empty());
    }

    #[test]
    fn violations_are_named_with_file_and_line() {
        assert_eq!(
            check("src/stores/sqlite/apply.rs", "use a;\nuse crate::{model::x, engine::{self, y as z}, config};"),
            [
                "src/stores/sqlite/apply.rs:2: `engine`: stores may import only model",
                "src/stores/sqlite/apply.rs:2: `engine::y`: stores may import only model",
                "src/stores/sqlite/apply.rs:2: `config`: stores may import only model",
            ]
        );
        assert_eq!(
            check("src/tui/runner.rs", "fn a() {\n    crate::wire::server::run();\n}"),
            ["src/tui/runner.rs:2: `wire::server::run`: tui may import only model, wire::client, config, report"]
        );
        assert_eq!(check("src/util/mod.rs", ""), ["src/util/mod.rs:1: `util` has no place among the layers"]);
    }

    #[test]
    fn super_is_followed_to_where_it_leads() {
        assert!(check("src/stores/error.rs", "mod tests { use super::super::registry; }").is_empty());
        assert_eq!(
            check("src/stores/error.rs", "use super::super::engine::x;"),
            ["src/stores/error.rs:1: `engine::x`: stores may import only model"]
        );
    }

    #[test]
    fn engines_and_drivers_stay_in_their_place() {
        assert_eq!(
            check("src/pipelines/copier/pump.rs", "use crate::stores::{Store, postgres::X};\nuse sqlx::Row;"),
            [
                "src/pipelines/copier/pump.rs:1: `stores::postgres::X`: pipelines may meet an engine only through the traits of stores",
                "src/pipelines/copier/pump.rs:2: `sqlx`: pipelines may not use a database driver",
            ]
        );
        assert_eq!(
            check("src/model/event.rs", "use serde::Serialize;\nfn a() { serde_json::json!(1) }"),
            ["src/model/event.rs:2: `serde_json`: model may use only std, serde and chrono"]
        );
    }

    #[test]
    fn tests_may_use_the_fakes_of_stores() {
        let text = "#[cfg(test)]\nmod tests { use crate::stores::fake::Fake; }";
        assert!(check("src/journal/replay.rs", text).is_empty());
        assert_eq!(check("src/model/fold.rs", text).len(), 1);
        assert!(check("src/advice/tests.rs", "use crate::stores::fake::Fake;").is_empty());
        assert_eq!(check("src/advice/rule.rs", "use crate::stores::fake::Fake;").len(), 1);
    }
}
