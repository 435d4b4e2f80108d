//! How often a collector asks: as often as it was meant to, and more rarely by itself when asking costs the server too much.
//!
//! Two limits. What nobody looks at is sampled within an allowance: a share of one core for each collector, 0.2 % for all of a store.
//! What somebody looks at is read as often as was meant, unless that is a load of its own.

use crate::model::observation::Cost;
use std::time::Duration;

/// Weight of the newest reading in the moving average.
const NEWEST: f64 = 0.3;

/// A collector whose average cost is more than this share of its interval asks half as often, whoever looks.
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
///
/// Invariant: `wanted <= watched <= every <= wanted * RAREST`; and from the second reading on, the average cost is no more than the
/// allowed share of `every`, unless `every` is at its longest.
#[derive(Clone, Debug)]
pub struct Pace {
    wanted: Duration,
    /// Share of one core.
    allowance: f64,
    watched: Duration,
    every: Duration,
    readings: u64,
    average_us: f64,
}

impl Pace {
    /// A pace that begins as it was meant. `allowance`: the share of one core of the server that it may take while nobody looks.
    pub fn new(wanted: Duration, allowance: f64) -> Self {
        Self { wanted, allowance, watched: wanted, every: wanted, readings: 0, average_us: 0.0 }
    }

    /// The interval that was meant.
    pub fn wanted(&self) -> Duration {
        self.wanted
    }

    /// The interval now, while nobody looks.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// The interval now, while somebody looks at what is read.
    pub fn watched(&self) -> Duration {
        self.watched
    }

    /// The average cost in microseconds; 0 before the first reading.
    pub fn average_us(&self) -> f64 {
        self.average_us
    }

    /// Takes the cost of a reading in and sets the intervals.
    pub fn measured(&mut self, cost: &Cost) {
        let now = cost.server_us.unwrap_or(cost.elapsed_us) as f64;
        // The first reading learns what later ones know (plans, texts, definitions): it says nothing of what they will cost.
        self.average_us = if self.readings < 2 { now } else { self.average_us + NEWEST * (now - self.average_us) };
        self.readings += 1;
        let longest = self.wanted * RAREST;
        let share = self.average_us / self.watched.as_micros() as f64;
        let too_long = self.watched < OFTEN && self.average_us > TOO_LONG_US;
        if share > TOO_MUCH || too_long {
            self.watched = (self.watched * 2).min(longest);
        } else if self.watched > self.wanted && share < LITTLE && self.average_us <= TOO_LONG_US / 2.0 {
            self.watched = (self.watched / 2).max(self.wanted);
        }
        let allowed = self.average_us / self.allowance;
        self.every = match self.readings {
            1 => self.watched,
            _ if allowed >= longest.as_micros() as f64 => longest,
            _ => Duration::from_micros(allowed.ceil() as u64).max(self.watched),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALLOWED: f64 = 0.002;

    fn cost(us: u64) -> Cost {
        Cost { server_us: Some(us), elapsed_us: us * 2, statements: 1 }
    }

    #[test]
    fn a_cheap_collector_keeps_its_pace() {
        let mut pace = Pace::new(Duration::from_secs(2), ALLOWED);
        for _ in 0..50 {
            pace.measured(&cost(3_000));
        }
        assert_eq!(pace.every(), Duration::from_secs(2));
    }

    #[test]
    fn a_dear_one_backs_off_and_comes_back() {
        let mut pace = Pace::new(Duration::from_secs(2), ALLOWED);
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
        let mut pace = Pace::new(Duration::from_secs(900), ALLOWED);
        for _ in 0..20 {
            pace.measured(&cost(100_000));
        }
        assert_eq!(pace.every(), Duration::from_secs(900));
    }

    #[test]
    fn what_nobody_looks_at_is_read_within_its_allowance() {
        let mut pace = Pace::new(Duration::from_secs(10), 0.000_5);
        pace.measured(&cost(300_000));
        assert_eq!(
            pace.every(),
            Duration::from_secs(20),
            "the first reading counts as a long one, not as what later ones cost"
        );
        for _ in 0..30 {
            pace.measured(&cost(30_000));
        }
        assert_eq!((pace.every(), pace.watched().as_secs()), (Duration::from_secs(60), 20));
        for _ in 0..60 {
            pace.measured(&cost(3_000));
        }
        assert_eq!((pace.every().as_secs(), pace.watched().as_secs()), (10, 10), "a small server keeps the fast rate");
    }

    proptest! {
        #[test]
        fn the_interval_stays_within_its_bounds(costs in proptest::collection::vec(0u64..60_000_000, 0..200), wanted in 1u64..1000) {
            let wanted = Duration::from_secs(wanted);
            let mut pace = Pace::new(wanted, ALLOWED);
            for us in costs {
                pace.measured(&cost(us));
                prop_assert!(pace.every() >= wanted && pace.every() <= wanted * RAREST);
                prop_assert!(pace.watched() >= wanted && pace.watched() <= pace.every());
            }
        }

        #[test]
        fn the_allowance_is_kept(costs in proptest::collection::vec(0u64..2_000_000, 2..200), wanted in 1u64..1000, allowance in 0.000_1f64..0.01) {
            let wanted = Duration::from_secs(wanted);
            let mut pace = Pace::new(wanted, allowance);
            for (at, us) in costs.into_iter().enumerate() {
                pace.measured(&cost(us));
                let share = pace.average_us() / pace.every().as_micros() as f64;
                prop_assert!(at == 0 || share <= allowance * 1.000_001 || pace.every() == wanted * RAREST, "{share}");
            }
        }
    }
}
