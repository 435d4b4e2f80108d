//! Numbers with their units, as people read them.

/// Bytes in units of 1000.
pub fn bytes(number: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (unit, size) in UNITS {
        if number >= size {
            let tenths = u128::from(number) * 10 / u128::from(size);
            return if tenths < 100 {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            } else {
                format!("{} {unit}", tenths / 10)
            };
        }
    }
    format!("{number} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let told: Vec<String> = [999, 1_000, 9_999, 10_000, 3_555_555, 123_456_789_000].map(bytes).into();
        assert_eq!(told, ["999 B", "1.0 kB", "9.9 kB", "10 kB", "3.5 MB", "123 GB"]);
    }
}
