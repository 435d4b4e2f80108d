//! Replication of the server itself: who follows it, whom it follows, and the backlog that lets a follower come back.
//!
//! Lag is the difference of two offsets (L03). A primary knows both; a replica knows only its own, so its distance from the primary
//! shows where both are stores: each reading carries its own offset as `written_bytes`.

use crate::model::lag::Reading;
use crate::model::observation::Observation;
use crate::model::replication::{
    Kept, LagUnit, LinkDirection, LinkLag, LogRetention, ReplicaLink, Replication, ReplicationRole,
};
use crate::stores::Result;
use crate::stores::disk::{self, Disk};
use crate::stores::observe::Replicas;
use crate::stores::redis::info::{Info, parts};
use crate::stores::redis::store::RedisStore;
use crate::stores::sanitise::clean;
use async_trait::async_trait;

/// A follower that has not acknowledged for this long does not move. It acknowledges once a second.
const SILENT_SECONDS: i64 = 10;

/// A time without a link beyond this is no time: servers print the seconds since 1970 where there never was a link (L16).
const LONGEST_DOWN_SECONDS: i64 = 10 * 365 * 86_400;

fn bytes(amount: Reading<u64>, method: &str) -> LinkLag {
    LinkLag { amount, unit: LagUnit::Bytes, method: method.to_owned() }
}

fn outgoing(line: &str, end: Option<u64>) -> ReplicaLink {
    let fields = parts(line);
    let field = |name: &str| clean(fields.get(name).copied().unwrap_or_default());
    let peer = format!("{}:{}", field("ip"), field("port"));
    let state = field("state");
    let silent: Option<i64> = fields.get("lag").and_then(|n| n.parse().ok()).filter(|n| *n >= 0);
    let offset: Option<u64> = fields.get("offset").and_then(|n| n.parse().ok());
    let behind = match (state.as_str(), end, offset) {
        ("online", Some(end), Some(offset)) => Reading::Known(end.saturating_sub(offset)),
        ("online", ..) => Reading::Unknown("the server does not show both offsets".to_owned()),
        _ => Reading::Unknown(format!("it is not online but in `{state}`: its offset says nothing yet")),
    };
    let heard = match silent {
        Some(seconds) => format!("{state}, last acknowledged {seconds} s ago"),
        None => format!("{state}, never acknowledged"),
    };
    ReplicaLink {
        name: peer.clone(),
        direction: LinkDirection::Outgoing,
        peer,
        healthy: state == "online" && silent.is_some_and(|seconds| seconds < SILENT_SECONDS),
        error: None,
        lag: vec![bytes(behind, "offset of this server less the one that the replica acknowledged")],
        state: heard,
    }
}

fn incoming(info: &Info) -> ReplicaLink {
    let peer =
        format!("{}:{}", info.text("master_host").unwrap_or_default(), info.text("master_port").unwrap_or_default());
    let up = info.text("master_link_status") == Some("up");
    let copying = info.text("master_sync_in_progress") == Some("1");
    let silent = info.signed("master_last_io_seconds_ago").filter(|n| *n >= 0);
    let down = info.signed("master_link_down_since_seconds");
    let state = match (up, copying, silent, down) {
        (_, true, ..) => "copying the whole data set".to_owned(),
        (true, _, Some(seconds), _) => format!("up, heard {seconds} s ago"),
        (true, _, None, _) => "up, never heard".to_owned(),
        (false, _, _, Some(seconds)) if (0..=LONGEST_DOWN_SECONDS).contains(&seconds) => {
            format!("down for {seconds} s")
        }
        (false, ..) => "down, never linked since the server started".to_owned(),
    };
    let error = match (up, copying) {
        (true, _) | (_, true) => None,
        (false, false) => Some("no link to the primary: what this server answers is old".to_owned()),
    };
    let unapplied = match (info.number("slave_read_repl_offset"), info.number("slave_repl_offset")) {
        _ if !up => Reading::Unknown("the link is down: the last offsets say nothing about the primary".to_owned()),
        (Some(read), Some(applied)) => Reading::Known(read.saturating_sub(applied)),
        _ => Reading::Unknown("the server does not show what it read and has not applied (before 7.0)".to_owned()),
    };
    ReplicaLink {
        name: peer.clone(),
        direction: LinkDirection::Incoming,
        peer,
        healthy: up && !copying && silent.is_some_and(|seconds| seconds < SILENT_SECONDS * 2),
        error,
        lag: vec![
            bytes(
                Reading::Unknown(
                    "only the primary knows its offset: make it a store, and compare the two offsets".to_owned(),
                ),
                "offset of the primary less the one of this server",
            ),
            bytes(unapplied, "received and not yet applied, by this server's own offsets"),
        ],
        state,
    }
}

fn backlog(info: &Info, offset: Option<u64>, links: &[ReplicaLink]) -> Option<LogRetention> {
    let size = info.number("repl_backlog_size")?;
    let active = info.text("repl_backlog_active") == Some("1");
    let kept = info.number("repl_backlog_histlen").unwrap_or(0);
    let followers = links.iter().filter(|link| link.direction == LinkDirection::Outgoing);
    let behind: Vec<Option<u64>> =
        followers.map(|link| link.lag.first().and_then(|lag| lag.amount.known().copied())).collect();
    let slowest = behind.iter().flatten().max().copied();
    let room = match slowest {
        Some(slowest) => Reading::Known(Some(size.saturating_sub(slowest))),
        None => Reading::Unknown("no replica is online: nobody knows what one that comes back will need".to_owned()),
    };
    let problem = match slowest {
        Some(slowest) if slowest >= size => Some(format!(
            "a replica is {slowest} bytes behind and the backlog holds {size}: it will copy everything anew if its link breaks"
        )),
        _ if active && behind.iter().any(Option::is_none) => {
            Some("a replica is not online: it may have to copy everything anew".to_owned())
        }
        _ => None,
    };
    Some(LogRetention {
        kind: Kept::Log,
        name: "replication backlog".to_owned(),
        state: if active { "active" } else { "not made: no replica has ever connected" }.to_owned(),
        active: active && !behind.is_empty(),
        retained_bytes: Reading::Known(kept),
        room_bytes: if active { room } else { Reading::Unknown("there is no backlog".to_owned()) },
        covers_seconds: Reading::Unknown(
            "the server does not tell: it follows from the backlog's size and the rate at which the offset grows"
                .to_owned(),
        ),
        problem,
        written_bytes: offset,
    })
}

/// The memory that the server may take before it evicts keys or refuses writes.
fn memory(info: &Info) -> Option<LogRetention> {
    let used = info.number("used_memory")?;
    let most = info.number("maxmemory").filter(|most| *most > 0);
    let room = Disk { used, free: most.map_or(0, |most| most.saturating_sub(used)) };
    let mut line = disk::line(Kept::Memory, "of the server", Ok(room));
    let policy = info.text("maxmemory_policy").unwrap_or("noeviction");
    match most {
        None => {
            line.room_bytes = Reading::Known(None);
            line.problem = None;
            line.state = "maxmemory is not set".to_owned();
        }
        Some(_) => {
            let then = if policy == "noeviction" { "refuses writes" } else { "throws keys away" };
            line.state = format!("{policy}: when it is full the server {then}");
        }
    }
    Some(line)
}

fn replication_of(info: &Info) -> Replication {
    let follows = info.text("role") == Some("slave");
    let end = info.number("master_repl_offset");
    let mut links: Vec<ReplicaLink> = info
        .with_prefix("slave")
        .filter(|(number, _)| number.parse::<u32>().is_ok())
        .map(|(_, line)| outgoing(line, end))
        .collect();
    let offset = if follows { info.number("slave_repl_offset") } else { end };
    let retention = backlog(info, offset, &links).into_iter().chain(memory(info)).collect();
    if follows {
        links.push(incoming(info));
    }
    Replication {
        role: if follows { ReplicationRole::Replica } else { ReplicationRole::Primary },
        links,
        retention,
        started_at: info.started_at(),
    }
}

#[async_trait]
impl Replicas for RedisStore {
    async fn replication(&self) -> Result<Observation<Replication>> {
        let read = self.watch().look(async |reader| reader.info(&["server", "replication", "memory"]).await).await?;
        Ok(read.map(|info| replication_of(&info)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded on Redis 7.0.15, with the replica in the middle of its first copy.
    const PRIMARY: &str = "role:master\r\nconnected_slaves:2\r\nslave0:ip=127.0.0.1,port=27380,state=online,offset=70,lag=1\r\n\
        slave1:ip=127.0.0.1,port=27381,state=wait_bgsave,offset=0,lag=0\r\nmaster_repl_offset:187\r\n\
        repl_backlog_active:1\r\nrepl_backlog_size:1048576\r\nrepl_backlog_first_byte_offset:1\r\nrepl_backlog_histlen:187\r\n";

    fn replica(link: &str) -> Replication {
        replication_of(&Info::parse(&format!(
            "role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:27379\r\nslave_read_repl_offset:190\r\nslave_repl_offset:187\r\n{link}"
        )))
    }

    #[test]
    fn a_primary_shows_both_offsets_and_no_number_for_a_copy_under_way() {
        let read = replication_of(&Info::parse(PRIMARY));
        assert_eq!(read.role, ReplicationRole::Primary);
        assert_eq!(read.links[0].lag[0].amount, Reading::Known(117));
        assert!(read.links[0].healthy);
        assert!(!read.links[1].healthy);
        assert!(read.links[1].lag[0].amount.known().is_none());
        assert_eq!(read.retention[0].room_bytes, Reading::Known(Some(1_048_576 - 117)));
        assert_eq!(read.retention[0].written_bytes, Some(187));
        assert!(read.retention[0].problem.is_some());
    }

    #[test]
    fn a_link_that_never_was_is_no_time_since_1970() {
        for seconds in ["1608603251", "-1"] {
            let read = replica(&format!(
                "master_link_status:down\r\nmaster_last_io_seconds_ago:-1\r\nmaster_sync_in_progress:0\r\nmaster_link_down_since_seconds:{seconds}\r\n"
            ));
            assert_eq!(read.links[0].state, "down, never linked since the server started");
            assert!(!read.links[0].healthy);
            assert!(read.links[0].lag.iter().all(|lag| lag.amount.known().is_none()));
        }
    }

    #[test]
    fn a_replica_knows_what_it_has_not_applied_and_not_how_far_the_primary_is() {
        let read = replica("master_link_status:up\r\nmaster_last_io_seconds_ago:1\r\nmaster_sync_in_progress:0\r\n");
        assert!(read.links[0].healthy);
        assert!(read.links[0].lag[0].amount.known().is_none());
        assert_eq!(read.links[0].lag[1].amount, Reading::Known(3));
        let read = replica("master_link_status:down\r\nmaster_link_down_since_seconds:12\r\n");
        assert_eq!(read.links[0].state, "down for 12 s");
    }
}
