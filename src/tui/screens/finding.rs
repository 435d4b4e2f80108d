//! One finding with everything it stands on: what the index advice and the access audit open.

use crate::model::finding::{Audit, Confidence, Finding, IndexEffect, Verdict};
use crate::model::ids::StoreId;
use crate::model::index_order::FindingName;
use crate::model::observation::{ByStore, Observation};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::findings::{FindingRow, FindingsState, LineKey};
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::units::{ago, bytes, lasting, moment, statement_time};
use crate::tui::widgets::audit::counts;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::{self, severity_tone};
use crate::tui::widgets::stores;
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::{NAMES, Text, named};
use ratatui::layout::Rect;

/// Draws the detail of the line that keys act on; it scrolls.
pub fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    cockpit: &Cockpit,
    state: &FindingsState,
    view: Option<&ByStore<Audit>>,
) -> usize {
    let remark = if state.zoomed { "Esc closes" } else { "" };
    let (title, lines) = match (state.target(view), state.chosen()) {
        (Some(FindingRow::Finding(finding, read)), _) => {
            let title = format!("{} on {}: {}", finding.rule, finding.store, finding.subject);
            (title, detail(finding, read, cockpit, view))
        }
        (Some(FindingRow::Store(store, _)), _) => {
            (format!("audit of {store}"), store_lines(store, cockpit, state, view))
        }
        (None, Some(key)) => {
            let (title, store) = match key {
                LineKey::Finding(rule, store, subject) => (format!("{rule} on {store}: {subject}"), store),
                LineKey::Store(store) => (format!("audit of {store}"), store),
            };
            let gone = "it is not in the list any more: the last reading has it no more, or the filter hides it";
            let about = store_lines(store, cockpit, state, view);
            (title, std::iter::once(Text::of(Tone::Warn, gone)).chain(about).collect())
        }
        (None, None) => return 0,
    };
    canvas.heading(area, 0, &title, remark);
    canvas.prose(band(area, 1, usize::from(area.height)), &lines, state.scroll)
}

fn store_lines(
    store: &StoreId,
    cockpit: &Cockpit,
    state: &FindingsState,
    view: Option<&ByStore<Audit>>,
) -> Vec<Text<'static>> {
    let mut lines = Vec::new();
    if let Some((_, sum)) = state.sums().iter().find(|(id, sum)| id == store && sum.read_at.is_some()) {
        let without = (Tone::Dim, format!("not applicable {}", sum.not_applicable));
        let words = counts(sum).into_iter().chain((sum.not_applicable > 0).then_some(without));
        lines
            .push(words.fold(named("rules", Tone::Plain, ""), |line, (tone, words)| line.add(tone, words).plain("  ")));
    }
    lines.extend(stores::lines(store, view, cockpit.picture().now));
    lines
}

fn detail(
    finding: &Finding,
    read: &Observation<Audit>,
    cockpit: &Cockpit,
    view: Option<&ByStore<Audit>>,
) -> Vec<Text<'static>> {
    let (picture, zone) = (cockpit.picture(), cockpit.options.zone);
    let (tone, sign) = mark::finding(&finding.verdict, finding.severity);
    let severity = format!("{} {}", finding.severity.mark().trim_end(), finding.severity.word());
    let mut lines = vec![
        named("verdict", tone, format!("{sign} {}", finding.verdict.word()))
            .plain(", ")
            .add(severity_tone(finding.severity), severity),
        named("what", Tone::Strong, finding.sentence.clone()),
    ];
    match &finding.verdict {
        Verdict::Waived { who, until, why } => {
            lines.push(named("waiver", Tone::Plain, format!("{who} answers for it until {until}: {why}")));
        }
        Verdict::NotCheckable { why } | Verdict::NotApplicable { why } => lines.push(named("why", tone, why.clone())),
        Verdict::Fail | Verdict::Pass => {}
    }
    lines.extend(listed("evidence", Tone::Plain, &finding.evidence));
    match &finding.window {
        Some(window) => {
            let since = format!("since {} ({}): ", moment(zone, window.since), lasting(picture.now, window.since));
            lines.push(named("window", Tone::Plain, since).plain(window.proof.clone()));
        }
        None => lines.push(named("window", Tone::Dim, "what is so now; nothing is counted over a time")),
    }
    lines.extend(statements(finding));
    lines.extend(taken(finding, picture));
    lines.extend(listed("but", Tone::Warn, &finding.why_not));
    lines.extend(finding.effect.iter().flat_map(effect));
    lines.push(named("confidence", Tone::Plain, confidence(finding.confidence)));
    lines.extend(finding.cis.iter().map(|number| named("CIS", Tone::Plain, format!("benchmark {number}"))));
    let facts = read.value.read_at.unwrap_or(read.at);
    lines.push(named("read", Tone::Dim, format!("{}, {}", ago(picture.now, facts), moment(zone, facts))));
    let about = stores::lines(&finding.store, view, picture.now);
    if read.missing.is_empty() && view.and_then(|view| view.get(&finding.store)).is_some_and(|r| r.problem.is_none()) {
        return lines;
    }
    lines.push(Text::new());
    lines.extend(about);
    lines
}

/// Several lines under one name.
fn listed(label: &str, tone: Tone, all: &[String]) -> Vec<Text<'static>> {
    let label = |at: usize| if at == 0 { label } else { "" };
    all.iter().enumerate().map(|(at, text)| named(label(at), tone, format!("- {text}")).hang(NAMES + 2)).collect()
}

fn statements(finding: &Finding) -> Vec<Text<'static>> {
    let Some(statement) = &finding.statement else {
        return match finding.verdict {
            Verdict::Fail => vec![named("statement", Tone::Dim, "none that could be given: see the evidence")],
            _ => Vec::new(),
        };
    };
    let line = |label, tone, text: &str| -> Vec<Text<'static>> {
        let rows = text.lines().enumerate();
        rows.map(|(at, row)| named(if at == 0 { label } else { "" }, tone, row)).collect()
    };
    let mut lines = line("statement", Tone::Strong, statement);
    match &finding.undo {
        Some(undo) => lines.extend(line("undo", Tone::Plain, undo)),
        None => lines.push(named("undo", Tone::Warn, "nothing takes it back")),
    }
    lines
}

/// The phase that builds its index, and how far that is.
fn taken(finding: &Finding, picture: &Picture) -> Option<Text<'static>> {
    let (phase, order) = picture.migration.index_taken(&FindingName::of(finding))?;
    let step = phase.step(&order.step()).map_or("not begun", |step| mark::step_word(step.status));
    let words = format!("phase {} ({}) builds {}: {step}", phase.id, phase.status.word(), order.build.name);
    Some(named("in plan of", Tone::Key, words))
}

fn effect(effect: &IndexEffect) -> Vec<Text<'static>> {
    let mut lines = Vec::new();
    let mut say = |label: &str, text: &str| {
        if !text.is_empty() {
            lines.push(named(label, Tone::Plain, text));
        }
    };
    say("gain", &effect.gain);
    if let Some(us) = effect.saves_us_per_second {
        say("saves", &format!("{} in each second of the window", statement_time(us)));
    }
    say("write cost", &effect.write_cost);
    say("locks", &effect.locking);
    lines.push(match effect.bytes {
        Some(size) => named("size", Tone::Plain, bytes(size)),
        None => named("size", Tone::Dim, "not known"),
    });
    lines
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Estimated => "estimated: the planner was not asked",
        Confidence::Planned => "planned: the server's planner says so",
        Confidence::Certain => "certain: a fact of the catalogue",
    }
}
