//! The real cockpit on a real pseudo terminal: what it leaves behind when it is suspended, killed, or panics.
//!
//! The child is this test binary itself, started again with [`SOCKET`] set; it then runs the one ignored test below.

use crate::fixture::*;
use futures_util::{SinkExt, StreamExt};
use godwit::model::role::Role;
use godwit::tui::{CockpitOptions, run};
use godwit::wire::frame::{ClientFrame, FrameCodec, ServerFrame};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UnixListener;
use tokio_util::codec::Framed;

const SOCKET: &str = "GODWIT_TEST_SOCKET";

#[test]
#[ignore = "the child of the tests below"]
fn the_child() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut poke = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined1()).unwrap();
        tokio::select! {
            ended = run(socket.into(), CockpitOptions::default()) => println!("ended {ended:?}"),
            _ = poke.recv() => panic!("a panic in the middle"),
        }
    });
}

/// A child on a terminal of 24 rows and 80 columns.
struct OnPty {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    _dir: tempfile::TempDir,
}

impl OnPty {
    /// Starts a cockpit and an engine that tells it a story.
    fn start(environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("shop.sock");
        let (story, samples) = awaiting(Some("production"));
        serve(socket.clone(), story, samples);
        let pty = native_pty_system().openpty(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "pty::the_child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(SOCKET, &socket);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).unwrap();
        let seen = Arc::new(Mutex::new((vt100::Parser::new(24, 80, 0), Vec::new())));
        let mut reader = pty.master.try_clone_reader().unwrap();
        let sink = seen.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                let mut seen = sink.lock().unwrap();
                seen.0.process(&chunk[..n]);
                seen.1.extend_from_slice(&chunk[..n]);
            }
        });
        let keys = pty.master.take_writer().unwrap();
        Self { master: pty.master, keys, child, seen, _dir: dir }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap())
    }

    /// Waits for a state of the terminal or the child; the time bounds a hang.
    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        for _ in 0..2_000 {
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never: {what}\n{}", self.seen.lock().unwrap().0.screen().contents());
    }

    fn shows(&mut self, words: &str) {
        self.until(words, |pty| pty.seen.lock().unwrap().0.screen().contents().contains(words));
    }

    fn is_on_the_alternate_screen(&self) -> bool {
        self.seen.lock().unwrap().0.screen().alternate_screen()
    }

    fn hides_the_cursor(&self) -> bool {
        self.seen.lock().unwrap().0.screen().hide_cursor()
    }

    /// The child's state letter, from the kernel.
    fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next()).unwrap_or('-')
    }

    fn bytes(&self) -> usize {
        self.seen.lock().unwrap().1.len()
    }

    fn gone(&mut self) {
        self.until("the child ends", |pty| pty.child.try_wait().unwrap().is_some());
    }

    /// True when the terminal echoes and works in lines again.
    fn is_cooked(&self) -> bool {
        let mode = self.master.get_termios().unwrap();
        // ICANON and ECHO on Linux; portable-pty speaks of them with another version of nix than ours.
        mode.local_flags.bits() & 0o12 == 0o12
    }
}

/// Serves every client that connects until the test ends.
fn serve(socket: std::path::PathBuf, story: Story, samples: godwit::model::sample::Samples) {
    let (ready_tx, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = UnixListener::bind(&socket).unwrap();
            ready_tx.send(()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let mut framed: Framed<_, FrameCodec<ClientFrame, ServerFrame>> =
                    Framed::new(stream, FrameCodec::default());
                let hello = ServerFrame::Hello(welcome(story.head(), "mina", Role::Approver));
                let entries = ServerFrame::Entries { entries: story.entries() };
                let samples = ServerFrame::Samples { samples: Box::new(samples.clone()) };
                for frame in [hello, entries, samples] {
                    if framed.send(frame).await.is_err() {
                        break;
                    }
                }
                // Until the client goes.
                while let Some(Ok(_)) = framed.next().await {}
            }
        });
    });
    ready.recv().unwrap();
}

#[test]
fn it_paints_answers_keys_and_leaves_the_terminal_as_it_was() {
    let mut pty = OnPty::start(&[]);
    pty.shows("10.0.4.11");
    assert!(pty.is_on_the_alternate_screen() && pty.hides_the_cursor() && !pty.is_cooked());
    assert!(pty.bytes() < 8_000, "{} bytes until the first full screen", pty.bytes());
    pty.keys.write_all(b"2").unwrap();
    pty.shows("needs 2 approvals");
    // No mouse capture, no synchronised output.
    let written = String::from_utf8_lossy(&pty.seen.lock().unwrap().1).into_owned();
    for unwanted in ["?1000h", "?1002h", "?1003h", "?2026h"] {
        assert!(!written.contains(unwanted), "{unwanted}");
    }
    pty.keys.write_all(b"q").unwrap();
    pty.gone();
    pty.until("the terminal is restored", |pty| {
        !pty.is_on_the_alternate_screen() && !pty.hides_the_cursor() && pty.is_cooked()
    });
}

#[test]
fn no_color_is_honoured() {
    let colours = |pty: &OnPty| {
        let written = String::from_utf8_lossy(&pty.seen.lock().unwrap().1).into_owned();
        written
            .split("\u{1b}[")
            .filter_map(|rest| rest.split_once('m'))
            .filter(|(codes, _)| codes.bytes().all(|b| b.is_ascii_digit() || b == b';'))
            .flat_map(|(codes, _)| codes.split(';').map(str::to_owned).collect::<Vec<_>>())
            .filter(|code| matches!(code.parse::<u32>(), Ok(30..=38 | 40..=48 | 90..=107)))
            .count()
    };
    let mut plain = OnPty::start(&[("NO_COLOR", "1")]);
    plain.shows("10.0.4.11");
    assert_eq!(colours(&plain), 0);
    plain.child.kill().unwrap();
    let mut colored = OnPty::start(&[]);
    colored.shows("10.0.4.11");
    assert!(colours(&colored) > 0);
    colored.child.kill().unwrap();
}

#[test]
fn it_is_suspended_and_continued() {
    let mut pty = OnPty::start(&[]);
    pty.shows("10.0.4.11");
    pty.keys.write_all(b"\x1a").unwrap();
    pty.until("it stops", |pty| pty.state() == 'T');
    pty.until("the shell has its terminal", |pty| {
        !pty.is_on_the_alternate_screen() && !pty.hides_the_cursor() && pty.is_cooked()
    });
    kill(pty.pid(), Signal::SIGCONT).unwrap();
    pty.until("it is back", |pty| pty.is_on_the_alternate_screen() && pty.hides_the_cursor() && !pty.is_cooked());
    pty.shows("10.0.4.11");

    // The same from outside.
    kill(pty.pid(), Signal::SIGTSTP).unwrap();
    pty.until("it stops", |pty| pty.state() == 'T');
    pty.until("the shell has its terminal", |pty| !pty.is_on_the_alternate_screen() && pty.is_cooked());
    kill(pty.pid(), Signal::SIGCONT).unwrap();
    pty.until("it is back", |pty| pty.is_on_the_alternate_screen() && !pty.is_cooked());
    pty.shows("10.0.4.11");
    pty.keys.write_all(b"q").unwrap();
    pty.gone();
}

#[test]
fn signals_and_panics_restore_the_terminal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let mut pty = OnPty::start(&[]);
        pty.shows("10.0.4.11");
        kill(pty.pid(), signal).unwrap();
        pty.gone();
        pty.until("the terminal is restored", |pty| {
            !pty.is_on_the_alternate_screen() && !pty.hides_the_cursor() && pty.is_cooked()
        });
        if signal == Signal::SIGUSR1 {
            // The message comes after the alternate screen is left: on it nobody could read it.
            let written = String::from_utf8_lossy(&pty.seen.lock().unwrap().1).into_owned();
            let (left, told) = (written.find("\u{1b}[?1049l"), written.find("a panic in the middle"));
            assert!(left.is_some() && left < told, "{left:?} {told:?}");
        }
    }
}

#[test]
fn it_is_resized() {
    let mut pty = OnPty::start(&[]);
    pty.shows("10.0.4.11");
    for (rows, cols, words) in [(5, 20, "shop"), (24, 80, "10.0.4.11")] {
        pty.seen.lock().unwrap().0.screen_mut().set_size(rows, cols);
        pty.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        pty.shows(words);
    }
    pty.keys.write_all(b"q").unwrap();
    pty.gone();
}

#[test]
fn nothing_is_written_while_nothing_happens() {
    let mut pty = OnPty::start(&[]);
    pty.shows("10.0.4.11");
    pty.keys.write_all(b"5").unwrap();
    pty.shows("f follow");
    // Keys without a meaning pass through the loop and the last one is answered visibly: what lies between was silent.
    let before = pty.bytes();
    pty.keys.write_all(b"xxxxxxxxxxxxxxxxxxxxxxxx").unwrap();
    pty.keys.write_all(b"f").unwrap();
    pty.shows("not following");
    let spent = pty.bytes() - before;
    assert!(spent < 200, "{spent} bytes");
    pty.keys.write_all(b"q").unwrap();
    pty.gone();
}
