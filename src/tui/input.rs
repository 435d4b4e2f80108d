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

mod table;

pub use table::BINDINGS;
use table::TYPED;

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
    /// Copy what takes the selected statement back.
    CopyUndo,
    /// Follow the end of the journal, or stay.
    Follow,
    /// Order the list by the next thing, or by the one before.
    Sort(bool),
    /// List everything, or only what matters.
    ListAll,
    /// Show the next list of the screen.
    NextList,
    /// Hide statements, or show them.
    Mask,
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
