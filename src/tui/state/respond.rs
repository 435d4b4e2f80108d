//! What the cockpit does about each key: changes its own state and returns at most one effect. Nothing here waits.

use crate::model::view::ViewKind;
use crate::tui::effect::Effect;
use crate::tui::input::{Context, Intent, Key, Meaning, meaning};
use crate::tui::state::act::{Act, Target};
use crate::tui::state::cockpit::{Cockpit, FilterLine};
use crate::tui::state::command_line::{CommandLine, Typed};
use crate::tui::state::copied::{copied, undo};
use crate::tui::state::dialog::{Dialog, Wish};
use crate::tui::state::field::Field;
use crate::tui::state::filter::Filter;
use crate::tui::theme::Tone;

/// Length that stands for "to the end, wherever it is": drawing knows the end and [`Cockpit::on_drawn`] brings it back.
const UNBOUNDED: usize = usize::MAX;

impl Cockpit {
    /// A key was pressed.
    pub fn on_key(&mut self, key: Key) -> Option<Effect> {
        self.notice = None;
        match meaning(self, key) {
            Meaning::Intent(intent) => self.on(intent),
            Meaning::Closed(why) => {
                self.notify(Tone::Warn, why);
                None
            }
            Meaning::Nothing => None,
        }
    }

    /// Text was pasted: it goes to an input line or nowhere, never to keys.
    pub fn on_paste(&mut self, text: &str) {
        let line: String = text.lines().next().unwrap_or_default().chars().collect();
        match self.context() {
            Context::Fields | Context::CommandLine | Context::Filter => {
                for c in line.chars() {
                    self.on(Intent::Type(c));
                }
            }
            _ => self.notify(Tone::Warn, "pasted text is not taken for keys"),
        }
    }

    /// The last frame could scroll its topmost text to `last` at most.
    pub fn on_drawn(&mut self, last: usize) {
        if let Some(scroll) = self.scroll_mut() {
            *scroll = (*scroll).min(last);
        }
    }

    /// Carries an intent out.
    pub fn on(&mut self, intent: Intent) -> Option<Effect> {
        match intent {
            Intent::Suspend => return Some(Effect::Suspend),
            Intent::Repaint => return Some(Effect::Repaint),
            Intent::Quit => return self.quit(),
            _ => {}
        }
        match self.context() {
            Context::Leaving => self.on_leaving(intent),
            Context::Confirm | Context::Fields | Context::Waiting | Context::Result => self.on_dialog(intent),
            Context::CommandLine => self.on_command_line(intent),
            Context::Filter => {
                self.on_filter(intent);
                None
            }
            Context::Help => self.on_help(intent),
            Context::Detail | Context::On(_) => self.on_screen(intent),
        }
    }

    /// Leaves, but not from an action without an answer: then it asks first.
    fn quit(&mut self) -> Option<Effect> {
        if self.in_flight.is_empty() || self.leaving {
            return Some(Effect::Quit);
        }
        self.leaving = true;
        None
    }

    fn on_leaving(&mut self, intent: Intent) -> Option<Effect> {
        match intent {
            Intent::Yes => Some(Effect::Quit),
            Intent::Back => {
                self.leaving = false;
                None
            }
            _ => None,
        }
    }

    fn on_dialog(&mut self, intent: Intent) -> Option<Effect> {
        let observe = self.options.observe;
        let dialog = self.dialog.as_mut()?;
        let wish = match intent {
            Intent::Yes => dialog.confirm(&self.live, observe),
            Intent::Submit => dialog.submit(&self.live, observe),
            Intent::Back => Wish::Close,
            Intent::Move(motion) => {
                dialog.scroll(motion, UNBOUNDED);
                Wish::Stay
            }
            Intent::NextField | Intent::PreviousField => {
                dialog.turn(intent == Intent::NextField);
                Wish::Stay
            }
            Intent::Type(c) => {
                dialog.edit(|field| field.push(c));
                Wish::Stay
            }
            Intent::Erase => {
                dialog.edit(Field::erase);
                Wish::Stay
            }
            Intent::EraseAll => {
                dialog.edit(|field| field.value.clear());
                Wish::Stay
            }
            Intent::Copy => return copied(self).map(Effect::Copy),
            Intent::Act(act) => {
                let target = self.target_of(act)?;
                return self.open(act, target);
            }
            _ => Wish::Stay,
        };
        match wish {
            Wish::Stay => None,
            Wish::Send(command) => self.send(command),
            Wish::Close => {
                // An answer that still comes is told above the footer.
                self.dialog = None;
                self.awaited = None;
                None
            }
        }
    }

    fn on_command_line(&mut self, intent: Intent) -> Option<Effect> {
        let line = self.command_line.as_mut()?;
        line.note = None;
        match intent {
            Intent::Type(c) if !c.is_control() => line.text.push(c),
            Intent::Erase if line.text.is_empty() => self.command_line = None,
            Intent::Erase => {
                line.text.pop();
            }
            Intent::EraseAll => line.text.clear(),
            Intent::Complete => {
                let mut line = line.clone();
                line.complete(self.picture());
                self.command_line = Some(line);
            }
            Intent::Back => self.command_line = None,
            Intent::Submit if line.text.trim().is_empty() => self.command_line = None,
            Intent::Submit => {
                let line = line.clone();
                match line.parse(self.picture()) {
                    Ok(typed) => {
                        self.command_line = None;
                        return self.on_typed(typed);
                    }
                    Err(why) => self.command_line = Some(CommandLine { note: Some(why), ..line }),
                }
            }
            _ => {}
        }
        None
    }

    fn on_typed(&mut self, typed: Typed) -> Option<Effect> {
        match typed {
            Typed::Go(screen) => {
                self.screen = screen;
                None
            }
            Typed::Act(act, target) => match self.why_not_act(act, &target) {
                Some(why) => {
                    self.notify(Tone::Warn, format!("{}: not possible: {why}", act.words()));
                    None
                }
                None => self.open(act, target),
            },
            Typed::Freeze if self.is_frozen() => self.on_screen(Intent::Thaw),
            Typed::Freeze => self.on_screen(Intent::Freeze),
            Typed::Help => self.on_screen(Intent::Help),
            Typed::Quit => self.quit(),
        }
    }

    fn on_filter(&mut self, intent: Intent) {
        let Some(line) = &mut self.filter_line else { return };
        match intent {
            Intent::Type(c) if !c.is_control() => line.text.push(c),
            Intent::Erase => {
                line.text.pop();
            }
            Intent::EraseAll => line.text.clear(),
            Intent::Submit => {
                self.filter_line = None;
                return;
            }
            Intent::Back => {
                let before = line.before.clone();
                self.filter_line = None;
                self.set_filter(before);
                return;
            }
            _ => return,
        }
        let filter = Filter::new(&line.text);
        self.set_filter(filter);
    }

    fn on_help(&mut self, intent: Intent) -> Option<Effect> {
        match intent {
            Intent::Move(motion) => self.help = self.help.map(|scroll| motion.from(scroll, UNBOUNDED)),
            Intent::Back => self.help = None,
            _ => {}
        }
        None
    }

    fn on_screen(&mut self, intent: Intent) -> Option<Effect> {
        match intent {
            Intent::Go(screen) => self.screen = screen,
            Intent::Following => self.screen = self.screen.following(),
            Intent::Preceding => self.screen = self.screen.preceding(),
            Intent::Move(motion) => self.go(motion),
            Intent::Open => self.open_detail(),
            Intent::Back => self.back(),
            Intent::Help => self.help = Some(0),
            Intent::Command => self.command_line = Some(CommandLine::default()),
            Intent::Filter => {
                let before = self.filter().clone();
                self.filter_line = Some(FilterLine { text: before.text().to_owned(), before });
            }
            Intent::Freeze => self.frozen = Some(Box::new(self.live.clone())),
            Intent::Thaw => {
                let before = self.frozen.take();
                self.journal.take_in(&self.live);
                for kind in ViewKind::ALL {
                    if before.as_ref().is_none_or(|before| self.live.has_another(kind, before)) {
                        self.list_again(kind);
                    }
                }
            }
            Intent::Follow => self.journal.toggle_follow(),
            Intent::Sort(forward) => self.sort(forward),
            Intent::ListAll => self.list_all(),
            Intent::NextList => {
                let picture = self.frozen.as_deref().unwrap_or(&self.live);
                self.hotspots.turn_list(picture.hot_spots());
            }
            Intent::Mask => self.masked = !self.masked,
            Intent::Copy => return copied(self).map(Effect::Copy),
            Intent::CopyUndo => return undo(self).map(Effect::Copy),
            Intent::Act(act) => {
                let target = self.target_of(act)?;
                return self.open(act, target);
            }
            _ => {}
        }
        None
    }

    /// Opens an act's dialog if the act is possible.
    fn open(&mut self, act: Act, target: Target) -> Option<Effect> {
        if self.why_not_act(act, &target).is_some() {
            return None;
        }
        let (dialog, command) = Dialog::open(act, target, &self.live);
        self.dialog = Some(dialog);
        command.and_then(|command| self.send(command))
    }
}
