//! One row for each table; below it what is known of the selected one and a sample of its differing keys.

use crate::model::verification::{DriftKind, TableVerification};
use crate::report::event::{drift_words, grouped};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::picture::Picture;
use crate::tui::state::verification::{TableRow, verdict};
use crate::tui::theme::Tone;
use crate::tui::units::{age, ago, percent, short_count};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark;
use crate::tui::widgets::table::{self, Cell, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const COLUMNS: [Column; 10] = [
    Column::new("pipeline", 12, 4),
    Column::new("table", 20, 0).grows(),
    Column::new("verdict", 12, 0),
    Column::new("missing", 7, 1).right(),
    Column::new("extra", 5, 1).right(),
    Column::new("changed", 7, 1).right(),
    Column::new("unres.", 6, 1).right(),
    Column::new("cover", 5, 2).right(),
    Column::new("pass", 6, 0).right(),
    Column::new("since", 7, 3).right(),
];

/// Draws the screen; the sample scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let picture = cockpit.picture();
    let rows = cockpit.verification.rows(picture);
    let selected = cockpit.verification.selected(&rows);
    let height = usize::from(area.height);
    let width = usize::from(area.width);
    let running = running(picture);
    let detail = match (selected.and_then(|at| rows.get(at)), small) {
        (Some(row), false) => detail(row, picture),
        _ => Vec::new(),
    };
    let top = running.len();
    for (at, line) in running.iter().enumerate() {
        canvas.line(area, at, line);
    }
    let verified = rows.iter().filter(|r| r.found.is_some_and(TableVerification::is_verified)).count();
    canvas.heading(area, top, "tables", &format!("{verified} of {} verified", rows.len()));
    canvas.line(area, top + 1, &table::head(width, &COLUMNS));
    if rows.is_empty() {
        let words = if cockpit.verification.filter.is_empty() {
            "no tables are known yet: they appear with the first copy"
        } else {
            "no table matches the filter"
        };
        canvas.line(area, top + 2, &Text::of(Tone::Dim, format!("    {words}")));
        return 0;
    }
    // The list gets what it needs, but leaves the detail a third.
    let room = height.saturating_sub(top + 2);
    let below =
        if detail.is_empty() { 0 } else { (room / 3).max(room.saturating_sub(rows.len() + 1)).max(4).min(room) };
    let list = band(area, top + 2, room - below);
    for (at, index) in page(selected.unwrap_or(0), rows.len(), usize::from(list.height)).enumerate() {
        if let Some(row) = rows.get(index) {
            table::draw(canvas, list, at, &COLUMNS, &table_row(row, picture), Some(index) == selected);
        }
    }
    if let (Some(row), true) = (selected.and_then(|at| rows.get(at)), below > 1) {
        let place = band(area, height - below, below);
        let remark = format!("{} of {}", selected.unwrap_or(0) + 1, rows.len());
        canvas.heading(place, 0, &row.table, &remark);
        return canvas.prose(band(place, 1, below), &detail, cockpit.verification.scroll);
    }
    0
}

/// Passes that run now, and comparisons that ended without results.
fn running(picture: &Picture) -> Vec<Text<'static>> {
    let mut lines = Vec::new();
    for (pipeline, pass) in &picture.samples.verifying {
        let words = format!(
            "{pipeline}: comparing {}, {} of {} chunks, {} rows being looked at again",
            pass.table,
            grouped(pass.chunks_done),
            grouped(pass.chunks_total),
            grouped(pass.rechecking)
        );
        lines.push(Text::of(Tone::Busy, "  * ").plain(words));
    }
    for (pipeline, record) in &picture.migration.comparisons {
        if let Some(failed) = &record.failed {
            let words = format!("{pipeline}: the comparison failed {}: {}", ago(picture.now, failed.at), failed.reason);
            lines.push(Text::of(Tone::Bad, "  ! ").plain(words));
        }
    }
    lines.truncate(4);
    lines
}

fn count<'a>(number: u64) -> Cell<'a> {
    (if number > 0 { Tone::Bad } else { Tone::Dim }, short_count(number).into())
}

fn table_row<'a>(row: &TableRow<'a>, picture: &Picture) -> Row<'a> {
    let (word, good) = verdict(row.found);
    let mark = mark::verdict(good);
    let mut cells: Vec<Cell<'a>> =
        vec![(Tone::Dim, row.pipeline.as_str().into()), (Tone::Plain, row.table.clone().into()), (mark.0, word.into())];
    match row.found {
        Some(found) => {
            let drift = found.drift;
            cells.extend([count(drift.missing), count(drift.extra), count(drift.changed)]);
            let tone = if drift.unresolved > 0 { Tone::Warn } else { Tone::Dim };
            cells.push((tone, short_count(drift.unresolved).into()));
            cells.push((Tone::Plain, coverage(found).into()));
            let pass = found.fresh_since().map_or_else(|| "never".to_owned(), |at| age(picture.now, at));
            cells.push((Tone::Plain, pass.into()));
            cells.push((Tone::Plain, found.changed_since.map_or_else(|| "?".to_owned(), short_count).into()));
        }
        None => {
            cells.extend(["?", "?", "?", "?", "0 %", "never", "?"].map(|unknown| (Tone::Dim, unknown.into())));
        }
    }
    Row { mark, cells }
}

fn coverage(found: &TableVerification) -> String {
    match found.chunks_total.and_then(|total| percent(found.chunks_done, total)) {
        Some(percent) => format!("{percent} %"),
        None if found.is_verified() => "empty".to_owned(),
        None => "?".to_owned(),
    }
}

/// What is known of one table, in sentences, then its sample.
fn detail(row: &TableRow<'_>, picture: &Picture) -> Vec<Text<'static>> {
    let Some(found) = row.found else {
        return vec![
            Text::of(
                Tone::Warn,
                format!("? {} of {} was never compared: nothing is known of it", row.table, row.pipeline),
            )
            .hang(2),
        ];
    };
    let (word, good) = verdict(row.found);
    let (tone, mark) = mark::verdict(good);
    let chunks = match found.chunks_total {
        Some(total) => format!("{} of {} chunks", grouped(found.chunks_done), grouped(total)),
        None => format!("{} chunks, not planned to the end", grouped(found.chunks_done)),
    };
    let pass = match found.full_pass_at {
        Some(at) => format!("last full pass {}", ago(picture.now, at)),
        None => "no full pass yet".to_owned(),
    };
    let pass = match found.began_at.filter(|_| found.resumed) {
        Some(at) => format!("{pass}, interrupted and gone on with since it began {}", ago(picture.now, at)),
        None => pass,
    };
    let since = match found.changed_since {
        Some(rows) => format!("{} rows changed since", grouped(rows)),
        None => "changes since are unknown".to_owned(),
    };
    let mut lines = vec![
        Text::of(tone, format!("{mark} {word}"))
            .plain(format!(" ({}): {pass}, {since}, {} unresolved", row.pipeline, grouped(found.drift.unresolved)))
            .hang(2),
        Text::of(Tone::Dim, format!("  {chunks}, {} rows compared", grouped(found.rows_compared))).hang(2),
    ];
    if found.drift.total() == 0 {
        return lines;
    }
    let shown = u64::try_from(found.sample.len()).unwrap_or(u64::MAX);
    let remark = if shown < found.drift.total() { format!(", {shown} of them:") } else { ":".to_owned() };
    lines.push(Text::of(Tone::Strong, format!("{}{remark}", drift_words(found.drift))));
    for sample in &found.sample {
        let (tone, word) = match sample.kind {
            DriftKind::Missing => (Tone::Bad, "- missing   "),
            DriftKind::Extra => (Tone::Bad, "+ extra     "),
            DriftKind::Changed => (Tone::Bad, "! changed   "),
            DriftKind::Unresolved => (Tone::Warn, "? unresolved"),
        };
        lines.push(Text::of(tone, word).plain(format!("  {}", sample.key.join(", "))).hang(14));
    }
    lines
}
