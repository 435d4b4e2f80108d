//! Open transactions that stand in the way of a freeze.

use crate::model::table::TableName;
use crate::stores::error::Operation;
use crate::stores::postgres::connect::APPLICATION;
use crate::stores::postgres::relation;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::sanitise::clean;
use crate::stores::{Activity, OpenTransaction, Result};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

/// A transaction in the way, with what a freeze must know of it.
#[derive(Clone, Debug)]
pub struct Blocker {
    /// As the operator sees it.
    pub transaction: OpenTransaction,
    /// An autovacuum worker: the server itself cancels it for somebody who waits longer than `deadlock_timeout`.
    pub is_autovacuum: bool,
}

#[derive(sqlx::FromRow)]
struct Holder {
    pid: Option<i32>,
    gid: Option<String>,
    login: Option<String>,
    application: Option<String>,
    started_at: Option<DateTime<Utc>>,
    query: Option<String>,
    is_autovacuum: bool,
}

/// Holders of granted locks that conflict with EXCLUSIVE. Only ACCESS SHARE (plain reading) does not.
///
/// A prepared transaction has no process. What `virtualtransaction` shows for it differs between versions (`-1/xid`, or the id of the session that is
/// long gone), but its lock on its own transaction id carries the same one, and that id is in `pg_prepared_xacts`.
const HOLDERS: &str = "
    SELECT l.pid, p.gid, coalesce(a.usename::text, p.owner::text) AS login, a.application_name AS application,
           coalesce(a.xact_start, p.prepared) AS started_at, a.query,
           coalesce(a.backend_type = 'autovacuum worker', false) AS is_autovacuum
      FROM (SELECT DISTINCT pid, virtualtransaction
              FROM pg_locks
             WHERE locktype = 'relation' AND granted AND mode <> 'AccessShareLock'
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND relation::int8 = ANY ($1)) AS l
      LEFT JOIN pg_stat_activity a ON a.pid = l.pid
      LEFT JOIN (pg_locks x JOIN pg_prepared_xacts p ON p.transaction = x.transactionid AND x.locktype = 'transactionid' AND x.pid IS NULL)
        ON l.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
     WHERE l.pid IS DISTINCT FROM pg_backend_pid() AND coalesce(a.application_name, '') NOT LIKE $2 || '%'
     ORDER BY 5 NULLS LAST, 1";

/// Who blocks a freeze of these tables, oldest transaction first.
pub async fn blockers(
    connection: &mut PgConnection,
    tables: &[TableName],
) -> std::result::Result<Vec<Blocker>, sqlx::Error> {
    let relations = relation::with_partitions(connection, tables).await?;
    let oids: Vec<i64> = relations.iter().map(|r| r.oid).collect();
    let holders: Vec<Holder> = sqlx::query_as(HOLDERS).bind(oids).bind(APPLICATION).fetch_all(connection).await?;
    Ok(holders.into_iter().map(blocker).collect())
}

fn blocker(holder: Holder) -> Blocker {
    let session = match (holder.pid, &holder.gid) {
        (Some(pid), _) => pid.to_string(),
        (None, Some(gid)) => format!("prepared {}", clean(gid)),
        (None, None) => "prepared".to_owned(),
    };
    let query = match (&holder.query, &holder.gid) {
        (Some(query), _) => clean(query),
        (None, Some(gid)) => format!("waits for COMMIT PREPARED or ROLLBACK PREPARED '{}'", clean(gid)),
        (None, None) => String::new(),
    };
    Blocker {
        transaction: OpenTransaction {
            session,
            user: clean(holder.login.as_deref().unwrap_or_default()),
            application: clean(holder.application.as_deref().unwrap_or_default()),
            started_at: holder.started_at,
            query,
        },
        is_autovacuum: holder.is_autovacuum,
    }
}

#[async_trait]
impl Activity for PostgresStore {
    async fn open_transactions(&self, tables: &[TableName]) -> Result<Vec<OpenTransaction>> {
        let connector = self.connector();
        let mut connection = connector.acquire(Operation::Inspect).await?;
        let blockers = blockers(&mut connection, tables).await.map_err(connector.failed(Operation::Inspect))?;
        Ok(blockers.into_iter().map(|b| b.transaction).collect())
    }
}
