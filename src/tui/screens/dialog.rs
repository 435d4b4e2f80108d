//! The dialog of an act: target, effect, way back, the plan, and how to agree.
//!
//! ```text
//! ┌ approve cutover ───────────────────────────────────────────────────────────┐
//! │ target   cutover of shop, PRODUCTION                                       │
//! │ effect   Consents to this plan. With enough approvals cutover starts at ...│
//! │ no way   after step 6 (orders/fence) only forward, or back by reverse sync │
//! │ way back ...                                                               │
//! │ plan     3f2a9c014d77, 8 steps, decided on journal row #41                 │
//! │ ───                                                                        │
//! │ 1. orders/freeze  hold writers on the source                               │
//! │      LOCK TABLE ...                                                        │
//! │ ───                                                                        │
//! │ production: type cutover to approve > cuto                                 │
//! └────────────────────────────────────────────────────────────────────────────┘
//! ```

use crate::model::ending::EndingPlan;
use crate::model::plan::{Direction, Plan};
use crate::tui::state::act::{Target, finding};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::dialog::{Dialog, Stage};
use crate::tui::state::field::{Field, Must};
use crate::tui::state::printed::{PlanLine, plan_lines};
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::{Canvas, u16_of};
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

/// Widest dialog: longer lines are hard to read.
const MAX_WIDTH: u16 = 110;

/// Draws an open dialog over `area`; its middle part scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, dialog: &Dialog) -> usize {
    let width = area.width.min(MAX_WIDTH);
    let inner_width = usize::from(width.saturating_sub(4));
    let wrap = |lines: Vec<Text<'static>>| -> Vec<Text<'static>> {
        lines.iter().flat_map(|line| line.wrap(inner_width)).collect()
    };
    let top = wrap(facts(cockpit, dialog));
    let middle = wrap(middle(dialog));
    let bottom = wrap(ending(cockpit, dialog));

    let needed = top.len() + bottom.len() + if middle.is_empty() { 0 } else { middle.len() + 1 } + 3;
    let height = u16_of(needed).min(area.height);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 3;
    let place = Rect { x, y, width, height };
    let title = format!("{} {}", dialog.act.words(), dialog.target.name());
    frame(canvas, place, title.trim_end(), dialog.act.is_dangerous() && cockpit.live().is_production());
    let inner = Rect {
        x: x + 2.min(width),
        y: y + 1.min(height),
        width: width.saturating_sub(4),
        height: height.saturating_sub(2),
    };

    // The way to agree or to leave is always in sight, then the facts; the plan scrolls in what is left.
    let rows = usize::from(inner.height);
    let bottom_rows = bottom.len().min(rows);
    let top_rows = top.len().min(rows.saturating_sub(bottom_rows + 1 + usize::from(!middle.is_empty()) * 3));
    for (at, line) in top.iter().take(top_rows).enumerate() {
        canvas.line(inner, at, line);
    }
    let mut row = top_rows;
    let mut last = 0;
    if !middle.is_empty() && rows > top_rows + bottom_rows + 2 {
        rule(canvas, inner, row);
        let room = rows - top_rows - bottom_rows - 2;
        last = canvas.rows(band(inner, row + 1, room), &middle, dialog.scroll);
        row += 1 + room.min(middle.len());
    }
    if row + bottom_rows < rows {
        rule(canvas, inner, rows - bottom_rows - 1);
    }
    for (at, line) in bottom.iter().take(bottom_rows).enumerate() {
        canvas.line(inner, rows - bottom_rows + at, line);
    }
    last
}

/// The question whether to leave while an answer is awaited.
pub fn draw_leaving(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) {
    let typed: Vec<&str> = cockpit.in_flight().collect();
    let width = area.width.min(70);
    let text = Text::new().plain(format!(
        "The engine has not answered yet: {}. If you leave now, it goes on, and the journal tells what came of it.",
        typed.join(", ")
    ));
    let rows = text.wrap(usize::from(width.saturating_sub(4)));
    let height = u16_of(rows.len() + 4).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 3, width, height };
    frame(canvas, place, "leave?", false);
    let inner = Rect {
        x: place.x + 2.min(width),
        y: place.y + 1.min(height),
        width: width.saturating_sub(4),
        height: height.saturating_sub(2),
    };
    for (at, row) in rows.iter().enumerate() {
        canvas.line(inner, at, row);
    }
    canvas.line(inner, rows.len() + 1, &agree("leave"));
}

/// A box with a title.
fn frame(canvas: &mut Canvas<'_>, place: Rect, title: &str, production: bool) {
    canvas.clear(place);
    let (width, height) = (usize::from(place.width), usize::from(place.height));
    if width < 4 || height < 2 {
        return;
    }
    let tone = if production { Tone::Production } else { Tone::Strong };
    let title = Text::of(Tone::Dim, "┌ ").add(tone, title).dim(" ");
    let rest = width.saturating_sub(title.width() + 1);
    canvas.line(place, 0, &title.dim(format!("{}┐", "─".repeat(rest))));
    for row in 1..height - 1 {
        canvas.line(place, row, &Text::of(Tone::Dim, "│"));
        canvas.line_right(place, row, &Text::of(Tone::Dim, "│"));
    }
    canvas.line(place, height - 1, &Text::of(Tone::Dim, format!("└{}┘", "─".repeat(width - 2))));
}

fn rule(canvas: &mut Canvas<'_>, inner: Rect, row: usize) {
    canvas.line(inner, row, &Text::of(Tone::Dim, "─".repeat(usize::from(inner.width))));
}

fn fact(label: &str, tone: Tone, text: impl Into<String>) -> Text<'static> {
    Text::of(Tone::Dim, format!("{label:<9}")).add(tone, text.into()).hang(9)
}

/// Target, effect, and ways back.
fn facts(cockpit: &Cockpit, dialog: &Dialog) -> Vec<Text<'static>> {
    let picture = cockpit.live();
    let migration = &picture.migration.name;
    let target = match &dialog.target {
        Target::Phase(id) => format!("phase {id} of {migration}"),
        Target::Pipeline(id) => format!("pipeline {id} of {migration}"),
        Target::Table(pipeline, table) => format!("table {table} of pipeline {pipeline}"),
        Target::Session(store, key) => format!("session {key} of store {store}"),
        Target::Advice(phase, finding) => format!("{finding} for phase {phase} of {migration}"),
        Target::Whole => format!("migration {migration}"),
    };
    let mut line = fact("target", Tone::Plain, target);
    if picture.is_production() {
        line = line.plain(", ").add(Tone::Production, " PRODUCTION ");
    }
    let mut lines = vec![line, fact("effect", Tone::Plain, dialog.act.effect(&dialog.target, picture))];
    if let Some(ending) = &dialog.ending {
        lines.extend(ending_facts(ending, cockpit));
    }
    lines.extend(build_facts(dialog, cockpit));
    match &dialog.plan {
        Some(plan) => lines.extend(plan_facts(plan, dialog)),
        None if dialog.act.plan().is_none() => {
            lines.push(fact("way back", Tone::Plain, dialog.act.way_back()));
        }
        None => {}
    }
    lines.extend(pause_runway(cockpit, dialog));
    lines
}

fn plan_facts(plan: &Plan, dialog: &Dialog) -> Vec<Text<'static>> {
    let steps = plan.steps.len();
    let plural = if steps == 1 { "" } else { "s" };
    let point = plan.steps.iter().position(|s| s.point_of_no_return);
    let no_return = match (plan.direction, point.and_then(|at| Some((at, plan.steps.get(at)?)))) {
        (_, Some((at, step))) => {
            let words = format!("step {} ({}): after it only forward, or back by reverse sync", at + 1, step.id);
            fact("no return", Tone::Warn, format!(" {words}"))
        }
        (Direction::Forward, None) => fact("no return", Tone::Plain, " no step of this plan is a point of no return"),
        (Direction::Rollback, None) => fact("no return", Tone::Plain, " no step of this roll back is one"),
    };
    let words = format!("{}, {steps} step{plural}, decided on journal row {}", plan.short_hash(), dialog.seen);
    vec![no_return, fact("way back", Tone::Plain, plan.way_back.clone()), fact("plan", Tone::Strong, words)]
}

/// What a phase would build, and what that costs.
fn build_facts(dialog: &Dialog, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let Target::Advice(_, name) = &dialog.target else { return Vec::new() };
    let Some(found) = finding(cockpit.live(), name) else { return Vec::new() };
    let Some(build) = &found.makes else { return Vec::new() };
    let mut lines = vec![fact("builds", Tone::Strong, build.statement.clone())];
    let effect = found.effect.iter();
    let costs = effect.flat_map(|effect| [("writes", &effect.write_cost), ("locks", &effect.locking)]);
    lines
        .extend(costs.filter(|(_, text)| !text.is_empty()).map(|(label, text)| fact(label, Tone::Plain, text.clone())));
    lines.extend(found.why_not.iter().map(|why| fact("! beware", Tone::Warn, why.clone())));
    lines
}

/// Whose session it is, what it does, and what speaks against ending it.
fn ending_facts(ending: &EndingPlan, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let doing = if cockpit.masked { "(masked)" } else { &ending.doing };
    let mut lines = vec![
        fact("who", Tone::Plain, ending.who.clone()),
        fact("doing", Tone::Plain, if doing.is_empty() { "nothing is shown".to_owned() } else { doing.to_owned() }),
    ];
    lines.extend(ending.warnings.iter().map(|warning| fact("! beware", Tone::Warn, warning.clone())));
    lines
}

/// Pausing is limited by the source's log: says for how long it is kept.
fn pause_runway(cockpit: &Cockpit, dialog: &Dialog) -> Option<Text<'static>> {
    use crate::model::lag::Reading;
    use crate::tui::state::act::Act;
    let picture = cockpit.live();
    let pipelines = match (&dialog.target, dialog.act) {
        (Target::Pipeline(id), Act::PausePipeline) => vec![id.clone()],
        (Target::Phase(id), Act::Pause) => match picture.phase(id) {
            Some(phase) if !phase.pipelines.is_empty() => phase.pipelines.clone(),
            _ => picture.migration.pipelines.keys().cloned().collect(),
        },
        _ => return None,
    };
    let mut shortest: Option<u64> = None;
    for id in &pipelines {
        match picture.samples.pipelines.get(id).map(|s| &s.runway.seconds) {
            Some(Reading::Known(Some(seconds))) => shortest = Some(shortest.map_or(*seconds, |s| s.min(*seconds))),
            Some(Reading::Known(None)) => {}
            Some(Reading::Unknown(_)) | None => {
                return Some(fact("runway", Tone::Warn, format!("? not known for {id}: do not pause for long")));
            }
        }
    }
    let words = match shortest {
        Some(seconds) => {
            format!("resume within {}: then the source's log runs out", crate::tui::units::forecast(seconds))
        }
        None => "no source cuts its log".to_owned(),
    };
    Some(fact("runway", Tone::Plain, words))
}

/// The scrolled part: the plan, or what an answer brought.
fn middle(dialog: &Dialog) -> Vec<Text<'static>> {
    if let Stage::Done { lines, .. } = &dialog.stage
        && !lines.is_empty()
    {
        return lines.iter().map(|line| Text::new().plain(line.clone()).hang(4)).collect();
    }
    if let (Some(ending), Stage::Prompting | Stage::Waiting) = (&dialog.ending, &dialog.stage) {
        return vec![Text::new().plain(ending.statement.clone()).hang(2)];
    }
    match (&dialog.plan, &dialog.stage) {
        (Some(plan), Stage::Prompting | Stage::Waiting) => plan_lines(plan).into_iter().map(plan_line).collect(),
        _ => Vec::new(),
    }
}

fn plan_line(line: PlanLine) -> Text<'static> {
    match line {
        PlanLine::Step(text) => Text::of(Tone::Strong, text).hang(3),
        PlanLine::Does(text) if text.trim_start().starts_with("--") => {
            Text::of(Tone::Dim, format!("     {text}")).hang(8)
        }
        PlanLine::Does(text) => Text::new().plain(format!("     {text}")).hang(7),
        PlanLine::Undo(text) => Text::of(Tone::Dim, "     undo: ").dim(text).hang(11),
        PlanLine::NoReturn => Text::of(Tone::Warn, "  == point of no return =="),
        PlanLine::Note(text) => Text::of(Tone::Dim, format!("note: {text}")).hang(6),
    }
}

/// The last rows: how to agree, that it waits, or how it ended.
fn ending(cockpit: &Cockpit, dialog: &Dialog) -> Vec<Text<'static>> {
    let mut lines = Vec::new();
    match &dialog.stage {
        Stage::Planning => {
            let what = if dialog.act.ending().is_some() { "statement" } else { "plan" };
            let words = format!("* the engine is printing the {what}; nothing is changed by that");
            lines.push(Text::of(Tone::Busy, words));
        }
        Stage::Prompting => {
            if let Some(note) = &dialog.note {
                lines.push(Text::of(Tone::Warn, format!("! {note}")).hang(2));
            }
            if dialog.fields.is_empty() {
                lines.push(agree(dialog.act.words()));
            }
            lines.extend(dialog.fields.iter().enumerate().map(|(at, field)| input(field, at == dialog.focus)));
        }
        Stage::Waiting => lines.push(Text::of(Tone::Busy, "* sent; waiting for the engine's answer")),
        Stage::Done { message, .. } => {
            lines.push(Text::of(Tone::Good, "+ ").plain(message.clone()).hang(2));
            lines.extend(observed(cockpit, dialog));
        }
        Stage::Failed { why } => lines.push(Text::of(Tone::Bad, "! ").plain(why.clone()).hang(2)),
    }
    lines
}

/// What the journal tells of the target by now: requested is not confirmed.
fn observed(cockpit: &Cockpit, dialog: &Dialog) -> Option<Text<'static>> {
    let picture = cockpit.live();
    let (name, word) = match &dialog.target {
        Target::Phase(id) => (id.as_str(), picture.phase(id)?.status.word()),
        Target::Pipeline(id) => (id.as_str(), picture.migration.pipelines.get(id)?.state.word()),
        Target::Table(..) | Target::Session(..) | Target::Advice(..) | Target::Whole => return None,
    };
    Some(Text::of(Tone::Dim, "  accepted is not done: ").plain(format!("{name} is {word} now")).hang(2))
}

fn agree(words: &str) -> Text<'static> {
    Text::of(Tone::Key, "y").plain(format!("  yes, {words}     ")).add(Tone::Key, "n").plain("  no, change nothing")
}

/// An input field; the reversed cell is where typing goes.
fn input(field: &Field, focused: bool) -> Text<'static> {
    let label = Text::of(if focused { Tone::Strong } else { Tone::Dim }, field.label.clone());
    let line = label.dim(if focused { " > " } else { "   " }).plain(field.value.clone());
    match (&field.must, focused) {
        (Must::OneOf(_), true) => line.dim("  (up and down choose)"),
        (_, true) => line.add(Tone::Selected, " "),
        (_, false) => line,
    }
}
