//! The coach: one line that tells a newcomer which key to press next. `godwit demo` opens the cockpit with it.

use crate::model::phase::PhaseKind;
use crate::tui::input::{Context, Intent};
use crate::tui::state::act::{Act, Target};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::next::next;
use crate::tui::state::screen::Screen;

/// What the caller wants said at one point of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The phase that the migration waits for.
    pub phase: PhaseKind,
    /// Its status, by the word that screens use.
    pub status: String,
    /// One sentence.
    pub text: String,
}

/// A coach. Without notes it says what the keys would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coach {
    /// Notes that go before the general advice.
    pub notes: Vec<Note>,
    /// What to say when every phase is finished.
    pub farewell: Option<String>,
}

impl Coach {
    /// The advice for what is on the screen now.
    pub fn advice(&self, cockpit: &Cockpit) -> String {
        match cockpit.context() {
            Context::Leaving => "y leaves, n stays.".to_owned(),
            Context::Confirm => "Read what it will do (PgDn for more). y does it, n does nothing.".to_owned(),
            Context::Fields => "Type what it asks for, then Enter. Esc leaves everything as it is.".to_owned(),
            Context::Waiting => "The engine is answering; Esc leaves it to the background.".to_owned(),
            Context::Result if cockpit.why_not(Intent::Act(Act::Approve)).is_none() => {
                "Press A to go on to the approval, or Enter to close this.".to_owned()
            }
            Context::Result => "Enter closes this.".to_owned(),
            Context::CommandLine => "Tab completes, Enter does it, Esc cancels.".to_owned(),
            Context::Filter => "Type words to look for; !word leaves lines out. Enter keeps the filter.".to_owned(),
            Context::Help => "Esc closes the help.".to_owned(),
            Context::Detail => "Esc goes back to the journal.".to_owned(),
            Context::On(screen) => self.on_screen(cockpit, screen),
        }
    }

    fn on_screen(&self, cockpit: &Cockpit, screen: Screen) -> String {
        let picture = cockpit.picture();
        let next = next(picture, cockpit.options.observe);
        let Some(phase) = next.phase.as_ref().and_then(|id| picture.phase(id)) else {
            return match (next.word, &self.farewell) {
                ("DONE", Some(farewell)) => farewell.clone(),
                ("DONE", None) => "Everything is done. q leaves; the engine goes on.".to_owned(),
                _ => "One moment: the cockpit is reading the journal.".to_owned(),
            };
        };
        if let Some(note) = self.notes.iter().find(|n| n.phase == phase.kind && n.status == phase.status.word()) {
            return note.text.clone();
        }
        let target = Target::Phase(phase.id.clone());
        let open = |act: Act| cockpit.why_not_act(act, &target).is_none();
        let id = &phase.id;
        let advice = [
            (Act::Approve, format!("press A to read the plan of {id} and approve it.")),
            (Act::Retry, format!("press t to try {id} again, or B to take it back.")),
            (Act::Run, format!("press r to read the plan of {id} and ask for it.")),
            (Act::Resume, format!("press P to let {id} go on.")),
        ]
        .into_iter()
        .find_map(|(act, advice)| open(act).then_some(advice));
        match advice {
            Some(advice) if matches!(screen, Screen::Overview | Screen::Phases) => capital(&advice),
            Some(advice) => format!("Press 1 for the overview, then {advice}"),
            None if phase.status.is_active() => {
                format!("{} is working. 3 shows the pipelines, 5 the journal.", capital(id.as_str()))
            }
            None => format!("{} is {}; others have to act.", capital(id.as_str()), phase.status.word()),
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
