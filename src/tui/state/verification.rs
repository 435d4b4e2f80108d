//! State of the verification screen: one row for each table of each pipeline, also for those that were never compared.

use crate::model::ids::PipelineId;
use crate::model::verification::{DriftCounts, TableVerification};
use crate::tui::state::filter::Filter;
use crate::tui::state::list::Motion;
use crate::tui::state::picture::Picture;
use std::collections::BTreeMap;

/// What the verification screen remembers.
#[derive(Clone, Debug, Default)]
pub struct VerificationState {
    /// Narrows the list.
    pub filter: Filter,
    /// The operator's choice: pipeline and source table.
    pub chosen: Option<(PipelineId, String)>,
    /// First line of the sample of differing keys.
    pub scroll: usize,
}

/// A table and what is known of its equality.
#[derive(Clone, Debug)]
pub struct TableRow<'a> {
    /// Pipeline.
    pub pipeline: &'a PipelineId,
    /// Source name.
    pub table: String,
    /// The last comparison; `None`: never compared, so never verified (V07).
    pub found: Option<&'a TableVerification>,
}

impl VerificationState {
    /// Tables that the filter lets through, by pipeline and name; those that differ first.
    pub fn rows<'a>(&self, picture: &'a Picture) -> Vec<TableRow<'a>> {
        let mut rows: Vec<TableRow<'a>> = tables(picture)
            .into_iter()
            .filter(|row| self.filter.matches(&[row.pipeline.as_str(), &row.table, verdict(row.found).0]))
            .collect();
        rows.sort_by_key(|row| row.found.is_none_or(|f| f.drift.total() == 0));
        rows
    }

    /// The selected row.
    pub fn selected(&self, rows: &[TableRow<'_>]) -> Option<usize> {
        if rows.is_empty() {
            return None;
        }
        let chosen = self.chosen.as_ref();
        let at = rows.iter().position(|r| chosen.is_some_and(|(p, t)| r.pipeline == p && r.table == *t));
        Some(at.unwrap_or(0))
    }

    /// Moves in the list; page keys move in the sample.
    pub fn go(&mut self, motion: Motion, picture: &Picture) {
        if matches!(motion, Motion::PageUp | Motion::PageDown) {
            self.scroll = motion.from(self.scroll, usize::MAX);
            return;
        }
        let rows = self.rows(picture);
        let at = self.selected(&rows).unwrap_or(0);
        if let Some(row) = rows.get(motion.from(at, rows.len())) {
            self.chosen = Some((row.pipeline.clone(), row.table.clone()));
            self.scroll = 0;
        }
    }
}

/// Every table that is known from a copy or from a comparison.
pub fn tables(picture: &Picture) -> Vec<TableRow<'_>> {
    let mut known: BTreeMap<(&PipelineId, String), Option<&TableVerification>> = BTreeMap::new();
    for (pipeline, sample) in &picture.samples.pipelines {
        for progress in &sample.copy.tables {
            known.entry((pipeline, progress.table.to_string())).or_insert(None);
        }
    }
    for (pipeline, found) in &picture.migration.verification {
        for table in found {
            known.insert((pipeline, table.table.to_string()), Some(table));
        }
    }
    known.into_iter().map(|((pipeline, table), found)| TableRow { pipeline, table, found }).collect()
}

/// The word for a table's state, and whether it is good, open or bad.
pub fn verdict(found: Option<&TableVerification>) -> (&'static str, Verdict) {
    match found {
        None => ("not compared", Verdict::Open),
        Some(found) if found.drift.total() > found.drift.unresolved => ("differs", Verdict::Bad),
        Some(found) if found.drift.unresolved > 0 => ("unresolved", Verdict::Open),
        Some(found) if found.is_verified() => ("verified", Verdict::Good),
        Some(found) if found.full_pass_at.is_none() => ("no full pass", Verdict::Open),
        Some(_) => ("incomplete", Verdict::Open),
    }
}

/// How good a [`verdict`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proved equal.
    Good,
    /// Not known.
    Open,
    /// Proved different.
    Bad,
}

/// What is known of a pipeline's tables together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Tables known.
    pub tables: usize,
    /// Of them compared at least in part.
    pub compared: usize,
    /// Of them proved equal by their last full pass.
    pub verified: usize,
    /// Of them with a full pass.
    pub passed: usize,
    /// The oldest full pass; `None` when a table had none.
    pub oldest_pass: Option<chrono::DateTime<chrono::Utc>>,
    /// Row changes since those passes; `None` when unknown for a table.
    pub changed_since: Option<u64>,
    /// Differing rows.
    pub drift: DriftCounts,
}

/// Sums the tables of each pipeline up: the weakest table decides.
pub fn freshness<'a>(tables: &[TableRow<'a>]) -> BTreeMap<&'a PipelineId, Freshness> {
    let mut sums: BTreeMap<&PipelineId, Freshness> = BTreeMap::new();
    for row in tables {
        let sum = sums.entry(row.pipeline).or_insert(Freshness { changed_since: Some(0), ..Freshness::default() });
        sum.tables += 1;
        let Some(found) = row.found else {
            sum.changed_since = None;
            continue;
        };
        sum.compared += 1;
        sum.verified += usize::from(found.is_verified());
        sum.drift.merge(found.drift);
        sum.passed += usize::from(found.full_pass_at.is_some());
        sum.oldest_pass = match (sum.oldest_pass, found.fresh_since()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        sum.changed_since = sum.changed_since.zip(found.changed_since).map(|(a, b)| a + b);
    }
    for sum in sums.values_mut().filter(|sum| sum.passed < sum.tables) {
        sum.oldest_pass = None;
    }
    sums
}
