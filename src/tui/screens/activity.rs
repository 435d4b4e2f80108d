//! Sessions of all stores in one table, the oldest transaction first; above it how the stores were read.
//!
//! ```text
//! stores ──────────────────────────────────────────────── 2 of 3 read just now
//!   ! billing-db  last read 40 s ago: connection refused
//!   + read: legacy, orders-db
//! sessions ─────────────────────────── 4 of 57 busy, oldest transaction first
//!     store      session  login     state       xact    statement
//! > = legacy     18231    app_rw    idle in tx  14 min  UPDATE orders SET ...
//! ```

use crate::tui::screens::session::{self, MASK, short_state, since};
use crate::tui::state::activity::{SessionRow, sessions};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::stores;
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use ratatui::layout::Rect;

const COLUMNS: [Column; 10] = [
    Column::new("store", 10, 0),
    Column::new("session", 7, 0),
    Column::new("login", 9, 1),
    Column::new("application", 12, 4),
    Column::new("client", 13, 5),
    Column::new("state", 10, 0),
    Column::new("xact", 6, 0).right(),
    Column::new("runs", 6, 6).right(),
    Column::new("waits for", 16, 3),
    Column::new("statement", 18, 2).grows(),
];

/// Draws the screen; the detail scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, small: bool) -> usize {
    let (picture, state) = (cockpit.picture(), &cockpit.activity);
    if state.zoomed {
        return draw_detail(canvas, area, cockpit);
    }
    let rows = state.rows(picture);
    let room = if small { 2 } else { (usize::from(area.height) / 5).max(4) };
    let waiting = stores::waiting_words(cockpit.live().is_up());
    let used = stores::draw(canvas, area, picture.activity(), picture.now, room, waiting);
    let (list, below) = stores::divide(area, used, rows.len());
    draw_list(canvas, list, cockpit, &rows);
    match below {
        Some(below) => draw_detail(canvas, below, cockpit),
        None => 0,
    }
}

fn draw_list(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, rows: &[SessionRow<'_>]) {
    let (picture, state) = (cockpit.picture(), &cockpit.activity);
    let total = picture.activity().map_or(0, |view| sessions(view).count());
    let busy = if state.all { "" } else { " busy" };
    canvas.heading(area, 0, "sessions", &format!("{} of {total}{busy}, {}", rows.len(), state.order.words()));
    canvas.line(area, 1, &table::head(usize::from(area.width), &COLUMNS));
    let list = band(area, 2, usize::from(area.height));
    if rows.is_empty() && picture.activity().is_some() {
        let none = if total == 0 { "nobody is connected" } else { "nobody is busy; a lists the idle ones too" };
        let words = stores::empty_words(&state.filter, stores::any_read(picture.activity()), none);
        canvas.line(list, 0, &Text::of(Tone::Dim, format!("    {words}")));
    }
    let selected = state.selected(rows);
    let shown = page(state.cursor.place(selected), rows.len(), usize::from(list.height));
    for (at, index) in shown.enumerate() {
        if let Some(row) = rows.get(index) {
            table::draw(canvas, list, at, &COLUMNS, &table_row(row, cockpit), Some(index) == selected);
        }
    }
}

fn table_row<'a>(row: &SessionRow<'a>, cockpit: &Cockpit) -> Row<'a> {
    let (now, s) = (cockpit.picture().now, row.session);
    let mark = session::mark(s.state);
    let statement = if cockpit.masked { MASK } else { &s.statement };
    Row {
        mark,
        cells: vec![
            (Tone::Dim, row.store.as_str().into()),
            (Tone::Plain, s.key.id.as_str().into()),
            (Tone::Plain, s.login.as_str().into()),
            (Tone::Plain, s.application.as_str().into()),
            (Tone::Dim, s.client.as_str().into()),
            (mark.0, short_state(s.state).into()),
            (Tone::Plain, since(now, s.transaction_since).into()),
            (Tone::Dim, since(now, s.statement_since).into()),
            (Tone::Warn, s.wait.as_str().into()),
            (Tone::Plain, statement.into()),
        ],
    }
}

fn draw_detail(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) -> usize {
    let state = &cockpit.activity;
    let place = band(area, 1, usize::from(area.height));
    match (state.target(cockpit.picture()), state.cursor.chosen()) {
        (Some(row), _) => {
            let title = format!("session {} on {}", row.session.key, row.store);
            canvas.heading(area, 0, &title, if state.zoomed { "Esc closes" } else { "" });
            canvas.prose(place, &session::detail(&row, cockpit), state.scroll)
        }
        (None, Some((store, key))) => {
            canvas.heading(area, 0, &format!("session {key} on {store}"), "");
            let mut lines = vec![Text::of(
                Tone::Warn,
                "it is not in the list any more: it is gone, or idle, or the filter hides it",
            )];
            lines.extend(stores::lines(store, cockpit.picture().activity(), cockpit.picture().now));
            canvas.prose(place, &lines, state.scroll)
        }
        (None, None) => 0,
    }
}
