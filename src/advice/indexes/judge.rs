//! `IX-NEW`: which candidates are worth their price. The second of two steps: planners have answered, where there are any.

use crate::advice::catalogue::Catalogue;
use crate::advice::dialect::Dialect;
use crate::advice::indexes::candidates::{Candidate, Served};
use crate::advice::indexes::definition;
use crate::advice::indexes::digests;
use crate::advice::indexes::full_scans::percent;
use crate::advice::indexes::inspection::Inspection;
use crate::advice::indexes::merging;
use crate::advice::indexes::samples;
use crate::advice::indexes::selectivity;
use crate::advice::indexes::shape;
use crate::advice::indexes::workload::Workload;
use crate::advice::indexes::write_cost::{self, WriteCost};
use crate::advice::wording::counted;
use crate::model::finding::{Confidence, Finding, IndexEffect, Severity};
use crate::model::hotspot::Fingerprint;
use crate::model::lag::spoken;
use crate::model::observation::Window;
use crate::model::what_if::WhatIf;
use std::collections::BTreeMap;

/// The rule's id.
pub const RULE: &str = "IX-NEW";

/// Least share of a plan's cost that an index must save.
pub(super) const WORTH_SHARE: f64 = 0.5;
/// Most of a table's rows that a statement may want: of an index over few values a planner believes a gain from the copy's smaller size,
/// which rows that are written end.
pub(super) const FEW_ROWS: f64 = 0.1;
/// Without a planner: the part of the estimated gain that is believed.
const BELIEVED: f64 = 0.5;
/// A longer index must be so much better than a shorter one.
const BETTER: f64 = 0.8;
/// Microseconds a second below which nobody would notice.
const NOTICEABLE_US: f64 = 1.0;
/// Most proposals at a time: one changes the numbers of the others.
const MOST: usize = 20;

/// What a planner answered to one [`Question`](crate::advice::indexes::candidates::Question).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which candidate.
    pub candidate: usize,
    /// Which statement.
    pub fingerprint: Fingerprint,
    /// The answer, or why there is none.
    pub answer: Result<WhatIf, String>,
}

/// What one candidate does for one statement.
#[derive(Clone, Debug)]
struct Gain<'a> {
    served: &'a Served,
    /// Share of the statement's time that is saved.
    share: f64,
    is_planned: bool,
    evidence: String,
    /// It is there for some values only.
    notes: Vec<String>,
    /// It is there for rare values only.
    is_conditional: bool,
}

/// A candidate with all that speaks for it and against it.
struct Judged<'a> {
    candidate: &'a Candidate,
    gains: Vec<Gain<'a>>,
    saved_us: f64,
    cost: WriteCost,
    notes: Vec<String>,
}

impl Judged<'_> {
    fn net_us(&self) -> f64 {
        self.saved_us - self.cost.us_per_second.unwrap_or(0.0)
    }
}

/// The candidates that are worth it, best first.
pub fn judge(
    inspection: &Inspection<'_>,
    workload: &Workload<'_>,
    candidates: &[Candidate],
    answers: &[Answer],
) -> Vec<Finding> {
    let mut gains: Vec<Vec<Gain<'_>>> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let own: Vec<&Answer> = answers.iter().filter(|answer| answer.candidate == at).collect();
        gains.push(
            candidate.served.iter().filter_map(|served| gain(inspection, workload, candidate, served, &own)).collect(),
        );
    }
    keep_the_best(candidates, &mut gains);
    let mut judged: Vec<Judged<'_>> = Vec::new();
    for (at, (candidate, gains)) in candidates.iter().zip(gains).enumerate() {
        if !gains.is_empty() {
            let failed = answers.iter().filter(|answer| answer.candidate == at);
            let notes = failed
                .filter_map(|answer| answer.answer.as_ref().err())
                .map(|why| format!("the planner could not be asked: {why}"));
            let notes = notes.collect();
            judged.push(price(inspection, workload, candidate, gains, notes));
        }
    }
    judged.retain(|one| one.net_us() > NOTICEABLE_US);
    merge(&mut judged);
    judged.sort_by(|a, b| {
        b.net_us().total_cmp(&a.net_us()).then_with(|| subject(a.candidate).cmp(&subject(b.candidate)))
    });
    judged.truncate(MOST);
    judged.iter().map(|one| report(inspection, one)).collect()
}

/// What a candidate does for a statement; `None`: not enough.
fn gain<'a>(
    inspection: &Inspection<'_>,
    workload: &Workload<'_>,
    candidate: &Candidate,
    served: &'a Served,
    answers: &[&Answer],
) -> Option<Gain<'a>> {
    let answer = answers.iter().find(|answer| answer.fingerprint == served.fingerprint);
    if let Some(Ok(what_if)) = answer.map(|answer| &answer.answer) {
        if !what_if.samples.is_empty() {
            let samples::Weighed { share, evidence, notes, is_conditional } = samples::weigh(served, &what_if.samples)?;
            return Some(Gain { served, share, is_planned: true, evidence, notes, is_conditional });
        }
        let share = (what_if.before - what_if.after) / what_if.before;
        let is_judged = served.wants_all_equal || (served.is_counted && !served.wants_first);
        let finds_few = !is_judged || served.share <= FEW_ROWS;
        let is_worth = share.is_finite() && share >= WORTH_SHARE && what_if.used.contains(&0) && finds_few;
        let evidence = format!(
            "the planner's cost of {} falls from {:.0} to {:.0}",
            served.fingerprint, what_if.before, what_if.after
        );
        let notes = vec!["the planner was asked without values: there are no statistics to take some from".to_owned()];
        return is_worth.then_some(Gain { served, share, is_planned: true, evidence, notes, is_conditional: false });
    }
    let (share, evidence) = if inspection.dialect.is_innodb() {
        let spot = workload.asked.iter().find(|asked| asked.spot.fingerprint == served.fingerprint)?.spot;
        (digests::saved_share(spot)?, format!("{}: {}", served.fingerprint, digests::evidence(spot)?))
    } else {
        estimate(inspection, candidate, served)?
    };
    let (notes, is_conditional) = (Vec::new(), false);
    Some(Gain { served, share: share * BELIEVED, is_planned: false, evidence, notes, is_conditional })
}

/// Without a planner: the table is read whole, and the statement wants few of its rows.
fn estimate(inspection: &Inspection<'_>, candidate: &Candidate, served: &Served) -> Option<(f64, String)> {
    let is_scanned = inspection.rates(&candidate.table)?.full_scans.is_none_or(|scans| scans > 0.0);
    let by = if served.is_counted { "its executions" } else { "the columns' statistics" };
    let evidence = format!("{} wants about {} of the rows, by {by}", served.fingerprint, percent(served.share));
    (is_scanned && served.share <= FEW_ROWS).then_some((1.0 - served.share, evidence))
}

/// Each statement counts for one candidate only: the one that saves most, or a shorter one that saves nearly as much.
fn keep_the_best(candidates: &[Candidate], gains: &mut [Vec<Gain<'_>>]) {
    let mut best: BTreeMap<(Fingerprint, String), (usize, f64)> = BTreeMap::new();
    for (at, list) in gains.iter().enumerate() {
        for gain in list {
            let key = (gain.served.fingerprint.clone(), candidates[at].table.clone());
            let left = 1.0 - gain.share;
            let is_better = best.get(&key).is_none_or(|(other, other_left)| {
                let length = |at: usize| candidates[at].parts.len() + candidates[at].include.len();
                if length(at) > length(*other) {
                    left < other_left * BETTER
                } else {
                    left * BETTER <= *other_left && (left < *other_left || length(at) < length(*other))
                }
            });
            if is_better {
                best.insert(key, (at, left));
            }
        }
    }
    for (at, list) in gains.iter_mut().enumerate() {
        list.retain(|gain| {
            let key = (gain.served.fingerprint.clone(), candidates[at].table.clone());
            best.get(&key).is_some_and(|(best, _)| *best == at)
        });
    }
}

fn price<'a>(
    inspection: &Inspection<'_>,
    workload: &Workload<'_>,
    candidate: &'a Candidate,
    gains: Vec<Gain<'a>>,
    notes: Vec<String>,
) -> Judged<'a> {
    let cost = write_cost::of(
        inspection,
        &candidate.table,
        &candidate.parts,
        &candidate.include,
        candidate.rows_share,
        workload,
    );
    let saved: f64 = gains.iter().map(|gain| gain.served.total_us * gain.share).sum();
    let saved_us = workload.per_second(saved).unwrap_or(0.0);
    Judged { candidate, gains, saved_us, cost, notes }
}

/// A candidate that begins another one is done by it.
fn merge(judged: &mut Vec<Judged<'_>>) {
    let mut at = 0;
    while at < judged.len() {
        let long = (0..judged.len())
            .find(|other| *other != at && merging::swallows(judged[*other].candidate, judged[at].candidate));
        match long {
            Some(long) => {
                let short = judged.remove(at);
                let long = if long > at { long - 1 } else { long };
                judged[long].saved_us += short.saved_us;
                judged[long].gains.extend(short.gains);
            }
            None => at += 1,
        }
    }
}

/// Table, keys and predicate: what the finding is known by.
pub(super) fn subject(candidate: &Candidate) -> String {
    let only = if candidate.predicate.is_empty() { String::new() } else { format!(" where {}", candidate.predicate) };
    let carried = if candidate.include.is_empty() {
        String::new()
    } else {
        format!(" carrying {}", candidate.include.join(", "))
    };
    format!("{} ({}){carried}{only}", candidate.table, shape::keys(&candidate.parts))
}

fn report(inspection: &Inspection<'_>, judged: &Judged<'_>) -> Finding {
    let Judged { candidate, gains, cost, .. } = judged;
    let is_conditional = gains.iter().all(|gain| gain.is_conditional);
    let only = if is_conditional { ", for rare values only" } else { "" };
    let statements = counted(gains.len(), "statement");
    let sentence = format!("an index on {} would serve {statements}{only}", subject(candidate));
    let severity = if is_conditional { Severity::Low } else { Severity::Medium };
    let name = definition::free_name(inspection.indexes, &candidate.table, &candidate.parts, &candidate.predicate);
    let mut finding = inspection.finding(RULE, severity, &subject(candidate), sentence);
    finding.confidence =
        if gains.iter().all(|gain| gain.is_planned) { Confidence::Planned } else { Confidence::Estimated };
    for gain in gains {
        finding.evidence.push(gain.evidence.clone());
        finding.evidence.push(format!(
            "{} calls, {:.0} µs each: {}",
            gain.served.calls,
            gain.served.total_us / gain.served.calls.max(1) as f64,
            gain.served.canonical
        ));
    }
    finding.window = inspection.spots.map(|spots| Window {
        since: spots.from,
        proof: format!("statements of the {} until {}", spoken(spots.to - spots.from), spots.to.format("%F %T UTC")),
    });
    // Only what is new is built by Godwit: an index that it replaces is somebody's, and dropping it is another decision.
    finding.makes = definition::build(inspection.dialect, &candidate.wanted(&name));
    let mut statement = definition::create(inspection.dialect, &candidate.wanted(&name));
    let mut undo = definition::drop(inspection.dialect, &candidate.table, &name);
    let replaced = candidate
        .replaces
        .as_ref()
        .and_then(|name| inspection.indexes.indexes.iter().find(|index| index.name == *name));
    if let Some(old) = replaced {
        finding.evidence.push(format!("it replaces {} ({}), which it begins with", old.name, shape::keys(&old.parts)));
        statement = format!("{statement}; {}", definition::drop(inspection.dialect, &old.table, &old.name));
        undo = format!("{}; {undo}", definition::again(inspection.dialect, old));
    }
    finding.statement = Some(statement);
    finding.undo = Some(undo);
    finding.why_not.extend(gains.iter().flat_map(|gain| &gain.notes).chain(&cost.notes).chain(&judged.notes).cloned());
    finding.why_not.extend(doubts(inspection, judged));
    let share = gains.iter().map(|gain| gain.share).fold(0.0, f64::max);
    finding.effect = Some(IndexEffect {
        saves_us_per_second: Some(judged.net_us()),
        gain: format!("{:.0} µs a second less in statements, up to {} of one", judged.saved_us, percent(share)),
        write_cost: cost.sentence.clone(),
        bytes: cost.bytes,
        locking: definition::locking(inspection.dialect).to_owned(),
    });
    finding
}

fn doubts(inspection: &Inspection<'_>, judged: &Judged<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    if judged.gains.iter().any(|gain| !gain.is_planned) {
        doubts.push(match inspection.dialect {
            Dialect::Postgres => "no planner was asked: with the extension hypopg the gain would be the planner's".to_owned(),
            Dialect::MySql => "no planner can tell: make it INVISIBLE first and try it with optimizer_switch='use_invisible_indexes=on'".to_owned(),
            _ => "no planner can tell on this engine: build it on a copy and measure".to_owned(),
        });
    }
    // A plan for any value is a plan for the usual value; the most common one is another case.
    if let Some(first) = judged.candidate.parts.first().filter(|part| !part.is_expression)
        && let Some(table) = inspection.catalogue().table(&judged.candidate.table)
        && judged.gains.iter().any(|gain| gain.served.wants_all_equal)
    {
        let common = selectivity::of_most_common(table, &first.term);
        if common > FEW_ROWS && Catalogue::column(table, &first.term).is_some_and(|column| !column.common.is_empty()) {
            doubts.push(format!(
                "the most common value of {} has {} of the rows: for it nothing is gained",
                first.term,
                percent(common)
            ));
        }
    }
    if judged.cost.us_per_second.is_none() {
        doubts.push("what writes would pay is not known".to_owned());
    }
    if judged.gains.iter().any(|gain| gain.served.calls < 100) {
        doubts.push("some of the statements ran less than 100 times in the interval".to_owned());
    }
    doubts
}
