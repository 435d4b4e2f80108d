//! The end of a comparison that was asked for: each pipeline in scope says in the journal how it ended.

use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::model::comparison::ComparisonEvent;
use crate::model::event::{Entry, Event};
use crate::model::fold::Migration;
use crate::model::ids::PipelineId;
use crate::model::sample::Samples;
use crate::report::progress;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time between two lines that tell how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// What has come since the request.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How each pipeline ended: whether everything is equal, or why there is no result.
    ended: BTreeMap<PipelineId, Result<bool, String>>,
    told_at: Option<Instant>,
}

impl Comparison {
    /// Takes a row in.
    pub fn note(&mut self, entry: &Entry) {
        let Event::Comparison { pipeline, event } = &entry.event else { return };
        let outcome = match event {
            ComparisonEvent::Ended { drift, .. } => Ok(drift.total() == 0),
            ComparisonEvent::Failed { reason } => Err(reason.to_string()),
            ComparisonEvent::Started { .. } | ComparisonEvent::Reached { .. } => return,
        };
        self.ended.insert(pipeline.clone(), outcome);
    }

    /// Whether every pipeline in scope (all when none is named) has ended: 0 when everything is proved equal, 1 when not, 5 when one
    /// could not be compared to its end.
    pub fn judge(&self, scope: &[PipelineId], migration: &Migration) -> Option<Outcome> {
        let asked = migration.declared.iter().map(|declared| &declared.id);
        let outcomes: Option<Vec<_>> = asked
            .filter(|id| scope.is_empty() || scope.contains(id))
            .map(|id| self.ended.get(id).map(|outcome| (id, outcome)))
            .collect();
        let outcomes = outcomes?;
        let failures: Vec<String> = outcomes
            .iter()
            .filter_map(|(id, outcome)| Some(format!("the comparison of {id} failed: {}", outcome.as_ref().err()?)))
            .collect();
        if !failures.is_empty() {
            return Some(Err(Failure::new(Exit::PhaseFailed, failures.join("; "))));
        }
        let equal = outcomes.iter().all(|(_, outcome)| matches!(outcome, Ok(true)));
        Some(Ok(if equal { Exit::Ok } else { Exit::Finding }))
    }

    /// Lines that tell how far it is, not more often than every few seconds.
    pub fn progress(&mut self, scope: &[PipelineId], samples: Option<&Samples>, now: Instant) -> Vec<String> {
        if self.told_at.is_some_and(|told| now.saturating_duration_since(told) < TOLD_EVERY) {
            return Vec::new();
        }
        let lines: Vec<String> = samples
            .into_iter()
            .flat_map(|samples| &samples.verifying)
            .filter(|(id, _)| scope.is_empty() || scope.contains(id))
            .map(|(id, pass)| progress::verifying(id, pass))
            .collect();
        if !lines.is_empty() {
            self.told_at = Some(now);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::PipelineDeclared;
    use crate::model::ids::Seq;
    use crate::model::reason::Reason;
    use crate::model::sample::VerifyProgress;
    use crate::model::verification::DriftCounts;
    use chrono::DateTime;

    fn migration() -> Migration {
        let declared = |id: &str| PipelineDeclared { id: id.into(), from: "old".into(), to: "new".into() };
        Migration { declared: vec![declared("p"), declared("q")], ..Migration::default() }
    }

    fn entry(pipeline: &str, event: ComparisonEvent) -> Entry {
        Entry { seq: Seq(1), at: DateTime::UNIX_EPOCH, event: Event::Comparison { pipeline: pipeline.into(), event } }
    }

    fn ended(missing: u64) -> ComparisonEvent {
        ComparisonEvent::Ended { tables: 1, rows: 5, drift: DriftCounts { missing, ..DriftCounts::default() } }
    }

    #[test]
    fn one_pipeline_of_two_is_not_the_end() {
        let mut comparison = Comparison::default();
        comparison.note(&entry("p", ended(0)));
        assert_eq!(comparison.judge(&[], &migration()), None);
        assert_eq!(comparison.judge(&["p".into()], &migration()), Some(Ok(Exit::Ok)));
        comparison.note(&entry("q", ended(1)));
        assert_eq!(comparison.judge(&[], &migration()), Some(Ok(Exit::Finding)));
    }

    #[test]
    fn a_failure_is_told_with_its_reason_and_not_taken_for_a_difference() {
        let mut comparison = Comparison::default();
        comparison.note(&entry("p", ended(1)));
        comparison.note(&entry("q", ComparisonEvent::Failed { reason: Reason::new("no hash in common", "") }));
        let failure = comparison.judge(&[], &migration()).and_then(Result::err).unwrap();
        assert_eq!(failure.exit, Exit::PhaseFailed);
        assert!(failure.sentence.contains("q failed: no hash in common"), "{}", failure.sentence);
    }

    #[test]
    fn progress_is_told_now_and_then() {
        let mut comparison = Comparison::default();
        let pass = VerifyProgress { table: "orders".into(), chunks_done: 7, chunks_total: 10, rechecking: 0 };
        let samples = Samples { verifying: [("p".into(), pass)].into(), ..Samples::default() };
        let now = Instant::now();
        assert_eq!(comparison.progress(&["q".into()], Some(&samples), now), Vec::<String>::new());
        assert_eq!(comparison.progress(&[], Some(&samples), now).len(), 1);
        assert_eq!(comparison.progress(&[], Some(&samples), now).len(), 0);
        assert_eq!(comparison.progress(&[], Some(&samples), now + TOLD_EVERY).len(), 1);
    }
}
