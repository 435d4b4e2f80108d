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
    use crate::model::pipeline::Traffic;
    use crate::model::reason::Reason;
    use crate::model::schema_change::{Difference, SchemaChange, SchemaNote, SchemaOutcome};
    use crate::model::table::{Column, Generation, TableName};

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

    #[test]
    fn a_schema_change_survives_the_journal() {
        let column = Column {
            name: "b".into(),
            type_name: "text".into(),
            nullable: true,
            generation: Generation::Plain,
            has_default: false,
        };
        let note = SchemaNote {
            captured: Traffic::Source,
            change: SchemaChange { table: TableName::bare("t"), difference: Difference::Added { column } },
            outcome: SchemaOutcome::Stopped { reason: Reason::new("why", "what next") },
            made: Vec::new(),
            then: Vec::new(),
        };
        let event = Event::Pipeline { pipeline: "p".into(), event: PipelineEvent::SchemaChange { note } };
        assert_eq!(read(FORM, &serde_json::to_string(&event).unwrap()).unwrap(), event);
    }
}
