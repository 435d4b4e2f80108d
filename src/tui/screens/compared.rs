//! The same logical statement on the source and on the target of a pipeline: rows and detail.
//!
//! ```text
//! source against target ──────────── 12 of 12, slower first; t: 43 statements, ...
//!     verdict   n      mean      n      mean      ratio (95 %)      statement
//! > ! slower    12.3k  4.16 ms   1,204  9.02 ms   2.17 (1.92-2.45)  orders.find
//! ```
//!
//! The first n and mean are the source's, the second the target's. A ratio without its interval is shown without a verdict.

use crate::model::hotspot::{Comparability, Compared, ComparedSide, HotSpot, SidesCompared};
use crate::tui::screens::hotspot::{length_of, mean_words};
use crate::tui::screens::hotspots::rows_words;
use crate::tui::screens::session::MASK;
use crate::tui::state::cockpit::Cockpit;
use crate::tui::state::hotspots::{HotRow, verdict_word};
use crate::tui::theme::Tone;
use crate::tui::units::{grouped, moment, short_count, statement_time, three_digits};
use crate::tui::widgets::mark::{Mark, comparability};
use crate::tui::widgets::table::{Cell, Column, Row};
use crate::tui::widgets::text::{Text, named};

/// Columns of the list.
pub const COLUMNS: [Column; 10] = [
    Column::new("verdict", 7, 0),
    Column::new("pipeline", 10, 3),
    Column::new("n source", 8, 0).right(),
    Column::new("mean", 8, 0).right(),
    Column::new("±", 8, 4).right(),
    Column::new("n target", 8, 0).right(),
    Column::new("mean", 8, 0).right(),
    Column::new("±", 8, 4).right(),
    Column::new("ratio (95 %)", 16, 0).right(),
    Column::new("statement", 9, 0).grows(),
];

const NEW: Mark = (Tone::Busy, '*');
const GONE: Mark = (Tone::Dim, '-');

/// The row of a comparison.
pub fn row<'a>(row: &HotRow<'a>, masked: bool) -> Row<'a> {
    let text = |text: &'a str| (Tone::Plain, if masked { MASK } else { text }.into());
    let none = || -> Cell<'a> { (Tone::Dim, "-".into()) };
    let of_spot = |spot: &HotSpot| -> [Cell<'a>; 3] {
        let mean = spot.mean_us().map_or_else(|| "-".to_owned(), statement_time);
        let deviation = spot.deviation_us().map_or_else(|| "-".to_owned(), statement_time);
        [(Tone::Plain, short_count(spot.calls).into()), (Tone::Plain, mean.into()), (Tone::Dim, deviation.into())]
    };
    let (mark, word, sides, source, target, ratio, statement) = match row {
        HotRow::Both(sides, found) => {
            let mark = comparability(&found.verdict);
            let ratio = (mark.0, ratio_words(found).into());
            (
                mark,
                verdict_word(&found.verdict),
                sides,
                side(&found.source),
                side(&found.target),
                ratio,
                text(&found.name),
            )
        }
        HotRow::New(sides, spot) => {
            (NEW, "new", sides, [none(), none(), none()], of_spot(spot), none(), text(&spot.text))
        }
        HotRow::Gone(sides, spot) => {
            (GONE, "gone", sides, of_spot(spot), [none(), none(), none()], none(), text(&spot.text))
        }
        HotRow::Spot(_) | HotRow::Store(..) => return Row { mark: (Tone::Dim, ' '), cells: Vec::new() },
    };
    let mut cells: Vec<Cell<'a>> = vec![(mark.0, word.into()), (Tone::Dim, sides.pipeline.as_str().into())];
    cells.extend(source);
    cells.extend(target);
    cells.extend([ratio, statement]);
    Row { mark, cells }
}

fn side<'a>(side: &ComparedSide) -> [Cell<'a>; 3] {
    let deviation = side.deviation_us.map_or_else(|| "-".to_owned(), statement_time);
    [
        (Tone::Plain, short_count(side.calls).into()),
        (Tone::Plain, statement_time(side.mean_us).into()),
        (Tone::Dim, deviation.into()),
    ]
}

fn ratio_words(found: &Compared) -> String {
    match (found.ratio, found.interval) {
        (None, _) => "-".to_owned(),
        (Some(ratio), None) => format!("{} (?)", three_digits(ratio)),
        (Some(ratio), Some((low, high))) => {
            format!("{} ({}-{})", three_digits(ratio), three_digits(low), three_digits(high))
        }
    }
}

/// The heading of the detail.
pub fn title(row: &HotRow<'_>) -> String {
    match row {
        HotRow::Both(sides, _) | HotRow::New(sides, _) | HotRow::Gone(sides, _) => {
            format!("{}: {} against {}", sides.pipeline, sides.source, sides.target)
        }
        HotRow::Spot(_) | HotRow::Store(..) => String::new(),
    }
}

/// All lines of the detail.
pub fn detail(row: &HotRow<'_>, cockpit: &Cockpit) -> Vec<Text<'static>> {
    let masked = |text: &str| if cockpit.masked { MASK.to_owned() } else { text.to_owned() };
    match row {
        HotRow::Both(sides, found) => {
            let (tone, sign) = comparability(&found.verdict);
            let mut lines = vec![
                named("verdict", tone, format!("{sign} {}", verdict_sentence(found))),
                named("statement", Tone::Strong, masked(&found.name)),
            ];
            lines.push(Text::new());
            lines.push(two("", "source", "target"));
            lines.push(two("store", sides.source.as_str(), sides.target.as_str()));
            lines.extend(intervals(sides, cockpit));
            lines.extend(both(&found.source, &found.target));
            let names = (&found.source_fingerprint.0, &found.target_fingerprint.0);
            lines.push(Text::new());
            lines.push(if names.0 == names.1 {
                named("name", Tone::Dim, format!("{} on both sides", names.0))
            } else {
                named("name", Tone::Dim, format!("{} and {}, joined by the declared operation", names.0, names.1))
            });
            lines
        }
        HotRow::New(sides, spot) => {
            let words = format!("* new: only the target {} has it", sides.target);
            one_sided(NEW.0, words, spot, sides, cockpit, &masked(&spot.text))
        }
        HotRow::Gone(sides, spot) => {
            let words = format!("- gone: only the source {} has it", sides.source);
            one_sided(GONE.0, words, spot, sides, cockpit, &masked(&spot.text))
        }
        HotRow::Spot(_) | HotRow::Store(..) => Vec::new(),
    }
}

fn one_sided(
    tone: Tone,
    words: String,
    spot: &HotSpot,
    sides: &SidesCompared,
    cockpit: &Cockpit,
    text: &str,
) -> Vec<Text<'static>> {
    let mut lines = vec![named("verdict", tone, words), named("statement", Tone::Strong, text)];
    lines.push(named("calls (n)", Tone::Plain, grouped(spot.calls)));
    lines.push(named("total", Tone::Plain, statement_time(spot.total_us)));
    lines.push(named("mean", Tone::Plain, mean_words(spot.mean_us(), spot.deviation_us())));
    lines.push(named("tables", Tone::Plain, spot.tables.join(", ")));
    lines.push(named("logins", Tone::Plain, spot.logins.join(", ")));
    lines.push(Text::new());
    lines.push(two("", "source", "target"));
    lines.push(two("store", sides.source.as_str(), sides.target.as_str()));
    lines.extend(intervals(sides, cockpit));
    lines.push(named("name", Tone::Dim, spot.fingerprint.0.clone()));
    lines
}

/// Columns of one side.
const SIDE: usize = 26;

/// A line with a value for each side.
fn two(label: &str, source: &str, target: &str) -> Text<'static> {
    named(label, Tone::Plain, format!("{source:<SIDE$}  {target}"))
}

fn intervals(sides: &SidesCompared, cockpit: &Cockpit) -> [Text<'static>; 2] {
    let length = |(from, to)| length_of(from, to);
    let end = |(_, to)| moment(cockpit.options.zone, to);
    [
        two("interval", &length(sides.source_interval), &length(sides.target_interval)),
        two("its end", &end(sides.source_interval), &end(sides.target_interval)),
    ]
}

fn both(source: &ComparedSide, target: &ComparedSide) -> Vec<Text<'static>> {
    let line = |label: &str, words: &dyn Fn(&ComparedSide) -> String| two(label, &words(source), &words(target));
    let time = |us: Option<f64>| us.map_or_else(|| "not known".to_owned(), statement_time);
    let mut lines = vec![
        line("counted by", &|side| side.source.word().to_owned()),
        line("calls (n)", &|side| grouped(side.calls)),
        line("a second", &|side| side.calls_per_second.map_or_else(|| "not known".to_owned(), three_digits)),
        line("mean", &|side| statement_time(side.mean_us)),
        line("deviation", &|side| time(side.deviation_us)),
        line("rows/call", &|side| side.rows_per_call.map_or_else(|| "not counted".to_owned(), rows_words)),
        line("errors", &|side| side.errors.map_or_else(|| "not counted".to_owned(), grouped)),
    ];
    if source.percentiles.is_some() || target.percentiles.is_some() {
        // Percentiles cover all the time that a server counts, so they are shown and never compared.
        lines.push(line("p50, all", &|side| time(side.percentiles.and_then(|p| p.p50_us))));
        lines.push(line("p95, all", &|side| time(side.percentiles.and_then(|p| p.p95_us))));
        lines.push(line("p99, all", &|side| time(side.percentiles.and_then(|p| p.p99_us))));
    }
    lines
}

fn verdict_sentence(found: &Compared) -> String {
    let times = match (found.ratio, found.interval) {
        (Some(ratio), Some((low, high))) => format!(
            "a call takes {} times as long as on the source (95 % interval {} to {})",
            three_digits(ratio),
            three_digits(low),
            three_digits(high)
        ),
        (Some(ratio), None) => format!("a call takes {} times as long as on the source", three_digits(ratio)),
        (None, _) => "the times cannot be divided".to_owned(),
    };
    match &found.verdict {
        Comparability::Slower => format!("slower: on the target {times}"),
        Comparability::Faster => format!("faster: on the target {times}"),
        Comparability::Same => format!("same within chance or tolerance: on the target {times}"),
        Comparability::TooFew { needs } => format!("too few calls: a verdict needs {needs} on each side"),
        Comparability::NotComparable { why } => format!("unlike: {why}"),
    }
}
