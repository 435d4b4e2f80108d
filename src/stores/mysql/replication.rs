//! Replication of the server itself: whom it follows, who follows it, and which binary logs are kept.
//!
//! The threads and their errors come before any number: a stopped applier has no lag, and an idle one that lost its source reports 0 (L15).

use crate::model::lag::Reading;
use crate::model::observation::Observation;
use crate::model::replication::{
    Kept, LagUnit, LinkDirection, LinkLag, LogRetention, ReplicaLink, Replication, ReplicationRole,
};
use crate::stores::Result;
use crate::stores::disk;
use crate::stores::error::ErrorKind;
use crate::stores::mysql::capability::{Capability, Flavour};
use crate::stores::mysql::error::{kind_of, number};
use crate::stores::mysql::line::Line;
use crate::stores::mysql::missing;
use crate::stores::mysql::store::MysqlStore;
use crate::stores::mysql::watch::{Read, Reader};
use crate::stores::observe::Replicas;
use async_trait::async_trait;

/// Sessions of servers that follow this one.
const FOLLOWERS: &str =
    "SELECT ID AS id, USER AS login, HOST AS host, STATE AS state, TIME AS seconds FROM information_schema.processlist
  WHERE COMMAND LIKE 'Binlog Dump%'";

const WRITTEN: &str = "SHOW GLOBAL STATUS LIKE 'Binlog_bytes_written'";

/// How this version spells the question; later ones do not know the older words.
fn status_spellings(server: &Capability) -> &'static [&'static str] {
    match server.flavour {
        Flavour::Mariadb => &["SHOW ALL SLAVES STATUS"],
        Flavour::Mysql => &["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"],
    }
}

async fn read(reader: &mut Reader<'_>) -> Read<Replication> {
    let server = reader.server().clone();
    let channels = status(reader, &server).await?;
    let mut links: Vec<ReplicaLink> = channels.iter().map(incoming).collect();
    workers(reader, &server, &channels, &mut links).await?;
    let follows = !links.is_empty();
    let followers = reader.lines(FOLLOWERS).await?;
    if !followers.is_empty() {
        reader.lacks(missing::followers(server.flavour));
    }
    links.extend(followers.iter().map(outgoing));
    let mut retention = binary_logs(reader, &server).await?;
    let role = match (follows, !retention.is_empty() || !followers.is_empty()) {
        (true, _) => ReplicationRole::Replica,
        (false, true) => ReplicationRole::Primary,
        (false, false) => ReplicationRole::Standalone,
    };
    // MariaDB's plug-in DISKS wants the right FILE, which reads and writes the server's files: not for a monitoring account.
    let unseen = "SQL does not show free disk space: look with df on the server".to_owned();
    retention.push(disk::line(Kept::Disk, "data directory", Err(unseen)));
    Ok(Replication { role, links, retention, started_at: reader.started_at() })
}

async fn status(reader: &mut Reader<'_>, server: &Capability) -> Read<Vec<Line>> {
    let flavour = server.flavour;
    let spellings = status_spellings(server);
    for (at, sql) in spellings.iter().enumerate() {
        match reader.lines(*sql).await {
            Ok(lines) => return Ok(lines),
            // Error 1064: a version that does not know this spelling.
            Err(error) if number(&error) == Some(1064) && at + 1 < spellings.len() => {}
            Err(error) => match number(&error).map(kind_of) {
                Some(ErrorKind::Denied | ErrorKind::TimedOut) => {
                    reader.lacks(missing::replica_status(flavour));
                    return Ok(Vec::new());
                }
                _ => return Err(error),
            },
        }
    }
    Ok(Vec::new())
}

/// Workers that failed, with what they say: of several that apply, the coordinator's error only says that one failed.
const FAILED_WORKERS: &str = "SELECT CHANNEL_NAME AS channel, WORKER_ID AS worker, LAST_ERROR_NUMBER AS number, LAST_ERROR_MESSAGE AS message
   FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0 ORDER BY CHANNEL_NAME, WORKER_ID LIMIT 20";

/// Adds what failed workers say to the links that stand still; they are asked only then.
async fn workers(
    reader: &mut Reader<'_>,
    server: &Capability,
    channels: &[Line],
    links: &mut [ReplicaLink],
) -> Read<()> {
    if server.flavour != Flavour::Mysql || links.iter().all(|link| link.error.is_none()) {
        return Ok(());
    }
    let rows = reader.lines_if("replication.workers", FAILED_WORKERS).await?.unwrap_or_default();
    for (channel, link) in channels.iter().zip(links) {
        let of_channel = rows.iter().filter(|row| row.text("channel") == channel.text("channel_name"));
        if let Some(error) = &mut link.error {
            for row in of_channel {
                let (worker, number, message) = (row.text("worker"), row.text("number"), row.text("message"));
                error.push_str(&format!("; worker {worker}, error {number}: {message}"));
            }
        }
    }
    Ok(())
}

/// A value under its newer or its older name.
fn either(row: &Line, new: &str, old: &str) -> String {
    row.some(new).unwrap_or_else(|| row.text(old))
}

/// A row of `SHOW ALL SLAVES STATUS` or `SHOW REPLICA STATUS`.
pub fn incoming(row: &Line) -> ReplicaLink {
    let io = either(row, "replica_io_running", "slave_io_running");
    let sql = either(row, "replica_sql_running", "slave_sql_running");
    let doing = either(row, "replica_sql_running_state", "slave_sql_running_state");
    let error = [("SQL", "last_sql_errno", "last_sql_error"), ("IO", "last_io_errno", "last_io_error")]
        .into_iter()
        .filter(|(_, number, _)| row.number(number).unwrap_or(0) != 0)
        .map(|(thread, number, text)| format!("{thread} thread, error {}: {}", row.text(number), row.text(text)))
        .collect::<Vec<_>>()
        .join("; ");
    let applies = sql == "Yes";
    let host = either(row, "source_host", "master_host");
    let name = row.some("connection_name").or_else(|| row.some("channel_name"));
    ReplicaLink {
        name: name.unwrap_or_else(|| format!("from {host}")),
        direction: LinkDirection::Incoming,
        peer: format!("{host}:{}", either(row, "source_port", "master_port")),
        state: format!(
            "IO thread: {io}, SQL thread: {sql}{}",
            if doing.is_empty() { doing } else { format!(" ({doing})") }
        ),
        healthy: io == "Yes" && applies && error.is_empty(),
        error: Some(error).filter(|error| !error.is_empty()),
        lag: vec![time_behind(row, applies, io == "Yes"), bytes_behind(row)],
    }
}

fn time_behind(row: &Line, applies: bool, receives: bool) -> LinkLag {
    let seconds = row.number("seconds_behind_source").or_else(|| row.number("seconds_behind_master"));
    let amount = match seconds {
        _ if !applies => {
            Reading::Unknown("the SQL thread does not run: nothing is applied, whatever the last number was".to_owned())
        }
        // What was received is applied, and nobody knows what was written since.
        Some(_) if !receives => {
            Reading::Unknown("the IO thread does not run: what was written since is not known".to_owned())
        }
        Some(seconds) => Reading::Known(seconds * 1_000),
        None => Reading::Unknown("the server does not tell".to_owned()),
    };
    LinkLag {
        amount,
        unit: LagUnit::Milliseconds,
        method: "Seconds_Behind_Source: age of the event being applied, in whole seconds; 0 while idle".to_owned(),
    }
}

fn bytes_behind(row: &Line) -> LinkLag {
    let (read_file, applied_file) = (
        either(row, "source_log_file", "master_log_file"),
        either(row, "relay_source_log_file", "relay_master_log_file"),
    );
    let read = row.number("read_source_log_pos").or_else(|| row.number("read_master_log_pos"));
    let applied = row.number("exec_source_log_pos").or_else(|| row.number("exec_master_log_pos"));
    let amount = match (read, applied) {
        (Some(read), Some(applied)) if read_file == applied_file => Reading::Known(read.saturating_sub(applied)),
        (Some(_), Some(_)) => {
            Reading::Unknown(format!("received up to {read_file}, applied up to {applied_file}: another file"))
        }
        _ => Reading::Unknown("nothing was received yet".to_owned()),
    };
    LinkLag {
        amount,
        unit: LagUnit::Bytes,
        method: "received minus applied binary log; what was not received yet is not in it".to_owned(),
    }
}

/// A session with the command `Binlog Dump`.
pub fn outgoing(row: &Line) -> ReplicaLink {
    let host = row.text("host");
    let unknown = || "the server does not know how far its replicas are; only they do".to_owned();
    ReplicaLink {
        name: format!("{} (connection {})", row.text("login"), row.text("id")),
        direction: LinkDirection::Outgoing,
        peer: host,
        // While it is connected the server sends; what the other end does with it is not seen here.
        healthy: true,
        state: row.text("state"),
        error: None,
        lag: vec![LinkLag { amount: Reading::Unknown(unknown()), unit: LagUnit::Milliseconds, method: unknown() }],
    }
}

async fn binary_logs(reader: &mut Reader<'_>, server: &Capability) -> Read<Vec<LogRetention>> {
    if !matches!(server.variable("log_bin"), Some("ON" | "1")) {
        return Ok(Vec::new());
    }
    let flavour = server.flavour;
    let Some(logs) = reader.lines_or(|| missing::binary_logs(flavour), "SHOW BINARY LOGS").await? else {
        return Ok(Vec::new());
    };
    let written = reader.lines(WRITTEN).await?.first().and_then(|line| line.number("value"));
    Ok(vec![retention(&logs, server, written)])
}

/// What `SHOW BINARY LOGS` lists.
pub fn retention(logs: &[Line], server: &Capability, written_bytes: Option<u64>) -> LogRetention {
    let seconds = |name: &str, unit: f64| {
        server.variable(name).and_then(|text| text.parse::<f64>().ok()).map(|n| (n * unit) as u64).filter(|n| *n > 0)
    };
    let expires = seconds("binlog_expire_logs_seconds", 1.0).or_else(|| seconds("expire_logs_days", 86_400.0));
    let files = logs.len();
    LogRetention {
        kind: Kept::Log,
        name: "binary log".to_owned(),
        state: match expires {
            Some(seconds) => format!("{files} files; removed when older than {seconds} s"),
            None => format!("{files} files; never removed by age"),
        },
        active: true,
        retained_bytes: Reading::Known(logs.iter().filter_map(|line| line.number("file_size")).sum()),
        // Files go by age; only some versions also have a bound in bytes.
        room_bytes: match seconds("max_binlog_total_size", 1.0) {
            Some(most) => {
                let kept: u64 = logs.iter().filter_map(|line| line.number("file_size")).sum();
                Reading::Known(Some(most.saturating_sub(kept)))
            }
            None => Reading::Known(None),
        },
        covers_seconds: Reading::Unknown(match expires {
            Some(seconds) => {
                format!("the server does not tell when its oldest binary log begins; it keeps each for {seconds} s")
            }
            None => "the server does not tell when its oldest binary log begins; it removes none by itself".to_owned(),
        }),
        problem: None,
        written_bytes,
    }
}

#[async_trait]
impl Replicas for MysqlStore {
    async fn replication(&self) -> Result<Observation<Replication>> {
        self.watch().look(async |reader| read(reader).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::mysql::line::recorded;

    #[test]
    fn mysql_8_states_and_errors_come_before_the_number() {
        let links: Vec<_> = recorded::lines("mysql-8.4-replica", "replica_status").iter().map(incoming).collect();
        let [well, stopped, cut] = &links[..] else { panic!("{links:?}") };
        assert!(well.healthy && well.error.is_none());
        assert_eq!((well.name.as_str(), well.peer.as_str()), ("orders", "10.0.0.5:3306"));
        assert_eq!(well.lag[0].amount, Reading::Known(2_000));
        assert_eq!(well.lag[1].amount, Reading::Known(1_200));
        assert!(!stopped.healthy);
        assert!(stopped.error.as_deref().unwrap().starts_with("SQL thread, error 1062: "), "{:?}", stopped.error);
        assert!(matches!(stopped.lag[0].amount, Reading::Unknown(_)));
        assert!(!cut.healthy, "a number of 0 while the source cannot be reached is no health");
        assert!(matches!(cut.lag[0].amount, Reading::Unknown(_)));
        assert!(cut.state.contains("Connecting"), "{}", cut.state);
    }

    #[test]
    fn kept_logs_have_a_size_and_an_age() {
        let of = |list: &str| recorded::lines("mysql-8.0-probe", list);
        let server = Capability::of(&of("server")[0], &of("uptime"), &of("variables"), &of("columns"));
        let kept = retention(&recorded::lines("mysql-8.4-replica", "binary_logs"), &server, None);
        assert_eq!(kept.retained_bytes, Reading::Known(1_073_742_033));
        assert_eq!(kept.state, "2 files; removed when older than 2592000 s");
        assert_eq!(kept.room_bytes, Reading::Known(None));
    }
}
