//! What is missing says so, with the statement that mends it.

use super::lab::{Server, ids, name, on_redis_and_valkey, send};
use godwit::stores::error::ErrorKind;

async fn each_missing_right_is_named_and_its_statement_mends_it(server: Server) {
    let mut admin = server.client(1).await;
    let account = name("poor");
    send(&mut admin, &format!("ACL SETUSER {account} on >pw resetkeys resetchannels -@all +auth +info")).await.unwrap();
    let poor = server.url_as(1, &account, "pw");
    let activity = server.open(&poor).sessions().unwrap().activity().await.unwrap();
    assert_eq!(ids(&activity.missing), ["redis.sessions.right", "redis.sessions.keys"]);
    assert!(activity.value.sessions.is_empty() && activity.value.limit.is_some());
    let slow = server.open(&poor).statements().unwrap().beside().await.unwrap();
    assert_eq!(ids(&slow.missing), ["redis.slowlog.right"]);
    assert_eq!(slow.value, None);
    for missing in activity.missing.iter().chain(&slow.missing) {
        assert!(!missing.why.is_empty() && !missing.price.is_empty(), "{missing:?}");
        if let Some(enable) = &missing.enable {
            send(&mut admin, &enable.replace("godwit_watch", &account))
                .await
                .unwrap_or_else(|error| panic!("{enable}: {error}"));
        }
    }
    let activity = server.open(&poor).sessions().unwrap().activity().await.unwrap();
    assert!(!activity.value.sessions.is_empty());
    assert!(server.open(&poor).statements().unwrap().beside().await.unwrap().value.is_some());
    send(&mut admin, &format!("ACL DELUSER {account}")).await.unwrap();
}

async fn a_wrong_password_and_a_server_that_is_down_are_told_apart(server: Server) {
    let wrong = server.open(&server.url_as(1, "default", "wrong-8812")).probe().facts().await.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Denied);
    assert!(!wrong.to_string().contains("wrong-8812"));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let down = server.open(&format!("redis://127.0.0.1:{port}/0")).probe().facts().await.unwrap_err();
    assert_eq!(down.kind, ErrorKind::Unreachable);
}

async fn facts_and_databases(server: Server) {
    let mut admin = server.client(1).await;
    send(&mut admin, "SET godwit:x 1").await.unwrap();
    let store = server.open(&server.url(1));
    let facts = store.probe().facts().await.unwrap();
    let number = match server {
        Server::Redis => facts.version.as_str(),
        Server::Valkey => facts.version.strip_prefix("Valkey ").expect("it has a version of its own beside Redis's"),
    };
    assert!(number.starts_with(char::is_numeric), "{}", facts.version);
    assert!(facts.clock_difference_ms.abs() < 1000);
    let tables = store.inventory().tables().await.unwrap();
    assert!(tables.iter().any(|table| table.name.name == "db0" && table.estimated_rows > Some(0)));
    assert!(!store.address().contains('@'));
}

on_redis_and_valkey!(
    each_missing_right_is_named_and_its_statement_mends_it,
    a_wrong_password_and_a_server_that_is_down_are_told_apart,
    facts_and_databases
);
