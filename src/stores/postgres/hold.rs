//! Held writers: one open transaction that has locked every table, on a session of its own.
//!
//! **Why several short attempts.** A lock request that waits behind a long transaction makes every later writer wait behind it. Waiting once for
//! the whole budget would freeze the application for nothing. So attempts grow from an eighth of the budget, with a pause of half an attempt between
//! them in which the queue drains, and none lasts longer than the server takes to look for deadlocks: we hold the first table while we wait for the next,
//! and a writer that locked them in the other order must not be chosen as the victim. Only autovacuum in the way is given that time, because then the server cancels it.

use crate::model::change::Position;
use crate::stores::error::{ErrorKind, Operation, StoreError};
use crate::stores::postgres::activity::{self, Blocker};
use crate::stores::postgres::capture::MARKER_PREFIX;
use crate::stores::postgres::connect::Connector;
use crate::stores::postgres::fence::{self, DURABLE};
use crate::stores::postgres::holds::{Holds, PURPOSE, Session, settle};
use crate::stores::postgres::quote;
use crate::stores::postgres::relation::{self, Relation};
use crate::stores::{CaptureSpec, FreezeGuard, FreezeSpec, OpenTransaction, Result};
use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Shortest attempt to get the locks.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(50);
/// What a statement may take longer than the server's own limit before the connection is given up.
const NETWORK_GRACE: Duration = Duration::from_secs(2);

/// How long attempt number `n` may wait for the locks.
fn attempt_limit(n: u32, budget: Duration, remaining: Duration, ceiling: Duration) -> Duration {
    let growing = (budget / 8).saturating_mul(1 << n.min(10)).max(SHORTEST_ATTEMPT);
    growing.min(ceiling).min(remaining)
}

fn lock_statement(tables: &[Relation]) -> String {
    // ONLY: the list holds the partitions already, and in one order for everybody.
    let names: Vec<String> = tables.iter().map(|r| format!("ONLY {}", quote::table(&r.name))).collect();
    format!("LOCK TABLE {} IN EXCLUSIVE MODE", names.join(", "))
}

/// The lock was not to be had in time, or the attempt lost against somebody: worth another attempt.
pub fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|e| e.code());
    matches!(code.as_deref(), Some("55P03" | "57014" | "40P01"))
}

/// Held writers: an open transaction on a session of its own.
pub struct Hold {
    connector: Arc<Connector>,
    holds: Arc<Holds>,
    session: Session,
    /// `None` once the session's end is known.
    connection: Option<PgConnection>,
    spec: FreezeSpec,
    relations: Vec<Relation>,
    /// What the fence needs besides triggers and was missing when the hold began.
    support: Vec<String>,
}

impl Hold {
    /// Gets the locks within the specified time. On error nothing is held.
    pub async fn begin(
        connector: &Arc<Connector>,
        holds: &Arc<Holds>,
        spec: &FreezeSpec,
        relations: Vec<Relation>,
    ) -> Result<Self> {
        let deadline = Instant::now() + spec.lock_timeout;
        let mut connection = connector.dedicated(Operation::Freeze, PURPOSE).await?;
        let (pid, started, deadlock_ms): (i32, String, i64) = sqlx::query_as(
            "SELECT pid, backend_start::text, (SELECT setting::int8 FROM pg_settings WHERE name = 'deadlock_timeout')
               FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(connector.failed(Operation::Freeze))?;
        let support = fence::missing_support(&mut connection).await.map_err(connector.failed(Operation::Freeze))?;
        let session = Session { pid, started };
        holds.begin(session.clone());
        // From here on every way out goes through the hold, whose drop ends the session.
        let mut hold = Self {
            connector: Arc::clone(connector),
            holds: Arc::clone(holds),
            session,
            connection: Some(connection),
            spec: spec.clone(),
            relations,
            support,
        };
        hold.lock(deadline, Duration::from_millis(deadlock_ms.unsigned_abs())).await?;
        Ok(hold)
    }

    /// Gets the locks in short attempts until `deadline`.
    async fn lock(&mut self, deadline: Instant, deadlock_timeout: Duration) -> Result<()> {
        // The session setting comes first: whatever happens to us afterwards, the server ends an idle transaction by itself.
        let limit = self.spec.hold_limit.as_millis().max(1);
        self.run(
            format!(
                "SET idle_in_transaction_session_timeout = {limit}; SET statement_timeout = 0; SET lock_timeout = 0"
            ),
            NETWORK_GRACE,
        )
        .await?
        .map_err(self.connector.failed(Operation::Freeze))?;
        let patient = deadlock_timeout.saturating_add(deadlock_timeout / 4);
        let ordinary = (deadlock_timeout / 5 * 4).max(SHORTEST_ATTEMPT);
        let mut ceiling = ordinary;
        let mut attempts = 0_u32;
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let wait = attempt_limit(attempts, self.spec.lock_timeout, remaining, ceiling);
            attempts = attempts.saturating_add(1);
            let error = match self.attempt(wait).await? {
                Ok(()) if self.covers_all_partitions().await? => return Ok(()),
                // A partition came between the look and the lock; with the root locked none can come now.
                Ok(()) => continue,
                Err(error) if is_busy(&error) => error,
                Err(error) => return Err(self.connector.failed(Operation::Freeze)(error)),
            };
            let blockers = self.blockers().await?;
            let pause = wait / 2;
            if Instant::now() + pause + SHORTEST_ATTEMPT >= deadline {
                return Err(self.contention(attempts, &blockers, &error));
            }
            ceiling = if !blockers.is_empty() && blockers.iter().all(|b| b.is_autovacuum) { patient } else { ordinary };
            tokio::time::sleep(pause).await;
        }
    }

    /// With the locks held: are all partitions among them? If not, lets go and takes the new list for the next attempt.
    async fn covers_all_partitions(&mut self) -> Result<bool> {
        let connector = Arc::clone(&self.connector);
        let tables = self.spec.tables.clone();
        let connection = self.session_connection()?;
        let relations =
            relation::with_partitions(connection, &tables).await.map_err(connector.failed(Operation::Freeze))?;
        if relations == self.relations {
            return Ok(true);
        }
        self.relations = relations;
        self.run("ROLLBACK".to_owned(), NETWORK_GRACE).await?.map_err(connector.failed(Operation::Freeze))?;
        Ok(false)
    }

    /// One attempt; on failure nothing is held.
    async fn attempt(&mut self, wait: Duration) -> Result<std::result::Result<(), sqlx::Error>> {
        // lock_timeout bounds each table, statement_timeout all of them together.
        let ms = wait.as_millis().max(1);
        let hold = self.spec.hold_limit.as_millis().max(1);
        let sql = format!(
            "BEGIN; SET LOCAL lock_timeout = {ms}; SET LOCAL statement_timeout = {ms}; {}; \
             SET LOCAL statement_timeout = {hold}; SET LOCAL lock_timeout = {hold}",
            lock_statement(&self.relations)
        );
        let outcome = self.run(sql, wait + NETWORK_GRACE).await?;
        if outcome.is_err() {
            self.run("ROLLBACK".to_owned(), NETWORK_GRACE).await?.map_err(self.connector.failed(Operation::Freeze))?;
        }
        Ok(outcome)
    }

    /// Runs statements on the holding session. The outer error is a connection that did not answer in time.
    async fn run(&mut self, sql: String, limit: Duration) -> Result<std::result::Result<(), sqlx::Error>> {
        let connector = Arc::clone(&self.connector);
        let connection = self.session_connection()?;
        match tokio::time::timeout(limit, connection.execute(AssertSqlSafe(sql))).await {
            Ok(outcome) => Ok(outcome.map(|_| ())),
            Err(_) => {
                let message =
                    format!("the session that holds the writers did not answer within {} ms", limit.as_millis());
                Err(connector.error(Operation::Freeze, ErrorKind::Unreachable, message))
            }
        }
    }

    fn session_connection(&mut self) -> Result<&mut PgConnection> {
        let connector = &self.connector;
        self.connection
            .as_mut()
            .ok_or_else(|| connector.error(Operation::Freeze, ErrorKind::Protocol, "the hold has ended already"))
    }

    async fn blockers(&self) -> Result<Vec<Blocker>> {
        let mut connection = self.connector.acquire(Operation::Freeze).await?;
        activity::blockers(&mut connection, &self.spec.tables).await.map_err(self.connector.failed(Operation::Freeze))
    }

    fn contention(&self, attempts: u32, blockers: &[Blocker], error: &sqlx::Error) -> StoreError {
        let names: Vec<String> = blockers.iter().take(5).map(|b| describe(&b.transaction)).collect();
        let who = if names.is_empty() { format!("nobody in particular ({error})") } else { names.join("; ") };
        let budget = self.spec.lock_timeout.as_millis();
        let message =
            format!("the writers did not finish within {budget} ms and {attempts} attempts; in the way: {who}");
        self.connector.error(Operation::Freeze, ErrorKind::Contention, message)
    }

    /// The session's outcome is known: it is closed and forgotten.
    async fn settle_known(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.holds.end(&self.session);
            self.connector.close(connection).await;
        }
    }
}

fn describe(transaction: &OpenTransaction) -> String {
    let since =
        transaction.started_at.map(|t| format!(", open since {}", t.format("%H:%M:%S UTC"))).unwrap_or_default();
    format!("session {} ({} as {}{since})", transaction.session, transaction.application, transaction.user)
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Closing the socket makes the server roll back; whether it has done so by now nobody knows.
        if self.connection.take().is_some() {
            self.holds.lose(&self.session);
        }
    }
}

#[async_trait]
impl FreezeGuard for Hold {
    async fn marker(&mut self, _captures: &[CaptureSpec], token: &str) -> Result<Position> {
        self.still_held().await?;
        let mut connection = self.connector.acquire(Operation::Freeze).await?;
        emit_marker(&mut connection, token).await.map_err(self.connector.failed(Operation::Freeze))
    }

    async fn still_held(&mut self) -> Result<()> {
        let connector = Arc::clone(&self.connector);
        let wanted = self.relations.len();
        let oids: Vec<i64> = self.relations.iter().map(|r| r.oid).collect();
        let connection = self.session_connection()?;
        let query = sqlx::query_as(
            "SELECT count(DISTINCT relation) FROM pg_locks
              WHERE pid = pg_backend_pid() AND locktype = 'relation' AND mode = 'ExclusiveLock' AND granted AND relation::int8 = ANY ($1)",
        )
        .bind(oids)
        .fetch_one(connection);
        let (held,): (i64,) = match tokio::time::timeout(NETWORK_GRACE, query).await {
            Ok(row) => row.map_err(connector.failed(Operation::Freeze))?,
            Err(_) => {
                let message = "the session that holds the writers does not answer";
                return Err(connector.error(Operation::Freeze, ErrorKind::Unreachable, message));
            }
        };
        if usize::try_from(held) == Ok(wanted) {
            return Ok(());
        }
        let message = format!("only {held} of {wanted} tables are still locked");
        Err(connector.error(Operation::Freeze, ErrorKind::TimedOut, message))
    }

    async fn fence(mut self: Box<Self>, token: &str) -> Result<()> {
        let mut statements = vec![DURABLE.to_owned()];
        statements.append(&mut self.support);
        let message = self.spec.moved_message.clone();
        statements.extend(self.relations.iter().map(|r| fence::trigger_statement(&r.name, token, &message).0));
        statements.push("COMMIT".to_owned());
        let limit = self.spec.hold_limit + NETWORK_GRACE;
        self.run(statements.join("; "), limit).await?.map_err(self.connector.failed(Operation::Fence))?;
        self.settle_known().await;
        Ok(())
    }

    async fn release(mut self: Box<Self>) -> Result<()> {
        if let Ok(Ok(())) = self.run("ROLLBACK".to_owned(), NETWORK_GRACE).await {
            self.settle_known().await;
            return Ok(());
        }
        // The session does not answer: end it from another one, so that the writers go on for certain.
        let (connector, holds) = (Arc::clone(&self.connector), Arc::clone(&self.holds));
        let relations = std::mem::take(&mut self.relations);
        drop(self);
        settle(&connector, &holds, &relations).await
    }
}

/// Writes a marker that is not part of any transaction and waits until it is on disk: the log sender sends nothing before that.
/// Such a message alone would not be flushed before the next round of the WAL writer; taking a transaction id makes the commit do it.
pub async fn emit_marker(connection: &mut PgConnection, token: &str) -> std::result::Result<Position, sqlx::Error> {
    let (_, _, lsn): (String, String, i64) = sqlx::query_as(
        "SELECT set_config('synchronous_commit', 'local', true), pg_current_xact_id()::text,
                (pg_logical_emit_message(false, $1, $2) - '0/0'::pg_lsn)::int8",
    )
    .bind(MARKER_PREFIX)
    .bind(token)
    .fetch_one(connection)
    .await?;
    Ok(Position::Lsn(lsn.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_grow_and_stay_within_their_bounds() {
        let ms = Duration::from_millis;
        let limit = |n, remaining| attempt_limit(n, ms(4000), ms(remaining), ms(800));
        assert_eq!(limit(0, 4000), ms(500));
        assert_eq!(limit(1, 3250), ms(800), "never longer than the deadlock detector's time");
        assert_eq!(limit(5, 120), ms(120), "never longer than what is left");
        assert_eq!(limit(40, 4000), ms(800), "no overflow");
        assert_eq!(attempt_limit(0, ms(80), ms(80), ms(800)), SHORTEST_ATTEMPT);
    }
}
