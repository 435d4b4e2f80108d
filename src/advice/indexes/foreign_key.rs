//! `IX-FK`: a foreign key without an index on the side that refers. Deleting a parent then reads the whole child.
//!
//! Covered when some usable, whole, ordered or hash index has the key's columns as its first ones, **in any order**, none of them an
//! expression. Seven planted cases were measured on PostgreSQL 15 (see the tests): the stored rule of pg-index-health misses one and
//! accuses one. InnoDB makes the index by itself.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::indexes::candidates::Candidate;
use crate::advice::indexes::definition::{self, Wanted};
use crate::advice::indexes::inspection::Inspection;
use crate::advice::indexes::judge;
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::{shape, write_cost};
use crate::model::finding::{Finding, IndexEffect, Severity};
use crate::model::index::{ForeignKey, Index, IndexPart};

/// The rule's id.
pub const RULE: &str = "IX-FK";

/// A child of so many rows is worth an index even when no parent was deleted yet.
const LARGE_ROWS: u64 = 10_000;

/// How well an index serves the check of a foreign key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cover {
    /// Not at all.
    None,
    /// Only its first column is of the key.
    Weak,
    /// All of the key's columns lead it.
    Full,
}

/// How well one index serves one key.
pub fn cover(key: &ForeignKey, index: &Index) -> Cover {
    let is_usable = index.valid
        && !index.hidden
        && index.predicate.is_empty()
        && ["btree", "hash"].iter().any(|method| index.method.eq_ignore_ascii_case(method));
    if !is_usable {
        return Cover::None;
    }
    lead(key, &index.parts)
}

/// How well an index on `parts` serves one key.
fn lead(key: &ForeignKey, parts: &[IndexPart]) -> Cover {
    let in_key = |term: &str| key.columns.iter().any(|column| column.eq_ignore_ascii_case(term));
    let leading =
        parts.iter().take_while(|part| !part.is_expression && part.prefix.is_none() && in_key(&part.term)).count();
    match leading {
        0 => Cover::None,
        n if n >= key.columns.len() => Cover::Full,
        _ => Cover::Weak,
    }
}

/// Where an index that is advised for statements would serve a key that has none, both findings say so: one index is enough.
pub fn pair(inspection: &Inspection<'_>, candidates: &[Candidate], findings: &mut [Finding]) {
    for key in &inspection.indexes.foreign_keys {
        let Some(lacking) = findings.iter().position(|f| f.rule == RULE && f.subject == subject(key)) else { continue };
        let serves = |candidate: &&Candidate| {
            candidate.table == key.table && candidate.predicate.is_empty() && lead(key, &candidate.parts) == Cover::Full
        };
        for advised in candidates.iter().filter(serves).map(judge::subject) {
            let Some(new) = findings.iter().position(|f| f.rule == judge::RULE && f.subject == advised) else {
                continue;
            };
            findings[new].evidence.push(format!(
                "it serves the foreign key {} as well: with it, that needs no index of its own",
                key.name
            ));
            findings[lacking].why_not.push(format!(
                "{} on {advised} would serve the key as well: with that index it needs none of its own",
                judge::RULE
            ));
        }
    }
}

fn subject(key: &ForeignKey) -> String {
    format!("{}.{}", key.table, key.name)
}

/// The foreign keys that only this index serves: it must not be dropped.
pub fn served_only_by<'a>(index: &Index, inspection: &Inspection<'a>) -> Vec<&'a ForeignKey> {
    let catalogue = inspection.catalogue();
    let keys = catalogue.foreign_keys(&index.table).iter().copied();
    keys.filter(|key| {
        cover(key, index) == Cover::Full
            && !catalogue
                .indexes(&key.table)
                .iter()
                .any(|other| other.name != index.name && cover(key, other) == Cover::Full)
    })
    .collect()
}

/// Looks at every foreign key of the store.
pub fn look(inspection: &Inspection<'_>, workload: &Workload<'_>) -> Vec<Finding> {
    if !matches!(inspection.dialect, Dialect::Postgres | Dialect::Sqlite) {
        return Vec::new();
    }
    let catalogue = inspection.catalogue();
    let keys = inspection.indexes.foreign_keys.iter();
    keys.filter_map(|key| {
        let best = catalogue.indexes(&key.table).iter().map(|index| cover(key, index)).max().unwrap_or(Cover::None);
        (best != Cover::Full).then(|| missing(inspection, workload, catalogue, key, best))
    })
    .collect()
}

fn missing(
    inspection: &Inspection<'_>,
    workload: &Workload<'_>,
    catalogue: &Catalogue<'_>,
    key: &ForeignKey,
    best: Cover,
) -> Finding {
    let child = catalogue.table(&key.table);
    let rows = child.and_then(|table| table.rows.known().copied());
    let parent = inspection.rates(&key.parent);
    let deleted = parent.and_then(|rates| rates.deleted).unwrap_or(0.0);
    let is_large = rows.is_some_and(|rows| rows >= LARGE_ROWS);
    let severity = match best {
        Cover::Weak => Severity::Low,
        _ if deleted > 0.0 && is_large => Severity::High,
        _ if deleted > 0.0 || is_large || key.cascades => Severity::Medium,
        _ => Severity::Info,
    };
    let columns = key.columns.join(", ");
    let sentence = match best {
        Cover::Weak => format!(
            "the foreign key {} of {} ({columns}) has an index on a part of its columns only",
            key.name, key.table
        ),
        _ => format!(
            "the foreign key {} of {} ({columns}) has no index: each delete from {} reads all of {}",
            key.name, key.table, key.parent, key.table
        ),
    };
    let mut finding = inspection.finding(RULE, severity, &subject(key), sentence);
    finding.evidence.push(match rows {
        Some(rows) => format!("{} has {rows} rows", key.table),
        None => format!("the number of rows of {} is not known", key.table),
    });
    finding.evidence.push(match parent.and_then(|rates| rates.deleted) {
        Some(deleted) => format!("{} rows an hour are deleted from {}", rounded(deleted * 3600.0), key.parent),
        None => format!("how many rows are deleted from {} is not known", key.parent),
    });
    if key.cascades {
        finding.evidence.push("deleting or changing a parent changes the child (cascade)".to_owned());
    }
    for index in catalogue.indexes(&key.table) {
        if index.parts.iter().any(|part| key.columns.contains(&part.term))
            || key.columns.iter().any(|c| index.include.contains(c))
        {
            finding.evidence.push(format!(
                "{} ({}) does not serve it: {}",
                index.name,
                shape::keys(&index.parts),
                reason(key, index)
            ));
        }
    }
    finding.window = Some(inspection.indexes.window.clone());
    let parts: Vec<_> = key.columns.iter().map(|column| shape::plain(column)).collect();
    let name = definition::free_name(inspection.indexes, &key.table, &parts, "");
    let wanted = Wanted { table: &key.table, name: &name, parts: &parts, include: &[], predicate: "", unique: false };
    finding.statement = Some(definition::create(inspection.dialect, &wanted));
    finding.undo = Some(definition::drop(inspection.dialect, &key.table, &name));
    finding.makes = definition::build(inspection.dialect, &wanted);
    let cost = write_cost::of(inspection, &key.table, &parts, &[], 1.0, workload);
    finding.why_not.extend(cost.notes.iter().cloned());
    if deleted == 0.0 {
        finding.why_not.push("no parent was deleted in the window; if none ever is, the index only costs".to_owned());
    }
    finding.effect = Some(IndexEffect {
        saves_us_per_second: None,
        gain: format!("a delete from {} finds its {} rows by index", key.parent, key.table),
        write_cost: cost.sentence,
        bytes: cost.bytes,
        locking: definition::locking(inspection.dialect).to_owned(),
    });
    finding
}

fn reason(key: &ForeignKey, index: &Index) -> &'static str {
    if !index.valid {
        "it is invalid"
    } else if !index.predicate.is_empty() {
        "it is partial"
    } else if !["btree", "hash"].contains(&index.method.as_str()) {
        "its kind cannot find single rows"
    } else if !index.parts.iter().any(|part| key.columns.contains(&part.term)) {
        "it only carries the column along"
    } else {
        "other columns stand before or between the key's"
    }
}

fn rounded(number: f64) -> String {
    if number >= 10.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}
