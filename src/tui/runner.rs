//! The loop: awaits input, the link and a tick, and nothing else. It draws when something may have changed, and writes to
//! the terminal only if a cell did.

use crate::tui::effect::Effect;
use crate::tui::error::CockpitError;
use crate::tui::input::Key;
use crate::tui::options::CockpitOptions;
use crate::tui::screens::frame;
use crate::tui::signals::{Signal, Signals};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::terminal::{RealSeat, Seat};
use crate::tui::theme::{Theme, Tone};
use crate::wire::client::{Link, LinkEvent};
use chrono::{DateTime, Utc};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::{Stream, StreamExt, stream};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// What arrives from the operator's side.
#[derive(Clone, Debug)]
pub enum Input {
    /// A terminal event.
    Event(Event),
    /// A signal.
    Signal(Signal),
}

/// Shortest times between frames. Keys are answered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// For facts: journal rows, answers, the link.
    pub facts: Duration,
    /// For readings and ages.
    pub readings: Duration,
}

impl Pace {
    /// The pace for a link of ordinary or low bandwidth.
    pub fn new(low_bandwidth: bool) -> Self {
        if low_bandwidth {
            Self { facts: Duration::from_secs(1), readings: Duration::from_secs(5) }
        } else {
            Self { facts: Duration::from_millis(100), readings: Duration::from_secs(1) }
        }
    }
}

/// Everything that the loop works with; a test puts its own parts in.
pub struct Runner<B: Backend, I, S> {
    /// Where frames go.
    pub terminal: Terminal<B>,
    /// Keys and signals.
    pub input: I,
    /// The terminal's other side.
    pub seat: S,
    /// The engine.
    pub link: Link,
    /// The state.
    pub cockpit: Cockpit,
    /// Tones to styles.
    pub theme: Theme,
    /// Shortest times between frames.
    pub pace: Pace,
    /// The time of day. Ages compare it with the engine's stamps, which come from the same machine.
    pub clock: fn() -> DateTime<Utc>,
}

/// Opens the cockpit on this terminal and returns when the operator leaves. The engine is not touched by leaving.
///
/// The caller has made sure that standard input and output are a terminal and that `TERM` is not `dumb`.
///
/// # Errors
/// [`CockpitError`]; the terminal is given back in any case.
pub async fn run(socket: PathBuf, options: CockpitOptions) -> Result<(), CockpitError> {
    let no_color = std::env::var_os("NO_COLOR").map(|value| value.to_string_lossy().into_owned());
    let colored = options.color.allows(no_color.as_deref());
    crossterm::style::force_color_output(colored);
    let signals = Signals::listen()?.map(|signal| Ok(Input::Signal(signal)));
    let link = Link::start(socket, "cockpit");
    let mut seat = RealSeat::take()?;
    let input = stream::select(signals, EventStream::new().map(|event| event.map(Input::Event)));
    let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(CockpitError::Prepare)?;
    let pace = Pace::new(options.low_bandwidth);
    let cockpit = Cockpit::new(options, Utc::now());
    let runner =
        Runner { terminal, input, seat: &mut seat, link, cockpit, theme: Theme::new(colored), pace, clock: Utc::now };
    let ended = Box::pin(runner.run()).await;
    match (ended, seat.give_back()) {
        // After a hang-up the terminal is gone and cannot be given back: that is no error of ours.
        (Ok(Ended::BySignal), _) | (Ok(Ended::ByOperator), Ok(())) => Ok(()),
        (Ok(Ended::ByOperator), Err(error)) | (Err(error), _) => Err(error),
    }
}

/// How a cockpit ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The operator left.
    ByOperator,
    /// A signal asked it to.
    BySignal,
}

impl<S: Seat> Seat for &mut S {
    fn suspend(&mut self) -> Result<(), CockpitError> {
        (**self).suspend()
    }

    fn retake(&mut self) -> Result<(), CockpitError> {
        (**self).retake()
    }

    fn copy(&mut self, text: &str) -> Result<bool, CockpitError> {
        (**self).copy(text)
    }
}

/// How soon a change has to be seen.
#[derive(Clone, Copy, Debug)]
enum Urgency {
    Now,
    Fact,
    Reading,
}

/// The frame that the terminal shows, and when the next one is due.
struct Frames {
    shown: Buffer,
    next: Buffer,
    /// When something changed that is not drawn yet: the time at which it has to be.
    due: Option<Instant>,
    painted: Option<Instant>,
    /// The terminal's content is not known: every cell has to be written.
    all: bool,
}

impl Frames {
    fn want(&mut self, urgency: Urgency, pace: Pace, now: Instant) {
        let wait = match urgency {
            Urgency::Now => Duration::ZERO,
            Urgency::Fact => pace.facts,
            Urgency::Reading => pace.readings,
        };
        let at = self.painted.map_or(now, |painted| (painted + wait).max(now));
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

impl<B, I, S> Runner<B, I, S>
where
    B: Backend,
    I: Stream<Item = io::Result<Input>> + Unpin,
    S: Seat,
{
    /// Runs until the operator leaves or a signal asks to.
    ///
    /// # Errors
    /// [`CockpitError`].
    pub async fn run(mut self) -> Result<Ended, CockpitError> {
        let empty = Buffer::default();
        let mut frames = Frames { shown: empty.clone(), next: empty, due: None, painted: None, all: true };
        let mut tick = Instant::now();
        frames.want(Urgency::Now, self.pace, tick);
        loop {
            let now = Instant::now();
            if frames.due.is_some_and(|due| due <= now) {
                self.paint(&mut frames)?;
                frames.due = None;
                frames.painted = Some(now);
            }
            let wake = frames.due.map_or(tick, |due| due.min(tick));
            let heard = tokio::select! {
                biased;
                input = self.input.next() => {
                    frames.want(Urgency::Now, self.pace, Instant::now());
                    self.on_input(input, &mut frames)?
                }
                event = self.link.events.recv() => {
                    let event = event.ok_or(CockpitError::LinkEnded)?;
                    frames.want(urgency(&event, &self.cockpit), self.pace, Instant::now());
                    self.cockpit.on_link(event);
                    Heard::Nothing
                }
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() >= tick {
                        self.cockpit.on_tick((self.clock)());
                        tick = Instant::now() + self.pace.readings;
                        frames.want(Urgency::Reading, self.pace, Instant::now());
                    }
                    Heard::Nothing
                }
            };
            self.link.watch(self.cockpit.watches());
            match heard {
                Heard::Nothing => {}
                Heard::Leave => return Ok(Ended::BySignal),
                Heard::Effect(Effect::Quit) => return Ok(Ended::ByOperator),
                Heard::Effect(effect) => self.carry_out(effect, &mut frames)?,
            }
        }
    }

    fn on_input(&mut self, input: Option<io::Result<Input>>, frames: &mut Frames) -> Result<Heard, CockpitError> {
        let input = match input {
            Some(Ok(input)) => input,
            Some(Err(error)) => return Err(CockpitError::Input(error.to_string())),
            None => return Err(CockpitError::Input("the terminal is gone".to_owned())),
        };
        self.cockpit.on_tick((self.clock)());
        Ok(match input {
            Input::Event(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                match Key::from_event(&key).and_then(|key| self.cockpit.on_key(key)) {
                    Some(effect) => Heard::Effect(effect),
                    None => Heard::Nothing,
                }
            }
            Input::Event(Event::Paste(text)) => {
                self.cockpit.on_paste(&text);
                Heard::Nothing
            }
            Input::Event(Event::Resize(..)) => {
                frames.all = true;
                Heard::Nothing
            }
            Input::Event(_) => Heard::Nothing,
            Input::Signal(Signal::Leave) => Heard::Leave,
            Input::Signal(Signal::Stop) => Heard::Effect(Effect::Suspend),
            Input::Signal(Signal::Continue) => {
                self.seat.retake()?;
                frames.all = true;
                Heard::Nothing
            }
        })
    }

    /// Carries an effect out. Only handing over to the link's queue, and writing to the terminal: neither waits for the engine.
    fn carry_out(&mut self, effect: Effect, frames: &mut Frames) -> Result<(), CockpitError> {
        match effect {
            Effect::Send(command) => {
                let id = self.link.send(command);
                self.cockpit.on_sent(id);
            }
            Effect::Copy(text) => {
                if self.seat.copy(&text)? {
                    let lines = text.lines().count();
                    self.cockpit
                        .notify(Tone::Good, format!("copied {lines} line{}", if lines == 1 { "" } else { "s" }));
                } else {
                    self.cockpit.notify(Tone::Warn, "not copied: it is too long for a terminal's clipboard");
                }
            }
            Effect::Suspend => {
                self.seat.suspend()?;
                frames.all = true;
            }
            Effect::Repaint => frames.all = true,
            Effect::Quit => {}
        }
        Ok(())
    }

    /// Draws the state and writes what changed. Nothing is written when no cell did.
    fn paint(&mut self, frames: &mut Frames) -> Result<(), CockpitError> {
        let failed = |error: B::Error| CockpitError::Draw(error.to_string());
        self.terminal.autoresize().map_err(failed)?;
        let area = self.terminal.get_frame().area();
        if std::mem::take(&mut frames.all) {
            // Forgets what the terminal shows without asking it where its cursor is, as `Terminal::clear` would.
            self.terminal.resize(area).map_err(failed)?;
            frames.shown = Buffer::default();
        }
        frames.next.resize(area);
        let last = frame::draw(&self.cockpit, self.theme, &mut frames.next);
        self.cockpit.on_drawn(last);
        if frames.shown == frames.next {
            return Ok(());
        }
        self.terminal.current_buffer_mut().clone_from(&frames.next);
        self.terminal.apply_buffer().map_err(failed)?;
        std::mem::swap(&mut frames.shown, &mut frames.next);
        Ok(())
    }
}

/// What an input asks the loop for.
enum Heard {
    Nothing,
    Effect(Effect),
    Leave,
}

fn urgency(event: &LinkEvent, cockpit: &Cockpit) -> Urgency {
    match event {
        // The first one is what the operator waits for, who has just pressed the screen's key.
        LinkEvent::View(view) if !cockpit.live().views.contains_key(&view.kind()) => Urgency::Fact,
        LinkEvent::Samples(_) | LinkEvent::View(_) => Urgency::Reading,
        LinkEvent::Answer(..) => Urgency::Now,
        LinkEvent::Up(_) | LinkEvent::Entries(_) | LinkEvent::Down { .. } => Urgency::Fact,
    }
}
