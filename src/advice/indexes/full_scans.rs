//! `IX-SCAN`: a large table that is read from end to end for a few rows, again and again.

use crate::advice::dialect::Dialect;
use crate::advice::indexes::inspection::Inspection;
use crate::advice::indexes::selectivity;
use crate::advice::indexes::workload::Workload;
use crate::model::finding::{Finding, Severity};
use crate::model::index::TableUse;

/// The rule's id.
pub const RULE: &str = "IX-SCAN";

/// 1,000 pages of 8 kB: below this a scan is as good as an index.
const LARGE_BYTES: u64 = 1_000 * 8_192;
/// A scan that reads less than this share of the rows was cut by a LIMIT.
const WHOLE: f64 = 0.3;
/// Once a minute.
const OFTEN_PER_SECOND: f64 = 1.0 / 60.0;
/// Only a filter that leaves less than this would be better served by an index.
const FEW_ROWS: f64 = 0.1;

/// Looks at every table. Scans by the migration itself are not counted: its copies read everything.
pub fn look(inspection: &Inspection<'_>, workload: &Workload<'_>) -> Vec<Finding> {
    if inspection.dialect != Dialect::Postgres || inspection.earlier.is_none() {
        return Vec::new();
    }
    let mut found: Vec<(f64, Finding)> =
        inspection.indexes.tables.iter().filter_map(|table| heavy(inspection, workload, table)).collect();
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// The rows read in vain in a second, and the finding.
fn heavy(inspection: &Inspection<'_>, workload: &Workload<'_>, table: &TableUse) -> Option<(f64, Finding)> {
    let rates = inspection.rates(&table.table)?;
    let (scans, read) = (rates.full_scans?, rates.full_scan_rows?);
    let rows = *table.rows.known()? as f64;
    let is_large = table.bytes.known().is_some_and(|bytes| *bytes >= LARGE_BYTES);
    if !is_large || scans < OFTEN_PER_SECOND || read / scans < WHOLE * rows {
        return None;
    }
    let (asked, share) = workload.asked.iter().find_map(|asked| {
        let narrow = asked.facts.iter().filter(|fact| fact.table == table.table && fact.is_filtered());
        let share = narrow.map(|fact| selectivity::of_facts(table, fact)).fold(f64::INFINITY, f64::min);
        (share <= FEW_ROWS).then_some((asked, share))
    })?;
    let sentence = format!(
        "{} is read from end to end {:.1} times a minute, although a statement wants {} of its rows",
        table.table,
        scans * 60.0,
        percent(share)
    );
    let mut finding = inspection.finding(RULE, Severity::Medium, &table.table, sentence);
    finding
        .evidence
        .push(format!("{read:.0} rows read by whole scans in a second, {:.0} by each of {rows:.0}", read / scans));
    finding.evidence.push(format!("over {:.0} seconds, without the migration's own scans", rates.seconds));
    finding.evidence.push(format!("statement {}: {}", asked.spot.fingerprint, asked.spot.canonical));
    finding.window = Some(inspection.indexes.window.clone());
    finding.why_not.push("the remedy is an index for the statement: see IX-NEW".to_owned());
    Some((read, finding))
}

/// A share for people.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 1.0 {
        format!("{percent:.0} %")
    } else if percent >= 0.001 {
        format!("{percent:.3} %")
    } else {
        "less than 0.001 %".to_owned()
    }
}
