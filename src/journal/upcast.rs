//! Bringing rows of older forms to the present one. A row keeps the form in which it was written; it is lifted when it is read.

use crate::model::event::Event;
use crate::model::pipeline::PipelineEvent;

/// Form in which this binary writes events.
pub const FORM: i64 = 2;

/// Reads one row's body. A kind that this binary does not know becomes [`Event::Unknown`]: a newer engine wrote it, and an older
/// one must still be able to show the journal.
///
/// # Errors
/// The JSON error when the body of a known kind does not fit.
pub fn read(form: i64, body: &str) -> Result<Event, serde_json::Error> {
    if form > FORM {
        return Ok(serde_json::from_str(body).unwrap_or(Event::Unknown));
    }
    let event = serde_json::from_str(body)?;
    Ok(if form < 2 { from_first(event) } else { event })
}

/// In the first form a knob that was turned `off` was what the profile said again; now that is `default`, and `off` means no limit at all.
fn from_first(event: Event) -> Event {
    match event {
        Event::Pipeline { pipeline, event: PipelineEvent::Throttle { knob, value, by } } if value == "off" => {
            let event = PipelineEvent::Throttle { knob, value: "default".to_owned(), by };
            Event::Pipeline { pipeline, event }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_off_keeps_its_meaning() {
        let event = PipelineEvent::Throttle { knob: "workers".into(), value: "off".into(), by: "ann".into() };
        let body = serde_json::to_string(&Event::Pipeline { pipeline: "p".into(), event }).unwrap();
        let value = |form| match read(form, &body).unwrap() {
            Event::Pipeline { event: PipelineEvent::Throttle { value, .. }, .. } => value,
            other => panic!("{other:?}"),
        };
        assert_eq!((value(1), value(2)), ("default".to_owned(), "off".to_owned()));
    }
}
