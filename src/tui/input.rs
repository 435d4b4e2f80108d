//! Keys to intents: the one table. Footer, help screen and dispatch are made from it, so that none of them can lie.
//!
//! Which letters, and why (reference: the keymaps of the sibling tools htop, pg_activity, pgcenter, dolphie, k9s, lazygit):
//! dangerous acts have capital letters that are harmless in none of them, do not lie beside a harmless capital on the
//! keyboard's row, and open a dialog in any case. Unbound on purpose: `k`-as-kill, `Q`, `^K`, `^S`, `^Q`, Space, `R`, `-`.

use crate::tui::state::act::Act;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::Motion;
use crate::tui::state::screen::Screen;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where keys go. Follows from the state alone, never from what was last drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// A screen.
    On(Screen),
    /// A detail that covers a screen.
    Detail,
    /// The help screen.
    Help,
    /// A dialog that `y` confirms.
    Confirm,
    /// A dialog with typed input.
    Fields,
    /// A dialog that waits for the engine.
    Waiting,
    /// A dialog that shows how it ended.
    Result,
    /// The `:` line.
    CommandLine,
    /// The `/` line.
    Filter,
    /// The question whether to leave while an answer is awaited.
    Leaving,
}

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Show a screen.
    Go(Screen),
    /// Show the screen to the right.
    Following,
    /// Show the screen to the left.
    Preceding,
    /// Move in a list or text.
    Move(Motion),
    /// Show the detail.
    Open,
    /// Close what covers the screen, or drop the filter.
    Back,
    /// Show all keys.
    Help,
    /// Begin a filter.
    Filter,
    /// Begin a command.
    Command,
    /// Freeze the display; work goes on.
    Freeze,
    /// Show the present again.
    Thaw,
    /// Copy the selected line or statement.
    Copy,
    /// Follow the end of the journal, or stay.
    Follow,
    /// Open the dialog of an act.
    Act(Act),
    /// Agree.
    Yes,
    /// Enter in an input line.
    Submit,
    /// To the next input field.
    NextField,
    /// To the input field before.
    PreviousField,
    /// Complete the command.
    Complete,
    /// Remove the last character.
    Erase,
    /// Remove everything typed.
    EraseAll,
    /// Add a character.
    Type(char),
    /// Stop until the shell continues us.
    Suspend,
    /// Draw everything again.
    Repaint,
    /// Leave.
    Quit,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub code: KeyCode,
    /// With Control held.
    pub control: bool,
}

impl Key {
    const fn of(code: KeyCode) -> Self {
        Self { code, control: false }
    }

    const fn char(c: char) -> Self {
        Self::of(KeyCode::Char(c))
    }

    const fn control(c: char) -> Self {
        Self { code: KeyCode::Char(c), control: true }
    }

    /// The key of a terminal event; `None` for keys with Alt, which are not bound: over slow links they arrive as Esc and a letter.
    pub fn from_event(event: &KeyEvent) -> Option<Self> {
        if event.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META) {
            return None;
        }
        Some(Self { code: event.code, control: event.modifiers.contains(KeyModifiers::CONTROL) })
    }

    /// Its name for footers and help.
    pub fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(c) if self.control => return format!("^{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => return c.to_string(),
            KeyCode::F(n) => return format!("F{n}"),
            KeyCode::Enter => "Enter",
            KeyCode::Esc => "Esc",
            KeyCode::Tab => "Tab",
            KeyCode::BackTab => "S-Tab",
            KeyCode::Up => "up",
            KeyCode::Down => "down",
            KeyCode::PageUp => "PgUp",
            KeyCode::PageDown => "PgDn",
            KeyCode::Home => "Home",
            KeyCode::End => "End",
            KeyCode::Backspace => "Backspace",
            _ => "?",
        };
        name.to_owned()
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// Keys; the first one is shown in the footer.
    pub keys: &'static [Key],
    /// What they mean.
    pub intent: Intent,
    /// Where.
    pub contexts: &'static [Context],
    /// The words beside the key; empty: only in the help screen's list of keys that need no mention.
    pub label: &'static str,
    /// Order in the footer, lowest first; what does not fit is left to the help screen. `None`: never in the footer.
    pub footer: Option<u8>,
}

const fn bind(keys: &'static [Key], intent: Intent, contexts: &'static [Context], label: &'static str) -> Binding {
    Binding { keys, intent, contexts, label, footer: None }
}

impl Binding {
    const fn shown(mut self, order: u8) -> Self {
        self.footer = Some(order);
        self
    }

    /// True when the footer may offer it now.
    pub fn is_open(&self, cockpit: &Cockpit) -> bool {
        cockpit.why_not(self.intent).is_none() && cockpit.has_use_for(self.intent)
    }
}

use Context::{CommandLine as Line, Confirm, Detail, Fields, Filter, Help, Leaving, On, Result as Ended, Waiting};
use Screen::{Journal, Overview, Phases, Pipelines, Verification};

const SCREENS: &[Context] = &[On(Overview), On(Phases), On(Pipelines), On(Verification), On(Journal)];
const LADDER: &[Context] = &[On(Overview), On(Phases)];
const PIPES: &[Context] = &[On(Pipelines)];
const PROOFS: &[Context] = &[On(Verification)];
const OPENING: &[Context] = &[On(Overview), On(Phases), On(Pipelines), On(Journal)];
const TEXTS: &[Context] =
    &[On(Overview), On(Phases), On(Pipelines), On(Verification), On(Journal), Detail, Help, Confirm, Waiting, Ended];
const READINGS: &[Context] = &[Detail, Help, Confirm, Waiting, Ended];
const FIELDS_MOVE: &[Context] = &[Fields];
const EVERYWHERE: &[Context] = &[
    On(Overview),
    On(Phases),
    On(Pipelines),
    On(Verification),
    On(Journal),
    Detail,
    Help,
    Confirm,
    Fields,
    Waiting,
    Ended,
    Line,
    Filter,
    Leaving,
];
const TYPED: &[Context] = &[Fields, Line, Filter];
const COVERS: &[Context] = &[Detail, Help, Waiting, Ended];
const ENDED: &[Context] = &[Detail, Help, Ended];
const REFUSES: &[Context] = &[Confirm, Leaving];
const COPIES: &[Context] = &[On(Overview), On(Phases), On(Pipelines), On(Verification), On(Journal), Detail, Ended];

/// The table. For one key in one context the first line that is open wins, so that `P` can pause and resume.
pub static BINDINGS: &[Binding] = &[
    // Acts on phases, in the order of a phase's life.
    bind(&[Key::char('r')], Intent::Act(Act::Run), LADDER, "run").shown(10),
    bind(&[Key::char('A')], Intent::Act(Act::Approve), LADDER, "approve").shown(10),
    bind(&[Key::char('A')], Intent::Act(Act::Approve), &[Ended], "approve it now").shown(1),
    bind(&[Key::char('w')], Intent::Act(Act::Withdraw), LADDER, "withdraw").shown(13),
    bind(&[Key::char('P')], Intent::Act(Act::Pause), LADDER, "pause").shown(11),
    bind(&[Key::char('P')], Intent::Act(Act::Resume), LADDER, "resume").shown(11),
    bind(&[Key::char('t')], Intent::Act(Act::Retry), LADDER, "retry").shown(10),
    bind(&[Key::char('B')], Intent::Act(Act::Rollback), LADDER, "roll back").shown(12),
    bind(&[Key::char('X')], Intent::Act(Act::Skip), LADDER, "skip").shown(14),
    // Acts on pipelines.
    bind(&[Key::char('P')], Intent::Act(Act::PausePipeline), PIPES, "pause").shown(11),
    bind(&[Key::char('P')], Intent::Act(Act::ResumePipeline), PIPES, "resume").shown(11),
    bind(&[Key::char('s')], Intent::Act(Act::Throttle), PIPES, "set limit").shown(12),
    // Acts on tables.
    bind(&[Key::char('v')], Intent::Act(Act::Verify), PROOFS, "verify now").shown(10),
    bind(&[Key::char('E')], Intent::Act(Act::Repair), PROOFS, "repair").shown(12),
    // Dialogs.
    bind(&[Key::char('y')], Intent::Yes, REFUSES, "yes, do it").shown(1),
    bind(&[Key::char('n'), Key::of(KeyCode::Esc), Key::char('q')], Intent::Back, REFUSES, "no").shown(2),
    bind(&[Key::of(KeyCode::Enter)], Intent::Submit, TYPED, "ok").shown(1),
    bind(&[Key::of(KeyCode::Esc)], Intent::Back, TYPED, "cancel").shown(2),
    bind(&[Key::of(KeyCode::Tab)], Intent::NextField, FIELDS_MOVE, "next field").shown(3),
    bind(&[Key::of(KeyCode::BackTab)], Intent::PreviousField, FIELDS_MOVE, "field before"),
    bind(&[Key::of(KeyCode::Tab)], Intent::Complete, &[Line], "complete").shown(3),
    bind(&[Key::of(KeyCode::Backspace), Key::control('h')], Intent::Erase, TYPED, "erase"),
    bind(&[Key::control('u'), Key::control('w')], Intent::EraseAll, TYPED, "erase all"),
    bind(&[Key::of(KeyCode::Up)], Intent::Move(Motion::Up), FIELDS_MOVE, "line up, choice before"),
    bind(&[Key::of(KeyCode::Down)], Intent::Move(Motion::Down), FIELDS_MOVE, "line down, next choice"),
    bind(&[Key::of(KeyCode::PageUp)], Intent::Move(Motion::PageUp), FIELDS_MOVE, "page up"),
    bind(&[Key::of(KeyCode::PageDown)], Intent::Move(Motion::PageDown), FIELDS_MOVE, "page down").shown(4),
    bind(&[Key::of(KeyCode::Esc), Key::char('q')], Intent::Back, COVERS, "close").shown(1),
    bind(&[Key::of(KeyCode::Enter)], Intent::Back, ENDED, "close"),
    // Moving.
    bind(&[Key::of(KeyCode::Up), Key::char('k')], Intent::Move(Motion::Up), TEXTS, "up"),
    bind(&[Key::of(KeyCode::Down), Key::char('j')], Intent::Move(Motion::Down), TEXTS, "down"),
    bind(&[Key::of(KeyCode::PageUp), Key::control('b')], Intent::Move(Motion::PageUp), TEXTS, "page up"),
    bind(&[Key::of(KeyCode::PageDown), Key::control('f')], Intent::Move(Motion::PageDown), SCREENS, "page down"),
    bind(&[Key::of(KeyCode::PageDown), Key::control('f')], Intent::Move(Motion::PageDown), READINGS, "page down")
        .shown(4),
    bind(&[Key::of(KeyCode::Home), Key::char('g')], Intent::Move(Motion::Top), TEXTS, "first"),
    bind(&[Key::of(KeyCode::End), Key::char('G')], Intent::Move(Motion::Bottom), TEXTS, "last"),
    bind(&[Key::of(KeyCode::Enter)], Intent::Open, OPENING, "detail").shown(22),
    bind(&[Key::of(KeyCode::Esc)], Intent::Back, SCREENS, "back"),
    bind(&[Key::char('f')], Intent::Follow, &[On(Journal)], "follow").shown(20),
    // Screens.
    bind(&[Key::char('1')], Intent::Go(Overview), SCREENS, "overview"),
    bind(&[Key::char('2')], Intent::Go(Phases), SCREENS, "phases"),
    bind(&[Key::char('3')], Intent::Go(Pipelines), SCREENS, "pipelines"),
    bind(&[Key::char('4')], Intent::Go(Verification), SCREENS, "verification"),
    bind(&[Key::char('5')], Intent::Go(Journal), SCREENS, "journal"),
    bind(&[Key::of(KeyCode::Tab), Key::char(']')], Intent::Following, SCREENS, "next screen"),
    bind(&[Key::of(KeyCode::BackTab), Key::char('[')], Intent::Preceding, SCREENS, "screen before"),
    // Everywhere on screens.
    bind(&[Key::char('?'), Key::of(KeyCode::F(1))], Intent::Help, SCREENS, "help").shown(0),
    bind(&[Key::char('/')], Intent::Filter, SCREENS, "filter").shown(24),
    bind(&[Key::char(':')], Intent::Command, SCREENS, "command").shown(25),
    bind(&[Key::char('y')], Intent::Copy, COPIES, "copy").shown(30),
    bind(&[Key::char('p')], Intent::Freeze, SCREENS, "freeze display").shown(31),
    bind(&[Key::char('p')], Intent::Thaw, SCREENS, "thaw display").shown(5),
    bind(&[Key::char('q')], Intent::Quit, SCREENS, "quit").shown(26),
    bind(&[Key::control('l')], Intent::Repaint, EVERYWHERE, "draw again"),
    bind(&[Key::control('z')], Intent::Suspend, EVERYWHERE, "suspend"),
    bind(&[Key::control('c')], Intent::Quit, EVERYWHERE, "quit"),
];

/// Lines of the table that apply in a context, in table order.
pub fn bindings(context: Context) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |b| b.contexts.contains(&context))
}

/// What a key means now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Do this.
    Intent(Intent),
    /// The key is bound here, but not possible now: why.
    Closed(String),
    /// Nothing.
    Nothing,
}

/// Looks a key up in the table.
pub fn meaning(cockpit: &Cockpit, key: Key) -> Meaning {
    let context = cockpit.context();
    let mut closed = None;
    for binding in bindings(context).filter(|b| b.keys.contains(&key)) {
        match cockpit.why_not(binding.intent) {
            None => return Meaning::Intent(binding.intent),
            Some(why) => closed = closed.or(Some(format!("{}: not possible: {why}", binding.label))),
        }
    }
    if let Some(why) = closed {
        return Meaning::Closed(why);
    }
    match key {
        Key { code: KeyCode::Char(c), control: false } if TYPED.contains(&context) => Meaning::Intent(Intent::Type(c)),
        _ => Meaning::Nothing,
    }
}

#[cfg(test)]
mod tests;
