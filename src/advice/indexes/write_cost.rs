//! What writes pay for an index.
//!
//! Numbers measured on PostgreSQL 15, statements in turns with and without the index: a random integer key into tables of 15,000 and 60,000 rows costs 3.5 to
//! 4 microseconds a row, alone and in a statement of 24 rows; one that carries two columns along 5 to 6; `char(15)` 6; a key that
//! rises with each row 2 to 3. A statement that writes no entry (an in-place update, a delete) takes 1 microsecond longer, for planning. In the log an entry is
//! 75 bytes for an integer key, 133 for a text of 32 bytes. An index on a column that is updated ends in-place (HOT) updates: every update then writes an entry
//! into **every** index; log grew 5.3 times and time 6 times.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::indexes::definition;
use crate::advice::indexes::inspection::Inspection;
use crate::advice::indexes::rates::Rates;
use crate::advice::indexes::workload::{Asked, Workload};
use crate::model::hotspot::StatementKind;
use crate::model::index::{IndexPart, TableUse};
use crate::model::lag::{Reading, spoken};
use chrono::TimeDelta;

/// Microseconds for one entry in one index, and for each byte of its key.
const US_AN_ENTRY: f64 = 3.5;
const US_A_BYTE: f64 = 0.1;
/// Microseconds for each statement that writes to the table, whatever it writes.
const US_A_STATEMENT: f64 = 1.0;
/// A write that takes so much longer is told of.
const FELT: f64 = 0.1;
/// Log bytes of an entry beside its key.
const LOG_BYTES_AN_ENTRY: f64 = 71.0;
/// Below this share of in-place updates there is little to lose.
const WORTH_KEEPING: f64 = 0.2;
/// More writes than this for one read: the table is written for writing's sake.
const WRITES_TO_READS: f64 = 10.0;

/// The price of one index that does not exist yet.
#[derive(Clone, Debug, PartialEq)]
pub struct WriteCost {
    /// Microseconds of work in a second; `None`: how much is written is not known.
    pub us_per_second: Option<f64>,
    /// Estimated size.
    pub bytes: Option<u64>,
    /// In words, with numbers.
    pub sentence: String,
    /// Reasons to think twice.
    pub notes: Vec<String>,
    /// It would end in-place updates.
    pub ends_in_place: bool,
}

/// Prices an index on `parts` of a table that holds `share` of the rows (a partial index: less than 1). `workload`:
/// the statements of the window; what they set and how long inserts take is known from them.
pub fn of(
    inspection: &Inspection<'_>,
    table: &str,
    parts: &[IndexPart],
    include: &[String],
    share: f64,
    workload: &Workload<'_>,
) -> WriteCost {
    let catalogue = inspection.catalogue();
    let Some(used) = catalogue.table(table) else { return unknown("the table is not known") };
    let width = width(used, parts, include);
    let bytes = used.rows.known().map(|rows| definition::bytes(*rows as f64 * share, width));
    let Some(rates) = inspection.rates(table) else {
        return WriteCost { bytes, ..unknown("how much is written is not known: the counters began anew") };
    };
    let others = catalogue.indexes(table).len() as f64;
    let set_columns = workload.set_columns(table);
    let touched: Vec<&String> = set_columns.iter().filter(|column| covers(parts, include, column)).collect();
    let in_place = rates.in_place_share();
    let ends_in_place = inspection.dialect == Dialect::Postgres && in_place >= WORTH_KEEPING && !touched.is_empty();
    let updated = rates.updated.unwrap_or(0.0);
    // PostgreSQL writes a row that does not stay in its page into every index; elsewhere only what an index covers is written to it.
    // Without statements nobody knows what is set, and the price is the highest that it can be.
    let moves = match inspection.dialect {
        Dialect::Postgres => 1.0 - in_place,
        _ if touched.is_empty() && !workload.asked.is_empty() => 0.0,
        _ => 1.0,
    };
    let moved = updated * moves;
    let entries = (rates.inserted.unwrap_or(0.0) + moved) * share + rates.deleted.unwrap_or(0.0) * 0.1;
    let lost = if ends_in_place { updated * in_place * (others + 1.0) } else { 0.0 };
    let log = (entries + lost) * (LOG_BYTES_AN_ENTRY + width);
    let time = spoken(TimeDelta::seconds(rates.seconds as i64));
    let mut sentence =
        format!("{:.2} index entries and {log:.0} bytes of log a second, counted over {time}", entries + lost);
    let mut notes = Vec::new();
    if ends_in_place {
        let columns: Vec<&str> = touched.iter().map(|column| column.as_str()).collect();
        let share = in_place * 100.0;
        sentence.push_str(&format!("; would end in-place (HOT) updates for {share:.0} % of updates"));
        notes.push(format!(
            "statements set {}: indexing it would end in-place (HOT) updates for {share:.0} % of updates, and each would write to all {} indexes",
            columns.join(", "),
            others + 1.0
        ));
    }
    let entry_us = US_AN_ENTRY + US_A_BYTE * width;
    // Of a table whose updates nobody counted the share that moves is not known.
    let seen_to_move = if updated > 0.0 { share * moves } else { 0.0 };
    let of_updates = match inspection.dialect {
        Dialect::Postgres if ends_in_place => {
            Entries { covered: seen_to_move + in_place * (others + 1.0), elsewhere: seen_to_move }
        }
        Dialect::Postgres => Entries { covered: seen_to_move, elsewhere: seen_to_move },
        _ => Entries { covered: share, elsewhere: 0.0 },
    };
    let added_us = |asked: &Asked<'_>| {
        let covers = |column: &String| covers(parts, include, column);
        Some(US_A_STATEMENT / rows_of(asked) + entry_us * entries_of(asked, &used.table, share, &of_updates, covers)?)
    };
    notes.extend(felt(workload, added_us));
    notes.extend(write_heavy(used, &rates));
    WriteCost { us_per_second: Some((entries + lost) * entry_us), bytes, sentence, notes, ends_in_place }
}

fn unknown(why: &str) -> WriteCost {
    WriteCost { us_per_second: None, bytes: None, sentence: why.to_owned(), notes: Vec::new(), ends_in_place: false }
}

/// What an index covers of a column that is set ends in-place updates, in keys as well as carried along.
fn covers(parts: &[IndexPart], include: &[String], column: &str) -> bool {
    parts.iter().any(|part| mentions(part, column))
        || include.iter().any(|carried| carried.eq_ignore_ascii_case(column))
}

fn mentions(part: &IndexPart, column: &str) -> bool {
    if part.is_expression {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        return part.term.split(|c| !is_word(c)).any(|word| word.eq_ignore_ascii_case(column));
    }
    part.term.eq_ignore_ascii_case(column)
}

fn width(table: &TableUse, parts: &[IndexPart], include: &[String]) -> f64 {
    let names = parts.iter().map(|part| &part.term).chain(include);
    names.map(|name| Catalogue::column(table, name).and_then(|column| column.width).unwrap_or(8.0)).sum()
}

/// Entries that one updated row writes.
struct Entries {
    /// When a column is set that the index covers.
    covered: f64,
    /// When only others are.
    elsewhere: f64,
}

/// Entries for one row that a statement writes; `None`: it does not write to the table, or not rows that need entries.
fn entries_of(
    asked: &Asked<'_>,
    table: &str,
    of_inserts: f64,
    of_updates: &Entries,
    covers: impl Fn(&String) -> bool,
) -> Option<f64> {
    let mut of_table = asked.facts.iter().filter(|facts| facts.table == table);
    match asked.spot.kind {
        // The table that is written is the first that an INSERT names.
        StatementKind::Insert => asked.facts.first().filter(|facts| facts.table == table).map(|_| of_inserts),
        StatementKind::Update if of_table.clone().any(|facts| facts.set.iter().any(&covers)) => {
            Some(of_updates.covered)
        }
        StatementKind::Update => of_table.any(|facts| !facts.set.is_empty()).then_some(of_updates.elsewhere),
        _ => None,
    }
}

/// Rows that one execution writes.
fn rows_of(asked: &Asked<'_>) -> f64 {
    let calls = asked.spot.calls.max(1);
    (asked.spot.rows.unwrap_or(calls) as f64 / calls as f64).max(1.0)
}

/// The write of the window that would feel the index most, in words. `added_us`: what it pays more for each row.
fn felt(workload: &Workload<'_>, added_us: impl Fn(&Asked<'_>) -> Option<f64>) -> Option<String> {
    let felt = workload.asked.iter().filter_map(|asked| {
        let added = added_us(asked)?;
        let us_a_row = asked.spot.total_us / asked.spot.calls.max(1) as f64 / rows_of(asked);
        let share = added / us_a_row;
        (share.is_finite() && share >= FELT).then_some((share, added, asked.spot))
    });
    let (share, added, spot) = felt.max_by(|(a, ..), (b, ..)| a.total_cmp(b))?;
    let does = if spot.kind == StatementKind::Insert { "inserts" } else { "updates" };
    Some(format!(
        "it adds about {added:.1} µs to each row that `{}` {does}: {:.0} % of its time",
        begins(&spot.canonical),
        share * 100.0
    ))
}

/// As much of a statement as tells it from others in a sentence.
fn begins(statement: &str) -> String {
    const SHOWN: usize = 60;
    match statement.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &statement[..end]),
        None => statement.to_owned(),
    }
}

fn write_heavy(table: &TableUse, rates: &Rates) -> Option<String> {
    let Reading::Known(index_scans) = table.index_scans else { return None };
    let reads = rates.full_scans.unwrap_or(0.0) + index_scans as f64 / rates.seconds.max(1.0);
    let writes = rates.writes();
    (reads > 0.0 && writes / reads > WRITES_TO_READS)
        .then(|| format!("{} has {:.0} writes for each read", table.table, writes / reads))
}
