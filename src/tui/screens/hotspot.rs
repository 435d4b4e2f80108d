//! One statement with everything that is known of it: what the hot spots screen opens. Also what is to be said of a store's
//! statistics: over which interval, and what is missing from them.

use crate::model::hotspot::{HotSpots, StoreHotSpots};
use crate::model::ids::StoreId;
use crate::model::observation::StoreReading;
use crate::model::statement::StatementSource;
use crate::tui::clean::begin;
use crate::tui::screens::compared;
use crate::tui::screens::hotspots::{rows_words, share_words};
use crate::tui::screens::session::MASK;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::hotspots::{HotRow, LineKey, SpotRow, kind_word};
use crate::tui::theme::Tone;
use crate::tui::units::{ago, bytes, duration_ms, grouped, moment, statement_time, three_digits};
use crate::tui::widgets::canvas::Canvas;
use crate::tui::widgets::stores;
use crate::tui::widgets::table::{Row, band};
use crate::tui::widgets::text::{Text, named};
use chrono::{DateTime, Utc};
use ratatui::layout::Rect;

/// As much of a text as a preview looks at.
const PREVIEW_BYTES: usize = 4 * 1024;

/// Bytes of a block, as the servers count them.
const BLOCK_BYTES: u64 = 8_192;

/// The length of an interval.
pub fn length(list: &HotSpots) -> String {
    length_of(list.from, list.to)
}

/// The time between two moments.
pub fn length_of(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let words = duration_ms(u64::try_from((to - from).num_milliseconds()).unwrap_or(0));
    words.strip_suffix(" 0 s").or(words.strip_suffix(" 0 min")).unwrap_or(&words).to_owned()
}

/// What is missing from a store's list, each as a sentence; empty: it is whole.
pub fn coverage(now: &StoreHotSpots, at: DateTime<Utc>) -> Vec<String> {
    let mut gaps = gaps(&now.spots);
    if let Some(beside) = &now.beside {
        gaps.extend(self::gaps(beside).into_iter().map(|gap| format!("{}: {gap}", beside.source.word())));
    }
    let mut words = Vec::new();
    if !gaps.is_empty() {
        words.push(format!("over {}: {}", length(&now.spots), gaps.join(", ")));
    }
    if let Some(reset) = &now.reset {
        words.push(format!("its counters began anew {}: {}", ago(at, reset.at), reset.why));
    }
    words
}

fn gaps(list: &HotSpots) -> Vec<String> {
    let mut gaps = Vec::new();
    let mut count = |number: u64, one: &str, many: &str| {
        if number > 0 {
            gaps.push(format!("{} {}", grouped(number), if number == 1 { one } else { many }));
        }
    };
    count(list.coverage.evicted.unwrap_or(0), "line was evicted", "lines were evicted");
    count(list.vanished, "line vanished", "lines vanished");
    count(list.restarted, "line began anew and is left out", "lines began anew and are left out");
    count(list.unparsed, "line could not be parsed", "lines could not be parsed");
    if let Some(share) = list.coverage.unlisted_share.filter(|share| *share > 0.0) {
        gaps.push(format!("{} of the time is in no line", share_words(share)));
    }
    if !list.source.counts_all() {
        gaps.push(source_words(list.source).to_owned());
    }
    gaps.extend(list.coverage.note.clone());
    gaps
}

/// What a source counts.
fn source_words(source: StatementSource) -> &'static str {
    match source {
        StatementSource::PgStatStatements
        | StatementSource::PerformanceSchema
        | StatementSource::CommandStats
        | StatementSource::LatencyStats => "every execution is counted",
        StatementSource::Profiler | StatementSource::SlowLog => "only slow executions are seen",
        StatementSource::Sampled => "sampled, not counted: shares of time only",
    }
}

/// What a line says, and whose it is.
pub fn in_short(row: &HotRow<'_>, masked: bool) -> (String, String) {
    let text = |text: &str| if masked { MASK } else { begin(text, PREVIEW_BYTES) }.to_owned();
    match row {
        HotRow::Spot(row) => (format!("statement on {}", row.store), text(&row.spot.text)),
        HotRow::Both(_, found) => (compared::title(row), text(&found.name)),
        HotRow::New(_, spot) | HotRow::Gone(_, spot) => (compared::title(row), text(&spot.text)),
        HotRow::Store(store, reading) => (format!("statistics of {store}"), unseen(reading)),
    }
}

/// The first thing that cannot be seen of a store.
fn unseen(reading: &StoreReading<StoreHotSpots>) -> String {
    match (&reading.problem, reading.latest.as_ref().and_then(|read| read.missing.first())) {
        (Some(problem), _) => problem.clone(),
        (None, Some(missing)) => format!("{}: not shown: {}", missing.what, missing.why),
        (None, None) => String::new(),
    }
}

/// The row of a store of which something cannot be seen.
pub fn store_row<'a>(store: &'a StoreId, reading: &'a StoreReading<StoreHotSpots>, columns: usize) -> Row<'a> {
    let mark = if reading.problem.is_some() { (Tone::Bad, '!') } else { (Tone::Warn, '?') };
    let mut cells = vec![(Tone::Dim, "".into()); columns.saturating_sub(1)];
    if let Some(first) = cells.first_mut() {
        *first = (Tone::Dim, store.as_str().into());
    }
    cells.push((mark.0, unseen(reading).into()));
    Row { mark, cells }
}

/// Draws the detail of a line; it scrolls.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, cockpit: &Cockpit, row: Option<&HotRow<'_>>) -> usize {
    let state = &cockpit.hotspots;
    let place = band(area, 1, usize::from(area.height));
    let remark = if state.zoomed { "Esc closes" } else { "" };
    let (title, lines) = match row {
        Some(HotRow::Spot(row)) => (format!("statement on {}", row.store), detail(row, cockpit)),
        Some(HotRow::Store(store, _)) => (format!("statistics of {store}"), store_lines(store, cockpit)),
        Some(row) => (compared::title(row), compared::detail(row, cockpit)),
        None if state.zoomed => {
            let words = "it is not in the last reading any more: it did not run, or its line is gone";
            let lines = match state.chosen() {
                Some(LineKey::Spot(store, ..) | LineKey::Store(store)) => store_lines(store, cockpit),
                Some(LineKey::Compared(..)) | None => Vec::new(),
            };
            ("statement".to_owned(), std::iter::once(Text::of(Tone::Warn, words)).chain(lines).collect())
        }
        None => return 0,
    };
    canvas.heading(area, 0, &title, remark);
    canvas.prose(place, &lines, state.scroll)
}

/// What is to be said of a store: its intervals, what is missing, how to enable it.
fn store_lines(store: &StoreId, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let picture = cockpit.picture();
    let by_store = picture.hot_spots().map(|view| &view.stores);
    let mut lines = stores::lines(store, by_store, picture.now);
    let read = by_store.and_then(|view| view.get(store)?.latest.as_ref());
    if let Some(read) = read {
        let gaps = coverage(&read.value, picture.now);
        lines.extend(gaps.into_iter().map(|words| Text::of(Tone::Warn, format!("? {words}")).hang(2)));
    }
    lines
}

fn detail(row: &SpotRow<'_>, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let spot = row.spot;
    let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
    let masked = |text: &str| if cockpit.masked { MASK.to_owned() } else { text.to_owned() };
    let mut lines = vec![named("text", Tone::Strong, masked(&spot.text))];
    lines.extend(spot.operation.iter().map(|name| named("operation", Tone::Plain, format!("{name}, as declared"))));
    lines.extend(numbers(row, cockpit));
    lines.push(Text::new());
    match row.crossing {
        Some(crossing) => {
            let words = "touches tables of several services: it breaks when they no longer share a store";
            lines.push(named("services", Tone::Warn, format!("& {words}")));
            let tables = crossing.tables.iter();
            lines.extend(tables.map(|(table, owner)| named("", Tone::Plain, format!("{table}, owned by {owner}"))));
        }
        None => {
            lines.push(named("tables", Tone::Plain, or(spot.tables.join(", "), "none, or not known")));
            let owners: Vec<&str> = spot.services.iter().map(|service| service.as_str()).collect();
            lines.push(named("services", Tone::Plain, or(owners.join(", "), "nobody owns them by the profile")));
        }
    }
    lines.push(named("logins", Tone::Plain, or(spot.logins.join(", "), "the server does not keep them apart")));
    lines.push(named("database", Tone::Plain, or(spot.database.clone(), "none")));
    lines.push(named("kind", Tone::Plain, kind_word(spot.kind)));
    let how = if spot.parsed { "" } else { ", by its tokens only: it could not be parsed" };
    lines.push(named("name", Tone::Dim, format!("{}{how}", spot.fingerprint)));
    lines.push(named("canonical", Tone::Dim, masked(&spot.canonical)));
    lines.push(named("ids", Tone::Dim, or(spot.ids.join(", "), "none")));
    let about = store_lines(row.store, cockpit);
    if !about.is_empty() {
        lines.push(Text::new());
        lines.extend(about);
    }
    lines
}

fn numbers(row: &SpotRow<'_>, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let (spot, list) = (row.spot, row.list);
    let seconds = list.seconds();
    let to = moment(cockpit.options.zone, list.to);
    let source = format!("{}: {}", list.source.word(), source_words(list.source));
    let beside = if row.is_beside() { "; a second list, never added to the first" } else { "" };
    let mut lines = vec![
        named("interval", Tone::Plain, format!("{} to {to}", length(list))),
        named("counted by", Tone::Plain, format!("{source}{beside}")),
    ];
    let per_second =
        if seconds > 0.0 { format!(", {} a second", three_digits(spot.calls as f64 / seconds)) } else { String::new() };
    let new = if spot.is_new { "; the earlier reading did not have it" } else { "" };
    let calls = match list.source {
        StatementSource::Sampled => format!("seen {} times{new}", grouped(spot.calls)),
        _ => format!("{}{per_second}{new}", grouped(spot.calls)),
    };
    lines.push(named("calls (n)", Tone::Strong, calls));
    let share = share_words(spot.share);
    lines.push(named("total", Tone::Strong, format!("{}, {share} of all listed", statement_time(spot.total_us))));
    lines.push(named("mean", Tone::Plain, mean_words(spot.mean_us(), spot.deviation_us())));
    lines.push(match &spot.percentiles {
        Some(found) => {
            let parts = [("p50", found.p50_us), ("p95", found.p95_us), ("p99", found.p99_us)];
            let known: Vec<String> =
                parts.iter().filter_map(|(name, us)| Some(format!("{name} {}", statement_time((*us)?)))).collect();
            named("percentiles", Tone::Plain, format!("{}, over all the time that the server counts", known.join(", ")))
        }
        None => named("percentiles", Tone::Dim, "none from this source"),
    });
    let per_call = |number: u64| rows_words(number as f64 / spot.calls.max(1) as f64);
    lines.push(match spot.rows {
        Some(rows) => named("rows", Tone::Plain, format!("{}, {} a call", grouped(rows), per_call(rows))),
        None => named("rows", Tone::Dim, "not counted"),
    });
    lines.push(match (spot.examined, spot.rows) {
        (Some(looked), Some(rows)) if rows > 0 => {
            let each = rows_words(looked as f64 / rows as f64);
            named("looked at", Tone::Plain, format!("{} rows, {each} for each row given", grouped(looked)))
        }
        (Some(looked), _) => named("looked at", Tone::Plain, format!("{} rows", grouped(looked))),
        (None, _) => named("looked at", Tone::Dim, "not counted"),
    });
    lines.push(match spot.errors {
        Some(0) => named("errors", Tone::Plain, "none"),
        Some(errors) => named("errors", Tone::Bad, format!("! {}", grouped(errors))),
        None => named("errors", Tone::Dim, "not counted"),
    });
    if let Some(without) = spot.without_index.filter(|without| *without > 0) {
        lines.push(named("no index", Tone::Warn, format!("? {} executions had no usable index", grouped(without))));
    }
    if let Some(blocks) = spot.blocks_read {
        let words = format!(
            "{} blocks, {}, from outside the cache",
            grouped(blocks),
            bytes(blocks.saturating_mul(BLOCK_BYTES))
        );
        lines.push(named("read", Tone::Plain, words));
    }
    lines
}

/// A mean with its deviation.
pub fn mean_words(mean_us: Option<f64>, deviation_us: Option<f64>) -> String {
    match (mean_us, deviation_us) {
        (None, _) => "none: it was not executed".to_owned(),
        (Some(mean), Some(deviation)) => {
            format!("{} ± {} (standard deviation)", statement_time(mean), statement_time(deviation))
        }
        (Some(mean), None) => format!("{}, without a deviation from this source", statement_time(mean)),
    }
}
