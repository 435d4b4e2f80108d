//! Bringing rows of older forms to the present one. A row keeps the form in which it was written; it is lifted when it is read.

use crate::model::event::Event;

/// Form in which this binary writes events.
pub const FORM: i64 = 1;

/// Reads one row's body. A kind that this binary does not know becomes [`Event::Unknown`]: a newer engine wrote it, and an older
/// one must still be able to show the journal.
///
/// # Errors
/// The JSON error when the body of a known kind does not fit.
pub fn read(form: i64, body: &str) -> Result<Event, serde_json::Error> {
    // Form 1 is the present one. Later forms add a match on `form` here that lifts the JSON step by step.
    if form > FORM {
        return Ok(serde_json::from_str(body).unwrap_or(Event::Unknown));
    }
    serde_json::from_str(body)
}
