//! The pipelines at the left, the selected one at the right: four fields, lag, runway, throttle, copy, anomalies.
//!
//! ```text
//! pipelines ───────── │ orders ─────────────────────────── legacy -> orders-db
//! > * orders   live   │ state     running
//!   # billing  copy   │ stage     live
//!                     │ traffic   source
//!                     │ writable  no
//! ```

use crate::model::change::Position;
use crate::model::lag::{Reading, Runway};
use crate::model::pipeline::Stage;
use crate::model::progress::TableProgress;
use crate::model::sample::PipelineSample;
use crate::report::event::grouped;
use crate::tui::screens::frame::split;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::overview::PipelineRow;
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::units::{ago, bytes, duration_ms, forecast, short_count};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark;
use crate::tui::widgets::reading::{alarms, copy_words, distance_words, method_words, read_words, runway_tone};
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const LIST: [Column; 2] = [Column::new("pipeline", 11, 0).grows(), Column::new("stage", 8, 0)];

const TABLES: [Column; 5] = [
    Column::new("table", 14, 0).grows(),
    Column::new("chunks", 9, 0).right(),
    Column::new("rows", 7, 1).right(),
    Column::new("est.", 7, 2).right(),
    Column::new("bytes", 7, 3).right(),
];

/// Columns that the list takes at the left.
const LEFT: usize = 27;

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let picture = cockpit.picture();
    let state = &cockpit.pipelines;
    let selected = state.selected(picture);
    let (left, right) = match (small || state.zoomed, state.zoomed) {
        (true, true) => (Rect { width: 0, ..area }, area),
        (true, false) => (area, Rect { width: 0, ..area }),
        (false, _) => split(canvas, area, LEFT + usize::from(area.width.saturating_sub(100)) / 4),
    };
    if left.width > 0 {
        draw_list(canvas, left, cockpit, selected.map(|(at, _)| at));
    }
    match selected {
        Some((_, row)) if right.width > 0 => {
            canvas.heading(right, 0, row.id.as_str(), &format!("{} -> {}", row.from, row.to));
            let lines = detail(&row, picture, usize::from(right.width));
            canvas.prose(band(right, 1, usize::from(right.height)), &lines, state.scroll)
        }
        _ => 0,
    }
}

fn draw_list(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, selected: Option<usize>) {
    let rows = cockpit.pipelines.rows(cockpit.picture());
    let list = band(area, 1, usize::from(area.height));
    let shown = page(selected.unwrap_or(0), rows.len(), usize::from(list.height));
    let remark = if shown.len() < rows.len() {
        format!("{} of {}", selected.unwrap_or(0) + 1, rows.len())
    } else {
        String::new()
    };
    canvas.heading(area, 0, "pipelines", &remark);
    if rows.is_empty() {
        let words = if cockpit.pipelines.filter.is_empty() { "none yet" } else { "none matches" };
        canvas.line(list, 0, &Text::of(Tone::Dim, format!("    {words}")));
    }
    for (at, index) in shown.enumerate() {
        let Some(row) = rows.get(index) else { continue };
        let mark = mark::pipeline(&row.record.state);
        let cells = vec![(Tone::Plain, row.id.as_str().into()), (Tone::Dim, row.record.stage.word().into())];
        table::draw(canvas, list, at, &LIST, &Row { mark, cells }, Some(index) == selected);
    }
}

fn detail(row: &PipelineRow<'_>, picture: &Picture, width: usize) -> Vec<Text<'static>> {
    let record = row.record;
    let mut lines = vec![
        field("state", mark::pipeline(&record.state).0, record.state.word()),
        field("stage", Tone::Plain, record.stage.word()),
        field("traffic", Tone::Plain, &format!("{} serves", record.traffic.word())),
        field("writable", Tone::Plain, if record.writable { "yes: applications may write the target" } else { "no" }),
    ];
    lines.extend(alarms(row, picture).into_iter().map(|(tone, alarm)| Text::of(tone, alarm).hang(2)));
    lines.extend(record.schema_sentences().iter().map(|change| field("schema", Tone::Warn, change)));
    let Some(sample) = row.sample else {
        lines.push(Text::new());
        lines.push(Text::of(Tone::Dim, "no readings yet"));
        return lines;
    };
    lines.push(Text::new());
    // While rows are being copied, the copy is what people look for.
    if row.record.stage == Stage::Copy {
        lines.extend(copy(sample, width));
        lines.push(Text::new());
    }
    lines.extend(lag(sample, picture));
    lines.extend(runway(&sample.runway, picture));
    lines.push(field("applied", Tone::Plain, &applied(sample)));
    lines.extend(limits(row, sample));
    if row.record.stage != Stage::Copy && !sample.copy.tables.is_empty() {
        lines.push(Text::new());
        lines.extend(copy(sample, width));
    }
    lines
}

fn copy(sample: &PipelineSample, width: usize) -> Vec<Text<'static>> {
    let mut lines = vec![field("copy", Tone::Strong, &copy_words(sample)), table::head(width, &TABLES)];
    lines.extend(sample.copy.tables.iter().map(|table| table_line(table, width)));
    lines
}

fn field(label: &str, tone: Tone, text: &str) -> Text<'static> {
    Text::of(Tone::Dim, format!("{label:<9} ")).add(tone, text.to_owned()).hang(10)
}

fn lag(sample: &PipelineSample, picture: &Picture) -> Vec<Text<'static>> {
    let lag = &sample.lag;
    let how = format!(", {}{}", method_words(lag.method), read_words(picture.now, lag.at));
    let first = match &lag.lag_ms {
        Reading::Known(ms) => field("lag", Tone::Strong, &duration_ms(*ms)).dim(how),
        Reading::Unknown(why) => field("lag", Tone::Warn, "? unknown: ").plain(why.clone()).dim(how),
    };
    let place = |position: Option<Position>| position.map_or_else(|| "?".to_owned(), |position| position.to_string());
    let moved = match sample.moved_at {
        Some(at) => format!("moved {}", ago(picture.now, at)),
        None => "has not moved yet".to_owned(),
    };
    let places = format!("source {}, applied {} {moved}", place(lag.source_position), place(lag.applied_position));
    vec![first, field("distance", Tone::Plain, &distance_words(lag)), field("", Tone::Dim, &places)]
}

fn runway(runway: &Runway, picture: &Picture) -> Vec<Text<'static>> {
    let read = read_words(picture.now, runway.at);
    let first = match &runway.seconds {
        Reading::Known(Some(seconds)) => field("runway", runway_tone(*seconds), &forecast(*seconds))
            .plain(" until the source's log is cut")
            .dim(read),
        Reading::Known(None) => {
            field("runway", Tone::Plain, "the source keeps its log as long as it is needed").dim(read)
        }
        Reading::Unknown(why) => field("runway", Tone::Warn, "? unknown: ").plain(why.clone()).dim(read),
    };
    let kept = match &runway.retained {
        Reading::Known(kept) => format!("{} kept", bytes(*kept)),
        Reading::Unknown(why) => format!("kept: ? {why}"),
    };
    let room = match &runway.room {
        Reading::Known(Some(room)) => format!("room for {} more", bytes(*room)),
        Reading::Known(None) => "only the disk limits it".to_owned(),
        Reading::Unknown(why) => format!("room: ? {why}"),
    };
    let mut lines = vec![first, field("", Tone::Dim, &format!("{kept}, {room}"))];
    if let Reading::Known(free) = &runway.disk_free {
        lines.push(field("", Tone::Dim, &format!("{} free on its disk", bytes(*free))));
    }
    lines
}

fn applied(sample: &PipelineSample) -> String {
    let rate = match &sample.applied_per_second {
        Reading::Known(rate) => format!("{} a second", grouped(*rate)),
        Reading::Unknown(why) => format!("rate unknown: {why}"),
    };
    format!("{} changes since the engine started, {rate}", grouped(sample.applied_changes))
}

fn limits(row: &PipelineRow<'_>, sample: &PipelineSample) -> Vec<Text<'static>> {
    let slowed = if sample.throttled_by.is_empty() {
        "nothing: at full speed".to_owned()
    } else {
        sample.throttled_by.join("; ")
    };
    let tone = if sample.throttled_by.is_empty() { Tone::Plain } else { Tone::Warn };
    let set: Vec<String> = row.record.knobs.iter().map(|(knob, value)| format!("{knob} {value}")).collect();
    let set = if set.is_empty() { "by the profile".to_owned() } else { format!("{} (by operators)", set.join(", ")) };
    let anomalies = match sample.anomalies {
        0 => field("anomalies", Tone::Plain, "none"),
        n => field("anomalies", Tone::Bad, &grouped(n)),
    };
    vec![field("slowed by", tone, &slowed), field("limits", Tone::Plain, &set), anomalies]
}

fn table_line(table: &TableProgress, width: usize) -> Text<'static> {
    let (mark, chunks) = match table.chunks_total {
        None => ((Tone::Dim, '.'), format!("{}/?", table.chunks_done)),
        Some(total) if total == table.chunks_done => ((Tone::Good, '+'), format!("{total}/{total}")),
        Some(total) => ((Tone::Busy, '*'), format!("{}/{total}", table.chunks_done)),
    };
    let estimate = table.estimated_rows.map_or_else(|| "?".to_owned(), short_count);
    let cells = vec![
        (Tone::Plain, table.table.to_string().into()),
        (Tone::Plain, chunks.into()),
        (Tone::Plain, short_count(table.rows_done).into()),
        (Tone::Dim, estimate.into()),
        (Tone::Dim, bytes(table.bytes_done).into()),
    ];
    table::line(width, &TABLES, &Row { mark, cells }, false)
}
