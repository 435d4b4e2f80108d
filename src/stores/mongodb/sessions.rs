//! Operations, idle connections and open transactions of the server, in one look.
//!
//! A session here is what can be stopped: a running operation by its number, an open transaction that runs nothing now by its logical
//! session. An idle connection is shown, and nothing on the server can end it.

use crate::model::observation::{Missing, Observation};
use crate::model::session::{Activity, Ending, Session, SessionKey, SessionKind, SessionState, TableTouch};
use crate::stores::Result;
use crate::stores::error::{ErrorKind, Operation};
use crate::stores::mongodb::connect::APPLICATION;
use crate::stores::mongodb::fields::{before, inner, integer, is_set, list, text, time};
use crate::stores::mongodb::locks;
use crate::stores::mongodb::shape;
use crate::stores::mongodb::store::MongoStore;
use crate::stores::mongodb::watch::{Reader, database_of, is_internal};
use crate::stores::observe::Sessions;
use async_trait::async_trait;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use std::collections::BTreeMap;

/// What the number of a transaction's logical session begins with in our ids.
const TRANSACTION: &str = "txn-";
/// What the number of an idle connection begins with.
const CONNECTION: &str = "conn";

/// Kinds of operations that change documents.
const WRITING: [&str; 3] = ["insert", "update", "remove"];
/// Commands that change documents or collections.
const WRITING_COMMANDS: [&str; 13] = [
    "bulkWrite",
    "collMod",
    "create",
    "createIndexes",
    "delete",
    "drop",
    "dropIndexes",
    "findAndModify",
    "findandmodify",
    "insert",
    "mapReduce",
    "renameCollection",
    "update",
];

pub(super) fn no_right() -> Missing {
    Missing {
        id: "mongodb.sessions.right".to_owned(),
        what: "what other logins' operations do".to_owned(),
        why: "the monitoring account may not run $currentOp for all users".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { cluster: true }, actions: [\"inprog\"] }])".to_owned()),
        price: "under 1 ms of the server for each look; the account can then read the values in running operations".to_owned(),
    }
}

pub(super) fn current_op(all_users: bool) -> Document {
    doc! {
        "aggregate": 1, "cursor": { "batchSize": 10_000 },
        // Long commands are cut on the server, so that a text of 10 MB is not sent.
        "pipeline": [{ "$currentOp": { "allUsers": all_users, "idleConnections": true, "idleSessions": all_users, "truncateOps": true } },
            // The server's own threads are only of interest while they work on something.
            { "$match": { "$or": [{ "connectionId": { "$exists": true } }, { "type": "idleSession" }, { "waitingForLock": true },
                { "active": true, "op": { "$nin": ["none", ""] } }] } }],
    }
}

/// What runs now, as the server describes it. For sampling.
///
/// # Errors
/// The driver's, except that without the right to see others only the own operations are given.
pub async fn running(reader: &mut Reader) -> std::result::Result<Vec<Document>, Error> {
    match reader.all_or("admin", current_op(true), no_right).await? {
        Some(operations) => Ok(operations),
        None => reader.all("admin", current_op(false)).await,
    }
}

async fn read(reader: &mut Reader, limit: Option<u64>) -> std::result::Result<Activity, Error> {
    let operations = running(reader).await?;
    let mut activity = activity_of(&operations);
    activity.limit = limit;
    // The lock tables are asked for only when somebody waits.
    if operations.iter().any(|entry| is_set(entry, "waitingForLock")) {
        locks::read(reader, &operations, &mut activity).await?;
    }
    Ok(activity)
}

fn activity_of(operations: &[Document]) -> Activity {
    let logins: BTreeMap<i64, String> =
        operations.iter().filter_map(|entry| Some((integer(entry, "connectionId")?, login(entry)?))).collect();
    // A transaction between two operations is told apart from the connection that last carried it.
    let in_transaction: Vec<i64> = operations
        .iter()
        .filter(|entry| is_idle_transaction(entry))
        .filter_map(|entry| integer(entry, "connectionId"))
        .collect();
    let mut activity = Activity::default();
    for entry in operations {
        let connection = integer(entry, "connectionId");
        let is_idle = !entry.contains_key("opid");
        if entry.get_str("type").is_ok_and(|kind| kind == "idleSession") && !is_idle_transaction(entry) {
            continue;
        }
        if is_idle && !is_idle_transaction(entry) && connection.is_some_and(|id| in_transaction.contains(&id)) {
            continue;
        }
        let mut session = session(entry);
        if session.login.is_empty() {
            session.login = connection.and_then(|id| logins.get(&id).cloned()).unwrap_or_default();
        }
        if let Some(touch) = touch(entry, &session) {
            activity.touches.push(touch);
        }
        activity.sessions.push(session);
    }
    activity.sessions.sort_by(|a, b| {
        (a.transaction_since.is_none(), a.transaction_since, &a.key).cmp(&(
            b.transaction_since.is_none(),
            b.transaction_since,
            &b.key,
        ))
    });
    activity
}

fn is_idle_transaction(entry: &Document) -> bool {
    entry.get_str("type").is_ok_and(|kind| kind == "idleSession") && entry.contains_key("transaction")
}

pub(super) fn login(entry: &Document) -> Option<String> {
    let user = list(entry, "effectiveUsers").next()?;
    Some(text(user, "user")).filter(|login| !login.is_empty())
}

/// The number of the logical session, as the server prints it.
pub fn logical_session(entry: &Document) -> Option<String> {
    let Some(Bson::Binary(id)) = inner(entry, "lsid")?.get("id") else { return None };
    if id.subtype != BinarySubtype::Uuid || id.bytes.len() != 16 {
        return None;
    }
    let mut out = String::with_capacity(36);
    for (at, byte) in id.bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    Some(out)
}

/// The identity under which an entry of `$currentOp` is shown.
pub fn key(entry: &Document) -> SessionKey {
    let client = client(entry);
    if is_idle_transaction(entry) {
        let began = inner(entry, "transaction").map(|transaction| text(transaction, "startWallClockTime"));
        return SessionKey {
            id: format!("{TRANSACTION}{}", logical_session(entry).unwrap_or_default()),
            born: began.unwrap_or_default(),
        };
    }
    match entry.get("opid") {
        // On mongos it is a text with the shard's name.
        Some(Bson::String(number)) => {
            SessionKey { id: crate::stores::sanitise::clean(number), born: born(entry, &client) }
        }
        Some(_) => {
            SessionKey { id: integer(entry, "opid").unwrap_or_default().to_string(), born: born(entry, &client) }
        }
        None => SessionKey {
            id: format!("{CONNECTION}{}", integer(entry, "connectionId").unwrap_or_default()),
            born: client,
        },
    }
}

fn born(entry: &Document, client: &str) -> String {
    format!("{} {client}", text(entry, "ns"))
}

pub(super) fn client(entry: &Document) -> String {
    let client = text(entry, "client");
    // Through mongos the server sees the router; the client's address is beside it.
    if client.is_empty() { text(entry, "client_s") } else { client }
}

/// A heartbeat, or a cursor that waits for something new.
fn only_waits(entry: &Document, command: Option<&Document>) -> bool {
    let is_heartbeat = command.is_some_and(|command| {
        matches!(shape::name(command), "hello" | "isMaster" | "ismaster") && command.contains_key("maxAwaitTimeMS")
    });
    is_heartbeat || inner(entry, "cursor").is_some_and(|cursor| is_set(cursor, "awaitData"))
}

fn session(entry: &Document) -> Session {
    let command = inner(entry, "command");
    let now = time(entry, "currentOpTime").unwrap_or_else(chrono::Utc::now);
    let transaction = inner(entry, "transaction");
    // An ordinary write that may be retried has a transaction number too, and no time open.
    let transaction_since = transaction.and_then(|transaction| {
        time(transaction, "startWallClockTime")
            .or_else(|| integer(transaction, "timeOpenMicros").and_then(|micros| before(now, micros)))
    });
    let began = integer(entry, "microsecs_running").and_then(|micros| before(now, micros));
    let application = text(entry, "appName");
    let namespace = text(entry, "ns");
    let idle_transaction = is_idle_transaction(entry);
    let state = if is_set(entry, "waitingForLock") || is_set(entry, "waitingForFlowControl") {
        SessionState::Waiting
    } else if idle_transaction {
        SessionState::IdleInTransaction
    } else if !entry.contains_key("opid") || only_waits(entry, command) {
        SessionState::Idle
    } else {
        SessionState::Active
    };
    let kind = if application.starts_with(APPLICATION) {
        SessionKind::Own
    } else if !entry.contains_key("connectionId") && !idle_transaction {
        SessionKind::Background
    } else if namespace.starts_with("local.oplog") || application == "OplogFetcher" || is_member(entry) {
        SessionKind::Replication
    } else {
        SessionKind::Client
    };
    let idle_since = transaction
        .filter(|_| idle_transaction)
        .and_then(|transaction| integer(transaction, "timeInactiveMicros"))
        .and_then(|micros| before(now, micros));
    Session {
        key: key(entry),
        kind,
        login: login(entry).unwrap_or_default(),
        database: if namespace.is_empty() { String::new() } else { database_of(&namespace).to_owned() },
        application: if application.is_empty() { text(entry, "desc") } else { application },
        client: client(entry),
        state,
        wait: wait(entry),
        connected_at: None,
        transaction_since,
        statement_since: began,
        state_since: began.or(idle_since),
        statement: statement(entry, command),
        holds_back: None,
    }
}

/// True for another member of the replica set: it logs in as the set itself.
pub(super) fn is_member(entry: &Document) -> bool {
    list(entry, "effectiveUsers").any(|user| user.get_str("user").is_ok_and(|name| name == "__system"))
}

fn wait(entry: &Document) -> String {
    if is_set(entry, "waitingForLock") {
        "lock".to_owned()
    } else if is_set(entry, "waitingForFlowControl") {
        "flow control: the replicas are behind".to_owned()
    } else {
        String::new()
    }
}

fn statement(entry: &Document, command: Option<&Document>) -> String {
    let Some(command) = command else { return String::new() };
    let command = inner(entry, "cursor").and_then(|cursor| inner(cursor, "originatingCommand")).unwrap_or(command);
    let words = shape::plain(command);
    match (entry.get_str("op"), command.contains_key("q")) {
        (Ok(operation), true) => format!("{operation} {} {words}", text(entry, "ns")),
        _ => words,
    }
}

fn touch(entry: &Document, session: &Session) -> Option<TableTouch> {
    let namespace = text(entry, "ns");
    let collection = namespace.split_once('.')?.1;
    let is_ours = session.kind == SessionKind::Own || session.kind == SessionKind::Background;
    if is_ours || !entry.contains_key("opid") || is_internal(database_of(&namespace)) {
        return None;
    }
    if collection.starts_with('$') || collection.starts_with("system.") {
        return None;
    }
    let command = inner(entry, "command").map(shape::name).unwrap_or_default();
    Some(TableTouch {
        session: session.key.clone(),
        login: session.login.clone(),
        application: session.application.clone(),
        client: session.client.clone(),
        table: namespace,
        writes: entry.get_str("op").is_ok_and(|op| WRITING.contains(&op)) || WRITING_COMMANDS.contains(&command),
        statement: session.statement.clone(),
    })
}

/// The command that stops what an entry describes.
fn ending_command(entry: &Document) -> Option<Document> {
    if is_idle_transaction(entry) {
        let lsid = inner(entry, "lsid")?;
        let id = lsid.get("id")?.clone();
        let uid = lsid.get("uid")?.clone();
        return Some(doc! { "killAllSessionsByPattern": [{ "lsid": { "id": id, "uid": uid } }] });
    }
    Some(doc! { "killOp": 1, "op": entry.get("opid")?.clone() })
}

#[async_trait]
impl Sessions for MongoStore {
    async fn activity(&self) -> Result<Observation<Activity>> {
        let limit = self.limit();
        self.watch().look(async |reader| read(reader, limit).await).await
    }

    fn ending(&self, session: &SessionKey, _how: Ending) -> String {
        match session.id.strip_prefix(TRANSACTION) {
            Some(id) => format!(
                "db.adminCommand({{ killAllSessionsByPattern: [{{ lsid: {{ id: UUID(\"{id}\"), uid: its owner }} }}] }})"
            ),
            None if session.id.contains(':') => format!("db.adminCommand({{ killOp: 1, op: \"{}\" }})", session.id),
            None => format!("db.adminCommand({{ killOp: 1, op: {} }})", session.id),
        }
    }

    async fn end(&self, session: &SessionKey, _how: Ending) -> Result<()> {
        let connector = self.connector();
        if session.id.starts_with(CONNECTION) {
            return Err(connector.error(
                Operation::EndSession,
                ErrorKind::Unsupported,
                format!(
                    "the connection {session} runs nothing, and MongoDB has no command that ends an idle connection"
                ),
            ));
        }
        let client = connector.acting().await?;
        let mut reader = Reader::acting(client.clone(), connector.command_limit());
        let outcome = async {
            let operations = reader.all("admin", current_op(true)).await?;
            let present = operations.iter().find(|entry| key(entry) == *session);
            match present.and_then(ending_command) {
                Some(command) => reader.run("admin", command).await.map(|_| true),
                None => Ok(false),
            }
        };
        let outcome = outcome.await.map_err(connector.failed(Operation::EndSession));
        drop(reader);
        client.shutdown().immediate(true).await;
        match outcome? {
            true => Ok(()),
            false => Err(connector.error(
                Operation::EndSession,
                ErrorKind::NotFound,
                format!(
                    "the operation {session} is over, or its number, collection or client differs now; nothing was done"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::Binary;

    fn lsid() -> Document {
        let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: (0..16).collect() };
        let uid = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 32] };
        doc! { "id": uuid, "uid": uid }
    }

    /// Reduced from what MongoDB 6.0.5 answered.
    fn operations() -> Vec<Document> {
        vec![
            doc! { "type": "op", "connectionId": 5, "client": "127.0.0.1:51632", "appName": "lab", "active": false,
            "currentOpTime": "2026-11-23T15:52:54.943+00:00", "effectiveUsers": [{ "user": "app", "db": "admin" }] },
            doc! { "type": "op", "connectionId": 25, "client": "127.0.0.1:51742", "appName": "other", "active": true, "opid": 1055,
            "currentOpTime": "2026-11-23T15:52:54.943+00:00", "microsecs_running": 390_293_i64, "op": "command", "ns": "shop.orders",
            "command": { "createIndexes": "orders", "indexes": [{ "name": "q_1", "key": { "q": 1 } }], "$db": "shop" }, "waitingForLock": true },
            doc! { "type": "op", "connectionId": 28, "client": "127.0.0.1:51780", "appName": "lab", "active": true, "opid": 1046,
            "op": "command", "ns": "admin.$cmd", "command": { "hello": 1, "maxAwaitTimeMS": 10_000 } },
            doc! { "type": "idleSession", "desc": "inactive transaction", "client": "127.0.0.1:51632", "connectionId": 5, "appName": "lab",
            "lsid": lsid(), "transaction": { "startWallClockTime": "2026-11-23T15:52:54.526+00:00", "timeOpenMicros": 417_802_i64,
                "timeInactiveMicros": 416_961_i64 }, "waitingForLock": false, "active": false },
            doc! { "type": "op", "connectionId": 30, "client": "127.0.0.1:51798", "appName": "godwit", "active": true, "opid": 1069, "op": "command",
            "ns": "admin.$cmd.aggregate", "command": { "aggregate": 1 } },
        ]
    }

    #[test]
    fn operations_connections_and_transactions_are_told_apart() {
        let activity = activity_of(&operations());
        let seen: Vec<_> =
            activity.sessions.iter().map(|s| (s.key.id.as_str(), s.kind, s.state, s.login.as_str())).collect();
        assert_eq!(
            seen,
            [
                (
                    "txn-00010203-0405-0607-0809-0a0b0c0d0e0f",
                    SessionKind::Client,
                    SessionState::IdleInTransaction,
                    "app"
                ),
                ("1046", SessionKind::Client, SessionState::Idle, ""),
                ("1055", SessionKind::Client, SessionState::Waiting, ""),
                ("1069", SessionKind::Own, SessionState::Active, ""),
            ]
        );
        let waiting = &activity.sessions[2];
        assert_eq!(waiting.key.born, "shop.orders 127.0.0.1:51742");
        assert_eq!(waiting.statement, r#"{"createIndexes":"orders","indexes":[{"name":"q_1","key":{"q":1}}]}"#);
        assert_eq!(activity.touches.len(), 1);
        assert!(activity.touches[0].writes);
    }

    #[test]
    fn only_what_is_still_the_same_is_stopped() {
        let operations = operations();
        let same = SessionKey { id: "1055".to_owned(), born: "shop.orders 127.0.0.1:51742".to_owned() };
        let other = SessionKey { id: "1055".to_owned(), born: "shop.orders 127.0.0.1:1".to_owned() };
        assert!(operations.iter().any(|entry| key(entry) == same));
        assert!(!operations.iter().any(|entry| key(entry) == other));
        assert_eq!(ending_command(&operations[1]), Some(doc! { "killOp": 1, "op": 1055 }));
        assert!(ending_command(&operations[3]).unwrap().contains_key("killAllSessionsByPattern"));
        assert_eq!(ending_command(&operations[0]), None);
    }
}
