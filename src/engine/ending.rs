//! Ending somebody's session: shown before it is done, journaled before and after, and done only to the very session that was seen.

use crate::engine::commands::Refusal;
use crate::engine::core::CoreRef;
use crate::model::command::Answer;
use crate::model::ending::{EndingPlan, SessionEvent};
use crate::model::event::Event;
use crate::model::ids::{Operator, Seq, StoreId};
use crate::model::reason::Reason;
use crate::model::session::{Ending, Session, SessionKey, SessionKind, SessionState};
use crate::stores::error::{ErrorKind, StoreError};
use crate::stores::observe::Sessions;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// Longest wait for the store, connecting included.
const LONGEST: Duration = Duration::from_secs(20);

/// A reading older than this is no present any more.
const FRESH: TimeDelta = TimeDelta::seconds(15);

/// Prints what would be done. Reads only what is known already.
///
/// # Errors
/// When the store has no sessions, or this one was not seen.
pub fn show(core: &CoreRef, store: &StoreId, key: &SessionKey, how: Ending) -> Result<Answer, Refusal> {
    let sessions = sessions(core, store)?;
    let (session, seen_at) = seen(core, store, key)?;
    Ok(Answer::Ending { ending: plan(sessions, store, &session, seen_at, how, Utc::now()) })
}

/// Journals the intent, acts, and journals the outcome. The answer comes when the outcome is on disk.
///
/// # Errors
/// When the store has no sessions, this one was not seen, or the journal refuses: nothing was done then.
pub async fn end(
    core: &CoreRef,
    by: &Operator,
    store: &StoreId,
    key: &SessionKey,
    how: Ending,
) -> Result<Answer, Refusal> {
    let sessions = sessions(core, store)?;
    let (session, _) = seen(core, store, key)?;
    let intended = SessionEvent::EndIntended {
        by: by.clone(),
        how,
        doing: sessions.without_values(&session.statement),
        statement: sessions.ending(key, how),
        login: session.login,
        application: session.application,
        client: session.client,
    };
    let event = |event| Event::Session { store: store.clone(), session: key.clone(), event };
    let entries = core.dispatcher.append(vec![event(intended)]).await?;
    let intent = entries.first().map_or(Seq(0), |entry| entry.seq);
    let outcome = match tokio::time::timeout(LONGEST, sessions.end(key, how)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failure(&error)),
        Err(_) => Err(Reason::new(
            format!("{store} did not answer within {} s: whether it acted is not known", LONGEST.as_secs()),
            "look at its sessions before you try again",
        )),
    };
    let (told, answer) = match outcome {
        Ok(()) => {
            let message = match how {
                Ending::Cancel => format!("{store} took the signal for {key}: its statement ends as soon as it can"),
                Ending::Kill => format!("{store} took the signal for {key}: the session ends as soon as it can"),
            };
            (SessionEvent::Ended { intent }, Answer::Accepted { seq: intent, message })
        }
        Err(reason) => {
            let why = reason.to_string();
            (SessionEvent::EndFailed { intent, reason }, Answer::Rejected { why })
        }
    };
    core.dispatcher.append(vec![event(told)]).await?;
    Ok(answer)
}

fn failure(error: &StoreError) -> Reason {
    let next = match error.kind {
        ErrorKind::NotFound => "look at the sessions again",
        ErrorKind::Denied => "`godwit grants STORE --role act` prints what the account needs",
        kind => kind.advice().1,
    };
    Reason::new(error.to_string(), next)
}

fn sessions<'a>(core: &'a CoreRef, store: &StoreId) -> Result<&'a dyn Sessions, Refusal> {
    let Some(open) = core.stores.get(store) else {
        let names: Vec<&str> = core.stores.keys().map(StoreId::as_str).collect();
        return Err(Refusal(format!("there is no store {store}; there are {}", names.join(", "))));
    };
    open.sessions().ok_or_else(|| Refusal(format!("{store} is {}: it has no sessions to end", open.engine())))
}

/// The session as it was last seen. What nobody saw is not ended: neither the journal nor the operator could say whose it was.
fn seen(core: &CoreRef, store: &StoreId, key: &SessionKey) -> Result<(Session, DateTime<Utc>), Refusal> {
    core.views.session(store, key).ok_or_else(|| {
        Refusal(format!("the last reading of {store} has no session {key} (born {}): look again", key.born))
    })
}

/// Puts a plan together.
fn plan(
    sessions: &dyn Sessions,
    store: &StoreId,
    session: &Session,
    seen_at: DateTime<Utc>,
    how: Ending,
    now: DateTime<Utc>,
) -> EndingPlan {
    EndingPlan {
        store: store.clone(),
        session: session.key.clone(),
        how,
        who: who(session),
        doing: sessions.without_values(&session.statement),
        statement: sessions.ending(&session.key, how),
        warnings: warnings(session, how, now - seen_at),
        seen_at,
    }
}

fn who(session: &Session) -> String {
    let application = if session.application.is_empty() { "" } else { ", application " };
    let client = if session.client.is_empty() { "" } else { ", from " };
    let login = if session.login.is_empty() { "no login" } else { &session.login };
    format!("{login}{application}{}{client}{}", session.application, session.client)
}

/// What speaks against ending a session.
fn warnings(session: &Session, how: Ending, age: TimeDelta) -> Vec<String> {
    let mut warnings = Vec::new();
    match session.kind {
        SessionKind::Client => {}
        SessionKind::Own => warnings.push(
            "it is Godwit's own: a copy, a pipeline or a held freeze may hang on it; pause or roll back instead"
                .to_owned(),
        ),
        SessionKind::Replication => warnings.push(
            "it is replication: a replica or a change capture hangs on it, falls behind, and the server keeps its log meanwhile"
                .to_owned(),
        ),
        SessionKind::Background => {
            warnings.push("it is the server's own work: it comes back by itself or the server refuses".to_owned());
        }
    }
    let idle =
        matches!(session.state, SessionState::Idle | SessionState::IdleInTransaction | SessionState::FailedTransaction);
    if how == Ending::Cancel && idle {
        warnings.push(format!("it is {}: it has no statement to cancel, only kill ends it", session.state.word()));
    }
    if how == Ending::Kill && session.transaction_since.is_some() {
        warnings.push("its open transaction is rolled back, which may take as long as it has worked".to_owned());
    }
    if age > FRESH {
        warnings.push(format!("it was last seen {} s ago: the store does not answer now", age.num_seconds()));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(kind: SessionKind, state: SessionState) -> Session {
        Session {
            key: SessionKey { id: "7".to_owned(), born: String::new() },
            kind,
            login: "app".to_owned(),
            database: String::new(),
            application: "shop".to_owned(),
            client: "10.0.0.7".to_owned(),
            state,
            wait: String::new(),
            connected_at: None,
            transaction_since: (state == SessionState::IdleInTransaction).then(Utc::now),
            statement_since: None,
            state_since: None,
            statement: String::new(),
            holds_back: None,
        }
    }

    #[test]
    fn an_ordinary_client_is_ended_without_a_warning() {
        let client = session(SessionKind::Client, SessionState::Active);
        assert_eq!(warnings(&client, Ending::Cancel, TimeDelta::zero()), [] as [String; 0]);
        assert_eq!(who(&client), "app, application shop, from 10.0.0.7");
    }

    #[test]
    fn what_hangs_on_a_session_is_said() {
        let told = |kind, state, how| warnings(&session(kind, state), how, TimeDelta::seconds(40)).join("\n");
        assert!(told(SessionKind::Own, SessionState::Active, Ending::Kill).contains("Godwit's own"));
        assert!(told(SessionKind::Replication, SessionState::Active, Ending::Kill).contains("replica"));
        let idle = told(SessionKind::Client, SessionState::IdleInTransaction, Ending::Cancel);
        assert!(idle.contains("no statement to cancel") && idle.contains("40 s ago"), "{idle}");
        assert!(told(SessionKind::Client, SessionState::IdleInTransaction, Ending::Kill).contains("rolled back"));
    }
}
