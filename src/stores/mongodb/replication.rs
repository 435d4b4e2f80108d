//! The replica set as this member sees it, and the time that its oplog covers.

use crate::model::lag::Reading;
use crate::model::observation::{Missing, Observation};
use crate::model::replication::{
    Kept, LagUnit, LinkDirection, LinkLag, LogRetention, ReplicaLink, Replication, ReplicationRole,
};
use crate::stores::Result;
use crate::stores::disk::{self, Disk};
use crate::stores::mongodb::error::{NO_REPLICATION, NOT_YET_INITIALIZED, code_of};
use crate::stores::mongodb::fields::{count, inner, integer, is_set, list, text, time};
use crate::stores::mongodb::inventory::collection_statistics;
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::{Reader, Run};
use crate::stores::observe::Replicas;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;

/// Sections of `serverStatus` that are not needed, and some of which cost milliseconds. An unknown one does no harm.
const LEFT_OUT: [&str; 42] = [
    "activeIndexBuilds",
    "asserts",
    "batchedDeletes",
    "bucketCatalog",
    "catalogStats",
    "changeStreamPreImages",
    "collectionCatalog",
    "defaultRWConcern",
    "electionMetrics",
    "extra_info",
    "featureCompatibilityVersion",
    "flowControl",
    "globalLock",
    "hedgingMetrics",
    "indexBuilds",
    "indexBulkBuilder",
    "indexStats",
    "internalTransactions",
    "locks",
    "logicalSessionRecordCache",
    "mem",
    "metrics",
    "mirroredReads",
    "network",
    "opLatencies",
    "opReadConcernCounters",
    "opcounters",
    "opcountersRepl",
    "oplogTruncation",
    "planCache",
    "queryAnalyzers",
    "readConcernCounters",
    "repl",
    "scramCache",
    "security",
    "storageEngine",
    "tcmalloc",
    "tenantMigrations",
    "trafficRecording",
    "transactions",
    "transportSecurity",
    "wiredTiger",
];

fn status_command() -> Document {
    let mut command = doc! { "serverStatus": 1, "oplog": 1, "twoPhaseCommitCoordinator": 0 };
    command.extend(LEFT_OUT.iter().map(|section| ((*section).to_owned(), Bson::Int32(0))));
    command
}

fn right(id: &str, what: &str, action: &str) -> Missing {
    Missing {
        id: id.to_owned(),
        what: what.to_owned(),
        why: format!("the monitoring account has no right to {action}"),
        enable: Some(format!(
            "db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{{ resource: {{ cluster: true }}, actions: [\"{action}\"] }}])"
        )),
        price: "none for the server, and no data is exposed".to_owned(),
    }
}

fn size_right() -> Missing {
    Missing {
        id: "mongodb.replication.oplog_size".to_owned(),
        what: "how many bytes the oplog holds and may hold".to_owned(),
        why: "the monitoring account may not read the oplog's size; the time that it covers is known without".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { db: \"local\", collection: \"oplog.rs\" }, actions: [\"collStats\"] }])".to_owned()),
        price: "none; this right shows sizes only, not what is in the oplog".to_owned(),
    }
}

async fn read(reader: &mut Reader, store: &MongoStore) -> std::result::Result<Replication, Error> {
    let (hello, run) = reader.hello().await?;
    let missing = || {
        right(
            "mongodb.replication.server_status",
            "the time that the oplog covers, and how many connections are allowed",
            "serverStatus",
        )
    };
    let status = reader.run_or("admin", status_command(), missing).await?;
    if let Some(connections) = status.as_ref().and_then(|status| inner(status, "connections")) {
        store.note_limit(count(connections, "current").unwrap_or(0) + count(connections, "available").unwrap_or(0));
    }
    let set = match reader.run("admin", doc! { "replSetGetStatus": 1 }).await {
        Ok(set) => Some(set),
        Err(error) if code_of(&error) == Some(NO_REPLICATION) => None,
        Err(error) if code_of(&error) == Some(NOT_YET_INITIALIZED) => {
            reader.lacks(Missing {
                id: "mongodb.replication.uninitiated".to_owned(),
                what: "the replica set".to_owned(),
                why: "the server was started for a replica set that nobody initiated".to_owned(),
                enable: Some("rs.initiate()".to_owned()),
                price: "none: until then the server takes no writes".to_owned(),
            });
            None
        }
        Err(error) if crate::stores::mongodb::error::is_refusal(&error) => {
            reader.lacks(right(
                "mongodb.replication.right",
                "the members of the replica set and their lag",
                "replSetGetStatus",
            ));
            None
        }
        Err(error) => return Err(error),
    };
    let in_set = hello.contains_key("setName");
    let mut links = set.as_ref().map(links_of).unwrap_or_default();
    links.sort_by(|a, b| a.name.cmp(&b.name));
    let mut retention = Vec::new();
    if in_set && let Some(status) = &status {
        let command = collection_statistics("oplog.rs", doc! { "storageStats": {} });
        let size = reader.all_or("local", command, size_right).await?;
        let size = size.as_ref().and_then(|answer| inner(answer.first()?, "storageStats"));
        retention.push(oplog(status, size, &links));
    }
    let statistics = reader.run_or("admin", doc! { "dbStats": 1, "freeStorage": 0 }, disk_right).await?;
    retention.push(disk_of(statistics.as_ref()));
    Ok(Replication { role: role(&hello, in_set), links, retention, started_at: started(status.as_ref(), &run) })
}

fn disk_right() -> Missing {
    Missing {
        id: "mongodb.replication.disk".to_owned(),
        what: "how full the server's disk is".to_owned(),
        why: "the monitoring account has no right to dbStats".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { db: \"\", collection: \"\" }, actions: [\"dbStats\"] }])".to_owned()),
        price: "none for the server, and no data is exposed".to_owned(),
    }
}

/// The file system under the data, as the server sees it.
fn disk_of(statistics: Option<&Document>) -> LogRetention {
    let bytes = |field: &str| statistics.and_then(|statistics| count(statistics, field));
    let disk = match (bytes("fsUsedSize"), bytes("fsTotalSize")) {
        (Some(used), Some(all)) => Ok(Disk { used, free: all.saturating_sub(used) }),
        _ => Err("the server does not tell how full its disk is".to_owned()),
    };
    disk::line(Kept::Disk, "data directory", disk)
}

fn role(hello: &Document, in_set: bool) -> ReplicationRole {
    match (in_set, is_set(hello, "isWritablePrimary"), is_set(hello, "secondary")) {
        (true, true, _) => ReplicationRole::Primary,
        (true, _, true) => ReplicationRole::Replica,
        (true, ..) => ReplicationRole::Other,
        (false, ..) => ReplicationRole::Standalone,
    }
}

fn started(status: Option<&Document>, run: &Run) -> Option<DateTime<Utc>> {
    let exact = status.and_then(|status| {
        let up = integer(status, "uptimeMillis")?.checked_mul(1_000)?;
        crate::stores::mongodb::fields::before(time(status, "localTime")?, up)
    });
    exact.or(run.started_at)
}

/// When a member's last operation was written on the primary.
fn applied(member: &Document) -> Option<DateTime<Utc>> {
    time(member, "lastAppliedWallTime").or_else(|| time(member, "optimeDate"))
}

fn links_of(set: &Document) -> Vec<ReplicaLink> {
    let members: Vec<&Document> = list(set, "members").collect();
    let primary = members.iter().copied().find(|member| text(member, "stateStr") == "PRIMARY");
    let me = members.iter().copied().find(|member| is_set(member, "self"));
    let i_am_primary = me.is_some() && me.map(|m| integer(m, "_id")) == primary.map(|m| integer(m, "_id"));
    if i_am_primary {
        let others = members.iter().filter(|member| !is_set(member, "self"));
        return others.map(|member| link(member, primary, LinkDirection::Outgoing, text(member, "name"))).collect();
    }
    // A member that follows shows the one that it reads from; its own lag is the link's.
    me.map(|me| {
        let from = text(me, "syncSourceHost");
        let name = if from.is_empty() { "no member to read from".to_owned() } else { from };
        let mut link = link(me, primary, LinkDirection::Incoming, name);
        link.healthy = link.healthy && !text(me, "syncSourceHost").is_empty();
        link
    })
    .into_iter()
    .collect()
}

fn link(member: &Document, primary: Option<&Document>, direction: LinkDirection, name: String) -> ReplicaLink {
    let state = text(member, "stateStr");
    let up = member.get("health").is_none_or(|_| is_set(member, "health"));
    let error = ["lastHeartbeatMessage", "infoMessage"]
        .iter()
        .map(|field| text(member, field))
        .find(|message| !message.is_empty());
    let behind = match (primary.and_then(applied), applied(member)) {
        _ if !up => {
            Reading::Unknown("the member is not reachable: its last known time says nothing about now".to_owned())
        }
        _ if state == "ARBITER" => Reading::Unknown("an arbiter holds no data".to_owned()),
        (Some(primary), Some(member)) => {
            Reading::Known(u64::try_from((primary - member).num_milliseconds()).unwrap_or(0))
        }
        (None, _) => Reading::Unknown("no primary is known: there is nothing to compare with".to_owned()),
        (_, None) => Reading::Unknown("the member has not told how far it is".to_owned()),
    };
    ReplicaLink {
        peer: name.clone(),
        name,
        direction,
        healthy: up && matches!(state.as_str(), "PRIMARY" | "SECONDARY" | "ARBITER"),
        error: if up && state != "RECOVERING" { None } else { error },
        lag: vec![LinkLag {
            amount: behind,
            unit: LagUnit::Milliseconds,
            method:
                "last operation of the primary less the member's, by replSetGetStatus: up to one heartbeat (2 s) old"
                    .to_owned(),
        }],
        state,
    }
}

fn oplog(status: &Document, size: Option<&Document>, links: &[ReplicaLink]) -> LogRetention {
    let ends = inner(status, "oplog");
    let (first, last) = (ends.and_then(|o| time(o, "earliestOptime")), ends.and_then(|o| time(o, "latestOptime")));
    let covers = match (first, last) {
        (Some(first), Some(last)) => Reading::Known(u64::try_from((last - first).num_seconds()).unwrap_or(0)),
        _ => Reading::Unknown("the server does not show the ends of its oplog (before 4.4)".to_owned()),
    };
    let bytes = size.and_then(|size| count(size, "size"));
    let most = size.and_then(|size| count(size, "maxSize"));
    let unreadable = || "the account may not read the oplog's size".to_owned();
    let slowest = links
        .iter()
        .filter(|link| link.direction == LinkDirection::Outgoing)
        .filter_map(|link| Some((link, *link.lag.first()?.amount.known()? / 1_000)))
        .max_by_key(|(_, seconds)| *seconds);
    let problem = match (slowest, covers.known()) {
        (Some((link, behind)), Some(covers)) if behind > 60 && behind * 2 > *covers => Some(format!(
            "{} is {behind} s behind and the oplog covers {covers} s: once it falls out, it must copy everything anew",
            link.name
        )),
        _ => None,
    };
    LogRetention {
        kind: Kept::Log,
        name: "oplog".to_owned(),
        state: match most {
            Some(most) if bytes.is_some_and(|bytes| bytes >= most / 100 * 95) => {
                "full: the oldest part is cut as new is written"
            }
            Some(_) => "growing: nothing has been cut for want of room yet",
            None => "in use",
        }
        .to_owned(),
        active: !links.is_empty(),
        retained_bytes: bytes.map_or_else(|| Reading::Unknown(unreadable()), Reading::Known),
        room_bytes: match (bytes, most) {
            (Some(bytes), Some(most)) if bytes < most / 100 * 95 => Reading::Known(Some(most - bytes)),
            (Some(_), Some(_)) => Reading::Unknown(
                "it is full and is cut all the time: what counts is the time that it covers".to_owned(),
            ),
            _ => Reading::Unknown(unreadable()),
        },
        covers_seconds: covers,
        problem,
        written_bytes: None,
    }
}

#[async_trait]
impl Replicas for MongoStore {
    async fn replication(&self) -> Result<Observation<Replication>> {
        self.watch().look(async |reader| read(reader, self).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> mongodb::bson::DateTime {
        mongodb::bson::DateTime::from_millis(ms)
    }

    /// Reconstructed from the documentation for three members; the lab has one.
    fn set(me: i32) -> Document {
        let mut members = vec![
            doc! { "_id": 0, "name": "a:1", "health": 1.0, "stateStr": "PRIMARY", "lastAppliedWallTime": at(100_000), "syncSourceHost": "" },
            doc! { "_id": 1, "name": "b:1", "health": 1.0, "stateStr": "SECONDARY", "lastAppliedWallTime": at(97_500), "syncSourceHost": "a:1" },
            doc! { "_id": 2, "name": "c:1", "health": 0.0, "stateStr": "(not reachable/healthy)", "lastAppliedWallTime": at(0),
            "lastHeartbeatMessage": "Error connecting to c:1" },
        ];
        members[usize::try_from(me).unwrap()].insert("self", true);
        doc! { "members": members }
    }

    #[test]
    fn a_primary_shows_its_members_and_no_number_for_one_that_is_down() {
        let links = links_of(&set(0));
        assert_eq!(links.len(), 2);
        assert_eq!((links[0].healthy, links[0].lag[0].amount.clone()), (true, Reading::Known(2_500)));
        assert!(!links[1].healthy && links[1].lag[0].amount.known().is_none());
        assert_eq!(links[1].error.as_deref(), Some("Error connecting to c:1"));
    }

    #[test]
    fn a_secondary_shows_whom_it_reads_from() {
        let links = links_of(&set(1));
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].name.as_str(), links[0].direction), ("a:1", LinkDirection::Incoming));
        assert_eq!(links[0].lag[0].amount, Reading::Known(2_500));
    }

    #[test]
    fn a_member_about_to_fall_out_of_the_oplog_is_a_problem() {
        let ends = |seconds: u32| {
            doc! { "oplog": { "earliestOptime": mongodb::bson::Timestamp { time: 0, increment: 1 },
            "latestOptime": mongodb::bson::Timestamp { time: seconds, increment: 1 } } }
        };
        let mut links = links_of(&set(0));
        links[0].lag[0].amount = Reading::Known(90_000);
        let read = oplog(&ends(100), None, &links);
        assert_eq!(read.covers_seconds, Reading::Known(100));
        assert!(read.problem.is_some() && read.retained_bytes.known().is_none());
        assert_eq!(oplog(&ends(1_000), None, &links).problem, None);
        let size = doc! { "size": 10_i64, "maxSize": 1_000_i64 };
        assert_eq!(oplog(&ends(100), Some(&size), &[]).room_bytes, Reading::Known(Some(990)));
    }
}
