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

use crate::model::phase::PhaseStatus;
use crate::model::pipeline::{PipelineState, Stage, Traffic};
use crate::model::sample::StoreSample;
use crate::report::event::{drift_words, grouped};
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::list::page;
use crate::tui::state::next::{Next, next};
use crate::tui::state::overview::PipelineRow;
use crate::tui::state::picture::{LinkState, Picture};
use crate::tui::state::verification::{freshness, tables};
use crate::tui::theme::Tone;
use crate::tui::units::{age, ago, forecast};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::mark;
use crate::tui::widgets::table::{self, Column, Row, band};
use crate::tui::widgets::text::Text;
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
    top.extend(outage(cockpit));
    let ladder = ladder(picture, width.saturating_sub(1));
    let pipelines = cockpit.overview.pipelines(picture);
    let stores = cockpit.overview.stores(picture);
    let drift = drift(picture);
    let pipes: Vec<Text<'_>> = pipelines.iter().flat_map(|row| pipeline_rows(row, picture, width)).collect();

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
    let shares = share(room.saturating_sub(4), &[pipes.len(), drift.len(), stores.len().max(1)]);
    row += section(canvas, area, row, "pipelines", &pipes, shares[0], Some(table::head(width, &PIPELINES)));
    row += section_stores(canvas, area, row, cockpit, &stores, shares[2]);
    section(canvas, area, row, "drift", &drift, shares[1], None);
    0
}

/// The line that says what the migration waits for.
fn headline(next: &Next, picture: &Picture) -> Text<'static> {
    let since = next.since.map_or_else(String::new, |at| format!(", {}", age(picture.now, at)));
    Text::of(next.tone, next.word).plain(" - ").plain(format!("{}{since}", next.text)).hang(2)
}

/// Why nothing new comes, when nothing new comes.
fn outage(cockpit: &Cockpit) -> Option<Text<'static>> {
    let live = cockpit.live();
    match &live.link {
        LinkState::Down { why, since } => {
            let age = age(live.now, *since);
            Some(Text::of(Tone::Bad, format!("! no connection for {age}: {why}")))
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
        let item = Text::of(tone, format!("{mark} ")).plain(phase.id.to_string()).add(tone, word).plain("   ");
        let used = rows.last().map_or(0, Text::width);
        if used > 0 && used + item.width().saturating_sub(3) > width {
            rows.push(Text::new());
        }
        if let Some(row) = rows.last_mut() {
            row.pieces.extend(item.pieces);
        }
    }
    rows
}

/// A pipeline's row and, below it, what somebody should know.
fn pipeline_rows(row: &PipelineRow<'_>, picture: &Picture, width: usize) -> Vec<Text<'static>> {
    let record = row.record;
    let (lag, _) = lag_cell(row, picture);
    let cells = vec![
        (Tone::Strong, Cow::Borrowed(row.id.as_str())),
        (Tone::Dim, format!("{} -> {}", row.from, row.to).into()),
        (mark::pipeline(&record.state).0, record.state.word().into()),
        (Tone::Plain, record.stage.word().into()),
        (if record.traffic == Traffic::Target { Tone::Call } else { Tone::Plain }, record.traffic.word().into()),
        (Tone::Plain, if record.writable { "yes" } else { "no" }.into()),
        lag,
        runway_cell(row, picture),
    ];
    let mut rows = vec![table::line(width, &PIPELINES, &Row { mark: mark::pipeline(&record.state), cells }, false)];
    for (tone, note) in notes(row, picture) {
        rows.push(Text::new().plain("      ").add(tone, note));
    }
    rows
}

/// A pipeline's lag in a cell, and the note that explains it when it is not a fresh figure.
pub fn lag_cell<'a>(row: &PipelineRow<'_>, picture: &Picture) -> ((Tone, Cow<'a, str>), Option<String>) {
    use crate::model::lag::{LagMethod, Reading};
    let Some(sample) = row.sample else {
        let idle = row.is_idle();
        let note = (!idle).then(|| "lag unknown: nothing has been read yet".to_owned());
        return ((Tone::Dim, if idle { "-" } else { "?" }.into()), note);
    };
    let method = match sample.lag.method {
        LagMethod::Marker => "by marker",
        LagMethod::Position => "by position",
    };
    let old = picture.now - sample.lag.at > chrono::TimeDelta::seconds(15);
    match &sample.lag.lag_ms {
        _ if row.is_idle() => ((Tone::Dim, "-".into()), None),
        Reading::Known(ms) if old => {
            let note = format!("lag is {} old, {method}", age(picture.now, sample.lag.at));
            ((Tone::Warn, format!("{} ?", crate::tui::units::duration_ms(*ms)).into()), Some(note))
        }
        Reading::Known(ms) => ((Tone::Plain, crate::tui::units::duration_ms(*ms).into()), None),
        Reading::Unknown(why) => {
            let note = format!("lag unknown: {why} ({method}, read {})", ago(picture.now, sample.lag.at));
            ((Tone::Warn, "?".into()), Some(note))
        }
    }
}

fn runway_cell<'a>(row: &PipelineRow<'_>, picture: &Picture) -> (Tone, Cow<'a, str>) {
    use crate::model::lag::Reading;
    match row.sample.map(|s| &s.runway.seconds) {
        _ if row.is_idle() => (Tone::Dim, "-".into()),
        None => (Tone::Dim, "?".into()),
        Some(Reading::Unknown(_)) => (Tone::Warn, "?".into()),
        Some(Reading::Known(None)) => (Tone::Plain, "no limit".into()),
        Some(Reading::Known(Some(seconds))) => {
            let tone = if *seconds < 3_600 { Tone::Bad } else { Tone::Plain };
            let stale = if picture.is_stale() { " ?" } else { "" };
            (tone, format!("{}{stale}", forecast(*seconds)).into())
        }
    }
}

/// What somebody should know of a pipeline, the most urgent first.
pub fn notes(row: &PipelineRow<'_>, picture: &Picture) -> Vec<(Tone, String)> {
    let mut notes = Vec::new();
    match &row.record.state {
        PipelineState::Failed { reason } => notes.push((Tone::Bad, format!("! {reason}"))),
        PipelineState::Retrying { reason, attempt } => {
            notes.push((Tone::Warn, format!("# attempt {attempt}: {reason}")));
        }
        _ => {}
    }
    let Some(sample) = row.sample else {
        notes.extend(lag_cell(row, picture).1.map(|note| (Tone::Warn, format!("? {note}"))));
        return notes;
    };
    if sample.stalled {
        let since = sample.moved_at.map_or_else(|| "ever".to_owned(), |at| age(picture.now, at));
        notes.push((Tone::Bad, format!("! stalled: the source moves on, the applied position has not for {since}")));
    }
    if sample.anomalies > 0 {
        let count = grouped(sample.anomalies);
        notes.push((
            Tone::Bad,
            format!("! {count} changes met rows that should not be so: somebody else writes to the target"),
        ));
    }
    if let Some(note) = lag_cell(row, picture).1 {
        notes.push((Tone::Warn, format!("? {note}")));
    }
    if !sample.throttled_by.is_empty() {
        notes.push((Tone::Warn, format!("~ slowed down by {}", sample.throttled_by.join("; "))));
    }
    if row.record.stage == Stage::Copy {
        notes.push((Tone::Busy, format!("* {}", crate::tui::screens::pipelines::copy_words(sample))));
    }
    notes
}

/// Drift of each pipeline in one line.
fn drift(picture: &Picture) -> Vec<Text<'static>> {
    let tables = tables(picture);
    let mut lines = Vec::new();
    for declared in &picture.migration.declared {
        let id = &declared.id;
        let fresh = freshness(id, &tables);
        let front =
            |mark: mark::Mark| Text::of(mark.0, format!("  {} ", mark.1)).add(Tone::Strong, format!("{id:<12}  "));
        if let Some(running) = picture.samples.verifying.get(id) {
            let words = format!(
                "comparing {}, {} of {} chunks, {} rows being looked at again",
                running.table,
                grouped(running.chunks_done),
                grouped(running.chunks_total),
                grouped(running.rechecking)
            );
            lines.push(front((Tone::Busy, '*')).plain(words));
            continue;
        }
        let drifted = fresh.drift.missing + fresh.drift.extra + fresh.drift.changed;
        let mark = if drifted > 0 {
            (Tone::Bad, '!')
        } else if fresh.tables > 0 && fresh.verified == fresh.tables {
            (Tone::Good, '+')
        } else {
            (Tone::Warn, '?')
        };
        let pass = match fresh.oldest_pass {
            Some(at) => format!("last full pass {}", ago(picture.now, at)),
            None if fresh.verified > 0 => format!("{} of {} tables had a full pass", fresh.verified, fresh.tables),
            None => "never compared as a whole".to_owned(),
        };
        let since = match fresh.changed_since {
            Some(rows) => format!(", {} rows changed since", grouped(rows)),
            None => String::new(),
        };
        let found = match (drifted, fresh.drift.unresolved) {
            (0, 0) if fresh.verified == 0 => String::new(),
            (0, unresolved) => format!(", {} unresolved", grouped(unresolved)),
            _ => format!(", {}", drift_words(fresh.drift)),
        };
        lines.push(front(mark).plain(format!("{pass}{since}{found}")));
    }
    lines
}

fn store_row<'a>(id: &'a str, store: &'a StoreSample, picture: &Picture) -> Row<'a> {
    use crate::model::lag::Reading;
    let (mark, version): (mark::Mark, (Tone, Cow<'a, str>)) = match &store.version {
        Reading::Known(version) => ((Tone::Good, '+'), (Tone::Plain, version.as_str().into())),
        Reading::Unknown(_) => ((Tone::Bad, '!'), (Tone::Bad, "unreachable".into())),
    };
    let answered = store.answered_at.map_or_else(|| "never".to_owned(), |at| ago(picture.now, at));
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
    stores: &[(&crate::model::ids::StoreId, &StoreSample)],
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

/// Draws a heading and at most `room` lines, and returns the rows used. What does not fit is counted.
fn section(
    canvas: &mut Canvas<'_>,
    area: Rect,
    row: usize,
    title: &str,
    lines: &[Text<'_>],
    room: usize,
    head: Option<Text<'_>>,
) -> usize {
    let hidden = lines.len().saturating_sub(room);
    let remark = if hidden > 0 { format!("{hidden} more lines") } else { String::new() };
    canvas.heading(area, row, title, &remark);
    let mut used = 1;
    if let Some(head) = head {
        canvas.line(area, row + used, &head);
        used += 1;
    }
    for line in lines.iter().take(room) {
        canvas.line(area, row + used, line);
        used += 1;
    }
    used
}

/// Divides `room` rows among sections: each gets up to two rows first, then in order what it still wants.
fn share(room: usize, wants: &[usize]) -> Vec<usize> {
    let mut left = room;
    let mut shares: Vec<usize> = wants
        .iter()
        .map(|want| {
            let first = (*want).min(2).min(left);
            left -= first;
            first
        })
        .collect();
    for (share, want) in shares.iter_mut().zip(wants) {
        let more = (want - *share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn every_section_gets_something_before_one_gets_all() {
        assert_eq!(share(10, &[20, 1, 20]), [7, 1, 2]);
        assert_eq!(share(3, &[20, 20, 20]), [2, 1, 0]);
        assert_eq!(share(50, &[3, 1, 4]), [3, 1, 4]);
    }
}
