//! The ladder: which phases there are, in which order, and why some orders are impossible.

use super::profile::Phase;
use crate::model::ids::{PhaseId, PipelineId};
use crate::model::phase::PhaseKind;

/// What must come before what, for the same pipeline.
struct Rule {
    before: PhaseKind,
    after: PhaseKind,
    /// True: `after` is impossible when there is no `before` at all. False: only the order counts.
    needed: bool,
    why: &'static str,
}

const fn needs(after: PhaseKind, before: PhaseKind, why: &'static str) -> Rule {
    Rule { before, after, needed: true, why }
}

const fn follows(after: PhaseKind, before: PhaseKind, why: &'static str) -> Rule {
    Rule { before, after, needed: false, why }
}

/// The dependencies. A pair that is not here may stand in any order.
const RULES: [Rule; 11] = [
    follows(PhaseKind::Backfill, PhaseKind::Build, "rows need tables to be copied into"),
    follows(PhaseKind::Tune, PhaseKind::Build, "there are no indexes to compare before the tables exist"),
    follows(PhaseKind::Secure, PhaseKind::Build, "rights are granted on tables that exist"),
    needs(PhaseKind::Sync, PhaseKind::Backfill, "changes are applied on top of the copied rows"),
    needs(PhaseKind::Verify, PhaseKind::Backfill, "there is nothing to compare before the rows are copied"),
    needs(PhaseKind::Cutover, PhaseKind::Sync, "the target must have caught up before traffic moves"),
    needs(PhaseKind::Cutover, PhaseKind::Verify, "traffic moves only to data that was compared"),
    follows(PhaseKind::Cutover, PhaseKind::Secure, "accounts need their rights before they are sent to the target"),
    needs(PhaseKind::Watch, PhaseKind::Cutover, "there is no new side to watch before traffic has moved"),
    needs(PhaseKind::Retire, PhaseKind::Cutover, "the way back is given up only after traffic has moved"),
    follows(PhaseKind::Retire, PhaseKind::Watch, "retiring ends what watching keeps alive"),
];

/// Kinds that a pipeline goes through only once.
const ONCE: [PhaseKind; 4] = [PhaseKind::Backfill, PhaseKind::Sync, PhaseKind::Cutover, PhaseKind::Retire];

/// The kind with this name.
pub fn kind_named(word: &str) -> Option<PhaseKind> {
    PhaseKind::LADDER.into_iter().find(|kind| kind.as_str() == word)
}

/// The names of the default ladder, in order.
pub fn default_names() -> impl Iterator<Item = &'static str> {
    PhaseKind::LADDER.into_iter().map(PhaseKind::as_str)
}

/// Why an order is impossible: at which phase, and a sentence.
pub(super) fn impossible(phases: &[Phase], pipelines: &[PipelineId]) -> Vec<(PhaseId, String)> {
    let mut problems = Vec::new();
    for (position, phase) in phases.iter().enumerate() {
        for rule in RULES.iter().filter(|rule| rule.after == phase.kind) {
            problems.extend(broken(rule, phases, position, pipelines).map(|sentence| (phase.id.clone(), sentence)));
        }
        if ONCE.contains(&phase.kind)
            && let Some(earlier) =
                phases[..position].iter().find(|p| p.kind == phase.kind && shared(p, phase).is_some())
            && let Some(pipeline) = shared(earlier, phase)
        {
            let sentence = format!(
                "Pipeline `{pipeline}` goes through {} twice, in `{}` and in `{}`; say with `pipelines` which of them \
                 each is about.",
                phase.kind, earlier.id, phase.id
            );
            problems.push((phase.id.clone(), sentence));
        }
    }
    problems
}

/// The sentence for the first pipeline for which the phase breaks the rule.
fn broken(rule: &Rule, phases: &[Phase], position: usize, pipelines: &[PipelineId]) -> Option<String> {
    let phase = &phases[position];
    let (earlier, later) = (&phases[..position], &phases[position + 1..]);
    let about = |p: &Phase, pipeline| p.kind == rule.before && p.pipelines.contains(pipeline);
    for pipeline in pipelines.iter().filter(|pipeline| phase.pipelines.contains(pipeline)) {
        let of = if phase.pipelines.len() == pipelines.len() {
            String::new()
        } else {
            format!(" for pipeline `{pipeline}`")
        };
        if earlier.iter().any(|p| about(p, pipeline)) {
            continue;
        }
        if let Some(late) = later.iter().find(|p| about(p, pipeline)) {
            return Some(format!("`{}` stands before `{}`{of}, but {}; swap them.", phase.id, late.id, rule.why));
        }
        if rule.needed {
            return Some(format!(
                "`{}` needs a {} phase before it{of}, and there is none: {}.",
                phase.id, rule.before, rule.why
            ));
        }
    }
    None
}

/// A pipeline that both phases are about.
fn shared<'a>(one: &'a Phase, other: &Phase) -> Option<&'a PipelineId> {
    one.pipelines.iter().find(|pipeline| other.pipelines.contains(pipeline))
}
