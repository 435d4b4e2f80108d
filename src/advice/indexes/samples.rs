//! What an index does for a statement, when the planner was asked with several samples of values.
//!
//! Servers do not keep which values a statement is executed with. Where its row counter tells how many rows its executions had, that sample counts which
//! leaves about as many; else the middle one. A gain that only rare values have is *conditional*, and is advised only where the counter shows
//! that these are asked for.

use crate::advice::indexes::candidates::Served;
use crate::advice::indexes::full_scans::percent;
use crate::advice::indexes::judge::{FEW_ROWS, WORTH_SHARE};
use crate::model::what_if::{Sample, SamplePlan};

/// A gain with what it depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// Share of the statement's cost that is saved, for the sample that counts.
    pub share: f64,
    /// The planner's numbers.
    pub evidence: String,
    /// For which values nothing is gained.
    pub notes: Vec<String>,
    /// Only rare values gain.
    pub is_conditional: bool,
}

/// Weighs the answers for the first candidate that was asked about; `None`: not enough is gained where it counts.
pub fn weigh(served: &Served, samples: &[SamplePlan]) -> Option<Weighed> {
    let typical = typical(served, samples)?;
    if !gains(served, typical) {
        return None;
    }
    let without: Vec<&SamplePlan> = samples.iter().filter(|sample| !gains(served, sample)).collect();
    let notes = without.iter().map(|sample| {
        format!(
            "for {} ({} of the rows) nothing is gained: the planner's cost goes from {:.0} to {:.0}",
            sample.sample.phrase(),
            percent(rows(served, sample)),
            sample.before,
            sample.after
        )
    });
    let told = samples.iter().map(|sample| {
        let rows = percent(rows(served, sample));
        format!("from {:.0} to {:.0} for {} ({rows} of the rows)", sample.before, sample.after, sample.sample.phrase())
    });
    let counted = if served.is_counted {
        format!("; its executions have {} of the rows each", percent(served.share))
    } else {
        String::new()
    };
    let told = told.collect::<Vec<_>>().join(", ");
    Some(Weighed {
        share: saved(typical),
        evidence: format!("the planner's cost of {} goes {told}{counted}", served.fingerprint),
        notes: notes.collect(),
        is_conditional: typical.sample == Sample::Rare && samples.len() - without.len() == 1 && samples.len() > 1,
    })
}

/// The sample that is most like what the statement is executed with.
fn typical<'a>(served: &Served, samples: &'a [SamplePlan]) -> Option<&'a SamplePlan> {
    if served.is_counted {
        let distance = |sample: &SamplePlan| (rows(served, sample).ln() - served.share.max(1e-9).ln()).abs();
        return samples.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    }
    let middle = samples.iter().find(|sample| sample.sample == Sample::Median);
    middle.or_else(|| samples.iter().min_by(|a, b| saved(a).total_cmp(&saved(b))))
}

fn gains(served: &Served, sample: &SamplePlan) -> bool {
    let finds_few = served.wants_first || rows(served, sample) <= FEW_ROWS;
    sample.used.contains(&0) && saved(sample) >= WORTH_SHARE && finds_few
}

fn saved(sample: &SamplePlan) -> f64 {
    let share = (sample.before - sample.after) / sample.before;
    if share.is_finite() { share } else { 0.0 }
}

/// The share of the table's rows that all conditions leave with these values.
fn rows(served: &Served, sample: &SamplePlan) -> f64 {
    (sample.share * served.unbound).clamp(1e-9, 1.0)
}
