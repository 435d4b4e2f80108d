//! The earlier reading of a store's indexes that rates are measured from.
//!
//! It is not simply the one before: readings that follow each other within seconds (somebody asked, a gate asked) would make of a table
//! that is written in bursts now a dead and now a busy one, and advice would come and go with it.

use crate::engine::watch::indexes::IndexReading;
use chrono::TimeDelta;
use std::sync::Arc;

/// A baseline becomes between once and twice this old before a newer one takes its place.
const AGE: TimeDelta = TimeDelta::minutes(30);

/// At most two readings are held: the baseline, and the one that will follow it.
#[derive(Debug, Default)]
pub struct Baseline {
    held: Option<Arc<IndexReading>>,
    next: Option<Arc<IndexReading>>,
}

impl Baseline {
    /// The reading to compare with; `None` before the first one.
    pub fn reading(&self) -> Option<&Arc<IndexReading>> {
        self.held.as_ref()
    }

    /// Takes the newest reading in, after it was compared.
    pub fn take(&mut self, newest: Arc<IndexReading>) {
        let began_anew = |known: &Arc<IndexReading>| known.indexes.epoch != newest.indexes.epoch;
        let is_due = |known: &Option<Arc<IndexReading>>| known.as_ref().is_some_and(|k| newest.at - k.at >= AGE);
        if self.held.as_ref().is_none_or(began_anew) {
            (self.held, self.next) = (Some(newest), None);
        } else if is_due(&self.next) {
            self.held = self.next.replace(newest);
        } else if self.next.is_none() && is_due(&self.held) {
            self.next = Some(newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::watch::indexes::tests::reading;

    #[test]
    fn a_baseline_grows_old_and_is_replaced_by_one_that_is_old_enough() {
        let mut baseline = Baseline::default();
        assert!(baseline.reading().is_none());
        let mut ages = Vec::new();
        for minute in 0..200 {
            baseline.take(reading(minute * 60, &["a"]));
            let held = baseline.reading().unwrap().at.timestamp() / 60;
            ages.push(minute - held);
        }
        assert_eq!(ages[..60], (0..60).collect::<Vec<i64>>());
        assert!(ages[60..].iter().all(|age| (30..60).contains(age)), "{ages:?}");
    }

    #[test]
    fn counters_that_began_anew_begin_a_new_one() {
        let mut baseline = Baseline::default();
        baseline.take(reading(0, &["a"]));
        let mut after = Arc::unwrap_or_clone(reading(60, &["a"]));
        after.indexes.epoch = "another".to_owned();
        baseline.take(Arc::new(after));
        assert_eq!(baseline.reading().unwrap().at.timestamp(), 60);
    }
}
