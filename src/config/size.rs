//! Sizes as profiles write them: `64KB`, `16MB`, `1GB`. Units are powers of 1024, as in postgresql.conf.

/// Units in bytes, largest first.
const UNITS: [(&str, u64); 4] = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10), ("B", 1)];

/// Reads a size in bytes. The error is a whole sentence that does not name the key.
pub fn parse(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&unit.replace("iB", "B")));
    match (number.parse::<u64>().ok(), known) {
        (Some(n), Some((_, bytes))) => n.checked_mul(*bytes).ok_or_else(|| "This is more than 16 exabytes.".to_owned()),
        _ => Err("This is not a size: write a whole number and one of KB, MB, GB, such as \"16MB\".".to_owned()),
    }
}

/// Writes a size in the largest unit that holds it without a fraction.
pub fn format(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_units_of_1024() {
        assert_eq!(parse("16MB"), Ok(16 << 20));
        assert_eq!(parse("64kB"), Ok(64 << 10));
        assert_eq!(parse("1GiB"), Ok(1 << 30));
        for text in ["", "16", "MB", "16 MB", "1.5MB", "16Mb/s", "99999999999GB", "-1MB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes: u64) {
            prop_assert_eq!(parse(&format(bytes)), Ok(bytes));
        }
    }
}
