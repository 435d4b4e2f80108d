//! The whole program: the loop on a counting terminal, against a small engine that speaks the real frames over a socket.

use crate::fixture::*;
use crate::stores;
use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers};
use futures_util::{SinkExt, StreamExt};
use godwit::model::command::{Action, Answer};
use godwit::model::ids::Seq;
use godwit::model::phase::PhaseEvent;
use godwit::model::plan::Direction;
use godwit::model::role::Role;
use godwit::model::view::ViewKind;
use godwit::tui::error::CockpitError;
use godwit::tui::runner::{Ended, Input, Pace, Runner};
use godwit::tui::signals::Signal;
use godwit::tui::state::cockpit::Cockpit;
use godwit::tui::terminal::Seat;
use godwit::tui::theme::Theme;
use godwit::tui::{Coach, CockpitOptions};
use godwit::wire::client::Link;
use godwit::wire::frame::{ClientFrame, FrameCodec, ServerFrame};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::codec::Framed;

/// The far end of a terminal: counts what is written and shows it.
#[derive(Clone)]
struct Glass(Arc<Mutex<(vt100::Parser, u64)>>);

impl Glass {
    fn new(rows: u16, columns: u16) -> Self {
        Self(Arc::new(Mutex::new((vt100::Parser::new(rows, columns, 0), 0))))
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().0.screen().contents()
    }

    fn bytes(&self) -> u64 {
        self.0.lock().unwrap().1
    }

    fn size(&self) -> Size {
        let (rows, columns) = self.0.lock().unwrap().0.screen().size();
        Size::new(columns, rows)
    }

    fn resize(&self, rows: u16, columns: u16) {
        self.0.lock().unwrap().0.screen_mut().set_size(rows, columns);
    }

    /// Waits until the screen holds `words`; the time bounds a hang, it is not waited for.
    async fn shows(&self, words: &str) {
        for _ in 0..2_000 {
            if self.text().contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never shown: {words}\n{}", self.text());
    }
}

impl Write for Glass {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap();
        inner.0.process(bytes);
        inner.1 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The real backend, except that the size is that of the glass.
struct OnGlass {
    inner: CrosstermBackend<Glass>,
    glass: Glass,
}

impl Backend for OnGlass {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        panic!("the terminal must not be asked where its cursor is: the answer would arrive among the keys")
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        self.inner.clear_region(kind)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.glass.size())
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.glass.size(), pixels: Size::new(0, 0) })
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

/// What the loop asked of the terminal.
#[derive(Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    fn say(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Seat for Asked {
    fn suspend(&mut self) -> Result<(), CockpitError> {
        self.say("suspend");
        Ok(())
    }

    fn retake(&mut self) -> Result<(), CockpitError> {
        self.say("retake");
        Ok(())
    }

    fn copy(&mut self, text: &str) -> Result<bool, CockpitError> {
        self.say(&format!("copy {text}"));
        Ok(true)
    }
}

/// A cockpit that runs.
struct Program {
    glass: Glass,
    asked: Asked,
    input: mpsc::UnboundedSender<io::Result<Input>>,
    ended: JoinHandle<Result<Ended, CockpitError>>,
}

impl Program {
    fn start(socket: &Path, options: CockpitOptions) -> Self {
        let glass = Glass::new(24, 80);
        let asked = Asked::default();
        let (input, keys) = mpsc::unbounded_channel();
        let keys = futures_util::stream::unfold(keys, |mut keys| async { keys.recv().await.map(|key| (key, keys)) });
        let backend = OnGlass { inner: CrosstermBackend::new(glass.clone()), glass: glass.clone() };
        let runner = Runner {
            terminal: Terminal::new(backend).unwrap(),
            input: Box::pin(keys),
            seat: asked.clone(),
            link: Link::start(socket.to_owned(), "cockpit"),
            cockpit: Cockpit::new(options, now()),
            theme: Theme::new(true),
            // Readings at once, so that a test need not wait for the next second.
            pace: Pace { facts: Duration::from_millis(5), readings: Duration::from_millis(20) },
            clock: now,
        };
        Self { glass, asked, input, ended: tokio::spawn(runner.run()) }
    }

    fn press(&self, keys: &str) {
        for name in keys.split(' ') {
            let key = key(name);
            let modifiers = if key.control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            self.input.send(Ok(Input::Event(TerminalEvent::Key(KeyEvent::new(key.code, modifiers))))).unwrap();
        }
    }

    fn type_in(&self, text: &str) {
        for c in text.chars() {
            let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
            self.input.send(Ok(Input::Event(TerminalEvent::Key(key)))).unwrap();
        }
    }

    async fn end(self) -> Result<Ended, CockpitError> {
        tokio::time::timeout(Duration::from_secs(20), self.ended).await.expect("it does not end").unwrap()
    }
}

/// The engine's end of one connection.
struct Engine {
    framed: Framed<UnixStream, FrameCodec<ClientFrame, ServerFrame>>,
}

impl Engine {
    /// Shakes hands with the next client and tells it the story so far.
    async fn accept(listener: &UnixListener, story: &Story) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut framed = Framed::new(stream, FrameCodec::default());
        assert!(matches!(framed.next().await, Some(Ok(ClientFrame::Hello { .. }))));
        framed.send(ServerFrame::Hello(welcome(story.head(), "mina", Role::Approver))).await.unwrap();
        let Some(Ok(ClientFrame::Subscribe { since, .. })) = framed.next().await else { panic!("no subscription") };
        let entries = story.entries().split_off(usize::try_from(since.0).unwrap());
        framed.send(ServerFrame::Entries { entries }).await.unwrap();
        Self { framed }
    }

    async fn tell(&mut self, frame: ServerFrame) {
        self.framed.send(frame).await.unwrap();
    }

    /// The views that the client asks for next.
    async fn watched(&mut self) -> Vec<ViewKind> {
        match self.framed.next().await {
            Some(Ok(ClientFrame::Watch { views })) => views,
            other => panic!("nothing is watched: {other:?}"),
        }
    }

    async fn command(&mut self) -> (u64, godwit::model::command::Command) {
        match self.framed.next().await {
            Some(Ok(ClientFrame::Command { id, command })) => (id, command),
            other => panic!("no command: {other:?}"),
        }
    }
}

struct Place {
    _dir: tempfile::TempDir,
    socket: std::path::PathBuf,
    listener: UnixListener,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("shop.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    Place { _dir: dir, socket, listener }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_goes_all_the_way() {
    let place = place();
    let (mut story, samples) = awaiting(Some("production"));
    let program =
        Program::start(&place.socket, CockpitOptions { coach: Some(Coach::default()), ..CockpitOptions::default() });
    let mut engine = Engine::accept(&place.listener, &story).await;
    engine.tell(ServerFrame::Samples { samples: Box::new(samples) }).await;
    program.glass.shows("Press A to read the plan of cutover").await;

    program.press("A");
    let (id, command) = engine.command().await;
    assert!(matches!(command.action, Action::Plan { .. }));
    let answer = Box::new(Answer::Planned { plan: plan("cutover", Direction::Forward), seq: None });
    engine.tell(ServerFrame::Answer { id, answer }).await;
    program.glass.shows("type cutover to approve").await;
    program.type_in("cutover");
    program.press("Enter");
    let (id, command) = engine.command().await;
    assert_eq!(command.action, Action::Approve { phase: "cutover".into(), plan: PLAN.into() });
    assert_eq!(command.expected_seq, Some(story.head()));
    program.glass.shows("waiting for the engine's answer").await;

    let seen = story.entries().len();
    story.approve("cutover", "mina");
    engine.tell(ServerFrame::Entries { entries: story.entries().split_off(seen) }).await;
    let answer = Answer::Accepted { seq: Seq(60), message: "approval 1 of 2 is recorded".into() };
    engine.tell(ServerFrame::Answer { id, answer: Box::new(answer) }).await;
    program.glass.shows("approval 1 of 2 is recorded").await;
    program.press("Enter");
    program.glass.shows("1 of 2 approvals").await;
    program.press("q");
    assert_eq!(program.end().await.unwrap(), Ended::ByOperator);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_when_nothing_changed() {
    let place = place();
    let (story, samples) = awaiting(None);
    let program = Program::start(&place.socket, CockpitOptions::default());
    let mut engine = Engine::accept(&place.listener, &story).await;
    engine.tell(ServerFrame::Samples { samples: Box::new(samples.clone()) }).await;
    program.glass.shows("10.0.4.11").await;
    let first = program.glass.bytes();
    assert!(first < 8_000, "{first} bytes for the first screen");

    // The same readings again and again, and keys without a meaning: each of them makes the loop draw.
    for _ in 0..50 {
        let mut again = samples.clone();
        again.at = Some(ago(0));
        engine.tell(ServerFrame::Samples { samples: Box::new(again) }).await;
        program.press("x");
    }
    let mut marked = samples;
    marked.present.push(presence("zoe", Role::Viewer, "cli"));
    engine.tell(ServerFrame::Samples { samples: Box::new(marked) }).await;
    program.glass.shows("with ben, zoe").await;
    let spent = program.glass.bytes() - first;
    assert!(spent < 60, "{spent} bytes: more than one more name in the header takes");
    program.press("^C");
    assert_eq!(program.end().await.unwrap(), Ended::ByOperator);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_flow_only_while_they_are_seen() {
    let place = place();
    let (story, _) = awaiting(None);
    let program = Program::start(&place.socket, CockpitOptions::default());
    let mut engine = Engine::accept(&place.listener, &story).await;
    program.glass.shows("engine 4312 up").await;
    program.press("6");
    assert_eq!(engine.watched().await, [ViewKind::Activity]);
    engine.tell(ServerFrame::View { view: Box::new(stores::jammed()) }).await;
    program.glass.shows("18231").await;
    let first = program.glass.bytes();
    // The next readings are newer and say the same: not a byte goes to the terminal.
    for _ in 0..50 {
        engine.tell(ServerFrame::View { view: Box::new(stores::jammed()) }).await;
        program.press("x");
    }
    engine.tell(ServerFrame::View { view: Box::new(stores::calm()) }).await;
    program.glass.shows("sqlite has no activity to show").await;
    let spent = program.glass.bytes() - first;
    assert!(spent < 2_500, "{spent} bytes: more than the screen that changed");

    // After a reconnect the view is asked for again by itself.
    drop(engine);
    program.glass.shows("reconnecting").await;
    let mut engine = Engine::accept(&place.listener, &story).await;
    assert_eq!(engine.watched().await, [ViewKind::Activity]);
    program.press("1");
    assert_eq!(engine.watched().await, []);
    program.press("q");
    assert_eq!(program.end().await.unwrap(), Ended::ByOperator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_in_work_costs_a_slow_link_little() {
    let place = place();
    let (story, samples) = troubled(None);
    let program = Program::start(&place.socket, CockpitOptions::default());
    let mut engine = Engine::accept(&place.listener, &story).await;
    engine.tell(ServerFrame::Samples { samples: Box::new(samples.clone()) }).await;
    program.glass.shows("2,017,325 rows").await;
    let before = program.glass.bytes();
    let mut moving = samples;
    const FRAMES: u64 = 20;
    for n in 1..=FRAMES {
        let orders = moving.pipelines.get_mut(&"orders".into()).unwrap();
        let lines = &mut orders.copy.tables[1];
        lines.chunks_done += 1;
        lines.rows_done += 50_173;
        orders.copied_per_second = godwit::model::lag::Reading::Known(48_000 + 137 * n);
        let rows = godwit::report::event::grouped(orders.copy.rows_done());
        engine.tell(ServerFrame::Samples { samples: Box::new(moving.clone()) }).await;
        program.glass.shows(&format!("{rows} rows")).await;
    }
    let each = (program.glass.bytes() - before) / FRAMES;
    // One frame a second is the pace for readings; the budget is 0.8 kB/s at 80x24.
    assert!(each < 400, "{each} bytes a frame");
    program.press("q");
    assert_eq!(program.end().await.unwrap(), Ended::ByOperator);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_comes_back_and_catches_up() {
    let place = place();
    let (mut story, _) = awaiting(None);
    let program = Program::start(&place.socket, CockpitOptions::default());
    let engine = Engine::accept(&place.listener, &story).await;
    program.glass.shows("engine 4312 up").await;
    drop(engine);
    program.glass.shows("reconnecting").await;
    story.phase("cutover", PhaseEvent::ApprovalVoid { why: "ben withdrew it".into() });
    let _engine = Engine::accept(&place.listener, &story).await;
    program.glass.shows("READY - cutover, waiting for operator (run: r)").await;
    program.press("5");
    program.glass.shows("the request for cutover is void: ben withdrew it").await;
    program.press("q");
    assert_eq!(program.end().await.unwrap(), Ended::ByOperator);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspending_and_resizing_draw_everything_again() {
    let place = place();
    let (story, samples) = awaiting(None);
    let program = Program::start(&place.socket, CockpitOptions::default());
    let mut engine = Engine::accept(&place.listener, &story).await;
    engine.tell(ServerFrame::Samples { samples: Box::new(samples) }).await;
    program.glass.shows("10.0.4.11").await;

    program.glass.clone().write_all(b"\x1b[2J\x1b[HSHELL").unwrap();
    program.press("^Z");
    program.glass.shows("10.0.4.11").await;
    assert!(!program.glass.text().contains("SHELL"));
    assert_eq!(program.asked.all(), ["suspend"]);

    program.glass.clone().write_all(b"\x1b[2J").unwrap();
    program.input.send(Ok(Input::Signal(Signal::Continue))).unwrap();
    program.glass.shows("10.0.4.11").await;
    assert_eq!(program.asked.all(), ["suspend", "retake"]);

    program.glass.resize(10, 40);
    program.input.send(Ok(Input::Event(TerminalEvent::Resize(40, 10)))).unwrap();
    program.glass.shows("40x10: one pane").await;
    program.glass.resize(40, 140);
    program.input.send(Ok(Input::Event(TerminalEvent::Resize(140, 40)))).unwrap();
    program.glass.shows("legacy -> orders-db").await;

    program.press("5 y");
    program.glass.shows("copied 1 line").await;
    assert_eq!(program.asked.all()[2], "copy #59 2026-03-07T21:48:00+00:00 ben asked for cutover, plan 3f2a9c014d77");
    program.input.send(Ok(Input::Signal(Signal::Leave))).unwrap();
    assert_eq!(program.end().await.unwrap(), Ended::BySignal);
}

#[tokio::test(flavor = "multi_thread")]
async fn pasted_text_is_not_taken_for_keys() {
    let place = place();
    let (story, _) = awaiting(None);
    let program = Program::start(&place.socket, CockpitOptions::default());
    let _engine = Engine::accept(&place.listener, &story).await;
    program.glass.shows("engine 4312 up").await;
    program.input.send(Ok(Input::Event(TerminalEvent::Paste("qAy".into())))).unwrap();
    program.glass.shows("pasted text is not taken for keys").await;
    program.press("q");
    assert_eq!(program.end().await.unwrap(), Ended::ByOperator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_goes_away_ends_the_cockpit() {
    let place = place();
    let program = Program::start(&place.socket, CockpitOptions::default());
    program.input.send(Err(io::Error::from(io::ErrorKind::BrokenPipe))).unwrap();
    let error = program.end().await.unwrap_err();
    assert!(error.to_string().contains("attach again"), "{error}");
}
