//! The program on a terminal: questions, the cockpit, and a terminal that goes away.

use super::small::{PATIENCE, Small, awaited_plan, wait_until};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};

/// A program on a terminal of its own.
struct Terminal {
    _master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    printed: Arc<(Mutex<String>, Condvar)>,
}

impl Terminal {
    fn open(small: &Small, words: &[&str]) -> Self {
        let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_godwit"));
        command.args(words);
        command.args(["-p", small.profile().to_str().unwrap()]);
        command.env("XDG_STATE_HOME", small.path("state"));
        command.env("XDG_RUNTIME_DIR", small.path("run"));
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let printed = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let sink = Arc::clone(&printed);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error of its reader on Linux.
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                sink.0.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
                sink.1.notify_all();
            }
        });
        let input = pair.master.take_writer().unwrap();
        Self { _master: pair.master, input, child, printed }
    }

    /// Waits until the program has printed this.
    #[track_caller]
    fn wait_for(&self, words: &str) {
        let printed = self.printed.0.lock().unwrap();
        let (printed, expired) =
            self.printed.1.wait_timeout_while(printed, PATIENCE, |text| !text.contains(words)).unwrap();
        assert!(!expired.timed_out(), "{words:?} is not in:\n{}", printed.escape_debug());
    }

    fn type_in(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    /// What the kernel does when a terminal goes away, as with a lost SSH session: SIGHUP to the session's leader and its group.
    fn hang_up(&self) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGHUP).unwrap();
    }

    #[track_caller]
    fn wait_for_end(&mut self) -> u32 {
        wait_until("the end of the program", || self.child.try_wait().unwrap()).exit_code()
    }
}

fn engine_pid(small: &Small) -> u64 {
    small.on(&["status", "--json"]).expect(0).json()["engine"]["pid"].as_u64().unwrap()
}

#[test]
fn the_engine_outlives_the_terminal_that_started_it() {
    let small = Small::new();
    let mut terminal = Terminal::open(&small, &["up"]);
    terminal.wait_for("assess");
    let pid = engine_pid(&small);
    terminal.hang_up();
    terminal.wait_for_end();
    assert_eq!(engine_pid(&small), pid);
    // Another terminal finds the same engine.
    let mut terminal = Terminal::open(&small, &["attach"]);
    terminal.wait_for("assess");
    assert_eq!(engine_pid(&small), pid);
    terminal.hang_up();
    terminal.wait_for_end();
    assert_eq!(engine_pid(&small), pid);
    small.on(&["down", "--yes"]).expect(0);
}

#[test]
fn only_a_typed_yes_is_consent() {
    let small = Small::new();
    small.up();
    small.on(&["run", "assess"]).expect(0);
    let plan = awaited_plan(&small, "assess");
    for answer in ["\n", "y\n", "YES please\n"] {
        let mut terminal = Terminal::open(&small, &["approve", "assess"]);
        terminal.wait_for(&format!("Approve plan {} of assess? Type yes to go on:", &plan[..12]));
        terminal.type_in(answer);
        assert_eq!(terminal.wait_for_end(), 2, "{answer:?}");
    }
    assert_eq!(awaited_plan(&small, "assess"), plan);
    let mut terminal = Terminal::open(&small, &["approve", "assess", "--wait", "--timeout", "30s"]);
    terminal.wait_for("Type yes to go on:");
    terminal.type_in("yes\n");
    assert_eq!(terminal.wait_for_end(), 0);
    terminal.wait_for("accepted as row");
}
