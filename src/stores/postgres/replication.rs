//! Replication of the server itself: who follows it, whom it follows, and what its slots keep.

use crate::model::lag::Reading;
use crate::model::observation::{Missing, Observation};
use crate::model::replication::{
    Kept, LagUnit, LinkDirection, LinkLag, LogRetention, ReplicaLink, Replication, ReplicationRole,
};
use crate::stores::Result;
use crate::stores::disk::{self, Disk};
use crate::stores::observe::Replicas;
use crate::stores::postgres::address::Address;
use crate::stores::postgres::store::PostgresStore;
use crate::stores::postgres::told::Told;
use crate::stores::postgres::watch::{Look, Reader};
use crate::stores::sanitise::clean;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;

/// The log's end on a primary; on a standby what it has replayed.
const LOG_END: &str =
    "CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END";

fn server_sql() -> String {
    format!(
        "SELECT pg_is_in_recovery() AS follows, pg_postmaster_start_time() AS started_at, ({LOG_END} - '0/0')::int8 AS log_end,
                (SELECT count(*) FROM pg_stat_replication WHERE state IS NOT NULL OR pid IS NOT NULL) AS followers,
                CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END AS directory"
    )
}

fn outgoing_sql() -> String {
    format!(
        "SELECT r.pid, r.application_name AS name, coalesce(host(r.client_addr), 'local') AS peer, r.state, r.sync_state,
                ({LOG_END} - r.replay_lsn)::int8 AS behind_bytes, (extract(epoch FROM r.replay_lag) * 1000)::int8 AS behind_ms
           FROM pg_stat_replication r ORDER BY r.application_name, r.pid"
    )
}

const RECEIVER: &str = "SELECT status, coalesce(sender_host, '') || coalesce(':' || sender_port, '') AS peer, coalesce(slot_name, '') AS name,
        (SELECT (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::int8) AS behind_ms,
        (pg_last_wal_receive_lsn() - pg_last_wal_replay_lsn())::int8 AS behind_bytes
   FROM pg_stat_wal_receiver";

const SUBSCRIPTIONS: &str = "SELECT s.subname AS name, bool_or(s.pid IS NOT NULL) AS works,
        (extract(epoch FROM clock_timestamp() - max(s.last_msg_receipt_time)) * 1000)::int8 AS silent_ms,
        (max(s.latest_end_lsn) - max(s.received_lsn))::int8 AS difference,
        (SELECT count(*) FROM pg_subscription_rel r WHERE r.srsubid = s.subid AND r.srsubstate <> 'r') AS unfinished
   FROM pg_stat_subscription s GROUP BY s.subid, s.subname ORDER BY s.subname";

fn slots_sql(server: &Look) -> String {
    let reason = server.or("pg_replication_slots", "invalidation_reason", "NULL::text");
    format!(
        "SELECT slot_name::text AS name, slot_type, active, wal_status, safe_wal_size,
                ({LOG_END} - coalesce(restart_lsn, confirmed_flush_lsn))::int8 AS retained, {reason} AS invalidation, coalesce(database::text, '') AS database
           FROM pg_replication_slots ORDER BY slot_name"
    )
}

/// A subscription whose worker heard nothing for this long is not healthy, whatever its last number says. The server sends a sign of life every 10 s.
const SILENT_MS: i64 = 60_000;

async fn read(reader: &mut Reader<'_>, address: &Address) -> std::result::Result<Replication, sqlx::Error> {
    let server = reader.rows(server_sql()).await?;
    let (mut follows, mut started_at, mut followers, mut log_end, mut directory) = (false, None, 0, None, None);
    if let Some(row) = server.first() {
        follows = row.try_get("follows")?;
        started_at = row.try_get::<Option<DateTime<Utc>>, _>("started_at")?;
        followers = row.try_get::<i64, _>("followers")?;
        directory = row.try_get::<Option<String>, _>("directory")?;
        log_end = row.try_get::<Option<i64>, _>("log_end")?.and_then(|n| u64::try_from(n).ok());
    }
    let mut links = Vec::new();
    let mut hidden = 0;
    if followers > 0 {
        for row in reader.rows(outgoing_sql()).await? {
            // Without the right to see it, the server shows only that somebody follows.
            match row.try_get::<Option<String>, _>("state")? {
                Some(state) => links.push(outgoing(&row, &state)?),
                None => hidden += 1,
            }
        }
    }
    if hidden > 0 {
        reader.lacks(Missing {
            id: "postgres.replication.right".to_owned(),
            what: "who follows this server, and how far behind".to_owned(),
            why: format!("the monitoring account may not see {hidden} replication connections"),
            enable: Some("GRANT pg_read_all_stats TO godwit_watch".to_owned()),
            price: "none for the server; the account can then read every statement's text".to_owned(),
        });
    }
    if follows {
        for row in reader.rows(RECEIVER.to_owned()).await? {
            links.push(receiver(&row)?);
        }
    }
    for row in reader.rows(SUBSCRIPTIONS.to_owned()).await? {
        links.push(subscription(&row)?);
    }
    let mut retention = Vec::new();
    for row in reader.rows(slots_sql(reader.server())).await? {
        retention.push(slot(&row, log_end)?);
    }
    retention.push(disk::line(Kept::Disk, "data directory", disk_of(address, directory)));
    let role = match (follows, followers > 0) {
        (true, _) => ReplicationRole::Replica,
        (false, true) => ReplicationRole::Primary,
        (false, false) => ReplicationRole::Standalone,
    };
    Ok(Replication { role, links, retention, started_at })
}

/// The disk under the data directory, where it can be seen.
fn disk_of(address: &Address, directory: Option<String>) -> std::result::Result<Disk, String> {
    if !address.is_local() {
        return Err("the server is on another machine, and SQL does not show free disk space".to_owned());
    }
    match directory {
        Some(directory) => super::disk::of(&directory, address.port),
        None => Err("the account may not see data_directory (it needs pg_read_all_settings)".to_owned()),
    }
}

fn amount(row: &PgRow, column: &str, unknown: &str) -> std::result::Result<Reading<u64>, sqlx::Error> {
    // The other end may have confirmed more than was read here a moment before: not a negative lag, none.
    Ok(match row.try_get::<Option<i64>, _>(column)? {
        Some(n) => Reading::Known(u64::try_from(n).unwrap_or(0)),
        None => Reading::Unknown(unknown.to_owned()),
    })
}

fn outgoing(row: &PgRow, state: &str) -> std::result::Result<ReplicaLink, sqlx::Error> {
    let sync: Option<String> = row.try_get("sync_state")?;
    Ok(ReplicaLink {
        name: row.told("name")?,
        direction: LinkDirection::Outgoing,
        peer: row.try_get("peer")?,
        state: clean(&format!("{state}, {}", sync.unwrap_or_default())),
        healthy: state == "streaming",
        error: None,
        lag: vec![
            LinkLag {
                amount: amount(row, "behind_bytes", "the other end has not said how far it is")?,
                unit: LagUnit::Bytes,
                method: "log end minus pg_stat_replication.replay_lsn".to_owned(),
            },
            LinkLag {
                amount: amount(row, "behind_ms", "no write was replayed lately, so no time was measured")?,
                unit: LagUnit::Milliseconds,
                method: "pg_stat_replication.replay_lag".to_owned(),
            },
        ],
    })
}

fn receiver(row: &PgRow) -> std::result::Result<ReplicaLink, sqlx::Error> {
    let state: Option<String> = row.try_get("status")?;
    let state = state.unwrap_or_else(|| "hidden".to_owned());
    Ok(ReplicaLink {
        name: row.told("name")?,
        direction: LinkDirection::Incoming,
        peer: row.told("peer")?,
        healthy: state == "streaming",
        state: clean(&state),
        error: None,
        lag: vec![
            LinkLag {
                amount: amount(row, "behind_bytes", "nothing was received yet")?,
                unit: LagUnit::Bytes,
                method: "received minus replayed log; what was not received yet is not in it".to_owned(),
            },
            LinkLag {
                amount: amount(row, "behind_ms", "no transaction was replayed yet")?,
                unit: LagUnit::Milliseconds,
                method: "age of the last replayed transaction; grows while the primary is idle".to_owned(),
            },
        ],
    })
}

fn subscription(row: &PgRow) -> std::result::Result<ReplicaLink, sqlx::Error> {
    let works: bool = row.try_get("works")?;
    let silent: Option<i64> = row.try_get("silent_ms")?;
    let unfinished: i64 = row.try_get("unfinished")?;
    let hears = silent.is_some_and(|ms| ms < SILENT_MS);
    let state = match (works, unfinished) {
        (false, _) => "no worker is running".to_owned(),
        (true, 0) => "applying".to_owned(),
        (true, n) => format!("copying {n} tables"),
    };
    Ok(ReplicaLink {
        name: row.told("name")?,
        direction: LinkDirection::Incoming,
        peer: String::new(),
        state,
        healthy: works && hears,
        error: (!works)
            .then(|| "the subscription is disabled or its worker keeps failing: see the server's log".to_owned()),
        lag: vec![LinkLag {
            amount: amount(row, "silent_ms", "nothing was heard from the publisher yet")?,
            unit: LagUnit::Milliseconds,
            method: "time since the publisher was last heard: a bound, not a lag".to_owned(),
        }],
    })
}

fn slot(row: &PgRow, log_end: Option<u64>) -> std::result::Result<LogRetention, sqlx::Error> {
    let status: Option<String> = row.try_get("wal_status")?;
    let active: bool = row.try_get("active")?;
    let invalidation: Option<String> = row.try_get("invalidation")?;
    let kind: String = row.try_get("slot_type")?;
    let room: Option<i64> = row.try_get("safe_wal_size")?;
    let status = status.unwrap_or_else(|| "reserves nothing yet".to_owned());
    let problem = match (status.as_str(), &invalidation) {
        (_, Some(reason)) => Some(format!("the server invalidated it ({reason}): whoever reads it must copy anew")),
        ("lost", None) => Some("log that it needs is gone: whoever reads it must copy anew".to_owned()),
        ("unreserved", None) => Some("log that it needs goes at the next checkpoint".to_owned()),
        _ if !active => Some("nobody reads it, and the server keeps all log since".to_owned()),
        _ => None,
    };
    Ok(LogRetention {
        kind: Kept::Log,
        name: row.told("name")?,
        state: clean(&format!("{kind}, {status}")),
        active,
        retained_bytes: amount(row, "retained", "it reserves no log")?,
        room_bytes: match (status.as_str(), room) {
            ("lost", _) => Reading::Known(Some(0)),
            (_, Some(bytes)) => Reading::Known(Some(u64::try_from(bytes).unwrap_or(0))),
            (_, None) => Reading::Known(None),
        },
        covers_seconds: Reading::Unknown("PostgreSQL keeps no times of its log".to_owned()),
        problem,
        written_bytes: log_end,
    })
}

#[async_trait]
impl Replicas for PostgresStore {
    async fn replication(&self) -> Result<Observation<Replication>> {
        let address = self.watch().connector().address();
        self.watch().look(async |reader| read(reader, address).await).await
    }
}
