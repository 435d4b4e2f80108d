//! Times and durations as text: UTC with its zone, durations with their unit.

use chrono::{DateTime, Utc};

/// `2026-11-23 12:07:03Z`.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `12:07:03.123Z`: for lines of one day's work.
pub fn time_of_day(at: DateTime<Utc>) -> String {
    at.format("%H:%M:%S%.3fZ").to_string()
}

/// Milliseconds in the unit that a person would choose: `340 ms`, `2.5 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..=59 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long ago `at` was, seen from `now`; a clock that went back is no age at all.
pub fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    span(u64::try_from((now - at).num_milliseconds()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_unit_that_a_person_would_choose() {
        let told: Vec<String> =
            [0, 999, 1000, 2_549, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000].map(span).to_vec();
        assert_eq!(
            told,
            ["0 ms", "999 ms", "1.0 s", "2.5 s", "59.9 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 0 h"]
        );
    }
}
