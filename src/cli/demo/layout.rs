//! Where the demo's files are, and where its engine's are.

use crate::cli::demo::shop;
use crate::cli::failure::Failure;
use crate::wire::place::Place;
use std::path::{Path, PathBuf};

/// The migration's name in `profiles/demo.toml`.
pub const MIGRATION: &str = "demo";
/// A file that says that a directory was made by the demo and may be removed by it.
const MARK: &str = "made-by-godwit-demo";
/// Longest path of a Unix socket on Linux, without the final zero byte.
const SOCKET_PATH_MAX: usize = 107;

/// Paths of the applications' side of the demo, below one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The directory.
    pub dir: PathBuf,
}

impl Files {
    /// The monolith.
    pub fn monolith(&self) -> PathBuf {
        self.dir.join("monolith.db")
    }

    /// A service's own database.
    pub fn service(&self, service: &str) -> PathBuf {
        self.dir.join(format!("{service}.db"))
    }

    /// The routing file that the applications follow.
    pub fn routing(&self) -> PathBuf {
        self.dir.join("route.json")
    }

    /// The ledger of acknowledged writes.
    pub fn ledger(&self) -> PathBuf {
        self.dir.join("ledger.jsonl")
    }

    /// What the workload process says on its standard error.
    pub fn workload_log(&self) -> PathBuf {
        self.dir.join("workload.log")
    }

    /// The profile.
    pub fn profile(&self) -> PathBuf {
        self.dir.join("demo.toml")
    }

    /// A fresh copy of the first data, made for the verdict.
    pub fn reference(&self) -> PathBuf {
        self.dir.join("reference.db")
    }
}

/// One demo's place on this machine.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The applications' files.
    pub files: Files,
    /// The engine's files.
    pub place: Place,
    /// The environment that leads other processes to the same place.
    pub environment: Vec<(&'static str, PathBuf)>,
}

impl Layout {
    /// With `--dir` everything lies below that directory, apart from every other demo. Without, the engine has the ordinary place of a
    /// migration called `demo`, so that `godwit status` in a second terminal finds it.
    ///
    /// # Errors
    /// When the directory's path is too long for a socket or is not absolute and cannot be made so.
    pub fn new(dir: Option<&Path>) -> Result<Self, Failure> {
        let Some(dir) = dir else {
            let place = Place::of(MIGRATION);
            let files = Files { dir: place.state_dir.join("shop") };
            return Ok(Self { files, place, environment: Vec::new() });
        };
        let dir = std::path::absolute(dir).map_err(|error| Failure::file("find the directory", dir, &error))?;
        let (state_home, runtime) = (dir.join("state"), dir.join("run"));
        let place = Place {
            state_dir: state_home.join("godwit").join(MIGRATION),
            socket: runtime.join("godwit").join(format!("{MIGRATION}.sock")),
        };
        if place.socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(Failure::usage(format!(
                "the directory {} is too deep: the path of a Unix socket must not be longer than {SOCKET_PATH_MAX} bytes; choose a shorter --dir",
                dir.display()
            )));
        }
        Ok(Self {
            files: Files { dir },
            place,
            environment: vec![("XDG_STATE_HOME", state_home), ("XDG_RUNTIME_DIR", runtime)],
        })
    }

    /// Makes the directories, removing what an earlier demo left. Never removes anything that a demo did not make.
    ///
    /// # Errors
    /// When the directory holds something else, or cannot be made.
    pub fn clear(&self) -> Result<(), Failure> {
        self.refuse_foreign()?;
        self.remove()?;
        for dir in [&self.files.dir, &self.place.state_dir] {
            make_private(dir)?;
        }
        for (_, dir) in &self.environment {
            make_private(dir)?;
        }
        let mark = self.files.dir.join(MARK);
        std::fs::write(&mark, b"The demo removes this directory when it starts again.\n")
            .map_err(|error| Failure::file("write", &mark, &error))
    }

    /// Removes what this demo made.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self) -> Result<(), Failure> {
        if !self.files.dir.join(MARK).exists() {
            return Ok(());
        }
        // The shop lies below the engine's state directory unless `--dir` was given; then everything lies below the shop's.
        let top = if self.environment.is_empty() { &self.place.state_dir } else { &self.files.dir };
        std::fs::remove_dir_all(top).map_err(|error| Failure::file("remove the demo's directory", top, &error))
    }

    fn refuse_foreign(&self) -> Result<(), Failure> {
        let top = if self.environment.is_empty() { &self.place.state_dir } else { &self.files.dir };
        let occupied = match std::fs::read_dir(top) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(Failure::file("read the directory", top, &error)),
        };
        if occupied && !self.files.dir.join(MARK).exists() {
            return Err(Failure::usage(format!(
                "{} is not empty and was not made by the demo; choose an empty or new directory with --dir",
                top.display()
            )));
        }
        Ok(())
    }

    /// Where a table's service has its database.
    pub fn service_of(&self, table: &shop::ShopTable) -> PathBuf {
        self.files.service(table.service)
    }
}

/// Makes a directory that only its owner can enter, as the engine's socket needs it.
fn make_private(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| Failure::file("make the directory", dir, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_other_peoples_files_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        let failure = Layout::new(Some(dir.path())).unwrap().clear().unwrap_err();
        assert!(failure.sentence.contains("not made by the demo"), "{failure}");
        assert!(dir.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_second_demo_begins_with_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(Some(&dir.path().join("d"))).unwrap();
        layout.clear().unwrap();
        std::fs::write(layout.files.ledger(), "old").unwrap();
        layout.clear().unwrap();
        assert!(!layout.files.ledger().exists());
        layout.remove().unwrap();
        assert!(!layout.files.dir.exists());
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused_beforehand() {
        let deep = format!("/tmp/{}", "x".repeat(120));
        assert!(Layout::new(Some(Path::new(&deep))).unwrap_err().sentence.contains("too deep"));
    }
}
