//! `IX-INVALID`: an index that no plan uses and every write maintains: a concurrent build or rebuild that failed.

use crate::advice::dialect::Dialect;
use crate::advice::indexes::definition;
use crate::advice::indexes::inspection::Inspection;
use crate::advice::names;
use crate::model::finding::{Finding, IndexEffect, Severity};
use crate::model::index::Index;

/// The rule's id.
pub const RULE: &str = "IX-INVALID";

/// Looks at every index of the store. One that is being built now is on its way, not broken.
pub fn look(inspection: &Inspection<'_>) -> Vec<Finding> {
    let broken = inspection.indexes.indexes.iter().filter(|index| !index.valid && !index.being_built);
    broken.map(|index| report(inspection, index)).collect()
}

fn report(inspection: &Inspection<'_>, index: &Index) -> Finding {
    let sentence =
        format!("{} on {} is invalid: no plan uses it, and every write maintains it", index.name, index.table);
    let severity = if index.duty.unique { Severity::High } else { Severity::Medium };
    let mut finding = inspection.finding(RULE, severity, &index.name, sentence);
    let bare = names::bare(&index.name);
    let has_parts =
        inspection.indexes.indexes.iter().any(|other| other.duty.part_of.as_deref() == Some(index.name.as_str()));
    let gone = definition::drop(inspection.dialect, &index.table, &index.name);
    let again = definition::again(inspection.dialect, index);
    if inspection.dialect != Dialect::Postgres {
        finding.statement = Some(gone);
        finding.undo = Some(again);
    } else if has_parts || index.bytes.known().is_none() {
        finding
            .evidence
            .push("it is of a partitioned table, and some partition has no index attached to it".to_owned());
        finding.statement = Some(format!(
            "ALTER INDEX {} ATTACH PARTITION /* the index of each partition that has none */",
            index.name
        ));
    } else if is_left_over(&bare) {
        finding.evidence.push("its name says that a concurrent rebuild left it behind".to_owned());
        finding.statement = Some(gone);
        finding.undo = Some(again);
    } else {
        finding.evidence.push("a concurrent build failed or was stopped".to_owned());
        finding.statement = Some(format!("REINDEX INDEX CONCURRENTLY {}", index.name));
        finding.undo = Some(gone);
        if index.duty.unique {
            finding.why_not.push("a unique index that failed may have met duplicates: look for them first".to_owned());
        }
    }
    finding.effect = Some(IndexEffect {
        saves_us_per_second: None,
        gain: "either it works, or writes no longer pay for it".to_owned(),
        write_cost: "the same as now".to_owned(),
        bytes: index.bytes.known().copied(),
        locking: definition::locking(inspection.dialect).to_owned(),
    });
    finding
}

/// `REINDEX CONCURRENTLY` names its half-made indexes so, with a number when there are several.
fn is_left_over(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    stem.ends_with("_ccnew") || stem.ends_with("_ccold")
}
