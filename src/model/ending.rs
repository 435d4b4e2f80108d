//! Cancelling a statement or ending a session: what is printed before it, what the journal keeps of it, how it ended.

use crate::model::ids::{Operator, Seq, StoreId};
use crate::model::reason::Reason;
use crate::model::session::{Ending, SessionKey};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What would be done to a session, printed for whoever decides. Made from the last reading; changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingPlan {
    /// Store.
    pub store: StoreId,
    /// Which session.
    pub session: SessionKey,
    /// How.
    pub how: Ending,
    /// Login, application and client, for a person.
    pub who: String,
    /// What it does or did, without literals.
    pub doing: String,
    /// The exact statement that would be run. It asks for the identity again and acts only on that very session.
    pub statement: String,
    /// What speaks against it, or makes it useless.
    pub warnings: Vec<String>,
    /// When the session was last seen.
    pub seen_at: DateTime<Utc>,
}

/// What happened to a session by an operator's will.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "session_event", rename_all = "snake_case")]
pub enum SessionEvent {
    /// It is about to be ended. On disk before the store is asked.
    EndIntended {
        /// Who asked.
        by: Operator,
        /// How.
        how: Ending,
        /// Login of the session.
        login: String,
        /// What its client calls itself.
        application: String,
        /// Where it comes from.
        client: String,
        /// What it did, without literals: the journal keeps no values of applications.
        doing: String,
        /// The exact statement that acts.
        statement: String,
    },
    /// The store took it: the signal was given to that very session.
    Ended {
        /// Journal row of the intent.
        intent: Seq,
    },
    /// Nothing was done, or it is not known.
    EndFailed {
        /// Journal row of the intent.
        intent: Seq,
        /// Why.
        reason: Reason,
    },
}

/// How an ending stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum EndingOutcome {
    /// The engine has not said yet.
    Open,
    /// The store took it.
    Ended,
    /// It failed.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// The engine went away in between: whether it happened is not known.
    Unknown,
}

/// An ending as the journal tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndingRecord {
    /// Journal row of the intent.
    pub intent: Seq,
    /// Store.
    pub store: StoreId,
    /// Which session.
    pub session: SessionKey,
    /// Who asked.
    pub by: Operator,
    /// How.
    pub how: Ending,
    /// How it stands.
    pub outcome: EndingOutcome,
}

/// Endings that the fold keeps; the journal keeps all.
const KEPT: usize = 50;

/// Takes an event into the last endings. Outcomes of intents that are no longer kept are passed over.
pub fn fold(endings: &mut Vec<EndingRecord>, seq: Seq, store: &StoreId, session: &SessionKey, event: &SessionEvent) {
    let mut settle = |intent: &Seq, outcome| {
        if let Some(record) = endings.iter_mut().find(|record| record.intent == *intent) {
            record.outcome = outcome;
        }
    };
    match event {
        SessionEvent::EndIntended { by, how, .. } => {
            if endings.len() == KEPT {
                endings.remove(0);
            }
            endings.push(EndingRecord {
                intent: seq,
                store: store.clone(),
                session: session.clone(),
                by: by.clone(),
                how: *how,
                outcome: EndingOutcome::Open,
            });
        }
        SessionEvent::Ended { intent } => settle(intent, EndingOutcome::Ended),
        SessionEvent::EndFailed { intent, reason } => {
            settle(intent, EndingOutcome::Failed { reason: reason.clone() });
        }
    }
}

/// An engine started: what the one before had not settled will never be.
pub fn engine_started(endings: &mut [EndingRecord]) {
    for record in endings.iter_mut().filter(|record| record.outcome == EndingOutcome::Open) {
        record.outcome = EndingOutcome::Unknown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intended() -> SessionEvent {
        SessionEvent::EndIntended {
            by: "mina".into(),
            how: Ending::Kill,
            login: "app".to_owned(),
            application: String::new(),
            client: "local".to_owned(),
            doing: "SELECT ?".to_owned(),
            statement: "SELECT pg_terminate_backend(7)".to_owned(),
        }
    }

    fn key() -> SessionKey {
        SessionKey { id: "7".to_owned(), born: "b".to_owned() }
    }

    #[test]
    fn an_outcome_belongs_to_its_intent() {
        let (mut endings, store) = (Vec::new(), StoreId::from("legacy"));
        fold(&mut endings, Seq(4), &store, &key(), &intended());
        fold(&mut endings, Seq(5), &store, &key(), &intended());
        fold(&mut endings, Seq(6), &store, &key(), &SessionEvent::Ended { intent: Seq(4) });
        assert_eq!(endings[0].outcome, EndingOutcome::Ended);
        assert_eq!(endings[1].outcome, EndingOutcome::Open);
        engine_started(&mut endings);
        assert_eq!((&endings[0].outcome, &endings[1].outcome), (&EndingOutcome::Ended, &EndingOutcome::Unknown));
    }

    #[test]
    fn only_the_last_ones_are_kept() {
        let (mut endings, store) = (Vec::new(), StoreId::from("legacy"));
        for seq in 1..=60 {
            fold(&mut endings, Seq(seq), &store, &key(), &intended());
        }
        assert_eq!((endings.len(), endings[0].intent), (KEPT, Seq(11)));
    }
}
