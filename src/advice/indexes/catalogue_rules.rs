//! The rules that need the catalogue, its counters and the statements, and no planner.

use crate::advice::indexes::inspection::Inspection;
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::{documents, duplicate, foreign_key, full_scans, invalid, key_commands, prefix, unused};
use crate::model::finding::Finding;
use std::collections::BTreeSet;

/// All their findings about one store, in shared order. Each index is proposed to be dropped by one rule only, and none for the sake
/// of another one that is proposed to be dropped.
pub fn look(inspection: &Inspection<'_>, workload: &Workload<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(invalid::look(inspection));
    findings.extend(foreign_key::look(inspection, workload));
    for finding in duplicate::look(inspection).into_iter().chain(unused::look(inspection)) {
        if !findings.iter().any(|known| known.subject == finding.subject) {
            findings.push(finding);
        }
    }
    let gone: BTreeSet<String> = findings.iter().map(|finding| finding.subject.clone()).collect();
    findings.extend(prefix::look(inspection, &gone));
    findings.extend(full_scans::look(inspection, workload));
    findings.extend(documents::look(inspection));
    findings.extend(key_commands::look(inspection));
    Finding::sort(&mut findings);
    findings
}
