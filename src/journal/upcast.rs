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
    use crate::model::ending::SessionEvent;
    use crate::model::ids::{Seq, StoreId};
    use crate::model::index::IndexPart;
    use crate::model::index_order::{IndexBuild, IndexEvent, IndexOrder};
    use crate::model::pipeline::Traffic;
    use crate::model::reason::Reason;
    use crate::model::schema_change::{Difference, SchemaChange, SchemaNote, SchemaOutcome};
    use crate::model::session::{Ending, SessionKey};
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

    #[test]
    fn decisions_about_indexes_are_written_and_read() {
        let build = IndexBuild {
            table: "public.orders".to_owned(),
            name: "orders_note_idx".to_owned(),
            parts: vec![IndexPart {
                term: "note".to_owned(),
                is_expression: false,
                operator_class: String::new(),
                collation: String::new(),
                descending: true,
                nulls_first: false,
                prefix: None,
            }],
            unique: false,
            statement: "CREATE INDEX CONCURRENTLY orders_note_idx ON public.orders (note)".to_owned(),
            undo: "DROP INDEX CONCURRENTLY public.orders_note_idx".to_owned(),
        };
        let (rule, store, subject) =
            ("IX-LOST".to_owned(), StoreId::from("orders-db"), "public.orders (note)".to_owned());
        let order = IndexOrder {
            store: store.clone(),
            rule: rule.clone(),
            subject: subject.clone(),
            sentence: String::new(),
            build,
        };
        for event in [
            IndexEvent::Taken { order, by: "mina".into() },
            IndexEvent::Left { rule, store, subject, by: "mina".into() },
        ] {
            let event = Event::Index { phase: "tune".into(), event };
            assert_eq!(read(FORM, &serde_json::to_string(&event).unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn endings_of_sessions_are_written_and_read() {
        let session = SessionKey { id: "7".to_owned(), born: "2026-03-07T20:00:00Z".to_owned() };
        let intended = SessionEvent::EndIntended {
            by: "mina".into(),
            how: Ending::Kill,
            login: "app".to_owned(),
            application: "shop".to_owned(),
            client: "local".to_owned(),
            doing: "SELECT ?".to_owned(),
            statement: "SELECT pg_terminate_backend(7)".to_owned(),
        };
        for event in [intended, SessionEvent::Ended { intent: Seq(4) }] {
            let event = Event::Session { store: "legacy".into(), session: session.clone(), event };
            let body = serde_json::to_string(&event).unwrap();
            assert!(body.contains("\"kind\":\"session\""), "{body}");
            assert_eq!(read(FORM, &body).unwrap(), event);
        }
    }

    #[test]
    fn a_kind_of_a_newer_binary_is_shown_and_changes_nothing() {
        let body = r#"{"kind":"session_of_the_future","store":"legacy","what":{"deep":[1]}}"#;
        assert_eq!(read(FORM, body).unwrap(), Event::Unknown);
    }
}
