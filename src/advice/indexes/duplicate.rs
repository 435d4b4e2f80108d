//! `IX-DUP`: two indexes that are the same.
//!
//! Same: keys element by element with operator class, collation, direction, place of NULLs and prefix length (or all of it reversed),
//! kind, predicate, carried columns. Uniqueness may differ: then the one that does not enforce it goes. An index with another
//! predicate is another index.

use crate::advice::dialect::Dialect;
use crate::advice::indexes::inspection::{Inspection, has_duty};
use crate::advice::indexes::{definition, foreign_key, shape, unused};
use crate::model::finding::{Finding, IndexEffect, Severity};
use crate::model::index::Index;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The rule's id.
pub const RULE: &str = "IX-DUP";

/// Looks at every pair of indexes of a table. Each index is proposed at most once, and never the one that a proposal keeps.
pub fn look(inspection: &Inspection<'_>) -> Vec<Finding> {
    let catalogue = inspection.catalogue();
    let mut found = Vec::new();
    for table in &inspection.indexes.tables {
        let mut indexes = catalogue.indexes(&table.table).to_vec();
        let primary = indexes.iter().copied().find(|index| index.duty.primary);
        // The one that is kept comes first: primary key, constraint, unique, older, shorter as written, by name.
        indexes.sort_by_key(|index| worth(inspection, index));
        let mut gone: BTreeSet<&str> = BTreeSet::new();
        for (at, kept) in indexes.iter().enumerate() {
            for other in &indexes[at + 1..] {
                if gone.contains(kept.name.as_str())
                    || gone.contains(other.name.as_str())
                    || !can_go(inspection, kept, other)
                {
                    continue;
                }
                if is_same(inspection.dialect, kept, other, primary) {
                    gone.insert(&other.name);
                    found.push(report(inspection, kept, other));
                }
            }
        }
    }
    found
}

type Worth<'a> = (Reverse<bool>, Reverse<bool>, Reverse<bool>, i64, usize, &'a str);

fn worth<'a>(inspection: &Inspection<'_>, index: &'a Index) -> Worth<'a> {
    let seen = inspection.first_seen.get(&index.name).map_or(0, chrono::DateTime::timestamp);
    let duty = &index.duty;
    let constraint = duty.constraint.is_some() || duty.replica_identity || duty.clustered || duty.exclusion;
    (Reverse(duty.primary), Reverse(constraint), Reverse(duty.unique), seen, index.parts.len(), &index.name)
}

/// Whether `other` may go when `kept` stays: it does nothing that `kept` does not do.
fn can_go(inspection: &Inspection<'_>, kept: &Index, other: &Index) -> bool {
    let duty = &other.duty;
    let only_unique = duty.unique
        && kept.duty.unique
        && kept.nulls_not_distinct == other.nulls_not_distinct
        && duty.constraint.is_none()
        && !(duty.primary
            || duty.exclusion
            || duty.replica_identity
            || duty.clustered
            || duty.expires
            || duty.shard_key)
        && duty.part_of.is_none();
    let is_free = !has_duty(other) || only_unique;
    let keys = foreign_key::served_only_by(other, inspection);
    is_free && keys.iter().all(|key| foreign_key::cover(key, kept) == foreign_key::Cover::Full)
}

fn is_same(dialect: Dialect, kept: &Index, other: &Index, primary: Option<&Index>) -> bool {
    let includes = |index: &Index| index.include.iter().map(|column| column.to_lowercase()).collect::<BTreeSet<_>>();
    if !shape::is_alike(kept, other) || includes(kept) != includes(other) {
        return false;
    }
    if shape::is_ordered(kept, dialect) {
        let is_stored_same =
            shape::equal(&shape::stored_parts(kept, primary, dialect), &shape::stored_parts(other, primary, dialect));
        // The primary key itself holds the rows on InnoDB: an index on the same columns is smaller, but tells nothing more.
        return shape::equal(&kept.parts, &other.parts) || (is_stored_same && !kept.duty.primary);
    }
    kept.parts == other.parts
}

fn report(inspection: &Inspection<'_>, kept: &Index, other: &Index) -> Finding {
    let keys = shape::keys(&other.parts);
    let sentence = format!("{} on {} ({keys}) is the same index as {}", other.name, other.table, kept.name);
    let mut finding = inspection.finding(RULE, Severity::Low, &other.name, sentence);
    finding.evidence.push(format!("{} ({}){}", kept.name, shape::keys(&kept.parts), duty(kept)));
    finding.evidence.push(format!("{} ({keys}){}", other.name, duty(other)));
    if inspection.dialect.is_innodb() && kept.parts.len() != other.parts.len() {
        finding.evidence.push("InnoDB appends the primary key to every index, written or not".to_owned());
    }
    if let (Some(a), Some(b)) = (kept.scans.known(), other.scans.known()) {
        finding.evidence.push(format!("scans in the window: {a} and {b}"));
        finding.window = Some(inspection.indexes.window.clone());
    }
    if inspection.first_seen.get(&kept.name) == inspection.first_seen.get(&other.name) {
        finding.why_not.push(
            "which of the two is older is not known; drop the other one if a hint or a tool names this one".to_owned(),
        );
    }
    let (statement, undo) = unused::way(inspection.dialect, other, false);
    finding.statement = Some(statement);
    finding.undo = Some(undo);
    finding.effect = Some(IndexEffect {
        saves_us_per_second: None,
        gain: "writes maintain one index less; no plan gets worse".to_owned(),
        write_cost: "none: it takes work away from writes".to_owned(),
        bytes: other.bytes.known().copied(),
        locking: definition::locking_of_drop(inspection.dialect).to_owned(),
    });
    finding
}

fn duty(index: &Index) -> String {
    let mut words = Vec::new();
    if index.duty.primary {
        words.push("primary key".to_owned());
    }
    words.extend(index.duty.constraint.iter().map(|name| format!("constraint {name}")));
    if index.duty.unique {
        words.push("unique".to_owned());
    }
    if words.is_empty() { String::new() } else { format!(", {}", words.join(", ")) }
}
