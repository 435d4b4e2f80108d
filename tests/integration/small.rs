//! A small real migration for tests of whole programs: one table, two SQLite files, an engine of its own.

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far longer than any command here takes: a command that hangs fails its test instead of stopping the suite.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A migration of one table between two SQLite files, with directories of its own.
pub struct Small {
    dir: tempfile::TempDir,
}

impl Small {
    pub fn new() -> Self {
        Self::with_env("test")
    }

    pub fn with_env(env: &str) -> Self {
        let small = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["state", "run"] {
            std::fs::create_dir(small.path(dir)).unwrap();
        }
        let profile = format!(
            "[migration]\nname = \"small\"\nenv = \"{env}\"\n\
             [stores.old]\nengine = \"sqlite\"\nurl = \"sqlite:{old}\"\n\
             [stores.new]\nengine = \"sqlite\"\nurl = \"sqlite:{new}\"\n\
             [services.items]\nstore = \"new\"\nowns = [\"items\"]\n\
             [pipelines.items]\nkind = \"copier\"\nfrom = \"old\"\nto = \"new\"\ntables = [\"items\"]\n\
             [phases.cutover]\nroute = {{ file = \"{route}\" }}\n",
            old = small.path("old.db").display(),
            new = small.path("new.db").display(),
            route = small.path("route.json").display(),
        );
        std::fs::write(small.profile(), profile).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (file, sql) in [
                ("old.db", "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO items VALUES (1, 'a'), (2, 'b')"),
                ("new.db", "PRAGMA user_version = 0"),
            ] {
                let url = format!("sqlite:{}?mode=rwc", small.path(file).display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        });
        small
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn profile(&self) -> PathBuf {
        self.path("small.toml")
    }

    /// The program with its standard input at the end and no terminal.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_godwit"));
        command
            .args(words)
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        let mut child = self.command(words).spawn().unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let (done, expired) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if expired.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            }
        });
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        drop(done);
        watchdog.join().unwrap();
        Ended::new(words, output)
    }

    /// Runs with the profile named.
    pub fn on(&self, words: &[&str]) -> Ended {
        let profile = self.profile();
        let words: Vec<&str> = words.iter().copied().chain(["-p", profile.to_str().unwrap()]).collect();
        self.run(&words)
    }

    pub fn up(&self) {
        self.on(&["up"]).expect(0);
    }
}

impl Drop for Small {
    /// No engine outlives its test, whatever happened.
    fn drop(&mut self) {
        let profile = self.profile();
        let words = ["down", "--yes", "--confirm", "small", "-p", profile.to_str().unwrap()];
        // Without an engine there is nothing to stop.
        let _ = self.command(&words).output();
    }
}

/// How a run ended.
pub struct Ended {
    what: String,
    pub stdout: String,
    pub stderr: String,
    code: Option<i32>,
}

impl Ended {
    fn new(words: &[&str], output: Output) -> Self {
        Self {
            what: words.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks the exit code, and that nothing but plain text was printed.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.what, self.stdout, self.stderr);
        assert!(!self.stdout.contains('\u{1b}') && !self.stderr.contains('\u{1b}'), "{}: escapes", self.what);
        if code != 0 && code != 1 {
            assert!(!self.stderr.trim().is_empty(), "{} ended with {code} and without a sentence", self.what);
        }
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{}: {:?} does not say {words:?}", self.what, self.stderr);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|e| panic!("{}: {e}\n{}", self.what, self.stdout))
    }
}

/// The hash of the plan that a phase waits for.
pub fn awaited_plan(small: &Small, phase: &str) -> String {
    let status = small.on(&["status", "--json"]).expect(0).json();
    let phases = status["phases"].as_array().unwrap();
    let found = phases.iter().find(|p| p["id"] == phase).unwrap();
    found["plan"].as_str().unwrap().to_owned()
}

/// Looks again and again until there is an answer, for at most [`PATIENCE`].
#[track_caller]
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}
