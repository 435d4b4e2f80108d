//! `IX-PREFIX`: an index whose keys are the first keys of another. Advice, never a duplicate: the longer one is larger.

use crate::advice::indexes::inspection::{Inspection, has_duty};
use crate::advice::indexes::{definition, foreign_key, shape, unused};
use crate::model::finding::{Finding, IndexEffect, Severity};
use crate::model::index::Index;
use std::collections::BTreeSet;

/// The rule's id.
pub const RULE: &str = "IX-PREFIX";

/// A longer index of more than so many times the size ...
const TOO_LARGE: f64 = 3.0;
/// ... that is used so many times less than the short one is no replacement (pghero#354).
const MUCH_USED: f64 = 10.0;

/// Looks at every pair of indexes of a table. An index in `gone` is proposed to be dropped already: it stands in for nothing.
pub fn look(inspection: &Inspection<'_>, gone: &BTreeSet<String>) -> Vec<Finding> {
    let catalogue = inspection.catalogue();
    let mut found = Vec::new();
    for table in &inspection.indexes.tables {
        let indexes = catalogue.indexes(&table.table);
        for short in indexes.iter().filter(|short| !gone.contains(&short.name)) {
            // The smallest of those that begin like it stands in for it.
            let staying = indexes.iter().filter(|long| !gone.contains(&long.name));
            let longer = staying.filter(|long| stands_in(inspection, short, long));
            if let Some(long) =
                longer.min_by_key(|long| (long.bytes.known().copied().unwrap_or(u64::MAX), long.parts.len()))
            {
                found.push(report(inspection, short, long));
            }
        }
    }
    found
}

fn stands_in(inspection: &Inspection<'_>, short: &Index, long: &Index) -> bool {
    let is_longer = short.parts.len() < long.parts.len() && shape::begins(&short.parts, &long.parts);
    let is_wider = inspection.dialect.is_innodb() && shape::begins_shorter(&short.parts, &long.parts);
    let keys = foreign_key::served_only_by(short, inspection);
    short.name != long.name
        && (is_longer || is_wider)
        && !has_duty(short)
        && shape::is_alike(short, long)
        && shape::is_ordered(short, inspection.dialect)
        && shape::carries(short, long)
        && keys.iter().all(|key| foreign_key::cover(key, long) == foreign_key::Cover::Full)
        && !is_much_better(short, long)
}

fn is_much_better(short: &Index, long: &Index) -> bool {
    let ratio = |a: Option<&u64>, b: Option<&u64>| Some(*a? as f64 / (*b?).max(1) as f64);
    let larger = ratio(long.bytes.known(), short.bytes.known());
    let used = ratio(short.scans.known(), long.scans.known());
    larger.is_some_and(|times| times > TOO_LARGE) && used.is_some_and(|times| times > MUCH_USED)
}

fn report(inspection: &Inspection<'_>, short: &Index, long: &Index) -> Finding {
    let sentence = format!(
        "{} on {} ({}) begins {} ({}), which can do its work",
        short.name,
        short.table,
        shape::keys(&short.parts),
        long.name,
        shape::keys(&long.parts)
    );
    let mut finding = inspection.finding(RULE, Severity::Info, &short.name, sentence);
    if let (Some(a), Some(b)) = (short.bytes.known(), long.bytes.known()) {
        finding.evidence.push(format!(
            "{a} bytes against {b}: the longer one has {:.1} times the size",
            *b as f64 / (*a).max(1) as f64
        ));
    }
    if let (Some(a), Some(b)) = (short.scans.known(), long.scans.known()) {
        finding.evidence.push(format!("scans in the window: {a} of the short one, {b} of the longer one"));
        finding.window = Some(inspection.indexes.window.clone());
    }
    finding.why_not.push("the short one fits into memory better: measure before and after".to_owned());
    let (statement, undo) = unused::way(inspection.dialect, short, false);
    finding.statement = Some(statement);
    finding.undo = Some(undo);
    finding.effect = Some(IndexEffect {
        saves_us_per_second: None,
        gain: "writes maintain one index less".to_owned(),
        write_cost: "none: it takes work away from writes".to_owned(),
        bytes: short.bytes.known().copied(),
        locking: definition::locking_of_drop(inspection.dialect).to_owned(),
    });
    finding
}
