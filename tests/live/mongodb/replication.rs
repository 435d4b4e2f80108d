//! The set, its oplog, and a server without both.

use super::lab::{admin, ids, open, plain_url, url};
use godwit::model::lag::Reading;
use godwit::model::replication::{Kept, ReplicationRole};

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn the_oplog_says_how_long_it_reaches_back() {
    drop(admin().await);
    let store = open(&url());
    let read = store.replicas().unwrap().replication().await.unwrap();
    assert!(ids(&read.missing).is_empty(), "{:?}", read.missing);
    let replication = read.value;
    assert_eq!(replication.role, ReplicationRole::Primary);
    assert!(replication.links.is_empty() && replication.started_at.is_some());
    let oplog = &replication.retention[0];
    assert_eq!(oplog.name, "oplog");
    assert!(matches!(oplog.covers_seconds, Reading::Known(_)));
    assert!(matches!(oplog.retained_bytes, Reading::Known(1..)));
    assert!(matches!(oplog.room_bytes, Reading::Known(Some(1..))));
    assert_eq!(oplog.problem, None);
    let facts = store.probe().facts().await.unwrap();
    assert!(facts.identity.starts_with("replica set lab "), "{}", facts.identity);
    assert!(facts.version.starts_with(char::is_numeric) && facts.clock_difference_ms.abs() < 1_000);
    assert!(!store.address().contains('@'));
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_server_without_a_set_is_alone() {
    let store = open(&plain_url());
    let read = store.replicas().unwrap().replication().await.unwrap();
    assert!(read.missing.is_empty(), "{:?}", read.missing);
    assert_eq!(read.value.role, ReplicationRole::Standalone);
    assert!(read.value.links.is_empty());
    // No oplog; the disk under the data is the server's own word.
    let [disk] = read.value.retention.as_slice() else { panic!("{:?}", read.value.retention) };
    assert!(disk.kind == Kept::Disk && disk.room_bytes.known().is_some(), "{disk:?}");
    let sessions = store.sessions().unwrap().activity().await.unwrap();
    assert!(sessions.missing.is_empty() && !sessions.value.sessions.is_empty());
}
