//! What looking sends, command by command. Times differ between machines; what is sent does not.

use super::lab::{Server, name, on_redis_and_valkey, send};
use godwit::stores::StoreRef;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

/// Everything that a server is sent, as it tells it itself: all but what it calls administration (`CLIENT LIST`, `SLOWLOG`).
struct Monitor(Lines<BufReader<TcpStream>>);

impl Monitor {
    async fn start(server: Server) -> Self {
        let url = server.url(1);
        let (login, place) = url.split_once("://:").unwrap().1.split_once('@').unwrap();
        let mut stream = TcpStream::connect(place.split('/').next().unwrap()).await.unwrap();
        stream.write_all(format!("AUTH {login}\r\nMONITOR\r\n").as_bytes()).await.unwrap();
        let mut monitor = Self(BufReader::new(stream).lines());
        assert_eq!((monitor.line().await.as_str(), monitor.line().await.as_str()), ("+OK", "+OK"));
        monitor
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(10), self.0.next_line()).await;
        line.expect("the server tells").unwrap().expect("the server lives")
    }

    /// What one client has sent until somebody sends `ECHO end`.
    async fn sent_by(&mut self, client: &str, end: &str) -> Vec<String> {
        let (client, end) = (format!(" {client}] "), format!("\"{end}\""));
        let mut sent = Vec::new();
        loop {
            let line = self.line().await;
            if line.ends_with(&end) {
                return sent;
            }
            if let Some((_, words)) = line.split_once(&client) {
                sent.push(words.replace('"', ""));
            }
        }
    }
}

/// The address of the store's looking connection.
async fn address(server: Server, store: &StoreRef, own: &str) -> String {
    let mut admin = server.client(1).await;
    store.probe().facts().await.unwrap();
    let list = super::lab::words(&send(&mut admin, "CLIENT LIST").await.unwrap());
    let mine = |line: &&str| line.contains(" name=godwit-watch ") && line.contains(&format!(" user={own} "));
    let line = list.lines().find(mine).expect("it looks under its own login");
    line.split(' ').find_map(|field| field.strip_prefix("addr=")).unwrap().to_owned()
}

/// A round of all collectors, as the engine has them once a minute when all fall together.
async fn round(store: &StoreRef) {
    store.probe().facts().await.unwrap();
    store.sessions().unwrap().activity().await.unwrap();
    store.replicas().unwrap().replication().await.unwrap();
    store.statements().unwrap().statements().await.unwrap();
    store.statements().unwrap().beside().await.unwrap();
}

async fn a_round_asks_for_each_section_once_and_for_what_hardly_changes_once_a_minute(server: Server) {
    let mut admin = server.client(1).await;
    let login = name("looker");
    send(&mut admin, &format!("ACL SETUSER {login} on >pw +@all")).await.unwrap();
    let store = server.open(&server.url_as(1, &login, "pw"));
    let mut monitor = Monitor::start(server).await;
    let looker = address(server, &store, &login).await;
    round(&store).await;
    let end = name("end");
    send(&mut admin, &format!("ECHO {end}")).await.unwrap();
    assert_eq!(
        monitor.sent_by(&looker, &end).await,
        [
            "AUTH (redacted) (redacted)",
            "CLIENT SETNAME godwit-watch",
            // Who the server is: asked by the first look, kept by all others.
            "INFO server",
            "PING",
            "INFO clients",
            "INFO replication memory",
            "INFO commandstats errorstats",
            "INFO latencystats",
        ]
    );
    round(&store).await;
    let end = name("end");
    send(&mut admin, &format!("ECHO {end}")).await.unwrap();
    assert_eq!(
        monitor.sent_by(&looker, &end).await,
        ["PING", "INFO clients", "INFO replication memory", "INFO commandstats errorstats"]
    );
    // A second connection knows nothing of what the first one kept.
    let fresh = server.open(&server.url_as(1, &login, "pw"));
    let read = fresh.replicas().unwrap().replication().await.unwrap();
    assert_eq!(read.cost.statements, 1);
    assert!(read.value.started_at.is_some());
    send(&mut admin, &format!("ACL DELUSER {login}")).await.unwrap();
}

on_redis_and_valkey!(a_round_asks_for_each_section_once_and_for_what_hardly_changes_once_a_minute);
