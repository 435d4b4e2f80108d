//! The printed roles: everything works with them, and nothing more.

use super::lab::{admin, client, ids, is_planned, name, open, run_printed, shop, url, url_as};
use godwit::model::monitor::MonitorRole;
use godwit::model::session::{Ending, Session};
use godwit::stores::StoreRef;
use godwit::stores::error::ErrorKind;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};

const PASSWORD: &str = "Wachs0mkeit-7781";

/// Makes the role's account by running the printed statements, under a name that no other test has.
async fn account(admin: &Client, role: MonitorRole, optional: bool) -> (String, String) {
    let account = name(role.account());
    for grant in open(&url()).monitoring().unwrap().grants(role) {
        if grant.required || optional {
            let statement = grant.statement.replace(role.account(), &account).replace("PASSWORD", PASSWORD);
            run_printed(admin, &statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    }
    let url = url_as(&account, PASSWORD);
    (account, url)
}

/// Takes the account back with the printed statements.
async fn remove(admin: &Client, role: MonitorRole, account: &str) {
    for grant in open(&url()).monitoring().unwrap().grants(role).iter().rev().filter(|grant| grant.required) {
        let undo = grant.undo.replace(role.account(), account);
        let (verb, name) = undo.strip_prefix("db.getSiblingDB(\"admin\").").unwrap().split_once('(').unwrap();
        let name = name.trim_matches(|c| c == '"' || c == ')');
        admin
            .database("admin")
            .run_command(doc! { verb: name })
            .await
            .unwrap_or_else(|error| panic!("{undo}: {error}"));
    }
}

/// Everything that a store shows, as JSON, and what it says is missing.
async fn everything(store: &StoreRef) -> (String, Vec<String>) {
    let facts = store.probe().facts().await.unwrap();
    let tables = store.inventory().tables().await.unwrap();
    let activity = store.sessions().unwrap().activity().await.unwrap();
    let replication = store.replicas().unwrap().replication().await.unwrap();
    let statements = store.statements().unwrap().statements().await.unwrap();
    let latency = store.statements().unwrap().beside().await.unwrap();
    let indexes = store.indexes().unwrap().indexes().await.unwrap();
    assert!(statements.value.is_some() && latency.value.is_some() && !indexes.value.indexes.is_empty());
    let missing = [&activity.missing, &replication.missing, &statements.missing, &latency.missing, &indexes.missing];
    let missing = missing.iter().flat_map(|missing| ids(missing)).map(str::to_owned).collect();
    (serde_json::to_string(&(facts, tables, activity, replication, statements, latency, indexes)).unwrap(), missing)
}

/// All SCRAM keys of all users, as the server stores them.
async fn keys(admin: &Client) -> Vec<String> {
    let users = doc! { "usersInfo": { "forAllDBs": true }, "showCredentials": true };
    let users = admin.database("admin").run_command(users).await.unwrap();
    let mut keys = Vec::new();
    for user in users.get_array("users").unwrap().iter().filter_map(Bson::as_document) {
        for mechanism in user.get_document("credentials").unwrap().values().filter_map(Bson::as_document) {
            keys.extend(
                ["salt", "storedKey", "serverKey"].iter().map(|key| mechanism.get_str(key).unwrap().to_owned()),
            );
        }
    }
    assert!(keys.len() >= 6, "there is something to leak");
    keys
}

async fn denied(url: &str, database: &str, commands: &[Document]) {
    let client = client(url, "intruder").await;
    for command in commands {
        let error = client.database(database).run_command(command.clone()).await.expect_err(&command.to_string());
        assert!(error.to_string().contains("Unauthorized"), "{command}: {error}");
    }
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn the_watching_account_sees_everything_and_may_do_nothing() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let orders = database.collection::<Document>("orders");
    orders.insert_one(doc! { "s": "geheim-9942" }).await.unwrap();
    database
        .run_command(doc! { "find": "orders", "filter": { "s": "geheim-9942", "$where": "sleep(1) || true" } })
        .await
        .unwrap();
    let (account, watch) = account(&admin, MonitorRole::Watch, false).await;
    let (json, missing) = everything(&open(&watch)).await;
    assert_eq!(
        missing,
        ["mongodb.replication.oplog_size", "mongodb.statements.profiler_right", "mongodb.indexes.statistics"],
        "only what the optional grants show, and what nobody can"
    );
    let lab_url = url();
    let root = lab_url.split_once(':').unwrap().1.split_once(':').unwrap().1.split_once('@').unwrap().0;
    let mut secrets = keys(&admin).await;
    secrets.extend([PASSWORD.to_owned(), root.to_owned(), "geheim-9942".to_owned()]);
    for secret in secrets {
        assert!(!json.contains(&secret), "a secret is in the readings");
    }
    let nothing = [
        doc! { "find": "orders" },
        doc! { "aggregate": "orders", "pipeline": [], "cursor": {} },
        doc! { "insert": "orders", "documents": [{}] },
        doc! { "createIndexes": "orders", "indexes": [{ "name": "x", "key": { "x": 1 } }] },
        doc! { "profile": 2 },
        doc! { "find": "system.profile" },
        doc! { "usersInfo": 1 },
        doc! { "drop": "orders" },
    ];
    denied(&watch, database.name(), &nothing).await;
    denied(&watch, "local", &[doc! { "find": "oplog.rs", "limit": 1 }]).await;
    let server = [
        doc! { "killOp": 1, "op": 1 },
        doc! { "usersInfo": { "forAllDBs": true }, "showCredentials": true },
        doc! { "setParameter": 1, "logLevel": 1 },
        doc! { "replSetStepDown": 1 },
        doc! { "killAllSessionsByPattern": [] },
        doc! { "find": "system.users" },
    ];
    denied(&watch, "admin", &server).await;
    remove(&admin, MonitorRole::Watch, &account).await;
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn the_optional_grants_show_the_rest() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let (account, watch) = account(&admin, MonitorRole::Watch, true).await;
    let (_, missing) = everything(&open(&watch)).await;
    // Another test may have its profiler on.
    let missing: Vec<&String> = missing.iter().filter(|id| *id != "mongodb.statements.profiler").collect();
    assert_eq!(missing, ["mongodb.indexes.statistics"]);
    denied(&watch, "local", &[doc! { "find": "oplog.rs", "limit": 1 }]).await;
    denied(&watch, database.name(), &[doc! { "find": "orders" }]).await;
    remove(&admin, MonitorRole::Watch, &account).await;
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn the_acting_account_ends_operations_and_reads_nothing() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let (account, act) = account(&admin, MonitorRole::Act, true).await;
    let application = name("slow");
    let busy = client(&url(), &application).await.database(database.name());
    let running = tokio::spawn(async move {
        busy.run_command(doc! { "find": "orders", "filter": { "$where": "sleep(500) || true" } }).await
    });
    let watching = open(&url());
    let find = async || {
        let sessions = watching.sessions().unwrap().activity().await.unwrap().value.sessions;
        // The driver's own operations are active under the same application for a moment.
        let is_slow =
            |session: &Session| session.application == application && session.statement.contains("sleep(500)");
        sessions.into_iter().find(is_slow)
    };
    is_planned(&admin, &database, &application).await;
    let session = find().await.unwrap();
    // The watching account cannot do it, and says so.
    let (watcher, watch) = self::account(&admin, MonitorRole::Watch, false).await;
    let error = open(&watch).sessions().unwrap().end(&session.key, Ending::Cancel).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(!error.to_string().contains("signature"), "{error}");
    open(&act).sessions().unwrap().end(&session.key, Ending::Cancel).await.unwrap();
    running.await.unwrap().unwrap_err();
    denied(
        &act,
        database.name(),
        &[doc! { "find": "orders" }, doc! { "listCollections": 1, "authorizedCollections": false }],
    )
    .await;
    denied(&act, "admin", &[doc! { "getLog": "global" }, doc! { "usersInfo": 1 }, doc! { "serverStatus": 1 }]).await;
    remove(&admin, MonitorRole::Act, &account).await;
    remove(&admin, MonitorRole::Watch, &watcher).await;
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn the_auditing_account_reads_users_and_still_no_document() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let (account, audit) = account(&admin, MonitorRole::Audit, false).await;
    let auditor = client(&audit, "auditor").await.database("admin");
    auditor.run_command(doc! { "usersInfo": { "forAllDBs": true } }).await.unwrap();
    auditor.run_command(doc! { "rolesInfo": 1, "showPrivileges": true }).await.unwrap();
    denied(&audit, database.name(), &[doc! { "find": "orders" }, doc! { "insert": "orders", "documents": [{}] }]).await;
    denied(&audit, "admin", &[doc! { "find": "system.users" }, doc! { "killOp": 1, "op": 1 }]).await;
    remove(&admin, MonitorRole::Audit, &account).await;
    database.drop().await.unwrap();
}
