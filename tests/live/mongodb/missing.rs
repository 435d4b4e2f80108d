//! What is missing says so, with the statement that mends it.

use super::lab::{admin, client, ids, name, open, run_printed, shop, url, url_as};
use crate::lab::{Lab, wait_until};
use godwit::model::observation::Missing;
use godwit::model::session::Party;
use godwit::stores::StoreRef;
use godwit::stores::error::ErrorKind;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use std::time::Duration;

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
            "mongodb.replication.disk",
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

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn who_holds_a_lock_needs_a_right_and_the_waiter_is_shown_without_it() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let account = name("half");
    let server = admin.database("admin");
    let lists = doc! { "resource": { "cluster": true }, "actions": ["inprog"] };
    server.run_command(doc! { "createRole": &account, "roles": [], "privileges": [lists] }).await.unwrap();
    server.run_command(doc! { "createUser": &account, "pwd": "pw", "roles": [&account] }).await.unwrap();
    let holding = client(&url(), "holder").await;
    let mut session = holding.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let orders = holding.database(database.name()).collection::<Document>("orders");
    orders.update_one(doc! { "_id": 1 }, doc! { "$set": { "z": 1 } }).session(&mut session).await.unwrap();
    let building = client(&url(), "builder").await.database(database.name()).collection::<Document>("orders");
    let building =
        tokio::spawn(async move { building.create_index(IndexModel::builder().keys(doc! { "q": 1 }).build()).await });
    let store = open(&url_as(&account, "pw"));
    let looked = async || store.sessions().unwrap().activity().await.unwrap();
    wait_until(Duration::from_secs(20), async || !looked().await.value.waits.is_empty()).await;
    let read = looked().await;
    assert_eq!(ids(&read.missing), ["mongodb.locks.right"]);
    assert!(read.value.waits.iter().all(|edge| edge.blocker == Party::Unknown));
    session.abort_transaction().await.unwrap();
    building.await.unwrap().unwrap();
    server.run_command(doc! { "dropUser": &account }).await.unwrap();
    server.run_command(doc! { "dropRole": &account }).await.unwrap();
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_set_that_nobody_initiated_says_so_and_a_member_of_several_speaks_for_itself() {
    let lab = Lab::private(&["mongo1"]);
    let url = lab.url("mongo1");
    // Before there is any user, only the servers' own login gets in; its password is the key file.
    let key = std::fs::read_to_string(lab.dir().join("mongo1/key")).unwrap();
    let (_, place) = url.split_once('@').unwrap();
    let (host, _) = place.split_once('/').unwrap();
    let store = open(&format!("mongodb://__system:{}@{host}/?authSource=local", key.trim()));
    let read = store.replicas().unwrap().replication().await.unwrap();
    assert_eq!(ids(&read.missing), ["mongodb.replication.uninitiated"]);
    assert_eq!(read.missing[0].enable.as_deref(), Some("rs.initiate()"));

    let admin = super::lab::admin_of(&url).await;
    let server = admin.database("admin");
    let config = server.run_command(doc! { "replSetGetConfig": 1 }).await.unwrap();
    let mut config = config.get_document("config").unwrap().clone();
    config.insert("version", config.get_i32("version").unwrap() + 1);
    // A second member that is not there, and has no say.
    let away = doc! { "_id": 1, "host": "127.0.0.1:1", "priority": 0, "votes": 0 };
    config.get_array_mut("members").unwrap().push(away.into());
    server.run_command(doc! { "replSetReconfig": config, "force": true }).await.unwrap();
    let read = open(&url).indexes().unwrap().indexes().await.unwrap();
    assert!(ids(&read.missing).contains(&"mongodb.indexes.sharded"), "{:?}", read.missing);
    assert_eq!(read.value.replicas_unread, ["127.0.0.1:1"]);
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn of_more_than_a_thousand_collections_the_first_thousand_are_read() {
    let lab = Lab::private(&["mongo2"]);
    let url = lab.url("mongo2");
    let database = client(&url, "lab").await.database("wide");
    for n in 0..1_003 {
        database.run_command(doc! { "create": format!("c{n:04}") }).await.unwrap();
    }
    let read = open(&url).indexes().unwrap().indexes().await.unwrap();
    let missing = read.missing.iter().find(|missing| missing.id == "mongodb.indexes.many").unwrap();
    assert_eq!((missing.what.as_str(), read.value.tables.len()), ("indexes of 3 further collections", 1_000));
}
