//! Commands counted, and slow ones without their values. One test for each server: counters and the slow log are the server's.

use super::lab::{Server, ids, name, on_redis_and_valkey, send};
use godwit::model::statement::{StatementCounter, StatementSource, Statements};
use godwit::stores::StoreRef;

async fn counted(store: &StoreRef) -> (Statements, Vec<String>) {
    let read = store.statements().unwrap().statements().await.unwrap();
    (read.value.unwrap(), ids(&read.missing).into_iter().map(str::to_owned).collect())
}

fn of<'a>(statements: &'a Statements, id: &str) -> Option<&'a StatementCounter> {
    statements.counters.iter().find(|counter| counter.id == id)
}

async fn commands_are_counted_and_a_reset_is_noticed(server: Server) {
    let mut client = server.client(2).await;
    let store = server.open(&server.url(2));
    send(&mut client, "STRLEN godwit:x").await.unwrap();
    let (before, missing) = counted(&store).await;
    assert_eq!(before.source, StatementSource::CommandStats);
    assert!(missing.is_empty(), "{missing:?}");
    for _ in 0..10 {
        send(&mut client, "STRLEN godwit:x").await.unwrap();
    }
    send(&mut client, "STRLEN").await.unwrap_err();
    let (after, _) = counted(&store).await;
    assert_eq!(before.epoch, after.epoch);
    let (was, is) = (of(&before, "strlen").unwrap(), of(&after, "strlen").unwrap());
    assert_eq!((is.calls - was.calls, is.errors.unwrap() - was.errors.unwrap()), (10, 1));
    assert!(is.total_us >= was.total_us);
    assert!(is.percentiles.is_some_and(|percentiles| percentiles.p99_us.is_some() && percentiles.p95_us.is_none()));
    assert!(after.coverage.note.as_deref().is_some_and(|note| note.contains("ERR ")), "{:?}", after.coverage.note);

    send(&mut client, "CONFIG RESETSTAT").await.unwrap();
    let (reset, _) = counted(&store).await;
    assert_ne!(reset.epoch, after.epoch, "counters that went down begin anew");
    assert!(reset.window.since > after.window.since);
    // Somebody who never saw the old counters learns it from the trace that the reset leaves.
    let (fresh, _) = counted(&server.open(&server.url(2))).await;
    assert!(fresh.window.proof.contains("CONFIG RESETSTAT was run"), "{}", fresh.window.proof);

    send(&mut client, "CONFIG SET latency-tracking no").await.unwrap();
    // A store that knew percentiles keeps them for two minutes.
    let (_, missing) = counted(&server.open(&server.url(2))).await;
    send(&mut client, "CONFIG SET latency-tracking yes").await.unwrap();
    assert_eq!(missing, ["redis.statements.latency"]);
}

async fn slow_commands_show_their_keys_pattern_and_never_a_value(server: Server) {
    let mut client = server.client(1).await;
    let store = server.open(&server.url(1));
    send(&mut client, "CONFIG SET slowlog-log-slower-than -1").await.unwrap();
    send(&mut client, "SLOWLOG RESET").await.unwrap();
    let empty = store.statements().unwrap().beside().await.unwrap();
    assert_eq!(ids(&empty.missing), ["redis.slowlog.empty"]);

    let secret = name("hunter2");
    send(&mut client, "CONFIG SET slowlog-log-slower-than 0").await.unwrap();
    send(&mut client, &format!("SET user:4711:token {secret}")).await.unwrap();
    send(&mut client, &format!("AUTH nobody {secret}")).await.unwrap_err();
    let slow = store.statements().unwrap().beside().await.unwrap();
    // More than the ring holds: the numbers show how many are gone.
    for n in 0..300 {
        send(&mut client, &format!("SETEX user:{n}:token 60 {secret}")).await.unwrap();
    }
    send(&mut client, "CONFIG SET slowlog-log-slower-than 10000").await.unwrap();
    let later = store.statements().unwrap().beside().await.unwrap();
    // Without news the ring is not read again, and what was gathered stays.
    send(&mut client, "CONFIG SET slowlog-log-slower-than -1").await.unwrap();
    let before = store.statements().unwrap().beside().await.unwrap();
    let unchanged = store.statements().unwrap().beside().await.unwrap();
    assert_eq!((unchanged.cost.statements, &unchanged.value), (1, &before.value));

    assert!(slow.missing.is_empty());
    let statements = slow.value.clone().unwrap();
    assert_eq!(statements.source, StatementSource::SlowLog);
    let set = of(&statements, "SET user:*:token").unwrap();
    assert_eq!(set.calls, 1);
    let json = serde_json::to_string(&(&slow, &later)).unwrap();
    assert!(!json.contains(&secret) && !json.contains("user:4711"), "{json}");
    let later = later.value.unwrap();
    assert!(of(&later, "SETEX user:*:token").unwrap().calls <= 128);
    assert!(later.coverage.evicted.is_some_and(|lost| lost >= 172), "{:?}", later.coverage);
    assert_eq!(of(&later, "SET user:*:token").unwrap().calls, 1, "what was gathered before is kept");
}

on_redis_and_valkey!(
    commands_are_counted_and_a_reset_is_noticed,
    slow_commands_show_their_keys_pattern_and_never_a_value
);
