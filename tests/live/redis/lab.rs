//! Clients and stores on the lab's Redis servers.

use godwit::stores::{OpenOptions, StoreRef, registry};
use redis::aio::MultiplexedConnection;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// URL of the login that may do all on server 1 or 2.
pub fn url(number: u8) -> String {
    let variable = format!("GODWIT_LAB_REDIS{number}");
    std::env::var(&variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run"))
}

/// The same server with another login.
pub fn url_as(number: u8, login: &str, password: &str) -> String {
    let url = url(number);
    let (_, place) = url.split_once('@').unwrap();
    format!("redis://{login}:{password}@{place}")
}

/// A store of its own, so that its first look is a fresh one.
pub fn open(url: &str) -> StoreRef {
    let options = OpenOptions {
        id: "cache".into(),
        statement_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
    };
    registry::open("redis", options, url).unwrap()
}

/// A plain client.
pub async fn client(number: u8) -> MultiplexedConnection {
    let client = redis::Client::open(url(number)).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Sends a command, words apart by blanks.
pub async fn send(connection: &mut MultiplexedConnection, words: &str) -> redis::RedisResult<redis::Value> {
    let mut command = redis::Cmd::new();
    for word in words.split(' ') {
        command.arg(word);
    }
    command.query_async(connection).await
}

/// A text of the server.
pub fn words(value: &redis::Value) -> String {
    match value {
        redis::Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        redis::Value::VerbatimString { text, .. } | redis::Value::SimpleString(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    }
}

/// A name that no other test has.
pub fn name(what: &str) -> String {
    format!("{what}-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Ids of what a reading could not show.
pub fn ids(missing: &[godwit::model::observation::Missing]) -> Vec<&str> {
    missing.iter().map(|missing| missing.id.as_str()).collect()
}
