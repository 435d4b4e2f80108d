//! Fields of the server's documents. A field that is missing or of another type is none: versions differ in both.

use crate::stores::sanitise::clean;
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document};

/// A text, made safe; empty when it is not there.
pub fn text(document: &Document, name: &str) -> String {
    clean(document.get_str(name).unwrap_or_default())
}

/// A whole number, whichever of the three numeric types it came as.
pub fn integer(document: &Document, name: &str) -> Option<i64> {
    match document.get(name)? {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        // What does not fit is cut, as counters never come near.
        Bson::Double(n) => Some(*n as i64),
        _ => None,
    }
}

/// A whole number that is not negative.
pub fn count(document: &Document, name: &str) -> Option<u64> {
    u64::try_from(integer(document, name)?).ok()
}

/// True when the field is there and true.
pub fn is_set(document: &Document, name: &str) -> bool {
    match document.get(name) {
        Some(Bson::Boolean(set)) => *set,
        Some(_) => integer(document, name).is_some_and(|n| n != 0),
        None => false,
    }
}

/// A sub-document.
pub fn inner<'a>(document: &'a Document, name: &str) -> Option<&'a Document> {
    document.get_document(name).ok()
}

/// The documents of an array.
pub fn list<'a>(document: &'a Document, name: &str) -> impl Iterator<Item = &'a Document> {
    document.get_array(name).map(Vec::as_slice).unwrap_or_default().iter().filter_map(Bson::as_document)
}

/// A time, which some commands print as a text.
pub fn time(document: &Document, name: &str) -> Option<DateTime<Utc>> {
    match document.get(name)? {
        Bson::DateTime(at) => DateTime::from_timestamp_millis(at.timestamp_millis()),
        Bson::String(at) => DateTime::parse_from_rfc3339(at).ok().map(|at| at.to_utc()),
        Bson::Timestamp(at) => DateTime::from_timestamp(i64::from(at.time), 0),
        _ => None,
    }
}

/// `time` less so many microseconds.
pub fn before(time: DateTime<Utc>, micros: i64) -> Option<DateTime<Utc>> {
    time.checked_sub_signed(chrono::Duration::microseconds(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    #[test]
    fn types_that_differ_between_versions_read_the_same() {
        let read = doc! { "a": 7_i32, "b": 7_i64, "c": 7.0, "d": "7", "e": 1.0, "f": -1 };
        assert_eq!(["a", "b", "c", "d"].map(|name| integer(&read, name)), [Some(7), Some(7), Some(7), None]);
        assert!(is_set(&read, "e"));
        assert_eq!(count(&read, "f"), None);
    }

    #[test]
    fn times_come_as_dates_and_as_texts() {
        let at = DateTime::from_timestamp_millis(1_795_449_174_526).unwrap();
        let read =
            doc! { "a": mongodb::bson::DateTime::from_millis(1_795_449_174_526), "b": "2026-11-23T15:52:54.526+00:00" };
        assert_eq!((time(&read, "a"), time(&read, "b")), (Some(at), Some(at)));
    }
}
