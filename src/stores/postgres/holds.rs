//! The sessions that hold writers, and the certainty that one which is no longer wanted has ended.
//!
//! A lost connection leaves a question: the server may still be carrying out our COMMIT. [`Holds`] remembers such sessions by process id and
//! start time (ids are used again), and [`settle`] ends them and waits until the server says that they are gone. Only then is the fence's state final.

use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::connect::{APPLICATION, Connector};
use crate::stores::postgres::relation::Relation;
use sqlx::postgres::PgConnection;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How a holding session calls itself after [`APPLICATION`].
pub const PURPOSE: &str = "freeze";
/// Pause between two looks at a session that is ending.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A server process, for certain: ids are used again, a start time is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Process id.
    pub pid: i32,
    /// `backend_start` as text under the pinned settings.
    pub started: String,
}

/// The holding sessions of one store.
#[derive(Default)]
pub struct Holds {
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    held: Vec<Session>,
    lost: Vec<Session>,
}

impl Holds {
    /// A guard lives that uses this session.
    pub fn begin(&self, session: Session) {
        self.lock().held.push(session);
    }

    /// The session ended in a way that is known.
    pub fn end(&self, session: &Session) {
        let mut sessions = self.lock();
        sessions.held.retain(|s| s != session);
        sessions.lost.retain(|s| s != session);
    }

    /// The guard is gone and nobody knows what the session did last.
    pub fn lose(&self, session: &Session) {
        let mut sessions = self.lock();
        sessions.held.retain(|s| s != session);
        if !sessions.lost.contains(session) {
            sessions.lost.push(session.clone());
        }
    }

    fn lost(&self) -> Vec<Session> {
        self.lock().lost.clone()
    }

    fn is_held(&self, session: &Session) -> bool {
        self.lock().held.contains(session)
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        // The lists are whole after every single operation, so a panic elsewhere does not spoil them.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends every lost session of this process, and every session of an earlier Godwit that still holds these relations, and waits until they are gone.
pub async fn settle(connector: &Connector, holds: &Holds, relations: &[Relation]) -> Result<()> {
    let mut connection = connector.acquire(Operation::Fence).await?;
    let mut ending = holds.lost();
    let orphans = orphans(&mut connection, relations).await.map_err(connector.failed(Operation::Fence))?;
    ending.extend(orphans.into_iter().filter(|s| !holds.is_held(s)));
    let deadline = Instant::now() + connector.options().statement_timeout;
    for session in ending {
        while terminate(&mut connection, &session).await.map_err(connector.failed(Operation::Fence))? {
            if Instant::now() >= deadline {
                let message =
                    format!("server process {} was told to end and has not; its last commit is unknown", session.pid);
                return Err(connector.error(Operation::Fence, ErrorKind::TimedOut, message));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        holds.end(&session);
    }
    Ok(())
}

/// Tells the session to end; false when it is gone.
async fn terminate(connection: &mut PgConnection, session: &Session) -> std::result::Result<bool, sqlx::Error> {
    let told: Option<(bool,)> = sqlx::query_as(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2",
    )
    .bind(session.pid)
    .bind(&session.started)
    .fetch_optional(connection)
    .await?;
    Ok(told.is_some())
}

/// Holding sessions of a Godwit, ours or one that was killed, that hold these relations.
async fn orphans(
    connection: &mut PgConnection,
    relations: &[Relation],
) -> std::result::Result<Vec<Session>, sqlx::Error> {
    let oids: Vec<i64> = relations.iter().map(|r| r.oid).collect();
    let rows: Vec<(i32, String)> = sqlx::query_as(
        "SELECT DISTINCT a.pid, a.backend_start::text
           FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
          WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'ExclusiveLock' AND l.relation::int8 = ANY ($1)
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND a.application_name = $2",
    )
    .bind(oids)
    .bind(format!("{APPLICATION} {PURPOSE}"))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(pid, started)| Session { pid, started }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_held_then_lost_then_settled() {
        let holds = Holds::default();
        let session = Session { pid: 7, started: "2026-01-01".into() };
        holds.begin(session.clone());
        assert!(holds.is_held(&session) && holds.lost().is_empty());
        holds.lose(&session);
        holds.lose(&session);
        assert!(!holds.is_held(&session));
        assert_eq!(holds.lost(), std::slice::from_ref(&session));
        holds.end(&session);
        assert!(holds.lost().is_empty());
    }
}
