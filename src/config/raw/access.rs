//! `[access]` and `[[waivers]]` as written.

use super::Texts;
use crate::config::problem::Place;
use crate::config::table::{Field, Table};
use chrono::NaiveDate;

/// How a day is written.
const DAY: &str = "a day in quotes, such as \"2026-12-31\"";

pub(in crate::config) struct RawAccess {
    pub break_glass: Texts,
    pub migration: Texts,
    pub ignore: Texts,
    pub until: Field<NaiveDate>,
}

impl RawAccess {
    pub fn read(t: Table<'_>) -> Self {
        let raw = Self {
            break_glass: t.texts("break_glass"),
            migration: t.texts("migration"),
            ignore: t.texts("ignore"),
            until: t.parsed("until", DAY, day),
        };
        t.finish();
        raw
    }
}

pub(in crate::config) struct RawWaiver {
    pub place: Place,
    pub rule: Field<String>,
    pub store: Field<String>,
    pub subject: Field<String>,
    pub who: Field<String>,
    pub until: Field<NaiveDate>,
    pub why: Field<String>,
}

impl RawWaiver {
    pub fn read(t: Table<'_>) -> Self {
        Self {
            rule: t.text("rule"),
            store: t.text("store"),
            subject: t.text("subject"),
            who: t.text("who"),
            until: t.parsed("until", DAY, day),
            why: t.text("why"),
            place: t.finish(),
        }
    }
}

/// A day; `until` of a service as well.
pub(super) fn until(t: &Table<'_>) -> Field<NaiveDate> {
    t.parsed("until", DAY, day)
}

fn day(text: &str) -> Result<NaiveDate, String> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| format!("This is no day: write {DAY}."))
}
