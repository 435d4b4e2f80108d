//! What happened, one line for each event; Enter shows all fields of one.

use crate::model::comparison::ComparisonEvent;
use crate::model::ending::SessionEvent;
use crate::model::event::{Entry, Event};
use crate::model::gate::GateState;
use crate::model::phase::PhaseEvent;
use crate::model::pipeline::{PipelineEvent, PipelineState};
use crate::model::step::StepEvent;
use crate::report::event::grouped;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::copied::fields;
use crate::tui::state::list::page_around;
use crate::tui::theme::Tone;
use crate::tui::units::{clock_or_day, moment, zone_word};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark;
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const COLUMNS: [Column; 4] = [
    Column::new("row", 6, 0).right(),
    Column::new("time", 11, 0),
    Column::new("about", 12, 2),
    Column::new("what happened", 48, 0).grows(),
];

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) -> usize {
    let (picture, journal) = (cockpit.picture(), &cockpit.journal);
    if let Some(line) = journal.detail.and_then(|seq| picture.line(seq)) {
        canvas.heading(
            area,
            0,
            &format!("journal row {}", line.entry.seq),
            &moment(cockpit.options.zone, line.entry.at),
        );
        let mut lines = vec![Text::of(weight(&line.entry).0, line.sentence.as_str()), Text::new()];
        let fields = fields(&line.entry);
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(28);
        lines.extend(
            fields
                .into_iter()
                .map(|(name, value)| Text::of(Tone::Dim, format!("{name:<width$}  ")).plain(value).hang(width + 2)),
        );
        return canvas.prose(band(area, 1, usize::from(area.height)), &lines, journal.scroll);
    }
    let rows = journal.rows();
    let follow = if journal.follows() { "following" } else { "not following (f)" };
    let remark = format!(
        "{} row{}, {follow}, times in {}",
        grouped(rows.len() as u64),
        if rows.len() == 1 { "" } else { "s" },
        zone_word(cockpit.options.zone)
    );
    canvas.heading(area, 0, "journal", &remark);
    canvas.line(area, 1, &table::head(usize::from(area.width), &COLUMNS));
    let list = band(area, 2, usize::from(area.height));
    if rows.is_empty() {
        let words = match (journal.filter().is_empty(), picture.is_loading()) {
            (false, _) => "no row matches the filter",
            (true, true) => "the journal is being read",
            (true, false) => "the journal is empty",
        };
        canvas.line(list, 0, &Text::of(Tone::Dim, format!("    {words}")));
    }
    let height = usize::from(list.height);
    let selected = journal.selected();
    // The end is followed row by row; elsewhere whole pages stand still.
    let shown = if journal.follows() {
        rows.len().saturating_sub(height)..rows.len()
    } else {
        page_around(journal.anchor, selected, rows.len(), height)
    };
    for (at, index) in shown.enumerate() {
        let Some(line) = rows.get(index).and_then(|seq| picture.line(*seq)) else { continue };
        let mark = weight(&line.entry);
        let tone = if mark.0 == Tone::Dim { Tone::Dim } else { Tone::Plain };
        let cells = vec![
            (Tone::Dim, line.entry.seq.to_string().into()),
            (Tone::Dim, clock_or_day(cockpit.options.zone, picture.now, line.entry.at).into()),
            (tone, line.subject.as_str().into()),
            (if mark.0 == Tone::Bad { Tone::Bad } else { tone }, line.sentence.as_str().into()),
        ];
        table::draw(canvas, list, at, &COLUMNS, &Row { mark, cells }, index == selected);
    }
    0
}

/// How an event is meant.
fn weight(entry: &Entry) -> mark::Mark {
    match &entry.event {
        Event::Phase { event, .. } => match event {
            PhaseEvent::Succeeded => (Tone::Good, '+'),
            PhaseEvent::Failed { .. } => (Tone::Bad, '!'),
            PhaseEvent::Stuck { .. } => (Tone::Bad, 'X'),
            PhaseEvent::Blocked { .. } => (Tone::Warn, '#'),
            PhaseEvent::RollbackStarted { .. } => (Tone::Warn, '<'),
            PhaseEvent::PlanRequested { .. } | PhaseEvent::Unlocked => (Tone::Call, 'o'),
            PhaseEvent::Approved { .. } => (Tone::Good, '+'),
            PhaseEvent::Started | PhaseEvent::Resumed => (Tone::Busy, '*'),
            PhaseEvent::Paused => (Tone::Warn, '='),
            PhaseEvent::PauseRequested { .. } | PhaseEvent::ResumeRequested { .. } => (Tone::Warn, '~'),
            PhaseEvent::RolledBack => (Tone::Call, '-'),
            PhaseEvent::Locked
            | PhaseEvent::ApprovalVoid { .. }
            | PhaseEvent::RetryRequested { .. }
            | PhaseEvent::Skipped { .. } => (Tone::Plain, ' '),
        },
        Event::Step { event, .. } => match event {
            StepEvent::Failed { .. } | StepEvent::UndoFailed { .. } => (Tone::Bad, '!'),
            _ => (Tone::Plain, ' '),
        },
        Event::Pipeline { event: PipelineEvent::State { state }, .. } => match state {
            PipelineState::Failed { .. } => (Tone::Bad, '!'),
            PipelineState::Retrying { .. } => (Tone::Warn, '#'),
            _ => (Tone::Plain, ' '),
        },
        Event::Pipeline { event: PipelineEvent::SchemaChange { .. }, .. } => (Tone::Warn, '#'),
        Event::Pipeline { .. } => (Tone::Plain, ' '),
        Event::Verified { tables, .. } if tables.iter().any(|t| t.drift.total() > 0) => mark::gate(GateState::Red),
        Event::Verified { .. } => (Tone::Plain, ' '),
        Event::Comparison { event: ComparisonEvent::Failed { .. }, .. } => (Tone::Bad, '!'),
        Event::Comparison { .. } => (Tone::Plain, ' '),
        Event::CommandRejected { .. } => (Tone::Warn, '!'),
        Event::Repaired { .. } => (Tone::Warn, '~'),
        Event::Session { event, .. } => match event {
            SessionEvent::EndIntended { .. } => (Tone::Warn, '~'),
            SessionEvent::Ended { .. } => (Tone::Good, '+'),
            SessionEvent::EndFailed { .. } => (Tone::Bad, '!'),
        },
        Event::Index { .. } => (Tone::Plain, '~'),
        Event::ProfileLoaded { .. }
        | Event::Planned { .. }
        | Event::EngineStarted { .. }
        | Event::EngineStopped { .. }
        | Event::Unknown => (Tone::Dim, ' '),
    }
}
