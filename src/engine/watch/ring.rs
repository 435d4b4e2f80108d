//! The readings of the last minutes that an interval is subtracted from.
//!
//! Invariants: what is subtracted are two readings of the same run of counters; an interval begins where a reading was taken, never
//! before; the memory is bounded whatever a server lists.

use crate::advice::hotspots::delta::{self, Delta, Interval};
use crate::model::hotspot::CountersReset;
use crate::model::observation::Observation;
use crate::model::statement::{StatementCounter, Statements};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::VecDeque;

/// How far back the interval reaches once there are readings.
pub const SPAN: TimeDelta = TimeDelta::minutes(10);

/// Time between two readings that are kept: the interval is between `SPAN` and `SPAN + STEP` long.
const STEP: TimeDelta = TimeDelta::minutes(2);

/// Readings of `SPAN` that are kept.
const STEPS: usize = 6;

/// Lines over all kept readings, about 300 bytes each; of longer lists fewer readings are kept.
const LINES_KEPT: usize = 30_000;

/// Lines of one reading that are looked at: the heaviest ones.
const LINES_READ: usize = 15_000;

/// One kept reading, without its texts: a later reading has them.
#[derive(Clone, Debug)]
struct Mark {
    reading: Observation<Statements>,
    /// The server listed more than was kept, so that a line that it lacks may be an old one.
    is_cut: bool,
}

/// Kept readings of one list of one store.
#[derive(Debug, Default)]
pub struct Ring {
    /// Oldest first.
    marks: VecDeque<Mark>,
    /// The reading before the present one.
    last: Option<Mark>,
    reset: Option<CountersReset>,
}

impl Ring {
    /// Takes a reading in and tells what each line did since the oldest kept one. The first reading tells everything since the server
    /// began to count, and the first after a reset everything since the reset: the interval's begin says so.
    pub fn take(&mut self, reading: &mut Observation<Statements>) -> Interval {
        let left_out = cut(&mut reading.value);
        let now = Mark { reading: without_texts(reading), is_cut: left_out > 0 };
        let reset = self.last.as_ref().and_then(|last| match delta::between(&last.reading, reading) {
            Delta::Reset { why } => Some((why, last.reading.at)),
            Delta::Interval(_) => None,
        });
        let mut interval = match reset {
            Some((why, before)) => {
                self.marks.clear();
                self.reset = Some(CountersReset { at: reading.at, why });
                let mut interval = delta::since_begin(reading);
                // What is counted now was counted after the reading before, whatever the server says of its window.
                interval.head.from = interval.head.from.max(before);
                interval
            }
            None => self.interval(self.marks.front(), reading).unwrap_or_else(|| delta::since_begin(reading)),
        };
        if left_out > 0 {
            note(&mut interval, format!("{left_out} statements with the least time are left out"));
        }
        let step =
            STEP * i32::try_from((reading.value.counters.len() * STEPS).div_ceil(LINES_KEPT).max(1)).unwrap_or(1);
        if self.marks.back().is_none_or(|newest| reading.at - newest.reading.at >= step) {
            self.marks.push_back(now.clone());
        }
        while self.marks.get(1).is_some_and(|next| reading.at - next.reading.at >= SPAN) {
            self.marks.pop_front();
        }
        self.last = Some(now);
        interval
    }

    /// What each line did between the first kept reading at or after `begin` and this one, which was taken in before; `None`: there is
    /// none yet, and this one is kept as such.
    pub fn since(&mut self, begin: DateTime<Utc>, reading: &Observation<Statements>) -> Option<Interval> {
        let mark = self.marks.iter().find(|mark| mark.reading.at >= begin && mark.reading.at < reading.at);
        let interval = self.interval(mark, reading);
        let has_mark = self.marks.back().is_some_and(|newest| newest.reading.at >= begin);
        if interval.is_none()
            && !has_mark
            && let Some(last) = self.last.clone().filter(|last| last.reading.at >= begin)
        {
            self.marks.push_back(last);
        }
        interval
    }

    /// When the counters last began anew since the engine started.
    pub fn reset(&self) -> Option<&CountersReset> {
        self.reset.as_ref()
    }

    fn interval(&self, from: Option<&Mark>, reading: &Observation<Statements>) -> Option<Interval> {
        let from = from?;
        let Delta::Interval(mut interval) = delta::between(&from.reading, reading) else { return None };
        if from.is_cut {
            let all = interval.lines.len();
            interval.lines.retain(|(_, is_new)| !is_new);
            let unknown = all - interval.lines.len();
            if unknown > 0 {
                note(
                    &mut interval,
                    format!("{unknown} statements were not among the heaviest before and are left out"),
                );
            }
        }
        Some(interval)
    }
}

/// Leaves the heaviest lines; how many were left out.
fn cut(statements: &mut Statements) -> usize {
    let left_out = statements.counters.len().saturating_sub(LINES_READ);
    if left_out > 0 {
        statements.counters.sort_by(|a, b| b.total_us.total_cmp(&a.total_us).then_with(|| a.id.cmp(&b.id)));
        statements.counters.truncate(LINES_READ);
    }
    left_out
}

fn without_texts(reading: &Observation<Statements>) -> Observation<Statements> {
    let statements = &reading.value;
    let bare = |counter: &StatementCounter| StatementCounter {
        id: counter.id.clone(),
        login: None,
        database: String::new(),
        text: String::new(),
        percentiles: None,
        ..*counter
    };
    Observation::whole(
        Statements {
            source: statements.source,
            window: statements.window.clone(),
            epoch: statements.epoch.clone(),
            coverage: statements.coverage.clone(),
            counters: statements.counters.iter().map(bare).collect(),
        },
        reading.at,
    )
}

fn note(interval: &mut Interval, sentence: String) {
    let note = &mut interval.head.coverage.note;
    *note = Some(match note.take() {
        Some(before) => format!("{before}; {sentence}"),
        None => sentence,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Window;
    use crate::model::statement::{Coverage, StatementSource};
    use proptest::prelude::*;

    fn line(id: usize, calls: u64) -> StatementCounter {
        StatementCounter {
            id: id.to_string(),
            login: Some("app".to_owned()),
            database: "shop".to_owned(),
            text: format!("SELECT {id}"),
            calls,
            total_us: calls as f64 * 10.0,
            squares_us2: None,
            rows: None,
            examined: None,
            errors: None,
            without_index: None,
            blocks_read: None,
            percentiles: None,
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn reading(second: i64, epoch: &str, counters: Vec<StatementCounter>) -> Observation<Statements> {
        let statements = Statements {
            source: StatementSource::PgStatStatements,
            window: Window { since: at(-1_000), proof: "the server started then".to_owned() },
            epoch: epoch.to_owned(),
            coverage: Coverage { evicted: Some(0), unlisted_share: None, note: None },
            counters,
        };
        Observation::whole(statements, at(second))
    }

    fn take(ring: &mut Ring, second: i64, epoch: &str, calls: u64) -> (i64, u64) {
        let interval = ring.take(&mut reading(second, epoch, vec![line(1, calls), line(2, 5)]));
        let calls = interval.lines.iter().filter(|(line, _)| line.id == "1").map(|(line, _)| line.calls).sum();
        assert_eq!(interval.head.to, at(second));
        ((interval.head.from - DateTime::UNIX_EPOCH).num_seconds(), calls)
    }

    #[test]
    fn the_first_reading_tells_all_and_later_ones_the_last_minutes() {
        let mut ring = Ring::default();
        assert_eq!(take(&mut ring, 0, "a", 1_000), (-1_000, 1_000));
        assert_eq!(take(&mut ring, 10, "a", 1_010), (0, 10));
        for second in (20..=2_000).step_by(10) {
            let (from, calls) = take(&mut ring, second, "a", 1_000 + second as u64);
            assert_eq!(i64::try_from(calls).unwrap(), second - from, "one call a second");
            let length = second - from;
            assert!(length == second || (SPAN.num_seconds()..=SPAN.num_seconds() + 120).contains(&length), "{length}");
        }
        assert!(ring.marks.len() <= STEPS + 1, "{}", ring.marks.len());
        assert_eq!(ring.reset(), None);
    }

    #[test]
    fn a_reset_is_noticed_and_what_came_after_it_is_of_the_time_after_it() {
        let mut ring = Ring::default();
        take(&mut ring, 0, "a", 1_000);
        take(&mut ring, 10, "a", 1_010);
        assert_eq!(take(&mut ring, 20, "b", 7), (10, 7));
        let reset = ring.reset().unwrap();
        assert_eq!((reset.at, reset.why.contains("anew")), (at(20), true));
        assert_eq!(take(&mut ring, 30, "b", 9), (20, 2));
    }

    #[test]
    fn counters_that_all_go_down_are_a_reset_also_without_a_new_epoch() {
        let mut ring = Ring::default();
        ring.take(&mut reading(0, "a", vec![line(1, 100), line(2, 100)]));
        let interval = ring.take(&mut reading(10, "a", vec![line(1, 4), line(2, 3)]));
        assert_eq!((interval.head.from, interval.lines.iter().map(|(line, _)| line.calls).sum::<u64>()), (at(0), 7));
        assert!(ring.reset().is_some());
    }

    #[test]
    fn an_interval_can_begin_at_a_switch() {
        let mut ring = Ring::default();
        for second in [0, 10, 20] {
            take(&mut ring, second, "a", second as u64);
        }
        let now = reading(20, "a", vec![line(1, 20)]);
        assert!(ring.since(at(15), &now).is_none(), "nothing was read between the switch and now");
        take(&mut ring, 30, "a", 30);
        let later = ring.since(at(15), &reading(30, "a", vec![line(1, 30)])).unwrap();
        assert_eq!((later.head.from, later.lines[0].0.calls), (at(20), 10));
    }

    #[test]
    fn a_list_without_end_is_cut_and_says_so() {
        let mut ring = Ring::default();
        let many = |calls: u64| (0..LINES_READ + 5).map(|id| line(id, calls + id as u64)).collect::<Vec<_>>();
        let first = ring.take(&mut reading(0, "a", many(1)));
        assert_eq!(first.lines.len(), LINES_READ);
        assert!(first.head.coverage.note.unwrap().starts_with("5 statements"));
        // The lightest one is the heaviest now: how much of it is of the interval nobody knows.
        let mut lines = many(1);
        lines[0].calls = 1_000_000;
        lines[0].total_us = 1e9;
        let second = ring.take(&mut reading(10, "a", lines));
        assert!(second.lines.iter().all(|(line, _)| line.id != "0"), "{:?}", second.lines.len());
        assert!(second.head.coverage.note.unwrap().contains("not among the heaviest"));
    }

    proptest! {
        /// Whatever the server does, no line ever did more in an interval than it has counted, and no interval reaches back too far.
        #[test]
        fn an_interval_never_invents_calls(steps in proptest::collection::vec((1i64..400, 0u64..50, proptest::bool::weighted(0.05)), 1..60)) {
            let (mut ring, mut second, mut calls, mut epoch) = (Ring::default(), 0, 0, 0);
            let mut counted_since = -1_000;
            for (pause, more, is_reset) in steps {
                second += pause;
                // Before the first reading nobody could have noticed a reset.
                if is_reset && second > pause {
                    epoch += 1;
                    calls = 0;
                    counted_since = second - pause;
                }
                calls += more;
                let (from, told) = take(&mut ring, second, &epoch.to_string(), calls);
                prop_assert!(told <= calls);
                prop_assert!(from >= counted_since && from < second);
                prop_assert!(ring.marks.len() <= STEPS + 2);
            }
        }
    }
}
