//! How the stores were read, in a few lines above a list: those with something to say, then all others in one line.
//!
//! ```text
//! stores ─────────────────────────────────────── 2 of 3 read just now
//!   ! billing-db  last read 40 s ago: connection refused
//!   ? orders-db   what other logins' sessions do: not shown; to enable: GRANT ...
//!   + read: legacy
//! ```

use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, Missing, StoreReading};
use crate::tui::state::filter::Filter;
use crate::tui::theme::Tone;
use crate::tui::units::ago;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::Mark;
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::layout::Rect;

/// A reading older than this is told with its age although nothing failed.
const OLD: TimeDelta = TimeDelta::seconds(15);

/// What is to be said of one store.
struct Note {
    mark: Mark,
    store: String,
    words: String,
}

/// Draws the lines into at most `room` rows and returns the rows used. `waiting` says why no view came yet.
pub fn draw<T>(
    canvas: &mut Canvas<'_>,
    area: Rect,
    view: Option<&ByStore<T>>,
    now: DateTime<Utc>,
    room: usize,
    waiting: &str,
) -> usize {
    let Some(view) = view else {
        canvas.heading(area, 0, "stores", "");
        canvas.line(area, 1, &Text::of(Tone::Dim, format!("    {waiting}")));
        return 2;
    };
    let fresh = view.values().filter(|reading| is_fresh(reading, now)).count();
    let absent = view.values().filter(|reading| reading.absent.is_some()).count();
    let mut notes: Vec<Note> = view.iter().flat_map(|(store, reading)| notes(store, reading, now)).collect();
    notes.sort_by_key(|note| note.mark.0 != Tone::Bad);
    let quiet: Vec<&str> =
        view.iter().filter(|(_, r)| is_fresh(r, now) && missing(r).is_empty()).map(|(s, _)| s.as_str()).collect();
    canvas.heading(area, 0, "stores", &format!("{fresh} of {} read just now", view.len() - absent));
    let room = room.saturating_sub(1 + usize::from(!quiet.is_empty())).max(1);
    let shown = if notes.len() > room { room - 1 } else { notes.len() };
    let mut row = 1;
    for note in notes.iter().take(shown) {
        let line = Text::of(note.mark.0, format!("  {} ", note.mark.1)).plain(format!("{}  ", note.store));
        canvas.line(area, row, &line.add(note.mark.0, note.words.clone()));
        row += 1;
    }
    if shown < notes.len() {
        let words = format!("    and {} more notes: Enter on a row tells those of its store", notes.len() - shown);
        canvas.line(area, row, &Text::of(Tone::Warn, words));
        row += 1;
    }
    if !quiet.is_empty() {
        canvas.line(area, row, &Text::of(Tone::Good, "  + ").dim("read: ").plain(quiet.join(", ")));
        row += 1;
    }
    row
}

/// What the first line says while no view came.
pub fn waiting_words(is_up: bool) -> &'static str {
    if is_up { "the first readings are on their way" } else { "there is no connection to the engine" }
}

/// Why a list has no rows.
pub fn empty_words<'a>(filter: &Filter, all_read: bool, none: &'a str) -> &'a str {
    match (filter.is_empty(), all_read) {
        (false, _) => "nothing matches the filter",
        (true, false) => "no store was read yet",
        (true, true) => none,
    }
}

/// True when at least one store was read.
pub fn any_read<T>(view: Option<&ByStore<T>>) -> bool {
    view.is_some_and(|view| view.values().any(|reading| reading.latest.is_some()))
}

fn is_fresh<T>(reading: &StoreReading<T>, now: DateTime<Utc>) -> bool {
    reading.problem.is_none() && reading.latest.as_ref().is_some_and(|read| now - read.at <= OLD)
}

fn missing<T>(reading: &StoreReading<T>) -> &[Missing] {
    reading.latest.as_ref().map_or(&[], |read| read.missing.as_slice())
}

fn notes<T>(store: &StoreId, reading: &StoreReading<T>, now: DateTime<Utc>) -> Vec<Note> {
    let note = |mark, words: String| Note { mark, store: store.to_string(), words };
    if let Some(why) = &reading.absent {
        return vec![note((Tone::Dim, '-'), why.clone())];
    }
    let mut notes = Vec::new();
    match (&reading.problem, &reading.latest) {
        (Some(why), latest) => {
            // Errors begin with the store's name, which stands there already.
            let why = why.strip_prefix(&format!("{store}: ")).unwrap_or(why);
            let last = match latest {
                Some(read) => format!("last read {}: {why}", ago(now, read.at)),
                None => format!("never read: {why}"),
            };
            notes.push(note((Tone::Bad, '!'), last));
        }
        (None, None) => notes.push(note((Tone::Dim, '.'), "not read yet".to_owned())),
        (None, Some(read)) if now - read.at > OLD => {
            notes.push(note((Tone::Warn, '?'), format!("last read {}; it does not answer", ago(now, read.at))));
        }
        (None, Some(_)) => {}
    }
    notes.extend(missing(reading).iter().map(|missing| {
        let enable = missing.enable.as_ref().map_or_else(String::new, |sql| format!("; to enable: {sql}"));
        note((Tone::Warn, '?'), format!("{}: not shown{enable}", missing.what))
    }));
    notes
}

/// Everything that is to be said of one store's reading, for a detail.
pub fn lines<T>(store: &StoreId, view: Option<&ByStore<T>>, now: DateTime<Utc>) -> Vec<Text<'static>> {
    let Some(reading) = view.and_then(|view| view.get(store)) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(why) = &reading.problem {
        lines.push(Text::of(Tone::Bad, format!("! {why}")).hang(2));
    }
    if let Some(read) = &reading.latest {
        lines.push(Text::of(Tone::Dim, format!("{store} was read {}", ago(now, read.at))));
    }
    for missing in missing(reading) {
        lines.push(Text::new());
        lines.push(Text::of(Tone::Warn, format!("? {}: not shown: {}", missing.what, missing.why)).hang(2));
        if let Some(enable) = &missing.enable {
            lines.push(Text::of(Tone::Dim, "  to enable  ").plain(enable.clone()).hang(13));
        }
        if !missing.price.is_empty() {
            lines.push(Text::of(Tone::Dim, "  its cost   ").plain(missing.price.clone()).hang(13));
        }
    }
    lines
}

/// Divides what is left below the stores: the list, and the detail of its selected row where there is room for both.
pub fn divide(area: Rect, used: usize, rows: usize) -> (Rect, Option<Rect>) {
    let left = usize::from(area.height).saturating_sub(used);
    // A list of a dozen rows comes first; the detail needs as many to say anything.
    if left < 26 {
        return (band(area, used, left), None);
    }
    let list = (rows + 2).clamp(8, left / 2);
    (band(area, used, list), Some(band(area, used + list, left - list)))
}
