//! Clients: what they do, and ending them.

use super::lab::{Server, ids, name, on_redis_and_valkey, send};
use crate::lab::wait_until;
use godwit::model::session::{Ending, Session, SessionKind, SessionState};
use godwit::stores::StoreRef;
use godwit::stores::error::ErrorKind;
use redis::aio::MultiplexedConnection;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

async fn find(store: &StoreRef, application: &str) -> Option<Session> {
    let activity = store.sessions().unwrap().activity().await.unwrap().value;
    activity.sessions.into_iter().find(|session| session.application == application)
}

/// A client that waits in a list that nobody fills; and its pending answer.
async fn blocked(server: Server, application: &str) -> tokio::task::JoinHandle<redis::RedisResult<redis::Value>> {
    let client = redis::Client::open(server.url(1)).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    send(&mut connection, &format!("CLIENT SETNAME {application}")).await.unwrap();
    let list = name("list");
    tokio::spawn(async move { send(&mut connection, &format!("BLPOP {list} 0")).await })
}

async fn clients_show_what_they_do_and_the_next_look_says_how_old_the_list_is(server: Server) {
    let application = name("shop");
    let waiting = blocked(server, &application).await;
    let mut idle: MultiplexedConnection = server.client(1).await;
    let idler = name("idler");
    send(&mut idle, &format!("CLIENT SETNAME {idler}")).await.unwrap();
    wait_until(SOON, async || {
        find(&server.open(&server.url(1)), &application)
            .await
            .is_some_and(|session| session.state == SessionState::Waiting)
    })
    .await;
    let store = server.open(&server.url(1));
    let first = store.sessions().unwrap().activity().await.unwrap();
    let session = first.value.sessions.iter().find(|session| session.application == application).unwrap();
    assert_eq!(
        (session.kind, session.wait.as_str(), session.statement.as_str()),
        (SessionKind::Client, "blocked in BLPOP", "BLPOP")
    );
    assert!(session.connected_at.is_some() && session.client.starts_with("127.0.0.1:"));
    assert!(first.value.sessions.iter().any(|session| session.application == idler && session.wait.is_empty()));
    assert!(first.value.sessions.iter().any(|session| session.kind == SessionKind::Own));
    assert!(first.value.sessions.iter().any(|session| session.kind == SessionKind::Replication));
    assert!(first.value.limit.is_some_and(|limit| limit > 0));
    assert_eq!(ids(&first.missing), ["redis.sessions.keys"]);
    // CLIENT LIST is not sent again: one INFO is all.
    let second = store.sessions().unwrap().activity().await.unwrap();
    assert_eq!(second.cost.statements, 1);
    assert_eq!(second.value.sessions, first.value.sessions);
    assert_eq!(ids(&second.missing), ["redis.sessions.age", "redis.sessions.keys"]);
    waiting.abort();
}

async fn a_client_is_ended_only_while_it_is_the_same_one(server: Server) {
    let application = name("shop");
    let waiting = blocked(server, &application).await;
    let store = server.open(&server.url(1));
    wait_until(SOON, async || {
        find(&server.open(&server.url(1)), &application).await.is_some_and(|s| s.state == SessionState::Waiting)
    })
    .await;
    let session = find(&server.open(&server.url(1)), &application).await.unwrap();
    let sessions = store.sessions().unwrap();
    let mut other = session.key.clone();
    other.born = "127.0.0.1:1".to_owned();
    for how in [Ending::Cancel, Ending::Kill] {
        assert_eq!(sessions.end(&other, how).await.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert!(!waiting.is_finished());
    // Cancelling ends what it waits for, and the client stays.
    sessions.end(&session.key, Ending::Cancel).await.unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("UNBLOCKED"), "{error}");
    // Its connection went with the task; nobody bears the number now.
    wait_until(SOON, async || find(&server.open(&server.url(1)), &application).await.is_none()).await;
    assert_eq!(sessions.end(&session.key, Ending::Kill).await.unwrap_err().kind, ErrorKind::NotFound);
}

async fn killing_ends_the_connection(server: Server) {
    let application = name("shop");
    let waiting = blocked(server, &application).await;
    wait_until(SOON, async || {
        find(&server.open(&server.url(1)), &application).await.is_some_and(|s| s.state == SessionState::Waiting)
    })
    .await;
    let session = find(&server.open(&server.url(1)), &application).await.unwrap();
    let store = server.open(&server.url(1));
    let sessions = store.sessions().unwrap();
    assert_eq!(
        sessions.ending(&session.key, Ending::Kill),
        format!("CLIENT KILL ID {} ADDR {}", session.key.id, session.key.born)
    );
    sessions.end(&session.key, Ending::Kill).await.unwrap();
    assert!(waiting.await.unwrap().is_err());
    assert!(find(&server.open(&server.url(1)), &application).await.is_none());
}

async fn a_client_that_waits_for_nothing_cannot_be_cancelled(server: Server) {
    let mut idle = server.client(1).await;
    let application = name("idler");
    send(&mut idle, &format!("CLIENT SETNAME {application}")).await.unwrap();
    let store = server.open(&server.url(1));
    let session = find(&store, &application).await.unwrap();
    let error = store.sessions().unwrap().end(&session.key, Ending::Cancel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    send(&mut idle, "PING").await.unwrap();
}

on_redis_and_valkey!(
    clients_show_what_they_do_and_the_next_look_says_how_old_the_list_is,
    a_client_is_ended_only_while_it_is_the_same_one,
    killing_ends_the_connection,
    a_client_that_waits_for_nothing_cannot_be_cancelled
);
