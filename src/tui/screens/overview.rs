//! The overview.
//!
//! ```text
//! READY - cutover, 0 of 2 approvals, waiting for operator (approve: A), 12 min
//!
//! phases ─────────────────────────────────────────────────────── 7 of 10 finished
//!  + assess  + build  + backfill  + sync  ...  ? cutover awaiting approval  . watch
//! pipelines ─────────────────────────────────────────────────────────────────────
//!     pipeline      state     stage     traffic  writable  lag           runway
//!   * orders        running   live      source   no        120 ms        6 h
//! stores ────────────────────────────────────────────────────────────────────────
//!   + legacy        postgres  15.4             now        127.0.0.1:5432
//! drift ─────────────────────────────────────────────────────────────────────────
//!   + orders        last full pass 4 min ago, 120 rows changed since, 0 unresolved
//! ```

use crate::model::ids::{PipelineId, StoreId};
use crate::model::phase::PhaseStatus;
use crate::model::pipeline::Traffic;
use crate::model::sample::StoreSample;
use crate::report::event::{drift_words, grouped};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::next::{Next, next};
use crate::tui::state::overview::PipelineRow;
use crate::tui::state::picture::{LinkState, Picture};
use crate::tui::state::verification::{Freshness, freshness, tables};
use crate::tui::theme::Tone;
use crate::tui::units::{age, ago, clock, clock_or_day, zone_word};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark;
use crate::tui::widgets::reading::{lag_cell, notes, runway_cell};
use crate::tui::widgets::section::{Ranked, most_important, section, share};
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::layout::Rect;
use std::borrow::Cow;

const PIPELINES: [Column; 8] = [
    Column::new("pipeline", 12, 0).grows(),
    Column::new("from -> to", 26, 3),
    Column::new("state", 8, 0),
    Column::new("stage", 8, 0),
    Column::new("traffic", 7, 0),
    Column::new("writable", 8, 0),
    Column::new("lag", 12, 0),
    Column::new("runway", 9, 1),
];

const STORES: [Column; 6] = [
    Column::new("store", 12, 0).grows(),
    Column::new("engine", 8, 1),
    Column::new("version", 16, 0),
    Column::new("answered", 10, 0),
    Column::new("clock", 8, 3),
    Column::new("address", 22, 2).grows(),
];

/// Draws the overview; nothing in it scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit) -> usize {
    let picture = cockpit.picture();
    let width = usize::from(area.width);
    let next = next(picture, cockpit.options.observe);
    let mut top: Vec<Text<'_>> = headline(&next, picture).wrap(width.saturating_sub(1));
    top.truncate(3);
    top.extend(outage(cockpit).into_iter().flat_map(|line| line.wrap(width.saturating_sub(1))));
    let ladder = ladder(picture, width.saturating_sub(1));
    let pipelines = cockpit.overview.pipelines(picture);
    let stores = cockpit.overview.stores(picture);
    let drift = drift(picture, usize::from(area.height));
    // Those that cannot be seen anyway are only counted.
    let (shown, unseen) = pipelines.split_at(pipelines.len().min(usize::from(area.height)));
    let pipes =
        |whole| -> Vec<Ranked> { shown.iter().flat_map(|row| pipeline_rows(row, picture, width, whole)).collect() };
    let whole = pipes(true);

    let mut row = 0;
    for line in &top {
        canvas.line(Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(1), ..area }, row, line);
        row += 1;
    }
    row += 1;
    if picture.migration.phases.is_empty() {
        return 0;
    }
    let finished = picture.migration.phases.iter().filter(|p| p.status.is_finished()).count();
    canvas.heading(area, row, "phases", &format!("{finished} of {} finished", picture.migration.phases.len()));
    for (at, line) in ladder.iter().enumerate() {
        canvas.line(
            Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(1), ..area },
            row + 1 + at,
            line,
        );
    }
    row += 1 + ladder.len();

    let room = usize::from(area.height).saturating_sub(row);
    // Each section has a heading, pipelines also column heads.
    let shares = share(room.saturating_sub(4), [whole.len(), drift.len(), stores.len().max(1)]);
    let head = Some(table::head(width, &PIPELINES));
    let lines = if whole.len() > shares[0] { pipes(false) } else { whole };
    let all = lines.len() + unseen.len();
    row += section(canvas, area, row, "pipelines", all, &most_important(lines, shares[0]), head);
    row += section_stores(canvas, area, row, cockpit, &stores, shares[2]);
    row += section(
        canvas,
        area,
        row,
        "drift",
        picture.migration.declared.len(),
        drift.get(..shares[1]).unwrap_or(&drift),
        None,
    );
    latest(canvas, area, row, cockpit);
    0
}

/// The last events in what room is left.
fn latest(canvas: &mut Canvas<'_>, area: Rect, row: usize, cockpit: &Cockpit) {
    let room = usize::from(area.height).saturating_sub(row + 1);
    if room < 2 {
        return;
    }
    let lines = &cockpit.picture().lines;
    canvas.heading(area, row, "latest", &format!("times in {}", zone_word(cockpit.options.zone)));
    for (at, line) in lines.iter().skip(lines.len().saturating_sub(room)).enumerate() {
        let time = clock_or_day(cockpit.options.zone, cockpit.picture().now, line.entry.at);
        let text = Text::of(Tone::Dim, format!("    {time:<11}  ")).plain(line.sentence.as_str());
        canvas.line(area, row + 1 + at, &text);
    }
}

/// The line that says what the migration waits for.
fn headline(next: &Next, picture: &Picture) -> Text<'static> {
    let since = match next.since.map(|at| age(picture.now, at)) {
        Some(age) if age != "now" => format!(", {age}"),
        _ => String::new(),
    };
    Text::of(next.tone, next.word).plain(" - ").plain(format!("{}{since}", next.text)).hang(2)
}

/// Why nothing new comes, when nothing new comes.
fn outage(cockpit: &Cockpit) -> Option<Text<'static>> {
    let (live, zone) = (cockpit.live(), cockpit.options.zone);
    match &live.link {
        LinkState::Down { why, since } => {
            let words = format!("! no connection since {} {}: {why}", clock(zone, *since), zone_word(zone));
            Some(Text::of(Tone::Bad, words).hang(2))
        }
        LinkState::Connecting | LinkState::Up { .. } => None,
    }
}

/// The ladder as running text: finished phases by name, the others with their status.
fn ladder(picture: &Picture, width: usize) -> Vec<Text<'static>> {
    let mut rows = vec![Text::new()];
    for phase in &picture.migration.phases {
        let (tone, mark) = mark::phase(&phase.status);
        let word = match &phase.status {
            PhaseStatus::Succeeded | PhaseStatus::Pending => String::new(),
            status => format!(" {}", status.word()),
        };
        let item = Text::of(tone, format!("{mark} ")).plain(phase.id.to_string()).add(tone, word);
        let used = rows.last().map_or(0, Text::width);
        if used > 0 && used + 3 + item.width() > width {
            rows.push(Text::new());
        }
        if let Some(row) = rows.last_mut() {
            if !row.pieces.is_empty() {
                *row = std::mem::take(row).plain("   ");
            }
            row.pieces.extend(item.pieces);
        }
    }
    rows
}

/// A pipeline's row and, below it, what somebody should know: whole sentences, or one row of each.
fn pipeline_rows(row: &PipelineRow<'_>, picture: &Picture, width: usize, whole: bool) -> Vec<Ranked> {
    let record = row.record;
    let cells = vec![
        (Tone::Strong, Cow::Borrowed(row.id.as_str())),
        (Tone::Dim, format!("{} -> {}", row.from, row.to).into()),
        (mark::pipeline(&record.state).0, record.state.word().into()),
        (Tone::Plain, record.stage.word().into()),
        (if record.traffic == Traffic::Target { Tone::Call } else { Tone::Plain }, record.traffic.word().into()),
        (Tone::Plain, if record.writable { "yes" } else { "no" }.into()),
        lag_cell(row, picture),
        runway_cell(row, picture),
    ];
    let row_line = table::line(width, &PIPELINES, &Row { mark: mark::pipeline(&record.state), cells }, false);
    let mut rows = vec![(0, row_line)];
    for (tone, note) in notes(row, picture) {
        let note = Text::new().plain("      ").add(tone, note).hang(8);
        let rank = match tone {
            Tone::Bad => 1,
            Tone::Warn => 2,
            Tone::Busy => 3,
            _ => 4,
        };
        if whole {
            rows.extend(note.wrap(width).into_iter().map(|line| (rank, line)));
        } else {
            rows.push((rank, note));
        }
    }
    rows
}

/// Drift of each pipeline in one line, those that differ first; at most `most` of them.
fn drift(picture: &Picture, most: usize) -> Vec<Text<'static>> {
    let tables = tables(picture);
    let fresh = freshness(&tables);
    let of = |id: &PipelineId| fresh.get(id).copied().unwrap_or_default();
    let mut ids: Vec<&PipelineId> = picture.migration.declared.iter().map(|declared| &declared.id).collect();
    ids.sort_by_key(|id| of(id).drift.total() == 0);
    ids.into_iter().take(most).map(|id| drift_line(id, of(id), picture)).collect()
}

fn drift_line(id: &PipelineId, fresh: Freshness, picture: &Picture) -> Text<'static> {
    let front = |mark: mark::Mark| Text::of(mark.0, format!("  {} ", mark.1)).add(Tone::Strong, format!("{id:<12}  "));
    if let Some(running) = picture.samples.verifying.get(id) {
        let words = format!(
            "comparing {}, {} of {} chunks",
            running.table,
            grouped(running.chunks_done),
            grouped(running.chunks_total)
        );
        return front((Tone::Busy, '*')).plain(words);
    }
    let drifted = fresh.drift.missing + fresh.drift.extra + fresh.drift.changed;
    let mark = match (drifted, fresh.verified) {
        (0, 0) if fresh.drift.unresolved == 0 => (Tone::Dim, '.'),
        (0, verified) if verified == fresh.tables => (Tone::Good, '+'),
        (0, _) => (Tone::Warn, '?'),
        _ => (Tone::Bad, '!'),
    };
    let pass = match fresh.oldest_pass {
        Some(at) => {
            let since = fresh.changed_since.map_or_else(|| "?".to_owned(), grouped);
            format!("last full pass {}, {since} rows changed since", ago(picture.now, at))
        }
        None if fresh.compared > 0 => format!("{} of {} tables compared", fresh.compared, fresh.tables),
        None => "not compared yet".to_owned(),
    };
    let found = match (drifted, fresh.drift.unresolved) {
        (0, 0) if fresh.compared == 0 => String::new(),
        (0, unresolved) => format!(", {} unresolved", grouped(unresolved)),
        _ => format!("{}; ", drift_words(fresh.drift)),
    };
    // What differs goes first: it must not be cut off.
    if drifted > 0 {
        front(mark).add(Tone::Bad, found).plain(pass)
    } else {
        front(mark).plain(format!("{pass}{found}"))
    }
}

/// Seconds do not matter while a store answers.
fn answered(picture: &Picture, at: DateTime<Utc>) -> String {
    if picture.now - at < TimeDelta::seconds(10) { "now".to_owned() } else { ago(picture.now, at) }
}

fn store_row<'a>(id: &'a str, store: &'a StoreSample, picture: &Picture) -> Row<'a> {
    use crate::model::lag::Reading;
    let (mark, version): (mark::Mark, (Tone, Cow<'a, str>)) = match &store.version {
        Reading::Known(version) => ((Tone::Good, '+'), (Tone::Plain, version.as_str().into())),
        Reading::Unknown(_) => ((Tone::Bad, '!'), (Tone::Bad, "unreachable".into())),
    };
    let answered = store.answered_at.map_or_else(|| "never".to_owned(), |at| answered(picture, at));
    let clock = match &store.clock_difference_ms {
        Reading::Known(ms) if ms.unsigned_abs() < 50 => (Tone::Dim, "same".into()),
        Reading::Known(ms) => (Tone::Warn, format!("{ms:+} ms").into()),
        Reading::Unknown(_) => (Tone::Dim, "?".into()),
    };
    // For a store that cannot be reached the reason matters more than the address.
    let address = match &store.version {
        Reading::Known(_) => (Tone::Dim, store.address.as_str().into()),
        Reading::Unknown(why) => (Tone::Bad, why.as_str().into()),
    };
    let cells = vec![
        (Tone::Strong, id.into()),
        (Tone::Plain, store.engine.as_str().into()),
        version,
        (Tone::Plain, answered.into()),
        clock,
        address,
    ];
    Row { mark, cells }
}

fn section_stores(
    canvas: &mut Canvas<'_>,
    area: Rect,
    row: usize,
    cockpit: &Cockpit,
    stores: &[(&StoreId, &StoreSample)],
    room: usize,
) -> usize {
    let picture = cockpit.picture();
    let unreachable = stores.iter().filter(|(_, s)| s.version.known().is_none()).count();
    let rows = page(cockpit.overview.store, stores.len(), room);
    let part = if rows.len() < stores.len() {
        format!("{} to {} of {}", rows.start + 1, rows.end, stores.len())
    } else {
        String::new()
    };
    let remark = match (unreachable, part.is_empty()) {
        (0, _) => part,
        (n, true) => format!("{n} unreachable"),
        (n, false) => format!("{n} unreachable, {part}"),
    };
    canvas.heading(area, row, "stores", &remark);
    if stores.is_empty() && room > 0 {
        let words = if picture.samples.at.is_none() { "no readings yet" } else { "none" };
        canvas.line(area, row + 1, &Text::of(Tone::Dim, format!("    {words}")));
        return 2;
    }
    let paged = rows.len() < stores.len();
    for (at, index) in rows.clone().enumerate() {
        if let Some((id, store)) = stores.get(index) {
            let selected = paged && index == cockpit.overview.store.min(stores.len() - 1);
            let content = store_row(id.as_str(), store, picture);
            table::draw(canvas, band(area, row + 1, room), at, &STORES, &content, selected);
        }
    }
    1 + rows.len()
}
