//! The ladder at the left, the selected phase at the right: status and why, gates, steps, approvals.
//!
//! ```text
//! phases ──────────────────────── │ cutover ───────────────────────────────────
//!   + assess     succeeded        │ ? awaiting approval for 12 min
//! > ? cutover    awaiting approval│ next  others must approve it (you asked)
//!   . watch      pending          │ gates ──────────────────── read now
//! ```

use crate::model::fold::PhaseRecord;
use crate::model::phase::PhaseStatus;
use crate::model::step::{StepRecord, StepStatus};
use crate::report::event::grouped;
use crate::tui::screens::frame::split;
use crate::tui::state::act::{Act, Target, valid_approvals};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::next::policy_words;
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::units::{duration_ms, forecast, lasting, moment};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark;
use crate::tui::widgets::reading::read_words;
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const LADDER: [Column; 2] = [Column::new("phase", 9, 0).grows(), Column::new("status", 17, 0)];

/// Columns that the ladder takes at the left.
const LEFT: usize = 34;

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let picture = cockpit.picture();
    let selected = cockpit.phases.selected(picture);
    let state = &cockpit.phases;
    let (left, right) = match (small || state.zoomed, state.zoomed) {
        (true, true) => (Rect { width: 0, ..area }, area),
        (true, false) => (area, Rect { width: 0, ..area }),
        (false, _) => split(canvas, area, LEFT + usize::from(area.width.saturating_sub(100)) / 6),
    };
    if left.width > 0 {
        draw_ladder(canvas, left, cockpit, selected.map(|(at, _)| at));
    }
    match selected {
        Some((_, phase)) if right.width > 0 => {
            canvas.heading(right, 0, phase.id.as_str(), &approvals_words(phase.approvals));
            let lines = detail(phase, cockpit, usize::from(right.width));
            canvas.prose(band(right, 1, usize::from(right.height)), &lines, state.scroll)
        }
        _ => 0,
    }
}

fn approvals_words(approvals: u32) -> String {
    match approvals {
        0 => "needs no approval".to_owned(),
        1 => "needs 1 approval".to_owned(),
        n => format!("needs {n} approvals"),
    }
}

fn draw_ladder(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, selected: Option<usize>) {
    let rows = cockpit.phases.rows(cockpit.picture());
    canvas.heading(area, 0, "phases", "");
    if rows.is_empty() {
        let words = if cockpit.phases.filter.is_empty() { "no phases yet" } else { "no phase matches the filter" };
        canvas.line(area, 1, &Text::of(Tone::Dim, format!("    {words}")));
    }
    let list = band(area, 1, usize::from(area.height));
    for (at, index) in page(selected.unwrap_or(0), rows.len(), usize::from(list.height)).enumerate() {
        let Some(phase) = rows.get(index) else { continue };
        let mark = mark::phase(&phase.status);
        let cells = vec![(Tone::Plain, phase.id.as_str().into()), (mark.0, phase.status.word().into())];
        table::draw(canvas, list, at, &LADDER, &Row { mark, cells }, Some(index) == selected);
    }
}

/// Everything about a phase, from what is urgent to what is history.
fn detail(phase: &PhaseRecord, cockpit: &Cockpit, width: usize) -> Vec<Text<'static>> {
    let picture = cockpit.picture();
    let (tone, mark) = mark::phase(&phase.status);
    let mut lines = vec![
        Text::of(tone, format!("{mark} {}", phase.status.word()))
            .plain(format!(" {}", lasting(picture.now, phase.changed_at)))
            .dim(format!(", row {}", phase.changed_seq)),
    ];
    lines.extend(why(phase));
    lines.push(labelled("next", Tone::Strong, next_step(phase, cockpit)));
    if let PhaseStatus::AwaitingApproval { plan, requested_by, .. } = &phase.status {
        lines.push(labelled(
            "plan",
            Tone::Plain,
            format!("{}, asked by {requested_by}", plan.get(..12).unwrap_or(plan)),
        ));
        lines.extend(approvals(phase, picture));
    }
    lines.extend(gates(phase, picture, width));
    lines.extend(steps(phase, cockpit, width));
    if !phase.pipelines.is_empty() {
        let names: Vec<&str> = phase.pipelines.iter().map(|p| p.as_str()).collect();
        lines.push(Text::new());
        lines.push(labelled("pipelines", Tone::Dim, names.join(", ")));
    }
    lines
}

fn labelled(label: &str, tone: Tone, text: String) -> Text<'static> {
    Text::of(Tone::Dim, format!("{label:<5} ")).add(tone, text).hang(6)
}

/// The reason that comes with a status.
fn why(phase: &PhaseRecord) -> Vec<Text<'static>> {
    match &phase.status {
        PhaseStatus::Blocked { reasons } => {
            reasons.iter().map(|reason| labelled("why", Tone::Warn, reason.clone())).collect()
        }
        PhaseStatus::Failed { reason, policy } => vec![
            labelled("why", Tone::Bad, reason.what.clone()),
            labelled("what", Tone::Plain, policy_words(*policy).to_owned()),
            labelled("do", Tone::Plain, reason.next.clone()),
        ],
        PhaseStatus::Stuck { reason } => {
            vec![labelled("why", Tone::Bad, reason.what.clone()), labelled("do", Tone::Plain, reason.next.clone())]
        }
        PhaseStatus::Skipped { by, why } => vec![labelled("why", Tone::Plain, format!("{why} ({by})"))],
        _ => Vec::new(),
    }
}

/// Who has to do what.
fn next_step(phase: &PhaseRecord, cockpit: &Cockpit) -> String {
    let picture = cockpit.picture();
    let target = Target::Phase(phase.id.clone());
    let not = |act: Act| act.why_not(&target, picture, cockpit.options.observe);
    let ask = |act: Act, yes: &str| match not(act) {
        None => yes.to_owned(),
        Some(why) => format!("others must act: {why}"),
    };
    match &phase.status {
        PhaseStatus::Pending => {
            let first = picture.migration.phases.iter().find(|p| !p.status.is_finished());
            format!("waits for {}", first.map_or("an earlier phase", |p| p.id.as_str()))
        }
        PhaseStatus::Blocked { .. } => ask(Act::Run, "mend what is named above, then ask again (r)"),
        PhaseStatus::Ready => ask(Act::Run, "ask for it (r): prints the plan first"),
        PhaseStatus::AwaitingApproval { .. } => ask(Act::Approve, "read the plan and approve it (A)"),
        PhaseStatus::Running => "nothing to do: it is working".to_owned(),
        PhaseStatus::Pausing => "a pause was requested; what is in flight is being finished".to_owned(),
        PhaseStatus::Paused => ask(Act::Resume, "let it go on (P), or roll it back (B)"),
        PhaseStatus::Resuming => "a resume was requested and is not confirmed yet".to_owned(),
        PhaseStatus::Succeeded => match not(Act::Rollback) {
            None => "finished; B shows what a roll back would do".to_owned(),
            Some(_) => "finished".to_owned(),
        },
        PhaseStatus::Failed { .. } => match (not(Act::Retry), not(Act::Rollback)) {
            (None, None) => "try again (t) or roll back (B)".to_owned(),
            (None, Some(_)) => "try again (t)".to_owned(),
            (Some(_), None) => "roll back (B)".to_owned(),
            (Some(why), Some(_)) => format!("others must act: {why}"),
        },
        PhaseStatus::RollingBack => "nothing to do: it is being taken back".to_owned(),
        PhaseStatus::RolledBack => ask(Act::Run, "nothing of it is left; it may be asked for again (r)"),
        PhaseStatus::Stuck { .. } => ask(Act::Rollback, "mend the cause, then roll back again (B)"),
        PhaseStatus::Skipped { .. } => "nothing; it may still be asked for (r)".to_owned(),
    }
}

fn approvals(phase: &PhaseRecord, picture: &Picture) -> Vec<Text<'static>> {
    let PhaseStatus::AwaitingApproval { approvals, requested_by, .. } = &phase.status else { return Vec::new() };
    let valid = valid_approvals(approvals, picture).count();
    let rule = if phase.approvals >= 2 { format!(", {requested_by} does not count") } else { String::new() };
    let mut lines = vec![Text::new(), title(&format!("approvals: {valid} of {}{rule}", phase.approvals.max(1)))];
    for approval in approvals {
        let left = (approval.expires_at - picture.now).num_seconds();
        lines.push(match u64::try_from(left) {
            Ok(left) if left > 0 => {
                Text::of(Tone::Good, "+ ").plain(format!("{}, valid for {}", approval.by, forecast(left))).hang(2)
            }
            _ => Text::of(Tone::Warn, "! ").plain(format!("{}, expired", approval.by)).hang(2),
        });
    }
    lines
}

fn gates(phase: &PhaseRecord, picture: &Picture, width: usize) -> Vec<Text<'static>> {
    let Some(readings) = picture.samples.gates.get(&phase.id).filter(|readings| !readings.is_empty()) else {
        return Vec::new();
    };
    let name_width = readings.iter().map(|r| r.id.len()).max().unwrap_or(0).min(18);
    let mut lines = vec![Text::new(), title("gates")];
    for reading in readings {
        let (tone, mark) = mark::gate(reading.state);
        let age = read_words(picture.now, reading.at);
        let name = format!("{:<name_width$}  ", reading.id);
        // Evidence stands in a column of its own as long as that leaves room to read.
        let hang = if width >= name_width + 28 { name_width + 4 } else { 4 };
        let mut line = Text::of(tone, format!("{mark} ")).plain(name);
        if reading.state == crate::model::gate::GateState::Unknown {
            line = line.add(tone, "unknown: ");
        }
        lines.push(line.plain(reading.evidence.clone()).dim(age).hang(hang));
    }
    lines
}

fn steps(phase: &PhaseRecord, cockpit: &Cockpit, width: usize) -> Vec<Text<'static>> {
    if phase.steps.is_empty() {
        return Vec::new();
    }
    let picture = cockpit.picture();
    let done = phase.steps.iter().filter(|s| s.status == StepStatus::Done).count();
    let mut lines = vec![Text::new(), title(&format!("steps: {done} done of {} begun", phase.steps.len()))];
    if let (Some(at), true) = (phase.started_at, width > 60) {
        lines.push(Text::of(Tone::Dim, format!("  started {}", moment(cockpit.options.zone, at))));
    }
    let name_width = phase.steps.iter().map(|s| s.id.as_str().len()).max().unwrap_or(0).min(width / 2);
    for step in &phase.steps {
        let (tone, mark) = mark::step(step.status);
        let line = Text::of(tone, format!("{mark} ")).plain(format!("{:<name_width$}  ", step.id));
        lines.push(line.add(tone, mark::step_word(step.status)).dim(time_words(step, picture)).hang(4));
        if !step.note.is_empty() {
            let tone = match step.status {
                StepStatus::Failed | StepStatus::UndoFailed => Tone::Bad,
                _ => Tone::Dim,
            };
            lines.push(Text::new().plain("    ").add(tone, step.note.clone()).hang(4));
        }
    }
    lines
}

/// How long a step took or has been going on, and its attempts.
fn time_words(step: &StepRecord, picture: &Picture) -> String {
    let attempts =
        if step.attempts > 1 { format!(", attempt {}", grouped(step.attempts.into())) } else { String::new() };
    let time = match step.status {
        StepStatus::Intended | StepStatus::Undoing => format!(" {}", lasting(picture.now, step.since)),
        _ => match u64::try_from((step.at - step.since).num_milliseconds()) {
            Ok(ms) => format!(" in {}", duration_ms(ms)),
            Err(_) => String::new(),
        },
    };
    format!("{time}{attempts}")
}

fn title(words: &str) -> Text<'static> {
    Text::of(Tone::Strong, words.to_owned())
}
