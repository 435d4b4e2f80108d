//! The program as scripts see it: exit codes, no terminal, a real engine on small SQLite stores.

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far longer than any command here takes: a command that hangs fails its test instead of stopping the suite.
const PATIENCE: Duration = Duration::from_secs(60);

/// A migration of one table between two SQLite files, with directories of its own.
struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with_env("test")
    }

    fn with_env(env: &str) -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        for dir in ["state", "run"] {
            std::fs::create_dir(bench.path(dir)).unwrap();
        }
        let profile = format!(
            "[migration]\nname = \"small\"\nenv = \"{env}\"\n\
             [stores.old]\nengine = \"sqlite\"\nurl = \"sqlite:{old}\"\n\
             [stores.new]\nengine = \"sqlite\"\nurl = \"sqlite:{new}\"\n\
             [services.items]\nstore = \"new\"\nowns = [\"items\"]\n\
             [pipelines.items]\nkind = \"copier\"\nfrom = \"old\"\nto = \"new\"\ntables = [\"items\"]\n\
             [phases.cutover]\nroute = {{ file = \"{route}\" }}\n",
            old = bench.path("old.db").display(),
            new = bench.path("new.db").display(),
            route = bench.path("route.json").display(),
        );
        std::fs::write(bench.profile(), profile).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (file, sql) in [
                ("old.db", "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO items VALUES (1, 'a'), (2, 'b')"),
                ("new.db", "PRAGMA user_version = 0"),
            ] {
                let url = format!("sqlite:{}?mode=rwc", bench.path(file).display());
                let mut connection = SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await.unwrap();
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        });
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn profile(&self) -> PathBuf {
        self.path("small.toml")
    }

    /// The program with its standard input at the end and no terminal.
    fn command(&self, words: &[&str]) -> Command {
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

    fn run(&self, words: &[&str]) -> Ended {
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
    fn on(&self, words: &[&str]) -> Ended {
        let profile = self.profile();
        let words: Vec<&str> = words.iter().copied().chain(["-p", profile.to_str().unwrap()]).collect();
        self.run(&words)
    }

    fn up(&self) {
        self.on(&["up"]).expect(0);
    }
}

impl Drop for Bench {
    /// No engine outlives its test, whatever happened.
    fn drop(&mut self) {
        let profile = self.profile();
        let words = ["down", "--yes", "--confirm", "small", "-p", profile.to_str().unwrap()];
        // Without an engine there is nothing to stop.
        let _ = self.command(&words).output();
    }
}

/// How a run ended.
struct Ended {
    what: String,
    code: Option<i32>,
    stdout: String,
    stderr: String,
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
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}\n{}", self.what, self.stdout, self.stderr);
        assert!(!self.stdout.contains('\u{1b}') && !self.stderr.contains('\u{1b}'), "{}: escapes", self.what);
        if code != 0 && code != 1 {
            assert!(!self.stderr.trim().is_empty(), "{} ended with {code} and without a sentence", self.what);
        }
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "{}: {:?} does not say {words:?}", self.what, self.stderr);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|e| panic!("{}: {e}\n{}", self.what, self.stdout))
    }
}

/// The hash of the plan that a phase waits for.
fn awaited_plan(bench: &Bench, phase: &str) -> String {
    let status = bench.on(&["status", "--json"]).expect(0).json();
    let phases = status["phases"].as_array().unwrap();
    let found = phases.iter().find(|p| p["id"] == phase).unwrap();
    found["plan"].as_str().unwrap().to_owned()
}

#[test]
fn a_wrong_command_line_is_code_2_and_help_is_code_0() {
    let bench = Bench::new();
    bench.run(&["--help"]).expect(0);
    bench.run(&["--version"]).expect(0);
    bench.run(&["no-such-command"]).expect(2);
    bench.run(&["pause"]).expect(2);
    bench.run(&["approve", "cutover", "--yes"]).expect(2).says("--plan");
    bench.run(&["verify", "--repair"]).expect(2).says("--all");
    bench.run(&["status", "--migration", "../etc"]).expect(2).says("not a migration's name");
    bench.on(&["report", "-o", "x.pdf"]).expect(2).says(".html");
}

#[test]
fn without_an_engine_every_command_ends_at_once_with_code_3() {
    let bench = Bench::new();
    for words in [
        &["status"][..],
        &["lag"],
        &["progress"],
        &["gates"],
        &["log"],
        &["log", "--check"],
        &["log", "--follow"],
        &["plan", "build"],
        &["run", "build"],
        &["approve", "build", "--yes", "--plan", "0123456789ab"],
        &["withdraw", "build"],
        &["pause", "build"],
        &["resume", "--pipeline", "items"],
        &["retry", "build"],
        &["rollback", "build", "--yes", "--plan", "0123456789ab"],
        &["skip", "build", "--why", "x", "--yes"],
        &["verify", "--wait"],
        &["throttle", "items", "workers", "1"],
        &["down", "--yes"],
        &["report", "-o", "/dev/null/x.txt"],
    ] {
        bench.on(words).expect(3);
    }
    bench.run(&["status"]).expect(3).says("godwit up");
    bench.on(&["attach"]).expect(2).says("terminal");
}

#[test]
fn a_broken_profile_is_code_7_with_the_place_of_the_problem() {
    let bench = Bench::new();
    let path = bench.path("broken.toml");
    std::fs::write(&path, "[migration]\nname = \"x\"\nnmae = \"y\"\n").unwrap();
    let words = ["check", "-p", path.to_str().unwrap()];
    bench.run(&words).expect(7).says("nmae");
    bench.run(&["up", "-p", "/nonexistent.toml"]).expect(7).says("/nonexistent.toml");
}

#[test]
fn a_store_is_assessed_without_an_engine() {
    let bench = Bench::new();
    let inventory = bench.on(&["assess", "old", "--json"]).expect(0).json();
    assert_eq!(inventory["schema"], "godwit.assess/1");
    assert_eq!(inventory["tables"][0]["name"]["name"], "items");
    assert_eq!(inventory["tables"][0]["identity"], serde_json::json!({"key": ["id"]}));
    bench.on(&["assess", "nowhere"]).expect(2).says("old, new");
    let checks = bench.on(&["check", "--json"]).expect(0).json();
    assert_eq!((checks["schema"].as_str(), checks["failed"].as_u64()), (Some("godwit.check/1"), Some(0)));
}

#[test]
fn a_phase_is_carried_through_by_a_script_and_told_afterwards() {
    let bench = Bench::new();
    bench.up();
    // A second `up` finds the engine.
    bench.on(&["up"]).expect(0).says("running already");
    // The only engine needs no name.
    let status = bench.run(&["status", "--json"]).expect(0).json();
    assert_eq!((status["schema"].as_str(), status["migration"].as_str()), (Some("godwit.status/1"), Some("small")));
    for (command, schema) in [("lag", "godwit.lag/1"), ("progress", "godwit.progress/1"), ("gates", "godwit.gates/1")] {
        assert_eq!(bench.on(&[command, "--json"]).expect(0).json()["schema"], schema);
        bench.on(&[command]).expect(0);
    }

    bench.on(&["approve", "assess", "--yes", "--plan", "0123456789ab"]).expect(4).says("godwit run assess");
    bench.on(&["approve", "nonsense", "--yes", "--plan", "0123456789ab"]).expect(4).says("assess");
    bench.on(&["run", "backfill"]).expect(4);
    bench.on(&["run", "assess"]).expect(0);
    let plan = awaited_plan(&bench, "assess");
    // Nobody to ask, and consent to no plan or another one.
    bench.on(&["approve", "assess"]).expect(2).says("--yes --plan");
    bench.on(&["approve", "assess", "--yes", "--plan", "0123456789ab"]).expect(4).says(&plan[..12]);
    bench.on(&["approve", "assess", "--yes", "--plan", &plan[..4]]).expect(2).says("too short");
    // A decision on what was seen long ago.
    bench.on(&["approve", "assess", "--yes", "--plan", &plan, "--expect-seq", "1"]).expect(4);
    bench.on(&["approve", "assess", "--yes", "--plan", &plan[..12], "--wait", "--timeout", "30s"]).expect(0);

    let rows = bench.on(&["log", "--json"]).expect(0);
    let last: Value = serde_json::from_str(rows.stdout.lines().last().unwrap()).unwrap();
    assert!(last["seq"].as_u64().unwrap() > 5);
    let after = (last["seq"].as_u64().unwrap() - 2).to_string();
    assert_eq!(bench.on(&["log", "--since", &after]).expect(0).stdout.lines().count(), 2);
    let chain = bench.on(&["log", "--check", "--json"]).expect(0).json();
    assert_eq!(chain["head_hash"].as_str().unwrap().len(), 64);
    for ending in ["txt", "json", "html"] {
        let path = bench.path(&format!("report.{ending}"));
        bench.on(&["report", "-o", path.to_str().unwrap()]).expect(0);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(chain["head_hash"].as_str().unwrap()), "{ending}");
    }

    bench.on(&["down"]).expect(2).says("--yes");
    bench.on(&["down", "--yes"]).expect(0);
    let told = bench.on(&["status", "--json"]).expect(3).json();
    assert_eq!(
        (told["engine"]["answers"].as_bool(), told["phases"][0]["status"].as_str()),
        (Some(false), Some("succeeded"))
    );
    bench.on(&["log"]).expect(0);
    bench.on(&["log", "--check"]).expect(0);
}

#[test]
fn production_wants_the_name_typed_and_fails_with_a_sentence_where_nobody_can_type() {
    let bench = Bench::with_env("production");
    bench.up();
    bench.on(&["run", "assess"]).expect(0);
    let plan = awaited_plan(&bench, "assess");
    bench.on(&["approve", "assess", "--yes", "--plan", &plan]).expect(2).says("--confirm assess");
    bench.on(&["approve", "assess", "--yes", "--plan", &plan, "--confirm", "build"]).expect(4);
    bench.on(&["approve", "assess", "--yes", "--plan", &plan, "--confirm", "assess", "--wait"]).expect(0);
    bench.on(&["down", "--yes"]).expect(2).says("--confirm small");
    bench.on(&["down", "--yes", "--confirm", "small"]).expect(0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    bench.up();
    let profile = bench.profile();
    let mut child = bench.command(&["log", "--follow", "-p", profile.to_str().unwrap()]).spawn().unwrap();
    // The reader leaves before it has read anything; the writer notices at its next row.
    drop(child.stdout.take());
    bench.on(&["run", "assess"]).expect(0);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "the log goes on for nobody");
        std::thread::yield_now();
    };
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut stderr).unwrap();
    assert_eq!((status.code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_engine_that_cannot_start_says_why() {
    let bench = Bench::new();
    // A state directory that others may enter is refused by the engine.
    let state = bench.path("state/godwit/small");
    std::fs::create_dir_all(&state).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o755)).unwrap();
    bench.on(&["up"]).expect(9).says("chmod 700");
}

#[test]
fn two_engines_for_one_migration_are_one_too_many() {
    let bench = Bench::new();
    bench.up();
    bench.on(&["engine"]).expect(9).says("another engine owns the migration small");
    assert!(Path::new(&bench.path("state/godwit/small/engine.log")).exists());
}
