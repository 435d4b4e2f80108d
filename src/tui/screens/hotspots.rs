//! Hot spots: statements of all stores by what they cost, source against target, and what touches several services' tables.
//!
//! ```text
//! stores ──────────────────────────────────────── 2 of 2 read, the oldest 40 s ago
//!   ? legacy  over 10 min: 3 statements evicted
//!   + read: orders-db over 10 min
//! statements ─────────── 43 of 120, most time first; t: 12 compared, 3 across services
//!     store      total     share  calls   mean     statement
//! > & legacy     51.2 s    45 %   12.3k   4.16 ms  SELECT o.id, c.mail FROM orders o JOIN ...
//! ```

use crate::model::hotspot::HotSpotsNow;
use crate::model::statement::StatementSource;
use crate::tui::screens::session::MASK;
use crate::tui::screens::{compared, hotspot};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::hotspots::{HotList, HotRow, HotRows, SpotRow};
use crate::tui::state::list::page;
use crate::tui::theme::Tone;
use crate::tui::units::{percent, short_count, statement_time, three_digits};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::Mark;
use crate::tui::widgets::preview;
use crate::tui::widgets::stores::{self, Telling};
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use chrono::TimeDelta;
use ratatui::layout::Rect;

/// Statistics are read about once a minute; older than this, something holds them up.
const OLD: TimeDelta = TimeDelta::minutes(5);

const COLUMNS: [Column; 11] = [
    Column::new("store", 10, 0),
    Column::new("total", 8, 0).right(),
    Column::new("share", 5, 1).right(),
    Column::new("calls", 6, 0).right(),
    Column::new("mean", 8, 0).right(),
    Column::new("p95", 8, 6).right(),
    Column::new("rows/call", 9, 4).right(),
    Column::new("errors", 6, 2).right(),
    Column::new("login", 12, 7),
    Column::new("services", 16, 5),
    Column::new("statement", 29, 0).grows(),
];

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let (picture, state) = (cockpit.picture(), &cockpit.hotspots);
    let view = picture.hot_spots();
    let target = state.target(view);
    if state.zoomed {
        return hotspot::draw(canvas, area, cockpit, target.as_ref());
    }
    let rows = state.rows(view);
    let room = stores::room(area, rows.len(), small);
    let waiting = stores::waiting_words(cockpit.live().is_up());
    let now = picture.now;
    let telling = Telling {
        old: OLD,
        more: &|read| hotspot::coverage(read, now).into_iter().map(|words| ((Tone::Warn, '?'), words)).collect(),
        quiet: &|read| format!(" over {}", hotspot::length(&read.value.spots)),
        rest: "G goes to the stores",
    };
    let by_store = view.map(|view| &view.stores);
    let used = stores::draw_told(canvas, area, by_store, now, room, waiting, &telling);
    let (list, below) = stores::divide(area, used, rows.len());
    let (list, preview) = if below.is_none() && !rows.is_empty() { preview::divide(list) } else { (list, None) };
    draw_list(canvas, list, cockpit, &rows);
    let selected = state.selected(&rows).and_then(|index| rows.get(index));
    if let (Some(place), Some(row)) = (preview, selected) {
        let (title, words) = hotspot::in_short(&row, cockpit.masked);
        preview::draw(canvas, place, &title, &Text::of(Tone::Plain, words));
    }
    match below {
        Some(below) => hotspot::draw(canvas, below, cockpit, target.as_ref()),
        None => 0,
    }
}

fn draw_list(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, rows: &HotRows<'_>) {
    let state = &cockpit.hotspots;
    let others: Vec<String> = HotList::ALL
        .into_iter()
        .filter(|list| *list != state.list())
        .map(|list| format!("{} {}", state.total(list), short_words(list)))
        .collect();
    let remark = format!(
        "{} of {}, {}; t: {}",
        rows.statements(),
        state.total(state.list()),
        state.order_words(),
        others.join(", ")
    );
    canvas.heading(area, 0, state.list().words(), &remark);
    let width = usize::from(area.width);
    let columns: &[Column] = if state.list() == HotList::Compared { &compared::COLUMNS } else { &COLUMNS };
    canvas.line(area, 1, &table::head(width, columns));
    let body = band(area, 2, usize::from(area.height));
    let view = cockpit.picture().hot_spots();
    if let (Some(view), true) = (view, rows.is_empty()) {
        let words = Text::of(Tone::Dim, empty_words(cockpit, view)).hang(4);
        canvas.prose(Rect { x: body.x + 4.min(body.width), width: body.width.saturating_sub(4), ..body }, &[words], 0);
    }
    let selected = state.selected(rows);
    let shown = page(state.place(selected), rows.len(), usize::from(body.height));
    for (at, index) in shown.enumerate() {
        let row = match rows.get(index) {
            Some(HotRow::Spot(row)) => spot_row(&row, cockpit.masked),
            Some(HotRow::Store(store, reading)) => hotspot::store_row(store, reading, columns.len()),
            Some(row) => compared::row(&row, cockpit.masked),
            None => continue,
        };
        table::draw(canvas, body, at, columns, &row, Some(index) == selected);
    }
}

/// The words behind the number in the heading of another list.
fn short_words(list: HotList) -> &'static str {
    match list {
        HotList::Statements => "statements",
        HotList::Compared => "compared",
        HotList::Crossing => "across services",
    }
}

/// Why a list has no rows.
fn empty_words(cockpit: &Cockpit, view: &HotSpotsNow) -> &'static str {
    let none = match cockpit.hotspots.list() {
        HotList::Statements => {
            "no statement ran in the interval, or only one reading was taken yet: an interval needs two"
        }
        HotList::Compared => "nothing is compared: it needs readings of both sides of a pipeline",
        HotList::Crossing => "no statement was seen that touches tables of more than one service",
    };
    let by_store = Some(&view.stores);
    if cockpit.hotspots.filter().is_empty() && stores::all_absent(by_store) {
        return "no store of this migration keeps statistics of statements";
    }
    stores::empty_words(cockpit.hotspots.filter(), stores::any_read(by_store), none)
}

/// The mark of a statement: errors, several services, not counted, new; else nothing.
fn mark(row: &SpotRow<'_>) -> Mark {
    let spot = row.spot;
    if spot.errors.is_some_and(|errors| errors > 0) {
        (Tone::Bad, '!')
    } else if row.crossing.is_some() {
        (Tone::Warn, '&')
    } else if !row.list.source.counts_all() {
        (Tone::Warn, '~')
    } else if spot.is_new {
        (Tone::Busy, '*')
    } else {
        (Tone::Dim, ' ')
    }
}

fn spot_row<'a>(row: &SpotRow<'a>, masked: bool) -> Row<'a> {
    let spot = row.spot;
    let unknown = || (Tone::Dim, "-".into());
    let per_call = |number: u64| number as f64 / spot.calls.max(1) as f64;
    let rows = spot.rows.map_or_else(unknown, |rows| (Tone::Plain, rows_words(per_call(rows)).into()));
    let errors = match spot.errors {
        None => unknown(),
        Some(0) => (Tone::Dim, "0".into()),
        Some(errors) => (Tone::Bad, short_count(errors).into()),
    };
    let p95 = spot.percentiles.and_then(|percentiles| percentiles.p95_us);
    let services: Vec<&str> = spot.services.iter().map(|service| service.as_str()).collect();
    let tone = if services.len() > 1 { Tone::Warn } else { Tone::Plain };
    // A share of time is not a count: it is shown as what it is.
    let calls = match row.list.source {
        StatementSource::Sampled => (Tone::Dim, "?".into()),
        _ => (Tone::Plain, short_count(spot.calls).into()),
    };
    Row {
        mark: mark(row),
        cells: vec![
            (Tone::Dim, row.store.as_str().into()),
            (Tone::Strong, statement_time(spot.total_us).into()),
            (Tone::Plain, share_words(spot.share).into()),
            calls,
            (Tone::Plain, spot.mean_us().map_or_else(|| "-".to_owned(), statement_time).into()),
            p95.map_or_else(unknown, |p95| (Tone::Plain, statement_time(p95).into())),
            rows,
            errors,
            (Tone::Plain, spot.logins.join(", ").into()),
            (tone, services.join("+").into()),
            (Tone::Plain, if masked { MASK } else { spot.text.as_str() }.into()),
        ],
    }
}

/// Rows for one execution.
pub fn rows_words(rows: f64) -> String {
    if rows >= 1_000.0 { short_count(rows as u64) } else { three_digits(rows) }
}

/// A share, rounded down, so that 100 % is only said of a whole.
pub fn share_words(share: f64) -> String {
    let parts = (share.clamp(0.0, 1.0) * 1_000_000.0) as u64;
    match percent(parts, 1_000_000) {
        Some(0) if parts > 0 => "<1 %".to_owned(),
        Some(percent) => format!("{percent} %"),
        None => String::new(),
    }
}
