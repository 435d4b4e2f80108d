//! Who waits for whom.
//!
//! `pg_blocking_pids()` decides who blocks, because only the server's lock manager knows its queues; joining `pg_locks` with itself accuses
//! readers that block nobody. `pg_locks` then tells over what, and in which mode. The function is asked for waiters only: it stops the lock manager for a moment.

use crate::model::session::{Blocking, LockEdge, Party, Session, SessionKey};
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::Reader;
use crate::stores::sanitise::clean;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;
use std::collections::BTreeSet;

/// One row for each waiter, blocker and lock of the blocker on the same object. Parallel workers stand for their leader.
/// A blocker of pid 0 is a prepared transaction, which holds its locks without a process.
fn edges_sql(since: &str, leader: &str, waiters: &[i32]) -> String {
    let pids: Vec<String> = waiters.iter().map(i32::to_string).collect();
    format!(
        "WITH waiter AS (
             SELECT pid, unnest(pg_blocking_pids(pid)) AS blocker FROM unnest(ARRAY[{}]::int4[]) AS pid
         ), lead AS (
             SELECT a.pid, coalesce({leader}, a.pid) AS leader FROM pg_stat_activity a
         )
         SELECT DISTINCT a.leader AS waiter, b.leader AS blocker, w.blocker = 0 AS is_prepared, p.gid,
                l.mode AS wanted, h.mode AS held, coalesce(h.granted, false) AS held_granted, {since} AS since,
                l.locktype, l.relation::int8 AS relation_oid, l.page, l.tuple, l.transactionid::text AS transaction,
                l.classid::int8 AS class_id, l.objid::int8 AS object_id, l.objsubid,
                CASE WHEN l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) OR l.database = 0
                     THEN (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = l.relation)
                END AS relation,
                (SELECT datname::text FROM pg_database d WHERE d.oid = l.database) AS database,
                (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
                   FROM pg_locks t JOIN pg_class c ON c.oid = t.relation JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE t.pid = w.pid AND t.locktype = 'tuple' LIMIT 1) AS row_of
           FROM waiter w
           JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted
           JOIN lead a ON a.pid = w.pid
           LEFT JOIN lead b ON b.pid = w.blocker
           LEFT JOIN pg_locks h ON h.pid IS NOT DISTINCT FROM nullif(w.blocker, 0)
                 AND h.locktype = l.locktype AND h.database IS NOT DISTINCT FROM l.database
                 AND h.relation IS NOT DISTINCT FROM l.relation AND h.page IS NOT DISTINCT FROM l.page AND h.tuple IS NOT DISTINCT FROM l.tuple
                 AND h.virtualxid IS NOT DISTINCT FROM l.virtualxid AND h.transactionid IS NOT DISTINCT FROM l.transactionid
                 AND h.classid IS NOT DISTINCT FROM l.classid AND h.objid IS NOT DISTINCT FROM l.objid AND h.objsubid IS NOT DISTINCT FROM l.objsubid
           LEFT JOIN (pg_locks x JOIN pg_prepared_xacts p ON p.transaction = x.transactionid AND x.locktype = 'transactionid' AND x.pid IS NULL AND x.granted)
                ON w.blocker = 0 AND x.virtualtransaction = h.virtualtransaction
          ORDER BY 1, 2, held_granted DESC",
        pids.join(",")
    )
}

/// The waits of these sessions. `sessions` gives the identities.
///
/// # Errors
/// The driver's.
pub async fn edges(
    reader: &mut Reader<'_>,
    waiters: &[i32],
    sessions: &[Session],
) -> Result<Vec<LockEdge>, sqlx::Error> {
    let server = reader.server();
    // Before 14 nobody knows since when a lock is waited for.
    let since = if server.has("pg_locks.waitstart") { "l.waitstart" } else { "NULL::timestamptz" };
    let leader = server.or("pg_stat_activity", "leader_pid", "NULL::int4");
    let sql = edges_sql(since, leader, waiters);
    let rows = reader.rows(sql).await?;
    let mut edges = Vec::new();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let edge = edge(row, sessions)?;
        // One line for each pair: the first has the lock that is held, if there is one.
        if edge.waiter != edge.blocker && seen.insert((edge.waiter.clone(), edge.blocker.clone())) {
            edges.push(edge);
        }
    }
    Ok(edges)
}

fn party(pid: i32, sessions: &[Session]) -> Party {
    let id = pid.to_string();
    let known = sessions.iter().find(|session| session.key.id == id).map(|session| session.key.clone());
    Party::Session(known.unwrap_or(SessionKey { id, born: String::new() }))
}

fn edge(row: &PgRow, sessions: &[Session]) -> Result<LockEdge, sqlx::Error> {
    let blocker = match (row.try_get::<Option<i32>, _>("blocker")?, row.try_get::<bool, _>("is_prepared")?) {
        (Some(pid), _) => party(pid, sessions),
        (None, true) => Party::Prepared(row.told("gid")?),
        (None, false) => Party::Unknown,
    };
    let held: Option<String> = row.try_get("held")?;
    let how = match (&held, row.try_get::<bool, _>("held_granted")?) {
        (Some(_), false) => Blocking::QueuedAhead,
        _ => Blocking::Holds,
    };
    Ok(LockEdge {
        waiter: party(row.try_get("waiter")?, sessions),
        blocker,
        how,
        object: object(row)?,
        wanted: mode(row.try_get::<Option<String>, _>("wanted")?.as_deref().unwrap_or_default()),
        held: mode(held.as_deref().unwrap_or_default()),
        since: row.try_get::<Option<DateTime<Utc>>, _>("since")?,
    })
}

/// `AccessExclusiveLock` as the manual and LOCK TABLE write it: `ACCESS EXCLUSIVE`.
fn mode(name: &str) -> String {
    let mut words = String::new();
    for c in name.strip_suffix("Lock").unwrap_or(name).chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_uppercase());
    }
    words
}

fn object(row: &PgRow) -> Result<String, sqlx::Error> {
    let relation = match row.told_or_null("relation")? {
        Some(name) => name,
        None => {
            let oid = row.try_get::<Option<i64>, _>("relation_oid")?.unwrap_or_default();
            format!("relation {oid} of database {}", row.told("database")?)
        }
    };
    let row_of = row.told_or_null("row_of")?;
    let (page, tuple) = (row.try_get::<Option<i32>, _>("page")?, row.try_get::<Option<i16>, _>("tuple")?);
    Ok(match row.try_get::<Option<String>, _>("locktype")?.as_deref().unwrap_or_default() {
        "relation" => format!("table {relation}"),
        "extend" => format!("extending {relation}"),
        "page" => format!("page {} of {relation}", page.unwrap_or_default()),
        "tuple" => format!("row ({},{}) of {relation}", page.unwrap_or_default(), tuple.unwrap_or_default()),
        "transactionid" => match row_of {
            Some(table) => format!("a row of {table}"),
            None => format!("transaction {}", row.try_get::<Option<String>, _>("transaction")?.unwrap_or_default()),
        },
        "virtualxid" => "the end of its transaction".to_owned(),
        "advisory" => {
            let class = row.try_get::<Option<i64>, _>("class_id")?.unwrap_or_default();
            let object = row.try_get::<Option<i64>, _>("object_id")?.unwrap_or_default();
            // One 64-bit key is stored in two halves and marked by 1.
            if row.try_get::<Option<i16>, _>("objsubid")? == Some(1) {
                format!("advisory lock {}", (class << 32) | object)
            } else {
                format!("advisory lock ({class}, {object})")
            }
        }
        other => clean(other),
    })
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn a_mode_reads_as_in_the_manual() {
        assert_eq!(mode("AccessExclusiveLock"), "ACCESS EXCLUSIVE");
        assert_eq!(mode("ShareLock"), "SHARE");
        assert_eq!(mode(""), "");
    }
}
