//! A list of findings with what each store's audit amounts to above it: what the index advice and the access audit share.
//!
//! ```text
//! stores ──────────────────────────────────────── 3 of 3 read, the oldest 12 min ago
//!   ! legacy      12 min  C! 1  H^ 3  waived 1  not checkable 4  pass 61
//! access audit ──────────── 9 of 9 (a: 61 pass, 4 not applicable), worst first
//!        verdict        store   rule   subject         what
//! > ! C! fail           legacy  PG-08  public.orders   PUBLIC has SELECT on public.orders
//! PG-08 public.orders ──────────────────────────────────────────── Enter: all of it
//! PUBLIC has SELECT on public.orders
//! ```

use crate::model::finding::{Audit, Finding};
use crate::model::observation::{ByStore, StoreReading};
use crate::tui::screens::finding;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::findings::{FindingRow, FindingRows, FindingsState};
use crate::tui::state::list::page;
use crate::tui::state::picture::Picture;
use crate::tui::theme::Tone;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::{self, severity_tone};
use crate::tui::widgets::table::{self, Cell, Column, Row, band};
use crate::tui::widgets::text::Text;
use crate::tui::widgets::{audit, preview, stores};
use ratatui::layout::Rect;

/// What makes one screen of findings differ from another.
pub struct Subject {
    /// Above the list.
    pub title: &'static str,
    /// The columns; the first six are the finding's own.
    pub columns: &'static [Column],
    /// Cells of the columns behind the sixth.
    pub more: fn(&Finding, &Picture) -> Vec<Cell<'static>>,
    /// Said when nothing is broken and everything was looked at.
    pub clean: &'static str,
    /// Said when no store's engine has such a thing.
    pub absent: &'static str,
}

/// Severity, verdict, store, rule, subject and sentence.
pub const OWN: [Column; 6] = [
    Column::new("", 2, 0),
    Column::new("verdict", 14, 0),
    Column::new("store", 10, 0),
    Column::new("rule", 9, 0),
    Column::new("subject", 16, 0).grows(),
    Column::new("what", 30, 1).grows(),
];

/// Draws the screen; the detail scrolls.
pub fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    cockpit: &Cockpit,
    small: bool,
    state: &FindingsState,
    view: Option<&ByStore<Audit>>,
    subject: &Subject,
) -> usize {
    let picture = cockpit.picture();
    if state.zoomed {
        return finding::draw(canvas, area, cockpit, state, view);
    }
    let rows = state.rows(view);
    let room = stores::room(area, rows.len(), small);
    let waiting = stores::waiting_words(cockpit.live().is_up());
    let used = audit::draw(canvas, area, view, state, picture.now, room, waiting);
    let (list, below) = stores::divide(area, used, rows.len());
    let (list, preview) = if below.is_none() && !rows.is_empty() { preview::divide(list) } else { (list, None) };
    canvas.heading(list, 0, subject.title, &remark(state, &rows));
    canvas.line(list, 1, &table::head(usize::from(list.width), subject.columns));
    let body = band(list, 2, usize::from(list.height));
    if view.is_some() && rows.is_empty() {
        let words = Text::of(Tone::Dim, empty_words(state, view, subject));
        canvas.prose(Rect { x: body.x + 4.min(body.width), width: body.width.saturating_sub(4), ..body }, &[words], 0);
    }
    let selected = state.selected(&rows);
    let shown = page(state.place(selected), rows.len(), usize::from(body.height));
    for (at, index) in shown.enumerate() {
        if let Some(row) = rows.get(index) {
            table::draw(canvas, body, at, subject.columns, &table_row(row, subject, picture), Some(index) == selected);
        }
    }
    if let (Some(place), Some(row)) = (preview, selected.and_then(|index| rows.get(index))) {
        let (title, words) = in_short(row);
        preview::draw(canvas, place, &title, &Text::of(Tone::Plain, words));
    }
    match below {
        Some(below) => finding::draw(canvas, below, cockpit, state, view),
        None => 0,
    }
}

/// What a line says, and whose it is.
fn in_short(row: FindingRow<'_>) -> (String, String) {
    match row {
        FindingRow::Finding(found, _) => (format!("{} {}", found.rule, found.subject), found.sentence.clone()),
        FindingRow::Store(store, reading) => (store.to_string(), unseen(reading)),
    }
}

/// The first thing that cannot be seen of a store.
fn unseen(reading: &StoreReading<Audit>) -> String {
    let missing = reading.latest.as_ref().and_then(|read| read.missing.first());
    match (&reading.problem, missing) {
        (Some(problem), _) => problem.clone(),
        (None, Some(missing)) => format!("{}: {}", missing.what, missing.why),
        (None, None) => String::new(),
    }
}

/// How many are listed, and what is left out.
fn remark(state: &FindingsState, rows: &FindingRows<'_>) -> String {
    let whole = state.whole();
    let open = whole.failed() + whole.waived + whole.not_checkable;
    let listed = rows.findings();
    if state.lists_all() {
        let all = open + whole.holds + whole.not_applicable;
        return format!("{listed} of {all}, {}", state.order().words());
    }
    let hidden = match (whole.holds, whole.not_applicable) {
        (0, 0) => String::new(),
        (holds, 0) => format!(" (a: {holds} pass)"),
        (holds, without) => format!(" (a: {holds} pass, {without} not applicable)"),
    };
    format!("{listed} of {open}{hidden}, {}", state.order().words())
}

/// Why the list has no rows.
fn empty_words(state: &FindingsState, view: Option<&ByStore<Audit>>, subject: &Subject) -> String {
    if !state.filter().is_empty() {
        let more = if state.lists_all() { "" } else { "; a lists what passes too" };
        return format!("nothing matches the filter{more}");
    }
    if stores::all_absent(view) {
        return subject.absent.to_owned();
    }
    if !stores::any_read(view) {
        return "no store was read yet".to_owned();
    }
    let unread = view.into_iter().flatten().filter(|(_, r)| r.latest.is_none() && r.absent.is_none()).count();
    match unread {
        0 => subject.clean.to_owned(),
        1 => "nothing is open on the stores that were read, but one store was not read yet".to_owned(),
        unread => format!("nothing is open on the stores that were read, but {unread} stores were not read yet"),
    }
}

fn table_row<'a>(row: FindingRow<'a>, subject: &Subject, picture: &Picture) -> Row<'a> {
    match row {
        FindingRow::Finding(found, _) => {
            let mark = mark::finding(&found.verdict, found.severity);
            let tone = if mark.1 == '!' { severity_tone(found.severity) } else { mark.0 };
            let mut cells: Vec<Cell<'a>> = vec![
                (tone, found.severity.mark().into()),
                (mark.0, found.verdict.word().into()),
                (Tone::Dim, found.store.as_str().into()),
                (Tone::Plain, found.rule.as_str().into()),
                (Tone::Strong, found.subject.as_str().into()),
                (Tone::Plain, found.sentence.as_str().into()),
            ];
            cells.extend((subject.more)(found, picture));
            Row { mark, cells }
        }
        FindingRow::Store(store, reading) => {
            let mark = if reading.problem.is_some() { (Tone::Bad, '!') } else { (Tone::Warn, '?') };
            let cells = vec![
                (Tone::Dim, "".into()),
                (mark.0, if reading.problem.is_some() { "not read" } else { "not shown" }.into()),
                (Tone::Dim, store.as_str().into()),
                (Tone::Dim, "".into()),
                (mark.0, unseen(reading).into()),
                (Tone::Dim, "".into()),
            ];
            Row { mark, cells }
        }
    }
}
