//! A real PgBouncer before the first server.

use super::lab::{Database, wait_until};
use crate::pooler::Pooler;
use godwit::stores::error::ErrorKind;
use godwit::stores::postgres::wire::connection::Connection;
use godwit::stores::postgres::wire::startup::Purpose;
use std::time::Duration;

async fn client(running: &Pooler) -> Connection {
    Connection::open(&running.address, Purpose::Console, Duration::from_secs(10)).await.unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn clients_wait_while_paused_and_go_on() {
    let database = Database::create("GODWIT_LAB_PG1", "bouncer").await;
    let running = Pooler::start(&database.link.address, "transaction").await;
    let console = running.console();
    let mut first = client(&running).await;
    first.query("SELECT 1").await.unwrap();
    assert_eq!(console.pools("shop").await.unwrap()[0].mode, "transaction");
    console.pause("shop", Duration::from_secs(5)).await.unwrap();
    console.pause("shop", Duration::from_secs(5)).await.unwrap();
    let waiting =
        tokio::spawn(async move { first.query("SELECT 2 AS n").await.unwrap().value("n").map(str::to_owned) });
    wait_until("the client waits", async || console.pools("shop").await.unwrap()[0].clients_waiting == 1).await;
    assert!(
        console
            .databases()
            .await
            .unwrap()
            .iter()
            .any(|entry| entry.name == "shop" && entry.paused && entry.mode == "transaction")
    );
    console.reload().await.unwrap();
    console.resume("shop").await.unwrap();
    console.resume("shop").await.unwrap();
    assert_eq!(waiting.await.unwrap().as_deref(), Some("2"));
    assert_eq!(console.pause("nowhere", Duration::from_secs(1)).await.unwrap_err().kind, ErrorKind::NotFound);
    drop(running);
    database.drop().await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_pause_that_cannot_end_is_given_up_and_the_clients_go_on() {
    let database = Database::create("GODWIT_LAB_PG1", "bouncer").await;
    // In session pooling a client that merely stays keeps PAUSE waiting.
    let running = Pooler::start(&database.link.address, "session").await;
    let console = running.console();
    let mut staying = client(&running).await;
    staying.query("SELECT 1").await.unwrap();
    let error = console.pause("shop", Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::TimedOut, "{error}");
    assert!(error.message.contains("in session pooling; the clients go on"), "{error}");
    assert!(console.databases().await.unwrap().iter().all(|entry| !entry.paused));
    staying.query("SELECT 1").await.unwrap();
    client(&running).await.query("SELECT 1").await.unwrap();
    drop((running, staying));
    database.drop().await;
}
