//! A primary and its replica.

use super::lab::{Server, on_redis_and_valkey, send};
use crate::lab::wait_until;
use godwit::model::lag::Reading;
use godwit::model::replication::{Kept, LinkDirection, Replication, ReplicationRole};
use std::time::Duration;

async fn read(server: Server, number: u8) -> Replication {
    server.open(&server.url(number)).replicas().unwrap().replication().await.unwrap().value
}

async fn both_sides_show_the_same_link_and_their_offsets_meet(server: Server) {
    wait_until(Duration::from_secs(30), async || {
        read(server, 1).await.links.first().is_some_and(|link| link.healthy)
            && read(server, 2).await.links.first().is_some_and(|link| link.healthy)
    })
    .await;
    let (primary, replica) = (read(server, 1).await, read(server, 2).await);
    assert_eq!((primary.role, replica.role), (ReplicationRole::Primary, ReplicationRole::Replica));
    assert!(primary.started_at.is_some());
    assert_eq!(primary.links[0].direction, LinkDirection::Outgoing);
    assert!(primary.links[0].state.starts_with("online, last acknowledged "), "{}", primary.links[0].state);
    assert!(matches!(primary.links[0].lag[0].amount, Reading::Known(_)));
    assert_eq!(replica.links[0].direction, LinkDirection::Incoming);
    // A replica does not know how far the primary is: it says so instead of 0.
    assert!(replica.links[0].lag[0].amount.known().is_none());
    assert!(replica.links[0].lag[1].amount.known().is_some());
    let backlog = &primary.retention[0];
    assert_eq!(backlog.name, "replication backlog");
    assert!(backlog.active && backlog.room_bytes.known().is_some());
    let memory = primary.retention.iter().find(|line| line.kind == Kept::Memory).unwrap();
    assert!(memory.retained_bytes.known().is_some_and(|used| *used > 0), "{memory:?}");
    assert_eq!(memory.room_bytes, Reading::Known(None), "maxmemory is not set");

    let before = primary.retention[0].written_bytes.unwrap();
    let mut writer = server.client(1).await;
    for n in 0..100 {
        send(&mut writer, &format!("SET godwit:offset:{n} x")).await.unwrap();
    }
    wait_until(Duration::from_secs(10), async || {
        let (primary, replica) =
            (read(server, 1).await.retention[0].written_bytes, read(server, 2).await.retention[0].written_bytes);
        primary.is_some_and(|offset| offset >= before + 100 * 30) && replica >= primary
    })
    .await;
}

on_redis_and_valkey!(both_sides_show_the_same_link_and_their_offsets_meet);
