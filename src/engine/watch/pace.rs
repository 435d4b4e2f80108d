//! How often a collector asks: as often as it was meant to, and more rarely by itself when asking costs the server too much.

use crate::model::observation::Cost;
use std::time::Duration;

/// Weight of the newest reading in the moving average.
const NEWEST: f64 = 0.3;

/// A collector whose average cost is more than this share of its interval asks half as often.
const TOO_MUCH: f64 = 0.05;

/// Below this share it asks twice as often again, down to what it was meant to.
const LITTLE: f64 = 0.01;

/// A collector that is asked several times a minute may not take longer than this in one go, whatever its share.
const TOO_LONG_US: f64 = 50_000.0;

/// Intervals under this are "several times a minute".
const OFTEN: Duration = Duration::from_secs(30);

/// It never asks more rarely than this many times its meant interval.
const RAREST: u32 = 32;

/// A collector's pace.
#[derive(Clone, Debug)]
pub struct Pace {
    wanted: Duration,
    every: Duration,
    average_us: Option<f64>,
}

impl Pace {
    /// A pace that begins as it was meant.
    pub fn new(wanted: Duration) -> Self {
        Self { wanted, every: wanted, average_us: None }
    }

    /// The interval that was meant.
    pub fn wanted(&self) -> Duration {
        self.wanted
    }

    /// The interval now.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// The average cost in microseconds; 0 before the first reading.
    pub fn average_us(&self) -> f64 {
        self.average_us.unwrap_or(0.0)
    }

    /// Takes the cost of a reading in and sets the interval.
    pub fn measured(&mut self, cost: &Cost) {
        let now = cost.server_us.unwrap_or(cost.elapsed_us) as f64;
        let average = match self.average_us {
            Some(before) => before + NEWEST * (now - before),
            None => now,
        };
        self.average_us = Some(average);
        let share = average / self.every.as_micros() as f64;
        let too_long = self.every < OFTEN && average > TOO_LONG_US;
        if share > TOO_MUCH || too_long {
            self.every = (self.every * 2).min(self.wanted * RAREST);
        } else if self.every > self.wanted && share < LITTLE && average <= TOO_LONG_US / 2.0 {
            self.every = (self.every / 2).max(self.wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cost(us: u64) -> Cost {
        Cost { server_us: Some(us), elapsed_us: us * 2, statements: 1 }
    }

    #[test]
    fn a_cheap_collector_keeps_its_pace() {
        let mut pace = Pace::new(Duration::from_secs(2));
        for _ in 0..50 {
            pace.measured(&cost(3_000));
        }
        assert_eq!(pace.every(), Duration::from_secs(2));
    }

    #[test]
    fn a_dear_one_backs_off_and_comes_back() {
        let mut pace = Pace::new(Duration::from_secs(2));
        for _ in 0..5 {
            pace.measured(&cost(400_000));
        }
        assert!(pace.every() >= Duration::from_secs(8), "{:?}", pace.every());
        for _ in 0..60 {
            pace.measured(&cost(2_000));
        }
        assert_eq!(pace.every(), Duration::from_secs(2));
    }

    #[test]
    fn a_rare_one_may_take_its_time() {
        let mut pace = Pace::new(Duration::from_secs(900));
        for _ in 0..20 {
            pace.measured(&cost(100_000));
        }
        assert_eq!(pace.every(), Duration::from_secs(900));
    }

    proptest! {
        #[test]
        fn the_interval_stays_within_its_bounds(costs in proptest::collection::vec(0u64..60_000_000, 0..200), wanted in 1u64..1000) {
            let wanted = Duration::from_secs(wanted);
            let mut pace = Pace::new(wanted);
            for us in costs {
                pace.measured(&cost(us));
                prop_assert!(pace.every() >= wanted && pace.every() <= wanted * RAREST);
            }
        }
    }
}
