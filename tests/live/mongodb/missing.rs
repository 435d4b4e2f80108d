//! What is missing says so, with the statement that mends it.

use super::lab::{admin, ids, name, open, run_printed, shop, url, url_as};
use godwit::model::observation::Missing;
use godwit::stores::StoreRef;
use godwit::stores::error::ErrorKind;
use mongodb::bson::doc;

/// All that is missing in all readings.
async fn missing(store: &StoreRef) -> Vec<Missing> {
    let mut all = store.sessions().unwrap().activity().await.unwrap().missing;
    all.extend(store.replicas().unwrap().replication().await.unwrap().missing);
    all.extend(store.statements().unwrap().statements().await.unwrap().missing);
    all.extend(store.statements().unwrap().beside().await.unwrap().missing);
    all.extend(store.indexes().unwrap().indexes().await.unwrap().missing);
    all
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn each_missing_right_is_named_and_its_statement_mends_it() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let account = name("poor");
    let server = admin.database("admin");
    // Only the right without which there is nothing to ask about.
    let lists = doc! { "resource": { "db": "", "collection": "" }, "actions": ["listCollections"] };
    server.run_command(doc! { "createRole": &account, "roles": [], "privileges": [lists] }).await.unwrap();
    server.run_command(doc! { "createUser": &account, "pwd": "pw", "roles": [&account] }).await.unwrap();
    let poor = url_as(&account, "pw").replace("/?", &format!("/{}?", database.name()));
    let mut found: Vec<String> = Vec::new();
    // Some rights show only when others are there.
    for _ in 0..4 {
        let all = missing(&open(&poor)).await;
        for missing in &all {
            assert!(!missing.why.is_empty() && !missing.price.is_empty(), "{missing:?}");
            found.push(missing.id.clone());
            let printed = missing.enable.iter().flat_map(|enable| enable.split("; "));
            for statement in printed.filter(|statement| statement.contains("grantPrivilegesToRole")) {
                let statement = statement.replace("godwit_watch", &account);
                run_printed(&admin, &statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(
        found,
        [
            "mongodb.indexes.list",
            "mongodb.indexes.statistics",
            "mongodb.indexes.use",
            "mongodb.latency.right",
            "mongodb.replication.oplog_size",
            "mongodb.replication.right",
            "mongodb.replication.server_status",
            "mongodb.sessions.right",
            "mongodb.statements.log",
            "mongodb.statements.profiler",
            "mongodb.statements.profiler_right",
        ]
    );
    let left = missing(&open(&poor)).await;
    assert_eq!(ids(&left), ["mongodb.statements.profiler", "mongodb.indexes.statistics"]);
    server.run_command(doc! { "dropUser": &account }).await.unwrap();
    server.run_command(doc! { "dropRole": &account }).await.unwrap();
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn indexes_without_their_use_and_size_are_still_listed() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let account = name("half");
    let server = admin.database("admin");
    let lists = doc! { "resource": { "db": "", "collection": "" }, "actions": ["listCollections", "listIndexes"] };
    server.run_command(doc! { "createRole": &account, "roles": [], "privileges": [lists] }).await.unwrap();
    server.run_command(doc! { "createUser": &account, "pwd": "pw", "roles": [&account] }).await.unwrap();
    let store = open(&url_as(&account, "pw").replace("/?", &format!("/{}?", database.name())));
    let read = store.indexes().unwrap().indexes().await.unwrap();
    assert_eq!(ids(&read.missing), ["mongodb.indexes.use", "mongodb.indexes.size", "mongodb.indexes.statistics"]);
    let index = &read.value.indexes[0];
    assert!(index.name == "_id_" && index.scans.known().is_none() && index.bytes.known().is_none());
    // What was refused is not asked again at once: hello, the lists of collections and of indexes are left.
    let again = store.indexes().unwrap().indexes().await.unwrap();
    assert_eq!((again.cost.statements, ids(&again.missing)), (3, ids(&read.missing)));
    server.run_command(doc! { "dropUser": &account }).await.unwrap();
    server.run_command(doc! { "dropRole": &account }).await.unwrap();
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_wrong_password_and_a_server_that_is_down_are_told_apart() {
    drop(admin().await);
    let wrong = open(&url_as("root", "wrong-8812")).probe().facts().await.unwrap_err();
    assert_eq!(wrong.kind, ErrorKind::Denied, "{wrong}");
    assert!(!wrong.to_string().contains("wrong-8812"));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let down = open(&format!("mongodb://127.0.0.1:{port}/")).probe().facts().await.unwrap_err();
    assert_eq!(down.kind, ErrorKind::Unreachable, "{down}");
    assert!(!url().is_empty());
}
