//! The dialog of one act: Planning -> Prompting -> Waiting -> Done or Failed.
//!
//! Nothing is sent before Prompting is confirmed, except the request to print the plan, which changes nothing.

use crate::model::check::Verdict;
use crate::model::command::{Action, Answer, Command};
use crate::model::ending::EndingPlan;
use crate::model::ids::Seq;
use crate::model::phase::PhaseStatus;
use crate::model::plan::Plan;
use crate::tui::state::act::{Act, Target};
use crate::tui::state::field::{Field, Must};
use crate::tui::state::list::Motion;
use crate::tui::state::picture::Picture;

/// Knobs that a pipeline has, as the engine names them.
const KNOBS: &[&str] = &["rows_per_second", "workers", "target_lag", "source_load"];

/// Where a dialog stands. Set only by [`Dialog`]'s own methods; never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits for the engine to print the plan.
    Planning,
    /// Waits for the operator.
    Prompting,
    /// The command was sent; waits for the engine's answer.
    Waiting,
    /// The engine accepted. Accepted is not done: the journal tells what comes of it.
    Done {
        /// Its sentence.
        message: String,
        /// More to read, such as the results of checks.
        lines: Vec<String>,
    },
    /// Refused, overtaken, or of unknown outcome.
    Failed {
        /// Why, and what to do next.
        why: String,
    },
}

/// What a dialog wants after an input.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Stay,
    /// To send this.
    Send(Command),
    /// To be closed.
    Close,
}

/// An open dialog.
///
/// Invariant: a command is made only in Prompting, from a target that has not changed since `seen`.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The act.
    pub act: Act,
    /// What it is done to.
    pub target: Target,
    /// The journal row on which the operator decides: sent as `expected_seq`.
    pub seen: Seq,
    /// The printed plan, once it came.
    pub plan: Option<Plan>,
    /// The printed ending of a session, once it came.
    pub ending: Option<EndingPlan>,
    /// Typed input; empty when `y` confirms.
    pub fields: Vec<Field>,
    /// The field that takes typing.
    pub focus: usize,
    /// First line of the scrolled part.
    pub scroll: usize,
    /// Where it stands.
    pub stage: Stage,
    /// Why the last confirmation was not taken.
    pub note: Option<String>,
}

impl Dialog {
    /// Opens the dialog of an act that may be done now, and says what to send first, if anything.
    pub fn open(act: Act, target: Target, picture: &Picture) -> (Self, Option<Command>) {
        let phase = target.phase().and_then(|id| picture.phase(id));
        let seen = phase.map_or(picture.migration.head, |phase| phase.changed_seq);
        let fields = fields(act, &target, picture);
        let (stage, action) = match (act, act.plan(), &target) {
            (_, _, Target::Session(store, session)) => {
                let show = |how| Action::ShowEnding { store: store.clone(), session: session.clone(), how };
                (Stage::Planning, act.ending().map(show))
            }
            (_, Some(direction), Target::Phase(phase)) => {
                (Stage::Planning, Some(Action::Plan { phase: phase.clone(), direction }))
            }
            // Checks change nothing, so there is nothing to confirm.
            (Act::Check, ..) => (Stage::Waiting, Some(Action::Check)),
            _ => (Stage::Prompting, None),
        };
        let command = action.map(|action| Command { expected_seq: None, confirm: None, action });
        (Self { act, target, seen, plan: None, ending: None, fields, focus: 0, scroll: 0, stage, note: None }, command)
    }

    /// True while an answer is awaited.
    pub fn awaits_answer(&self) -> bool {
        matches!(self.stage, Stage::Planning | Stage::Waiting)
    }

    /// True when there is a text to scroll: the plan, or what an answer brought.
    pub fn scrolls(&self) -> bool {
        match &self.stage {
            Stage::Prompting | Stage::Waiting => self.plan.is_some() || self.ending.is_some(),
            Stage::Done { lines, .. } => !lines.is_empty(),
            Stage::Planning | Stage::Failed { .. } => false,
        }
    }

    /// The operator agreed (by `y`, or Enter in the last field).
    pub fn confirm(&mut self, picture: &Picture, observe: bool) -> Wish {
        if self.stage != Stage::Prompting {
            return Wish::Stay;
        }
        if let Some((at, wrong)) = self.fields.iter().enumerate().find_map(|(at, f)| Some((at, f.wrong()?))) {
            self.note = Some(wrong);
            self.focus = at;
            return Wish::Stay;
        }
        if let Some(why) = self.act.why_not(&self.target, picture, observe) {
            self.note = Some(format!("not sent: {why}"));
            return Wish::Stay;
        }
        let Some(action) = self.action(picture) else {
            self.note = Some("not sent: there is no plan to agree to".to_owned());
            return Wish::Stay;
        };
        self.stage = Stage::Waiting;
        self.note = None;
        let confirm =
            self.fields.iter().find_map(|f| if let Must::Equal(name) = &f.must { Some(name.clone()) } else { None });
        Wish::Send(Command { expected_seq: Some(self.seen), confirm, action })
    }

    /// Enter: to the next field, or confirm from the last.
    pub fn submit(&mut self, picture: &Picture, observe: bool) -> Wish {
        match self.stage {
            Stage::Prompting if self.focus + 1 < self.fields.len() => {
                self.note = self.fields.get(self.focus).and_then(Field::wrong);
                if self.note.is_none() {
                    self.focus += 1;
                }
                Wish::Stay
            }
            Stage::Prompting if !self.fields.is_empty() => self.confirm(picture, observe),
            Stage::Done { .. } | Stage::Failed { .. } => Wish::Close,
            Stage::Prompting | Stage::Planning | Stage::Waiting => Wish::Stay,
        }
    }

    /// Typing.
    pub fn edit(&mut self, change: impl FnOnce(&mut Field)) {
        if self.stage == Stage::Prompting
            && let Some(field) = self.fields.get_mut(self.focus)
        {
            change(field);
            self.note = None;
        }
    }

    /// To the next field or the one before.
    pub fn turn(&mut self, forward: bool) {
        let len = self.fields.len().max(1);
        self.focus = (self.focus + if forward { 1 } else { len - 1 }) % len;
    }

    /// Moves in the text; in a field with choices up and down choose.
    pub fn scroll(&mut self, motion: Motion, len: usize) {
        if self.stage == Stage::Prompting
            && let Some(field) = self.fields.get_mut(self.focus)
            && let Motion::Up | Motion::Down = motion
            && field.cycle(motion == Motion::Down)
        {
            return;
        }
        self.scroll = motion.from(self.scroll, len);
    }

    /// The engine answered.
    pub fn answer(&mut self, answer: Answer, picture: &Picture) {
        self.scroll = 0;
        self.stage = match (&self.stage, answer) {
            (_, Answer::Rejected { why }) => Stage::Failed { why },
            (Stage::Planning, Answer::Planned { plan, .. }) => match self.refuses(&plan, picture) {
                Some(why) => Stage::Failed { why },
                None => {
                    self.plan = Some(plan);
                    Stage::Prompting
                }
            },
            (Stage::Planning, Answer::Ending { ending }) if self.is_about(&ending) => {
                self.ending = Some(ending);
                Stage::Prompting
            }
            (Stage::Waiting, Answer::Accepted { seq, message }) => {
                Stage::Done { message: format!("{message} (journal row {seq})"), lines: Vec::new() }
            }
            (Stage::Waiting, Answer::Planned { plan, .. }) => {
                let changed = self.plan.as_ref().is_some_and(|seen| seen.hash != plan.hash);
                let message = if changed {
                    format!(
                        "asked; but the plan changed meanwhile and is now {}: read it before approving",
                        plan.short_hash()
                    )
                } else {
                    format!("asked; plan {} waits for approval", plan.short_hash())
                };
                self.plan = Some(plan);
                Stage::Done { message, lines: Vec::new() }
            }
            (Stage::Waiting, Answer::Checked { checks }) => {
                let failed = checks.iter().filter(|c| c.verdict == Verdict::Fail).count();
                let message = format!("{} checks, {failed} failed", checks.len());
                Stage::Done { message, lines: checks.iter().flat_map(check_lines).collect() }
            }
            _ => Stage::Failed { why: "the engine's answer does not fit the question; look at the journal".to_owned() },
        };
    }

    /// True when a printed ending is the one that was asked for.
    fn is_about(&self, ending: &EndingPlan) -> bool {
        matches!(&self.target, Target::Session(store, key) if *store == ending.store && *key == ending.session)
            && self.act.ending() == Some(ending.how)
    }

    /// Why a plan that came is not the one to agree to.
    fn refuses(&self, plan: &Plan, picture: &Picture) -> Option<String> {
        let Target::Phase(id) = &self.target else { return None };
        if plan.phase != *id || Some(plan.direction) != self.act.plan() {
            return Some("the engine printed another plan than the one asked for; try again".to_owned());
        }
        match &picture.phase(id)?.status {
            PhaseStatus::AwaitingApproval { plan: asked, .. }
                if self.act == Act::Approve && *asked != plan.hash && !asked.starts_with(&plan.hash) =>
            {
                Some(format!(
                    "the plan changed since it was asked for (it was {}, now it is {}): withdraw the request and ask again",
                    asked.get(..12).unwrap_or(asked),
                    plan.short_hash()
                ))
            }
            _ => None,
        }
    }

    /// The connection went away. What was sent may or may not have been carried out.
    pub fn link_lost(&mut self) {
        self.stage = match &self.stage {
            Stage::Planning => Stage::Failed { why: "the connection to the engine was lost; nothing was sent".to_owned() },
            Stage::Waiting => Stage::Failed {
                why: "the connection to the engine was lost before it answered: whether it acted is not known; the journal tells once the connection is back".to_owned(),
            },
            other => other.clone(),
        };
    }

    /// The command could not be handed to the link.
    pub fn not_sent(&mut self) {
        self.stage = Stage::Failed { why: "nothing was sent: there is no connection to the engine".to_owned() };
    }

    /// Looks whether the target moved under the operator's eyes; a decision on an old state is not sent.
    pub fn review(&mut self, picture: &Picture) {
        let (Stage::Planning | Stage::Prompting, Some(id)) = (&self.stage, self.target.phase()) else { return };
        if let Some(phase) = picture.phase(id)
            && phase.changed_seq != self.seen
        {
            let why = format!(
                "{id} changed while you were looking: it is {} since journal row {}. Nothing was sent; close this and look again",
                phase.status.word(),
                phase.changed_seq
            );
            self.stage = Stage::Failed { why };
        }
    }

    /// The action that a confirmation means; `None` while its plan is missing.
    fn action(&self, picture: &Picture) -> Option<Action> {
        let hash = || self.plan.as_ref().map(|p| p.hash.clone());
        let value = |at: usize| self.fields.get(at).map(|f| f.value.trim().to_owned()).unwrap_or_default();
        Some(match (&self.target, self.act) {
            (Target::Phase(phase), act) => {
                let phase = phase.clone();
                match act {
                    Act::Run => Action::Run { phase },
                    Act::Approve => Action::Approve { phase, plan: hash()? },
                    Act::Withdraw => Action::Withdraw { phase },
                    Act::Pause => Action::Pause { phase },
                    Act::Resume => Action::Resume { phase },
                    Act::Retry => Action::Retry { phase },
                    Act::Rollback => Action::Rollback { phase, plan: hash()? },
                    Act::Skip => Action::Skip { phase, why: value(0) },
                    _ => return None,
                }
            }
            (Target::Pipeline(pipeline), Act::PausePipeline) => Action::PausePipeline { pipeline: pipeline.clone() },
            (Target::Pipeline(pipeline), Act::ResumePipeline) => Action::ResumePipeline { pipeline: pipeline.clone() },
            (Target::Pipeline(pipeline), Act::Throttle) => {
                Action::Throttle { pipeline: pipeline.clone(), knob: value(0), value: value(1) }
            }
            (Target::Session(store, session), act) => {
                self.ending.as_ref()?;
                Action::EndSession { store: store.clone(), session: session.clone(), how: act.ending()? }
            }
            (Target::Advice(phase, finding), act) => {
                let (phase, finding) = (phase.clone(), finding.clone());
                match act {
                    Act::Take => Action::TakeIndex { phase, finding },
                    Act::Leave => Action::LeaveIndex { phase, finding },
                    _ => return None,
                }
            }
            (target, act @ (Act::Verify | Act::Repair)) => {
                let (pipelines, tables) = match target {
                    Target::Table(pipeline, table) => (vec![pipeline.clone()], vec![table.clone()]),
                    Target::Pipeline(pipeline) => (vec![pipeline.clone()], Vec::new()),
                    // Only pipelines whose copy is complete can be compared; naming none would mean all.
                    Target::Whole | Target::Phase(_) | Target::Session(..) | Target::Advice(..) => {
                        (comparable(picture), Vec::new())
                    }
                };
                Action::Verify { pipelines, tables, repair: act == Act::Repair }
            }
            (Target::Whole, Act::Check) => Action::Check,
            (Target::Whole, Act::Down) => Action::Down,
            _ => return None,
        })
    }
}

/// The input that a dialog asks for before it may be confirmed.
fn fields(act: Act, target: &Target, picture: &Picture) -> Vec<Field> {
    let mut fields = match act {
        Act::Skip => vec![Field::new("reason", Must::Say)],
        Act::Throttle => {
            vec![Field::new("limit", Must::OneOf(KNOBS)), Field::new("value, off, or default", Must::Say)]
        }
        _ => Vec::new(),
    };
    if act.is_dangerous() && picture.is_production() {
        let name = match target {
            Target::Phase(id) | Target::Advice(id, _) => id.to_string(),
            Target::Session(_, key) => key.id.clone(),
            Target::Pipeline(_) | Target::Table(..) | Target::Whole => picture.migration.name.clone(),
        };
        fields.push(Field::new(format!("production: type {name} to {}", act.words()), Must::Equal(name)));
    }
    fields
}

fn comparable(picture: &Picture) -> Vec<crate::model::ids::PipelineId> {
    let whole = |id: &&crate::model::ids::PipelineId| {
        Act::Verify.why_not(&Target::Pipeline((*id).clone()), picture, false).is_none()
    };
    picture.migration.pipelines.keys().filter(whole).cloned().collect()
}

fn check_lines(check: &crate::model::check::Check) -> Vec<String> {
    let mark = match check.verdict {
        Verdict::Pass => "+ pass",
        Verdict::Warn => "~ warn",
        Verdict::Fail => "! fail",
        Verdict::NotCheckable => "? not checkable",
    };
    let place: Vec<&str> = [check.store.as_ref().map_or("", |s| s.as_str()), check.subject.as_str()]
        .into_iter()
        .filter(|s| !s.is_empty())
        .collect();
    let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(" ")) };
    let mut lines = vec![format!("{mark}  {}{place}: {}", check.id, check.evidence)];
    if !check.fix.is_empty() {
        lines.push(format!("    fix: {}", check.fix));
    }
    lines
}
