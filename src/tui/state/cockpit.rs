//! All state of the cockpit: what is known, what is shown, and what is being asked.

use crate::model::command::{Answer, Command};
use crate::model::index_order::FindingName;
use crate::model::view::ViewKind;
use crate::tui::effect::Effect;
use crate::tui::input::{Context, Intent};
use crate::tui::options::CockpitOptions;
use crate::tui::state::act::{Act, Takes, Target};
use crate::tui::state::activity::{ActivityState, SessionRow};
use crate::tui::state::command_line::CommandLine;
use crate::tui::state::copied::{copied, undo};
use crate::tui::state::dialog::{Dialog, Stage};
use crate::tui::state::filter::Filter;
use crate::tui::state::findings::{FindingRow, FindingsState};
use crate::tui::state::hotspots::HotSpotsState;
use crate::tui::state::journal::JournalState;
use crate::tui::state::locks::LocksState;
use crate::tui::state::next::next;
use crate::tui::state::overview::OverviewState;
use crate::tui::state::phases::PhasesState;
use crate::tui::state::picture::Picture;
use crate::tui::state::pipelines::PipelinesState;
use crate::tui::state::replication::ReplicationState;
use crate::tui::state::screen::Screen;
use crate::tui::state::verification::VerificationState;
use crate::tui::theme::Tone;
use crate::wire::client::LinkEvent;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// A sentence above the footer; the next key removes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How it is meant.
    pub tone: Tone,
    /// The sentence.
    pub text: String,
}

/// A filter being typed.
#[derive(Clone, Debug)]
pub struct FilterLine {
    /// As typed so far.
    pub text: String,
    /// What Esc goes back to.
    pub before: Filter,
}

/// The cockpit. Logic changes it through [`Cockpit::on_key`], [`Cockpit::on_link`] and [`Cockpit::on_tick`]; screens only read it.
///
/// Invariant: while the display is frozen no dialog can be opened, so that nobody decides on a picture of the past.
#[derive(Clone, Debug)]
pub struct Cockpit {
    pub(super) live: Picture,
    pub(super) frozen: Option<Box<Picture>>,
    pub(super) in_flight: BTreeMap<u64, String>,
    /// The link's id of the command that the open dialog awaits.
    pub(super) awaited: Option<u64>,
    /// The command that the last effect hands over, until the runner says how it went.
    pub(super) handing_over: Option<String>,
    /// What the caller decided.
    pub options: CockpitOptions,
    /// The screen shown.
    pub screen: Screen,
    /// Overview.
    pub overview: OverviewState,
    /// Phases.
    pub phases: PhasesState,
    /// Pipelines.
    pub pipelines: PipelinesState,
    /// Verification.
    pub verification: VerificationState,
    /// Journal.
    pub journal: JournalState,
    /// Activity.
    pub activity: ActivityState,
    /// Locks.
    pub locks: LocksState,
    /// Replication.
    pub replication: ReplicationState,
    /// Hot spots.
    pub hotspots: HotSpotsState,
    /// Index advice.
    pub indexes: FindingsState,
    /// Access audit.
    pub access: FindingsState,
    /// True while statements of sessions are not shown: somebody looks over the shoulder.
    pub masked: bool,
    /// The open dialog.
    pub dialog: Option<Dialog>,
    /// The `:` line.
    pub command_line: Option<CommandLine>,
    /// The `/` line.
    pub filter_line: Option<FilterLine>,
    /// First line of the help screen while it is open.
    pub help: Option<usize>,
    /// True while the operator is asked whether to leave.
    pub leaving: bool,
    /// The sentence above the footer.
    pub notice: Option<Notice>,
}

impl Cockpit {
    /// A cockpit that knows nothing yet.
    pub fn new(options: CockpitOptions, now: DateTime<Utc>) -> Self {
        Self {
            live: Picture::new(now),
            frozen: None,
            in_flight: BTreeMap::new(),
            awaited: None,
            handing_over: None,
            options,
            screen: Screen::default(),
            overview: OverviewState::default(),
            phases: PhasesState::default(),
            pipelines: PipelinesState::default(),
            verification: VerificationState::default(),
            journal: JournalState::default(),
            activity: ActivityState::default(),
            locks: LocksState::default(),
            replication: ReplicationState::default(),
            hotspots: HotSpotsState::default(),
            indexes: FindingsState::indexes(),
            access: FindingsState::access(),
            masked: false,
            dialog: None,
            command_line: None,
            filter_line: None,
            help: None,
            leaving: false,
            notice: None,
        }
    }

    /// The picture that screens show.
    pub fn picture(&self) -> &Picture {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    /// The picture that moves on even while the display is frozen.
    pub fn live(&self) -> &Picture {
        &self.live
    }

    /// True while the display is frozen.
    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Commands without an answer yet, as typed.
    pub fn in_flight(&self) -> impl Iterator<Item = &str> {
        self.in_flight.values().map(String::as_str)
    }

    /// Where keys go.
    pub fn context(&self) -> Context {
        if self.leaving {
            return Context::Leaving;
        }
        if let Some(dialog) = &self.dialog {
            return match dialog.stage {
                Stage::Planning | Stage::Waiting => Context::Waiting,
                Stage::Prompting if dialog.fields.is_empty() => Context::Confirm,
                Stage::Prompting => Context::Fields,
                Stage::Done { .. } | Stage::Failed { .. } => Context::Result,
            };
        }
        if self.command_line.is_some() {
            return Context::CommandLine;
        }
        if self.filter_line.is_some() {
            return Context::Filter;
        }
        if self.help.is_some() {
            return Context::Help;
        }
        if self.screen == Screen::Journal && self.journal.detail.is_some() {
            return Context::Detail;
        }
        Context::On(self.screen)
    }

    /// What an act's key would act on here.
    pub fn target_of(&self, act: Act) -> Option<Target> {
        let picture = self.picture();
        if let Some(dialog) = &self.dialog {
            // Who has just asked for a phase may go on to its approval.
            return (dialog.act == Act::Run).then(|| dialog.target.clone());
        }
        match (act.takes(), self.screen) {
            (Takes::Phase, Screen::Overview) => next(picture, self.options.observe).phase.map(Target::Phase),
            (Takes::Phase, Screen::Phases) => {
                self.phases.selected(picture).map(|(_, phase)| Target::Phase(phase.id.clone()))
            }
            (Takes::Pipeline, Screen::Pipelines) => {
                self.pipelines.selected(picture).map(|(_, row)| Target::Pipeline(row.id.clone()))
            }
            (Takes::Tables, Screen::Verification) => {
                let rows = self.verification.rows(picture);
                let row = rows.get(self.verification.selected(&rows)?)?;
                Some(Target::Table(row.pipeline.clone(), row.table.clone()))
            }
            (Takes::Session, _) => {
                self.selected_session().map(|row| Target::Session(row.store.clone(), row.session.key.clone()))
            }
            (Takes::Advice, Screen::Indexes) => match self.indexes.target(picture.indexes())? {
                FindingRow::Finding(finding, _) => Some(Target::advice(FindingName::of(finding), picture)),
                FindingRow::Store(..) => None,
            },
            (Takes::Nothing, _) => Some(Target::Whole),
            _ => None,
        }
    }

    /// The session that the screen's keys act on.
    pub fn selected_session(&self) -> Option<SessionRow<'_>> {
        match self.screen {
            Screen::Activity => self.activity.target(self.picture()),
            Screen::Locks => self.locks.target(self.picture()),
            _ => None,
        }
    }

    /// The views that must flow for what is shown. The runner hands them to the link after every input, whichever way led here, so
    /// that nothing flows that nobody sees: not for another screen, and not while the display is frozen.
    pub fn watches(&self) -> Vec<ViewKind> {
        if self.is_frozen() { Vec::new() } else { self.screen.view().into_iter().collect() }
    }

    /// Why an intent is not possible now; `None` when it is. Footer, help and dispatch ask the same question.
    pub fn why_not(&self, intent: Intent) -> Option<String> {
        match intent {
            Intent::Act(act) => match self.target_of(act) {
                Some(target) => self.why_not_act(act, &target),
                None => Some("nothing is selected".to_owned()),
            },
            Intent::Freeze => self.is_frozen().then(|| "the display is frozen".to_owned()),
            Intent::Thaw => (!self.is_frozen()).then(|| "the display is not frozen".to_owned()),
            Intent::Copy => copied(self).is_none().then(|| "there is nothing to copy here".to_owned()),
            Intent::CopyUndo => undo(self).is_none().then(|| "nothing is known that takes it back".to_owned()),
            Intent::Open => {
                let picture = self.picture();
                let anything = match self.screen {
                    Screen::Overview | Screen::Phases => self.phases.selected(picture).is_some(),
                    Screen::Pipelines => self.pipelines.selected(picture).is_some(),
                    Screen::Verification => false,
                    Screen::Journal => !self.journal.rows().is_empty(),
                    Screen::Activity => !self.activity.zoomed && self.activity.target(picture).is_some(),
                    Screen::Locks => !self.locks.zoomed && !self.locks.rows(picture).is_empty(),
                    Screen::Replication => !self.replication.zoomed && !self.replication.rows(picture).is_empty(),
                    Screen::HotSpots => !self.hotspots.zoomed && self.hotspots.target(picture.hot_spots()).is_some(),
                    Screen::Indexes => !self.indexes.zoomed && self.indexes.target(picture.indexes()).is_some(),
                    Screen::Access => !self.access.zoomed && self.access.target(picture.access()).is_some(),
                };
                (!anything).then(|| "there is nothing to open".to_owned())
            }
            _ => None,
        }
    }

    /// False for intents that are possible but would change nothing, so that the footer does not offer them.
    pub fn has_use_for(&self, intent: Intent) -> bool {
        match (&self.dialog, intent) {
            (Some(dialog), Intent::Move(_)) => dialog.scrolls(),
            (Some(dialog), Intent::NextField) => dialog.fields.len() > 1,
            // A detail covers the list.
            (None, Intent::Sort(_) | Intent::ListAll | Intent::Filter) => !self.is_zoomed(),
            _ => true,
        }
    }

    /// True while the detail of a list of readings or findings has the whole screen.
    fn is_zoomed(&self) -> bool {
        match self.screen {
            Screen::Activity => self.activity.zoomed,
            Screen::Locks => self.locks.zoomed,
            Screen::Replication => self.replication.zoomed,
            Screen::HotSpots => self.hotspots.zoomed,
            Screen::Indexes => self.indexes.zoomed,
            Screen::Access => self.access.zoomed,
            Screen::Overview | Screen::Phases | Screen::Pipelines | Screen::Verification | Screen::Journal => false,
        }
    }

    /// Why an act may not be done to a target now.
    pub fn why_not_act(&self, act: Act, target: &Target) -> Option<String> {
        if self.is_frozen() && act != Act::Check {
            return Some("the display is frozen; p thaws it".to_owned());
        }
        act.why_not(target, &self.live, self.options.observe)
    }

    /// Something came over the link.
    pub fn on_link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(welcome) => self.live.up(welcome),
            LinkEvent::Entries(entries) => {
                self.live.apply(entries);
                if !self.is_frozen() {
                    self.journal.take_in(&self.live);
                }
                if let Some(dialog) = &mut self.dialog {
                    dialog.review(&self.live);
                }
            }
            LinkEvent::Samples(samples) => self.live.sampled(*samples),
            LinkEvent::View(view) => {
                let kind = view.kind();
                self.live.viewed(*view);
                if !self.is_frozen() {
                    self.list_again(kind);
                }
            }
            LinkEvent::Answer(id, answer) => self.on_answer(id, *answer),
            LinkEvent::Down { why, .. } => self.on_down(why),
        }
    }

    /// Makes the lists again that are made of a view.
    pub(super) fn list_again(&mut self, kind: ViewKind) {
        let picture = self.frozen.as_deref().unwrap_or(&self.live);
        match kind {
            ViewKind::HotSpots => self.hotspots.take_in(picture.hot_spots()),
            ViewKind::Indexes => self.indexes.take_in(picture.indexes()),
            ViewKind::Access => self.access.take_in(picture.access()),
            // These are short, and listed when they are drawn.
            ViewKind::Activity | ViewKind::Replication | ViewKind::Cost => {}
        }
    }

    /// Time passed.
    pub fn on_tick(&mut self, now: DateTime<Utc>) {
        self.live.now = now;
    }

    /// The runner handed the last command over: `id` is the link's, or `None` when it could not be sent.
    pub fn on_sent(&mut self, id: Option<u64>) {
        let typed = self.handing_over.take().unwrap_or_default();
        match id {
            Some(id) => {
                self.in_flight.insert(id, typed);
                if self.dialog.as_ref().is_some_and(Dialog::awaits_answer) {
                    self.awaited = Some(id);
                }
            }
            None => {
                if let Some(dialog) = &mut self.dialog {
                    dialog.not_sent();
                }
            }
        }
    }

    /// Says something above the footer.
    pub fn notify(&mut self, tone: Tone, text: impl Into<String>) {
        self.notice = Some(Notice { tone, text: text.into() });
    }

    /// The effect that sends a command.
    pub(super) fn send(&mut self, command: Command) -> Option<Effect> {
        self.handing_over = Some(command.action.as_typed());
        Some(Effect::Send(command))
    }

    fn on_answer(&mut self, id: u64, answer: Answer) {
        let Some(typed) = self.in_flight.remove(&id) else { return };
        if self.awaited == Some(id) {
            self.awaited = None;
            if let Some(dialog) = &mut self.dialog {
                dialog.answer(answer, &self.live);
                dialog.review(&self.live);
                return;
            }
        }
        // The dialog was closed before the answer came.
        match answer {
            Answer::Accepted { message, .. } => self.notify(Tone::Good, format!("{typed}: {message}")),
            Answer::Rejected { why } => self.notify(Tone::Bad, format!("{typed} was refused: {why}")),
            Answer::Planned { plan, seq: Some(_) } => {
                self.notify(Tone::Good, format!("{typed}: plan {} waits for approval", plan.short_hash()));
            }
            Answer::Planned { seq: None, .. } | Answer::Ending { .. } | Answer::Checked { .. } => {}
        }
    }

    fn on_down(&mut self, why: String) {
        self.live.down(why);
        self.awaited = None;
        let lost = std::mem::take(&mut self.in_flight);
        match &mut self.dialog {
            Some(dialog) if dialog.awaits_answer() => dialog.link_lost(),
            _ => {
                let lost: Vec<String> = lost.into_values().filter(|typed| !typed.starts_with("plan ")).collect();
                if !lost.is_empty() {
                    let text = format!(
                        "the connection was lost before {} was answered: whether the engine acted is not known; the journal will tell",
                        lost.join(", ")
                    );
                    self.notify(Tone::Bad, text);
                }
            }
        }
        self.leaving = false;
    }
}
