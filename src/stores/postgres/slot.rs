//! Replication slots: what the server keeps for a capture, and freeing one that a dead engine still holds.

use crate::model::change::Position;
use crate::model::lag::Reading;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::postgres::lsn;
use crate::stores::postgres::wire::connection::Connection;
use crate::stores::postgres::wire::failure::Failure;
use crate::stores::postgres::wire::link::Link;
use crate::stores::{Result, Retention};
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for a walsender to end after it was told to.
const RELEASE_LIMIT: Duration = Duration::from_secs(15);
/// Pause between two looks at a slot.
const RELEASE_POLL: Duration = Duration::from_millis(50);

/// A slot as the server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Name.
    pub name: String,
    plugin: Option<String>,
    database: Option<String>,
    here: bool,
    active_pid: Option<String>,
    holder: Option<String>,
    restart_lsn: Option<u64>,
    confirmed: Option<u64>,
    wal_status: Option<String>,
    safe_bytes: Option<i64>,
    log_end: u64,
}

/// On a standby that decodes, the log ends where replay has got to.
const SLOT: &str = "
    SELECT s.plugin, s.database, s.database = current_database() AS here, s.active_pid, a.application_name AS holder, s.restart_lsn,
           s.confirmed_flush_lsn, s.wal_status, s.safe_wal_size,
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS log_end
      FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
     WHERE s.slot_name = $1";

impl Slot {
    /// Looks a slot up; `None` when there is none of this name.
    pub async fn find(connection: &mut Connection, name: &str) -> std::result::Result<Option<Self>, Failure> {
        let answer = connection.query_with(SLOT, &[Some(name)]).await?;
        if answer.rows.is_empty() {
            return Ok(None);
        }
        let text = |column: &str| answer.value(column).map(str::to_owned);
        let position = |column: &str| answer.value(column).and_then(lsn::parse);
        Ok(Some(Self {
            name: name.to_owned(),
            plugin: text("plugin"),
            database: text("database"),
            here: answer.value("here") == Some("t"),
            active_pid: text("active_pid"),
            holder: text("holder"),
            restart_lsn: position("restart_lsn"),
            confirmed: position("confirmed_flush_lsn"),
            wal_status: text("wal_status"),
            safe_bytes: answer.value("safe_wal_size").and_then(|n| n.parse().ok()),
            log_end: position("log_end")
                .ok_or_else(|| Failure::Protocol("the server does not say where its log ends".into()))?,
        }))
    }

    /// Why a capture that is at `from` cannot go on with this slot; `None` when it can. Never skips (W03): a slot whose
    /// confirmed position lies beyond `from` was made anew or used by somebody else, and the changes between are gone.
    pub fn lost(&self, from: Option<Position>) -> Option<String> {
        let name = &self.name;
        if self.plugin.as_deref() != Some("pgoutput") {
            let plugin = self.plugin.as_deref().unwrap_or("none (it is a physical slot)");
            return Some(format!("slot {name} was replaced: its output plugin is {plugin}, not pgoutput"));
        }
        if !self.here {
            let database = self.database.as_deref().unwrap_or("none");
            return Some(format!("slot {name} was replaced: it belongs to database {database}, not to this one"));
        }
        if self.wal_status.as_deref() == Some("lost") {
            return Some(format!(
                "the server invalidated slot {name}: it removed log that the slot still needed (max_slot_wal_keep_size, or a conflict)"
            ));
        }
        let Some(confirmed) = self.confirmed.map(Position::Lsn) else {
            return Some(format!("slot {name} has no confirmed position"));
        };
        match from {
            Some(from) if confirmed > from => Some(format!(
                "slot {name} can resume only at {confirmed}, but the target holds changes only up to {from}; the changes between were \
                 confirmed by somebody else or the slot was made anew"
            )),
            _ => None,
        }
    }

    /// What the server keeps for this slot.
    pub fn retention(&self) -> Retention {
        let unknown = |what: &str| format!("the server shows no {what} for slot {}", self.name);
        Retention {
            log_end: Position::Lsn(self.log_end),
            resumable_from: self.confirmed.map_or_else(
                || Reading::Unknown(unknown("confirmed_flush_lsn")),
                |lsn| Reading::Known(Position::Lsn(lsn)),
            ),
            retained: self.restart_lsn.map_or_else(
                || Reading::Unknown(unknown("restart_lsn")),
                |restart| Reading::Known(self.log_end.saturating_sub(restart)),
            ),
            // NULL means max_slot_wal_keep_size = -1: nothing but the disk limits it. A negative size is a slot that is being cut already.
            room: Reading::Known(self.safe_bytes.map(|bytes| u64::try_from(bytes).unwrap_or(0))),
            disk_free: Reading::Unknown("PostgreSQL does not tell how much room its disk has".to_owned()),
        }
    }

    /// True when a session holds the slot.
    pub fn is_active(&self) -> bool {
        self.active_pid.is_some()
    }
}

/// The sentence for a slot that is not there.
pub fn missing(name: &str) -> String {
    format!(
        "slot {name} does not exist on the server: it was dropped, or the server is another one (a failover, a restored backup)"
    )
}

/// Makes sure that nobody holds the slot: ends a walsender that is ours (a dead engine's, or a stream that was just dropped) and waits
/// until it is gone. A holder that is not ours is an error, never ended.
pub async fn release(
    link: &Link,
    connection: &mut Connection,
    name: &str,
    operation: Operation,
) -> Result<Option<Slot>> {
    let failed = |failure: Failure| failure.at(&link.options.id, operation).about(name);
    let started = Instant::now();
    let mut told = None;
    loop {
        let slot = Slot::find(connection, name).await.map_err(failed)?;
        let Some(pid) = slot.as_ref().and_then(|slot| slot.active_pid.clone()) else { return Ok(slot) };
        let holder = slot.and_then(|slot| slot.holder).unwrap_or_default();
        // An empty name is a session that has just ended, or one that we may not see: then ending it fails with the server's reason.
        if !holder.is_empty() && !is_ours(link, &holder) {
            let message = format!("slot {name} is in use by session {pid} ({holder}), which is not Godwit's");
            return Err(link.error(operation, ErrorKind::Contention, message).about(name));
        }
        if told.as_ref() != Some(&pid) {
            connection.query_with("SELECT pg_terminate_backend($1::int4)", &[Some(&pid)]).await.map_err(failed)?;
            told = Some(pid.clone());
        }
        if started.elapsed() > RELEASE_LIMIT {
            let message = format!("session {pid} still holds slot {name} {RELEASE_LIMIT:?} after it was told to end");
            return Err(link.error(operation, ErrorKind::Contention, message).about(name));
        }
        tokio::time::sleep(RELEASE_POLL).await;
    }
}

/// True for a session of Godwit's, by the name that it gave itself.
pub fn is_ours(link: &Link, application_name: &str) -> bool {
    application_name == link.address.application_name || application_name.split(' ').next() == Some("godwit")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot {
            name: "godwit_x".into(),
            plugin: Some("pgoutput".into()),
            database: Some("d".into()),
            here: true,
            active_pid: None,
            holder: None,
            restart_lsn: Some(90),
            confirmed: Some(100),
            wal_status: Some("reserved".into()),
            safe_bytes: None,
            log_end: 190,
        }
    }

    #[test]
    fn a_slot_beyond_the_checkpoint_is_lost() {
        assert_eq!(slot().lost(Some(Position::Lsn(100))), None);
        assert_eq!(slot().lost(Some(Position::Lsn(101))), None);
        assert_eq!(slot().lost(None), None);
        assert!(slot().lost(Some(Position::Lsn(99))).unwrap().contains("0/64"));
    }

    #[test]
    fn replaced_and_invalidated_slots_are_lost() {
        let from = Some(Position::Lsn(100));
        assert!(Slot { plugin: Some("test_decoding".into()), ..slot() }.lost(from).unwrap().contains("test_decoding"));
        assert!(Slot { plugin: None, ..slot() }.lost(from).is_some());
        assert!(Slot { here: false, ..slot() }.lost(from).unwrap().contains("database d"));
        assert!(Slot { wal_status: Some("lost".into()), ..slot() }.lost(from).unwrap().contains("invalidated"));
        assert!(Slot { confirmed: None, ..slot() }.lost(from).is_some());
    }

    #[test]
    fn retention_tells_no_limit_from_unknown() {
        let kept = slot().retention();
        assert_eq!((kept.retained, kept.room), (Reading::Known(100), Reading::Known(None)));
        assert_eq!(Slot { safe_bytes: Some(-5), ..slot() }.retention().room, Reading::Known(Some(0)));
        assert!(matches!(Slot { restart_lsn: None, ..slot() }.retention().retained, Reading::Unknown(_)));
    }
}
