//! Durations as profiles write them: `250ms`, `3s`, `10m`, `2h`, `1d`.

use std::time::Duration;

/// Units with their length in milliseconds, longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration. The error is a whole sentence that does not name the key.
pub fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let examples =
        "write a whole number and one of ms, s, m, h, d, such as \"250ms\", \"3s\", \"10m\", \"2h\" or \"1d\"";
    if number.is_empty() {
        return Err(format!("This is not a duration: {examples}."));
    }
    if unit.is_empty() {
        return Err(format!("The unit is missing: {examples}."));
    }
    let Some((_, unit_ms)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let word = unit.trim();
        return Err(if unit.starts_with('.') {
            format!("Fractions are not read (1.5s is 1500ms): {examples}.")
        } else if UNITS.iter().any(|(name, _)| *name == word) {
            format!("Leave the blank out: {examples}.")
        } else {
            format!("`{}` is not a unit of time: {examples}.", super::names::shown(word))
        });
    };
    let total_ms = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*unit_ms));
    match total_ms.filter(|ms| *ms <= 100 * 365 * 86_400_000) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err("This is longer than a hundred years.".to_owned()),
    }
}

/// Writes a duration in the largest unit that holds it without a fraction; less than a millisecond is cut off.
pub fn format(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    match UNITS.iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms)) {
        Some((unit, unit_ms)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_unit() {
        for (text, ms) in
            [("250ms", 250), ("3s", 3_000), ("10m", 600_000), ("2h", 7_200_000), ("1d", 86_400_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_one() {
        for text in ["", "s", "3", "3 s", "3S", "1.5s", "-1s", "1h30m", "99999999999999999999s", "36501d", "３s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0u64..10_000_000_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
