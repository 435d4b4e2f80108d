//! A network between Godwit and its server that stalls.

use super::lab::{Database, Pair};
use godwit::model::ids::StoreId;
use godwit::stores::error::ErrorKind;
use godwit::stores::postgres::address::Address;
use godwit::stores::postgres::capture::PgCapture;
use godwit::stores::postgres::wire::link::Link;
use godwit::stores::{Capture, OpenOptions};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A TCP proxy that can stop forwarding without closing anything.
struct Proxy {
    port: u16,
    stalled: watch::Sender<bool>,
}

impl Proxy {
    async fn before(server: &Address) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stalled, seen) = watch::channel(false);
        let target = (server.host.clone(), server.port);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(target.clone()).await.unwrap();
                let (client, server) = (client.into_split(), server.into_split());
                tokio::spawn(forward(client.0, server.1, seen.clone()));
                tokio::spawn(forward(server.0, client.1, seen.clone()));
            }
        });
        Self { port, stalled }
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut stalled: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        if stalled.wait_for(|stalled| !stalled).await.is_err() || to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

fn through(proxy: &Proxy, database: &Database) -> Link {
    let address = Address { host: "127.0.0.1".into(), port: proxy.port, ..database.link.address.clone() };
    let options = OpenOptions {
        id: StoreId::from("stalling"),
        statement_timeout: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
    };
    Link::new(address, options)
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_stalled_network_is_noticed_by_stream_and_statements() {
    let pair = Pair::create("stall", "CREATE TABLE t (id integer PRIMARY KEY)", &["t"]).await;
    let proxy = Proxy::before(&pair.source.link.address).await;
    let capture = PgCapture::new(through(&proxy, &pair.source));
    let (origin, _) = pair.source.capture().prepare(&pair.capture_spec, false).await.unwrap();
    let mut stream = capture.stream(&pair.capture_spec, origin.position).await.unwrap();
    stream.next().await.unwrap();
    proxy.stalled.send(true).unwrap();
    // A new connection meets the connect time-out.
    let error = capture.retention(&pair.capture_spec).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    let started = Instant::now();
    let error = loop {
        match stream.next().await {
            Ok(items) => assert!(items.is_empty(), "{items:?}"),
            Err(error) => break error,
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the stall was never noticed");
    };
    assert!(error.kind == ErrorKind::Unreachable && error.message.contains("no word"), "{error}");
    proxy.stalled.send(false).unwrap();
    // The walsender of before is still there: it is replaced.
    pair.source.sql("INSERT INTO t VALUES (1)").await;
    let mut stream = capture.stream(&pair.capture_spec, origin.position).await.unwrap();
    while !stream
        .next()
        .await
        .unwrap()
        .iter()
        .any(|item| matches!(item, godwit::model::change::CaptureItem::Commit { .. }))
    {}
    drop(stream);
    pair.drop().await;
}
