//! Numbers as people read them: ages in coarse steps, durations, sizes, times of day.
//!
//! Ages step coarsely on purpose: a figure that changes each second costs bytes on a slow link and says nothing more.

pub use crate::report::event::grouped;
pub use crate::report::quantity::bytes;
use crate::tui::options::Zone;
use chrono::{DateTime, Local, TimeDelta, Utc};

/// Time since `at`, in steps of 5 s, 10 s, 1 min, 1 h, 1 d. A time in the future counts as now.
pub fn age(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let seconds = (now - at).max(TimeDelta::zero()).num_seconds();
    match seconds {
        0..5 => "now".to_owned(),
        5..10 => "5 s".to_owned(),
        10..60 => format!("{} s", seconds / 10 * 10),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// [`age`] with the word `ago`, or `just now`.
pub fn ago(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let age = age(now, at);
    if age == "now" { "just now".to_owned() } else { format!("{age} ago") }
}

/// How long something has been so: `for 12 min`, or `since just now`.
pub fn lasting(now: DateTime<Utc>, since: DateTime<Utc>) -> String {
    let age = age(now, since);
    if age == "now" { "since just now".to_owned() } else { format!("for {age}") }
}

/// A measured length of time.
pub fn duration_ms(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..10_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..60_000 => format!("{} s", ms / 1_000),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// A time of a statement, given in microseconds, in at most eight columns and three digits.
pub fn statement_time(us: f64) -> String {
    const UNITS: [(&str, f64, f64); 5] =
        [("µs", 1.0, 1e3), ("ms", 1e3, 1e6), ("s", 1e6, 6e7), ("min", 6e7, 3.6e9), ("h", 3.6e9, f64::INFINITY)];
    let us = if us.is_finite() { us.max(0.0) } else { return "?".to_owned() };
    // What would be rounded up to 1000 belongs to the next unit.
    let fits = |(_, size, end): &&(&str, f64, f64)| us < end - size * 0.5 || end.is_infinite();
    let (unit, size, _) = UNITS.iter().find(fits).unwrap_or(&UNITS[0]);
    format!("{} {unit}", three_digits(us / size))
}

/// A number with three digits where it has a fraction: `4.16`, `51.2`, `812`.
pub fn three_digits(number: f64) -> String {
    if number == 0.0 {
        "0".to_owned()
    } else if number < 9.995 {
        format!("{number:.2}")
    } else if number < 99.95 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// A forecast in whole units: it is not better known than that.
pub fn forecast(seconds: u64) -> String {
    match seconds {
        0..60 => "under 1 min".to_owned(),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A large number in at most five characters: `950`, `12.3k`, `1.2M`.
pub fn short_count(number: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("G", 1_000_000_000), ("M", 1_000_000), ("k", 10_000)];
    for (unit, from) in UNITS {
        if number >= from {
            let size = from.min(1_000_000_000);
            let size = if unit == "k" { 1_000 } else { size };
            let tenths = u128::from(number) * 10 / u128::from(size);
            return if tenths < 1_000 {
                format!("{}.{}{unit}", tenths / 10, tenths % 10)
            } else {
                format!("{}{unit}", tenths / 10)
            };
        }
    }
    grouped(number)
}

/// Percentage rounded down, so that 100 % is only said of a whole. `None` for an empty whole.
pub fn percent(part: u64, whole: u64) -> Option<u64> {
    (whole > 0).then(|| u64::try_from(u128::from(part.min(whole)) * 100 / u128::from(whole)).unwrap_or(100))
}

/// Time of day.
pub fn clock(zone: Zone, at: DateTime<Utc>) -> String {
    match zone {
        Zone::Utc => at.format("%H:%M:%S").to_string(),
        Zone::Local => at.with_timezone(&Local).format("%H:%M:%S").to_string(),
    }
}

/// Time of day, or for another day than today the date and a shorter time. At most 11 columns.
pub fn clock_or_day(zone: Zone, now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    let (today, day, text) = match zone {
        Zone::Utc => (now.date_naive(), at.date_naive(), at.format("%m-%d %H:%M").to_string()),
        Zone::Local => {
            let (now, at) = (now.with_timezone(&Local), at.with_timezone(&Local));
            (now.date_naive(), at.date_naive(), at.format("%m-%d %H:%M").to_string())
        }
    };
    if today == day { clock(zone, at) } else { text }
}

/// Date, time of day and zone.
pub fn moment(zone: Zone, at: DateTime<Utc>) -> String {
    match zone {
        Zone::Utc => at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Zone::Local => at.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z").to_string(),
    }
}

/// The zone's word for column heads.
pub fn zone_word(zone: Zone) -> &'static str {
    match zone {
        Zone::Utc => "UTC",
        Zone::Local => "local",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_step_coarsely() {
        let at = DateTime::UNIX_EPOCH;
        let after = |seconds: i64| age(at + TimeDelta::seconds(seconds), at);
        assert_eq!(after(-5), "now");
        assert_eq!(after(4), "now");
        assert_eq!(after(9), "5 s");
        assert_eq!(after(59), "50 s");
        assert_eq!(after(60), "1 min");
        assert_eq!(after(7_199), "1 h");
        assert_eq!(after(172_800), "2 d");
        assert_eq!(ago(at + TimeDelta::seconds(70), at), "1 min ago");
        assert_eq!(ago(at, at), "just now");
    }

    #[test]
    fn another_day_is_named() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::hours(30);
        assert_eq!(clock_or_day(Zone::Utc, now, now - TimeDelta::hours(1)), "05:00:00");
        assert_eq!(clock_or_day(Zone::Utc, now, now - TimeDelta::hours(10)), "01-01 20:00");
    }

    #[test]
    fn sizes_and_counts_are_short() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_536), "1.5 kB");
        assert_eq!(bytes(123_456_789), "123 MB");
        assert_eq!(short_count(9_999), "9,999");
        assert_eq!(short_count(12_345), "12.3k");
        assert_eq!(short_count(1_250_000), "1.2M");
        assert_eq!(short_count(u64::MAX), "18446744073G");
        assert_eq!(duration_ms(1_234), "1.2 s");
        assert_eq!(duration_ms(3_725_000), "1 h 2 min");
    }

    #[test]
    fn times_of_statements_keep_three_digits() {
        let shown = [0.0, 380.0, 999.7, 4_160.0, 51_234.0, 999_700.0, 1_200_000.0, 754_000_000.0, 4e10, f64::NAN];
        let words = ["0 µs", "380 µs", "1.00 ms", "4.16 ms", "51.2 ms", "1.00 s", "1.20 s", "12.6 min", "11.1 h", "?"];
        assert_eq!(shown.map(statement_time), words);
        assert_eq!([9.996, 0.034, 1_234.5].map(three_digits), ["10.0", "0.03", "1234"]);
    }

    #[test]
    fn a_part_is_never_rounded_up_to_the_whole() {
        assert_eq!(percent(999, 1_000), Some(99));
        assert_eq!(percent(1_000, 1_000), Some(100));
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(u64::MAX, u64::MAX), Some(100));
    }
}
