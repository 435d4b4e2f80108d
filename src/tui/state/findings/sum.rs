//! What the audit of one store amounts to.

use crate::model::finding::{Audit, Severity, Verdict};
use crate::model::observation::StoreReading;
use chrono::{DateTime, Utc};
use std::cmp::Reverse;

/// What the audit of one store amounts to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreSum {
    /// Broken rules from the least bad to the worst, in the order of [`SEVERITIES`].
    pub fails: [usize; 5],
    /// Broken rules that somebody answers for.
    pub waived: usize,
    /// Rules that could not be looked at.
    pub not_checkable: usize,
    /// Rules that hold.
    pub holds: usize,
    /// Rules without an object.
    pub not_applicable: usize,
    /// When the facts were read; `None`: never.
    pub read_at: Option<DateTime<Utc>>,
    /// Something of the store cannot be seen, or the last attempt failed.
    pub is_partial: bool,
}

/// Severities from the least bad to the worst.
pub const SEVERITIES: [Severity; 5] =
    [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

impl StoreSum {
    /// Counts a store's findings.
    pub(super) fn of(reading: &StoreReading<Audit>) -> Self {
        let mut sum = Self { is_partial: reading.problem.is_some(), ..Self::default() };
        let Some(read) = &reading.latest else { return sum };
        sum.read_at = Some(read.value.read_at.unwrap_or(read.at));
        sum.is_partial |= !read.missing.is_empty();
        for finding in &read.value.findings {
            match finding.verdict {
                Verdict::Fail => sum.fails[finding.severity as usize] += 1,
                Verdict::Waived { .. } => sum.waived += 1,
                Verdict::NotCheckable { .. } => sum.not_checkable += 1,
                Verdict::Pass => sum.holds += 1,
                Verdict::NotApplicable { .. } => sum.not_applicable += 1,
            }
        }
        sum
    }

    /// Broken rules of all severities.
    pub fn failed(&self) -> usize {
        self.fails.iter().sum()
    }

    /// True when everything was looked at and nothing is broken. What cannot be looked at is never all right.
    pub fn is_clean(&self) -> bool {
        self.failed() == 0 && self.waived == 0 && self.not_checkable == 0 && !self.is_partial && self.read_at.is_some()
    }

    /// Worst first: who has the worst broken rules, then who could not be looked at.
    pub fn urgency(&self) -> impl Ord + use<> {
        let mut worst = self.fails;
        worst.reverse();
        (Reverse(worst), Reverse(self.is_partial), Reverse(self.not_checkable), Reverse(self.waived))
    }
}
