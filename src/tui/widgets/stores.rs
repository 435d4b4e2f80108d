//! How the stores were read, in a few lines above a list: those with something to say, then all others in one line.
//!
//! ```text
//! stores ─────────────────────────────────────── 2 of 3 read just now
//!   ! billing-db  last read 40 s ago: connection refused
//!   ? orders-db   what other logins' sessions do: not shown; to enable: GRANT ...
//!   + read: legacy
//! ```

use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, Missing, Observation, StoreReading};
use crate::tui::state::filter::Filter;
use crate::tui::theme::Tone;
use crate::tui::units::ago;
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::Mark;
use crate::tui::widgets::table::band;
use crate::tui::widgets::text::Text;
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::layout::Rect;

/// A reading of what changes all the time is told with its age when it is older than this, although nothing failed.
pub const LIVE: TimeDelta = TimeDelta::seconds(15);

/// What is to be said of one store.
#[derive(Clone, Debug)]
pub struct Note {
    /// How it is meant.
    pub mark: Mark,
    /// Whose it is.
    pub store: String,
    /// What is so.
    pub words: String,
}

/// How stores are told of.
pub struct Telling<'p, T> {
    /// A reading is told with its age when it is older than this, although nothing failed.
    pub old: TimeDelta,
    /// What else is to be said of a store that was read.
    pub more: &'p dyn Fn(&T) -> Vec<(Mark, String)>,
    /// What stands behind the name of a store of which there is nothing to say.
    pub quiet: &'p dyn Fn(&Observation<T>) -> String,
    /// Which key leads to the notes for which there is no room.
    pub rest: &'p str,
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
    let telling = Telling {
        old: LIVE,
        more: &|_| Vec::new(),
        quiet: &|_| String::new(),
        rest: "Enter on a row tells those of its store",
    };
    draw_told(canvas, area, view, now, room, waiting, &telling)
}

/// Like [`draw`], telling more.
pub fn draw_told<T>(
    canvas: &mut Canvas<'_>,
    area: Rect,
    view: Option<&ByStore<T>>,
    now: DateTime<Utc>,
    room: usize,
    waiting: &str,
    telling: &Telling<'_, T>,
) -> usize {
    let Some(view) = view else {
        canvas.heading(area, 0, "stores", "");
        canvas.line(area, 1, &Text::of(Tone::Dim, format!("    {waiting}")));
        return 2;
    };
    let mut fresh = 0;
    let (mut notes, mut quiet): (Vec<Note>, Vec<String>) = (Vec::new(), Vec::new());
    for (store, reading) in view {
        let read = reading.latest.as_ref().filter(|_| is_fresh(reading, now, telling.old));
        fresh += usize::from(read.is_some());
        let more = read.map(|read| (telling.more)(&read.value)).unwrap_or_default();
        match read {
            Some(read) if more.is_empty() && read.missing.is_empty() => {
                quiet.push(format!("{store}{}", (telling.quiet)(read)));
            }
            _ => {
                notes.extend(self::notes(store, reading, now, telling.old));
                notes.extend(more.into_iter().map(|(mark, words)| Note { mark, store: store.to_string(), words }));
            }
        }
    }
    // What failed comes first, then what cannot be seen; what an engine does not have comes last.
    notes.sort_by_key(|note| match note.mark.0 {
        Tone::Bad => 0,
        Tone::Dim => 2,
        _ => 1,
    });
    let absent = view.values().filter(|reading| reading.absent.is_some()).count();
    canvas.heading(area, 0, "stores", &told_words(fresh, view, absent, now, telling.old));
    let room = room.saturating_sub(1 + usize::from(!quiet.is_empty())).max(1);
    let shown = if notes.len() > room { room - 1 } else { notes.len() };
    let mut row = 1;
    for note in notes.iter().take(shown) {
        let line = Text::of(note.mark.0, format!("  {} ", note.mark.1)).plain(format!("{}  ", note.store));
        canvas.line(area, row, &line.add(note.mark.0, note.words.clone()));
        row += 1;
    }
    if shown < notes.len() {
        let words = format!("    and {} more notes: {}", notes.len() - shown, telling.rest);
        canvas.line(area, row, &Text::of(Tone::Warn, words));
        row += 1;
    }
    if !quiet.is_empty() {
        canvas.line(area, row, &Text::of(Tone::Good, "  + ").dim("read: ").plain(quiet.join(", ")));
        row += 1;
    }
    row
}

/// How many stores were read, and for what changes rarely how old the oldest reading is.
fn told_words<T>(fresh: usize, view: &ByStore<T>, absent: usize, now: DateTime<Utc>, old: TimeDelta) -> String {
    let all = view.len() - absent;
    if old <= LIVE {
        return format!("{fresh} of {all} read just now");
    }
    let read = view.values().filter_map(|reading| reading.latest.as_ref());
    match (read.clone().count(), read.map(|read| read.at).min()) {
        (1, Some(at)) if all == 1 => format!("1 of 1 read, {}", ago(now, at)),
        (count, Some(at)) => format!("{count} of {all} read, the oldest {}", ago(now, at)),
        (count, None) => format!("{count} of {all} read"),
    }
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

/// True when every store of a view says that its engine has no such thing.
pub fn all_absent<T>(view: Option<&ByStore<T>>) -> bool {
    view.is_some_and(|view| !view.is_empty() && view.values().all(|reading| reading.absent.is_some()))
}

fn is_fresh<T>(reading: &StoreReading<T>, now: DateTime<Utc>, old: TimeDelta) -> bool {
    reading.problem.is_none() && reading.latest.as_ref().is_some_and(|read| now - read.at <= old)
}

fn missing<T>(reading: &StoreReading<T>) -> &[Missing] {
    reading.latest.as_ref().map_or(&[], |read| read.missing.as_slice())
}

/// What is to be said of one store besides what was read: the problem, the age, what is missing.
pub fn notes<T>(store: &StoreId, reading: &StoreReading<T>, now: DateTime<Utc>, old: TimeDelta) -> Vec<Note> {
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
        (None, Some(read)) if now - read.at > old => {
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

/// How many rows the lines of stores may take above a list of `rows` rows: a fifth of the screen, and what the list leaves of a third.
pub fn room(area: Rect, rows: usize, small: bool) -> usize {
    if small {
        return 3;
    }
    let height = usize::from(area.height);
    (height / 5).max(5).max(height.saturating_sub(rows + 3).min(height / 3))
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
