//! Clients, databases and stores on the lab's MongoDB servers.

use crate::lab::wait_until;
use godwit::stores::{OpenOptions, StoreRef, registry};
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// URL of the login that may do all on the set.
pub fn url() -> String {
    variable("GODWIT_LAB_MONGO1")
}

/// URL of the server without set and logins.
pub fn plain_url() -> String {
    variable("GODWIT_LAB_MONGO2")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run"))
}

/// The set with another login.
pub fn url_as(login: &str, password: &str) -> String {
    let url = url();
    let (_, place) = url.split_once('@').unwrap();
    format!("mongodb://{login}:{password}@{place}")
}

/// A store of its own.
pub fn open(url: &str) -> StoreRef {
    let options = OpenOptions {
        id: "docs".into(),
        statement_timeout: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
    };
    registry::open("mongodb", options, url).unwrap()
}

/// A plain client that calls itself so.
pub async fn client(url: &str, application: &str) -> Client {
    let mut options = ClientOptions::parse(url).await.unwrap();
    options.direct_connection = Some(true);
    options.app_name = Some(application.to_owned());
    options.retry_writes = Some(false);
    Client::with_options(options).unwrap()
}

/// The superuser on the set, which is made at the first use: set, then login, through the door that a server without logins
/// leaves open to loopback. Another test may do the same at the same time.
pub async fn admin() -> Client {
    admin_of(&url()).await
}

/// The same on any server that was started as that one was.
pub async fn admin_of(url: &str) -> Client {
    let (login, place) = url.strip_prefix("mongodb://").unwrap().split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let (host, _) = place.split_once('/').unwrap();
    let open_door = client(&format!("mongodb://{host}/"), "lab").await;
    let database = open_door.database("admin");
    let set = doc! { "replSetInitiate": { "_id": "lab", "members": [{ "_id": 0, "host": host }] } };
    // Refused when it is done already.
    let _ = database.run_command(set).await;
    wait_until(Duration::from_secs(30), async || {
        let hello = database.run_command(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    })
    .await;
    let _ = database.run_command(doc! { "createUser": user, "pwd": password, "roles": ["root"] }).await;
    let admin = client(url, "lab").await;
    wait_until(Duration::from_secs(10), async || admin.database("admin").run_command(doc! { "ping": 1 }).await.is_ok())
        .await;
    admin
}

/// A name that no other test has.
pub fn name(what: &str) -> String {
    format!("{what}_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// A database of one's own on the set, with 2,000 orders.
pub async fn shop(admin: &Client) -> Database {
    let database = admin.database(&name("shop"));
    let orders = (0..2_000).map(|n| doc! { "_id": n, "a": n % 10, "b": n });
    database.collection::<Document>("orders").insert_many(orders).await.unwrap();
    database
}

/// Waits until the server has a plan for a query on `orders` of this application.
///
/// What an operation is called changes at its beginning: its collection is not known at first, and a query with JavaScript shows as one on
/// `system.js` while the server loads the stored functions. With the plan all of that is over.
pub async fn is_planned(admin: &Client, database: &Database, application: &str) {
    let wanted = doc! { "appName": application, "ns": format!("{}.orders", database.name()), "planSummary": { "$exists": true } };
    let look = doc! { "aggregate": 1, "cursor": {}, "pipeline": [{ "$currentOp": { "allUsers": true } }, { "$match": wanted }] };
    wait_until(Duration::from_secs(20), async || {
        let answer = admin.database("admin").run_command(look.clone()).await.unwrap();
        !answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap().is_empty()
    })
    .await;
}

/// Ids of what a reading could not show.
pub fn ids(missing: &[godwit::model::observation::Missing]) -> Vec<&str> {
    missing.iter().map(|missing| missing.id.as_str()).collect()
}

/// Runs a statement as it is printed for mongosh: `db.getSiblingDB("admin").VERB(ARGUMENTS)`.
pub async fn run_printed(admin: &Client, statement: &str) -> mongodb::error::Result<Document> {
    let call = statement.strip_prefix("db.getSiblingDB(\"admin\").").unwrap_or_else(|| panic!("{statement}"));
    let (verb, arguments) = call.strip_suffix(')').unwrap().split_once('(').unwrap();
    let arguments: serde_json::Value = serde_json::from_str(&format!("[{}]", with_quoted_keys(arguments))).unwrap();
    let arguments = arguments.as_array().unwrap();
    let mut command = Document::new();
    match arguments.as_slice() {
        [serde_json::Value::Object(fields)] => {
            let name = if verb == "createRole" { "role" } else { "user" };
            command.insert(verb, fields[name].as_str().unwrap());
            for (key, value) in fields.iter().filter(|(key, _)| *key != name) {
                command.insert(key.clone(), mongodb::bson::serialize_to_bson(value).unwrap());
            }
        }
        [name, rest @ ..] => {
            command.insert(verb, name.as_str().unwrap());
            for privileges in rest {
                command.insert("privileges", mongodb::bson::serialize_to_bson(privileges).unwrap());
            }
        }
        [] => panic!("{statement}"),
    }
    admin.database("admin").run_command(command).await
}

/// JavaScript's `{ key: 1 }` as JSON's `{ "key": 1 }`.
pub fn with_quoted_keys(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let mut in_text = false;
    for c in text.chars() {
        if !in_text && (c.is_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            let quoted = if c == ':' { format!("\"{word}\"") } else { word.clone() };
            out.push_str(&quoted);
            word.clear();
        }
        if c == '"' {
            in_text = !in_text;
        }
        out.push(c);
    }
    out.push_str(&word);
    out
}

#[test]
fn keys_of_printed_statements_are_quoted() {
    assert_eq!(with_quoted_keys(r#"{ a: true, b: ["x: y"] }"#), r#"{ "a": true, "b": ["x: y"] }"#);
}
