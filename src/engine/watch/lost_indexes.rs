//! Indexes of the source that the target lacks, for each move that a store takes part in.

use crate::advice::access::audit::waive;
use crate::advice::indexes::carried_over::{self, Moved};
use crate::config::profile::Pipeline;
use crate::engine::core::CoreRef;
use crate::engine::watch::indexes::IndexReading;
use crate::model::finding::Finding;
use crate::model::ids::StoreId;
use crate::model::phase::{PhaseKind, PhaseStatus};

/// Compares again, after the indexes of `store` were read.
pub fn look(core: &CoreRef, store: &StoreId) {
    for pipeline in core.profile.pipelines.iter().filter(|p| p.from == *store || p.to == *store) {
        if let (Some(source), Some(target)) =
            (core.views.indexes_of(&pipeline.from), core.views.indexes_of(&pipeline.to))
        {
            let mut findings = of_pipeline(pipeline, &source, &target);
            let is_due = tuning_is_due(core, pipeline);
            for finding in &mut findings {
                if is_due {
                    finding.why_not.push("the phase that builds the target's indexes has not ended yet".to_owned());
                }
                waive(finding, &core.profile.waivers, target.at.date_naive());
            }
            core.views.take_lost(pipeline, findings);
        }
    }
}

/// Tables that the target has; before the build there is nothing to miss.
fn of_pipeline(pipeline: &Pipeline, source: &IndexReading, target: &IndexReading) -> Vec<Finding> {
    let (theirs, ours) = (source.inspection(&pipeline.from), target.inspection(&pipeline.to));
    let (from, to) = (theirs.catalogue(), ours.catalogue());
    let moved = pipeline.tables.iter().filter_map(|rule| {
        Some(Moved {
            from: from.table(&rule.from)?.table.clone(),
            to: to.table(&rule.to)?.table.clone(),
            renamed: rule.rename.iter().cloned().collect(),
            dropped: rule.exclude.clone(),
        })
    });
    let moved: Vec<Moved> = moved.collect();
    carried_over::look(&theirs, &ours, &moved)
}

fn tuning_is_due(core: &CoreRef, pipeline: &Pipeline) -> bool {
    let state = core.dispatcher.state();
    state.phases.iter().any(|phase| {
        phase.kind == PhaseKind::Tune
            && phase.pipelines.contains(&pipeline.id)
            && !matches!(phase.status, PhaseStatus::Succeeded | PhaseStatus::Skipped { .. })
    })
}
