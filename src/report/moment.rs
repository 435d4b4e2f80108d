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

/// Microseconds in the unit that a person would choose: `87 µs`, `1.25 ms`, `3.4 s`, `2 min 5 s`.
pub fn micros(us: f64) -> String {
    match us {
        us if !us.is_finite() => "unknown".to_owned(),
        us if us < 10.0 => format!("{us:.1} µs"),
        us if us < 1_000.0 => format!("{us:.0} µs"),
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 1e6 => format!("{:.0} ms", us / 1e3),
        us if us < 60e6 => format!("{:.1} s", us / 1e6),
        us => span((us / 1e3) as u64),
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
    fn microseconds_keep_the_digits_that_matter() {
        let told: Vec<String> = [0.0, 9.94, 87.0, 1_250.0, 45_000.0, 3_400_000.0, 125e6, f64::NAN].map(micros).to_vec();
        assert_eq!(told, ["0.0 µs", "9.9 µs", "87 µs", "1.25 ms", "45 ms", "3.4 s", "2 min 5 s", "unknown"]);
    }

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
