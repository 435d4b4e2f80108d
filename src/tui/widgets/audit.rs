//! What the audit of each store amounts to, in a few lines above a list of findings: problems first, then stores by their
//! worst broken rule.
//!
//! ```text
//! stores ──────────────────────────────────────── 2 of 3 read, the oldest 12 min ago
//!   ! billing-db  never read: connection refused
//!   ! legacy      12 min  C! 1  H^ 3  M~ 12  waived 1  not checkable 4  pass 61
//!   ? orders-db   12 min  nothing broken  not checkable 9  pass 42
//! ```
//!
//! Invariant: a store gets its `+` only when every rule was looked at and holds.

use crate::model::finding::Audit;
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, Observation};
use crate::tui::state::findings::{FindingsState, SEVERITIES, StoreSum};
use crate::tui::theme::Tone;
use crate::tui::units::{age, ago};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark::{Mark, severity_tone};
use crate::tui::widgets::stores::{self, Note};
use crate::tui::widgets::text::{Text, fit};
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

/// Catalogues are read every quarter of an hour, and less often where that costs much.
const OLD: TimeDelta = TimeDelta::hours(1);

/// Columns that a store's name takes at most.
const LONGEST_NAME: usize = 16;

/// Draws the lines into at most `room` rows and returns the rows used. `waiting` says why no view came yet.
pub fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    view: Option<&ByStore<Audit>>,
    state: &FindingsState,
    now: DateTime<Utc>,
    room: usize,
    waiting: &str,
) -> usize {
    let Some(view) = view else {
        canvas.heading(area, 0, "stores", "");
        canvas.line(area, 1, &Text::of(Tone::Dim, format!("    {waiting}")));
        return 2;
    };
    canvas.heading(area, 0, "stores", &read_words(state, view, now));
    let width = view.keys().map(|store| store.as_str().width()).max().unwrap_or(0).min(LONGEST_NAME);
    let room = room.saturating_sub(1).max(1);
    let known = view.iter().flat_map(|(store, reading)| stores::notes(store, reading, now, OLD));
    let changed = view.iter().filter_map(|(store, reading)| change(store, reading.latest.as_ref()?, now));
    let notes: Vec<Note> = known.chain(changed).collect();
    // What failed or cannot be seen comes first, but never takes all the room; what an engine lacks comes last.
    let urgent: Vec<&Note> = notes.iter().filter(|note| note.mark.0 != Tone::Dim).collect();
    let absent = notes.iter().filter(|note| note.mark.0 == Tone::Dim);
    let sums: Vec<&(StoreId, StoreSum)> = state.sums().iter().filter(|(_, sum)| sum.read_at.is_some()).collect();
    let first = urgent.len().min(if sums.is_empty() { room } else { (room / 2).max(1) });
    let lines = urgent
        .iter()
        .take(first)
        .map(|note| note_line(note, width))
        .chain(sums.iter().map(|(store, sum)| sum_line(store, sum, now, width)))
        .chain(urgent.iter().skip(first).map(|note| note_line(note, width)))
        .chain(absent.map(|note| note_line(note, width)));
    let all = notes.len() + sums.len();
    let shown = if all > room { room - 1 } else { all };
    let mut row = 1;
    for line in lines.take(shown) {
        canvas.line(area, row, &line);
        row += 1;
    }
    if shown < all {
        let words = format!("    and {} more lines: / store:NAME narrows the list below", all - shown);
        canvas.line(area, row, &Text::of(Tone::Dim, words));
        row += 1;
    }
    row
}

fn read_words(state: &FindingsState, view: &ByStore<Audit>, now: DateTime<Utc>) -> String {
    let all = view.values().filter(|reading| reading.absent.is_none()).count();
    let read = view.values().filter(|reading| reading.latest.is_some()).count();
    match state.whole().read_at {
        Some(at) => format!("{read} of {all} read, the oldest {}", ago(now, at)),
        None => format!("{read} of {all} read"),
    }
}

/// The last change of rights that was noticed, and how many there were before it.
fn change(store: &StoreId, read: &Observation<Audit>, now: DateTime<Utc>) -> Option<Note> {
    let (last, before) = read.value.changes.split_last()?;
    let sign = if last.appeared { '+' } else { '-' };
    let more = if before.is_empty() { String::new() } else { format!("; {} more: godwit access", before.len()) };
    let words = format!("rights changed {}: {sign} {} {}{more}", ago(now, last.at), last.login, last.sentence);
    Some(Note { mark: (Tone::Warn, '~'), store: store.to_string(), words })
}

fn name(store: &str, width: usize) -> String {
    let shown = fit(store, width);
    format!("{shown}{}", " ".repeat(width.saturating_sub(shown.width())))
}

fn note_line(note: &Note, width: usize) -> Text<'static> {
    let line = Text::of(note.mark.0, format!("  {} ", note.mark.1)).plain(format!("{}  ", name(&note.store, width)));
    line.add(note.mark.0, note.words.clone())
}

/// The mark of a store's audit.
fn mark(sum: &StoreSum) -> Mark {
    if sum.failed() > 0 {
        let worst = SEVERITIES.iter().rev().find(|severity| sum.fails[**severity as usize] > 0);
        (worst.map_or(Tone::Bad, |severity| severity_tone(*severity)), '!')
    } else if sum.not_checkable > 0 || sum.is_partial {
        (Tone::Warn, '?')
    } else if sum.waived > 0 {
        (Tone::Dim, '/')
    } else if sum.is_clean() {
        (Tone::Good, '+')
    } else {
        (Tone::Dim, '.')
    }
}

fn sum_line(store: &StoreId, sum: &StoreSum, now: DateTime<Utc>, width: usize) -> Text<'static> {
    let (tone, sign) = mark(sum);
    let line = Text::of(tone, format!("  {sign} ")).plain(format!("{}  ", name(store.as_str(), width)));
    let line = line.dim(format!("{:<8}", sum.read_at.map_or_else(String::new, |at| age(now, at))));
    counts(sum).into_iter().fold(line, |line, (tone, words)| line.add(tone, words).plain("  "))
}

/// How many rules ended in which way; those without an object are left out. What is not so is left out too, except that nothing
/// is broken.
pub fn counts(sum: &StoreSum) -> Vec<(Tone, String)> {
    let mut words = Vec::new();
    for severity in SEVERITIES.into_iter().rev() {
        let count = sum.fails[severity as usize];
        if count > 0 {
            words.push((severity_tone(severity), format!("{} {count}", severity.mark().trim_end())));
        }
    }
    if words.is_empty() {
        words.push((if sum.is_clean() { Tone::Good } else { Tone::Plain }, "nothing broken".to_owned()));
    }
    let others = [
        (Tone::Plain, "waived", sum.waived),
        (Tone::Warn, "not checkable", sum.not_checkable),
        (Tone::Dim, "pass", sum.holds),
    ];
    words.extend(others.into_iter().filter(|(_, _, n)| *n > 0).map(|(tone, word, n)| (tone, format!("{word} {n}"))));
    words
}
