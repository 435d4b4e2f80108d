//! Who waits for whom, from the server's lock tables (`lockInfo`), which name the holders as well as the queue.
//!
//! Asked only when `$currentOp` shows a waiter. Conflicts of two writes on one document are no lock waits: the later transaction fails
//! at once, and an ordinary write tries again by itself.

use crate::model::observation::Missing;
use crate::model::session::{Activity, Blocking, LockEdge, Party, SessionKey, TableTouch};
use crate::stores::mongodb::fields::{inner, integer, is_set, list, text, time};
use crate::stores::mongodb::sessions::{key, logical_session};
use crate::stores::mongodb::watch::{Reader, database_of, is_internal};
use crate::stores::sanitise::clean;
use chrono::{DateTime, Utc};
use mongodb::bson::{Document, doc};
use mongodb::error::Error;
use std::collections::BTreeMap;

fn no_right() -> Missing {
    Missing {
        id: "mongodb.locks.right".to_owned(),
        what: "who holds a lock that others wait for".to_owned(),
        why: "the monitoring account may not run lockInfo; only the waiters are known".to_owned(),
        enable: Some("db.getSiblingDB(\"admin\").grantPrivilegesToRole(\"godwit_watch\", [{ resource: { cluster: true }, actions: [\"serverStatus\"] }])".to_owned()),
        price: "none while nobody waits, else about 1 ms for each look; no data is exposed".to_owned(),
    }
}

/// Adds the lock waits, and what open transactions have in use.
///
/// # Errors
/// The driver's.
pub async fn read(reader: &mut Reader, operations: &[Document], activity: &mut Activity) -> Result<(), Error> {
    let parties = Parties::of(operations);
    match reader.run_or("admin", doc! { "lockInfo": 1 }, no_right).await? {
        Some(locks) => {
            activity.waits = edges(&locks, &parties);
            touches(&locks, &parties, activity);
        }
        None => {
            activity.waits =
                operations.iter().filter(|entry| is_set(entry, "waitingForLock")).map(unknown_blocker).collect();
        }
    }
    Ok(())
}

fn unknown_blocker(entry: &Document) -> LockEdge {
    LockEdge {
        waiter: Party::Session(key(entry)),
        blocker: Party::Unknown,
        how: Blocking::Holds,
        object: text(entry, "ns"),
        wanted: String::new(),
        held: String::new(),
        since: waiting_since(entry),
    }
}

/// When the wait began, where the server says so.
fn waiting_since(entry: &Document) -> Option<DateTime<Utc>> {
    time(inner(entry, "waitingForLatch")?, "timestamp")
}

/// Sessions by what the lock tables name them by.
struct Parties {
    by_operation: BTreeMap<i64, (SessionKey, Option<DateTime<Utc>>)>,
    by_logical_session: BTreeMap<String, SessionKey>,
}

impl Parties {
    fn of(operations: &[Document]) -> Self {
        let by_operation = operations
            .iter()
            .filter_map(|entry| Some((integer(entry, "opid")?, (key(entry), waiting_since(entry)))))
            .collect();
        // A transaction that runs something is found by the operation; the one that waits for its client by its session.
        let idle = operations.iter().filter(|entry| !entry.contains_key("opid"));
        let by_logical_session = idle.filter_map(|entry| Some((logical_session(entry)?, key(entry)))).collect();
        Self { by_operation, by_logical_session }
    }

    fn party(&self, request: &Document) -> (Party, Option<DateTime<Utc>>) {
        let operation = inner(request, "clientInfo").and_then(|client| integer(client, "opid"));
        if let Some((key, since)) = operation.and_then(|number| self.by_operation.get(&number)) {
            return (Party::Session(key.clone()), *since);
        }
        // `lsid: { id: UUID("…"), uid: … }` for a transaction that runs nothing now.
        let debug = request.get_str("debugInfo").unwrap_or_default();
        let id = debug.split_once("UUID(\"").and_then(|(_, rest)| rest.split_once('"')).map(|(id, _)| id);
        match id.and_then(|id| self.by_logical_session.get(id)) {
            Some(key) => (Party::Session(key.clone()), None),
            None => (Party::Unknown, None),
        }
    }
}

/// True when two modes cannot be held at once.
fn conflict(a: &str, b: &str) -> bool {
    matches!((a, b), ("X", _) | (_, "X") | ("S", "IX") | ("IX", "S"))
}

/// `{8736852211147894946: Collection, 1819323183506813090, shop.orders}` as `Collection shop.orders`.
fn resource(lock: &Document) -> (String, String) {
    let id = lock.get_str("resourceId").unwrap_or_default();
    let inside = id.trim_start_matches('{').trim_end_matches('}');
    let (kind, rest) =
        inside.split_once(": ").map_or((inside, ""), |(_, rest)| rest.split_once(", ").unwrap_or((rest, "")));
    // Without a name the number is left.
    let name = rest.split_once(", ").map_or(rest, |(_, name)| name);
    (clean(kind), clean(name))
}

fn edges(locks: &Document, parties: &Parties) -> Vec<LockEdge> {
    let mut edges = Vec::new();
    for lock in list(locks, "lockInfo") {
        let (kind, name) = resource(lock);
        let object = format!("{} {name}", kind.to_lowercase());
        let mut ahead: Vec<&Document> = Vec::new();
        for request in list(lock, "pending") {
            let wanted = text(request, "mode");
            let (waiter, since) = parties.party(request);
            let granted = list(lock, "granted").map(|holder| (holder, Blocking::Holds));
            let queued = ahead.iter().map(|holder| (*holder, Blocking::QueuedAhead));
            for (holder, how) in granted.chain(queued) {
                let held = text(holder, "mode");
                if !conflict(&held, &wanted) {
                    continue;
                }
                let (blocker, _) = parties.party(holder);
                if blocker != waiter {
                    let (waiter, object, wanted) = (waiter.clone(), object.clone(), wanted.clone());
                    edges.push(LockEdge { waiter, blocker, how, object, wanted, held, since });
                }
            }
            ahead.push(request);
        }
    }
    edges
}

/// Collections that transactions between two operations have locked: nothing else shows them.
fn touches(locks: &Document, parties: &Parties, activity: &mut Activity) {
    for lock in list(locks, "lockInfo") {
        let (kind, name) = resource(lock);
        if kind != "Collection" || is_internal(database_of(&name)) {
            continue;
        }
        for holder in list(lock, "granted") {
            let (Party::Session(key), _) = parties.party(holder) else { continue };
            let Some(session) = activity.sessions.iter().find(|session| session.key == key) else { continue };
            if activity.touches.iter().any(|touch| touch.session == key && touch.table == name) {
                continue;
            }
            activity.touches.push(TableTouch {
                session: key,
                login: session.login.clone(),
                application: session.application.clone(),
                client: session.client.clone(),
                table: name.clone(),
                writes: matches!(holder.get_str("mode"), Ok("IX" | "X")),
                statement: session.statement.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::Binary;
    use mongodb::bson::spec::BinarySubtype;

    /// Reduced from what MongoDB 6.0.5 answered: a transaction holds the collection, an index build waits, a write is queued behind it.
    fn locks() -> Document {
        let by = |opid: i32| doc! { "clientInfo": { "opid": opid }, "debugInfo": "" };
        let with = |mode: &str, mut by: Document| {
            by.insert("mode", mode);
            by
        };
        let transaction =
            doc! { "debugInfo": "lsid: { id: UUID(\"00010203-0405-0607-0809-0a0b0c0d0e0f\"), uid: BinData(0, 63) }" };
        doc! { "lockInfo": [
            { "resourceId": "{4864266274650811487: Database, 252580256223423583, shop}",
              "granted": [with("IX", by(1)), with("IX", by(2)), with("IX", transaction.clone())], "pending": [] },
            { "resourceId": "{8736852211147894946: Collection, 1819323183506813090, shop.orders}",
              "granted": [with("IX", transaction)], "pending": [with("X", by(1)), with("IX", by(2))] },
        ] }
    }

    fn operations() -> Vec<Document> {
        let uuid = Binary { subtype: BinarySubtype::Uuid, bytes: (0..16).collect() };
        vec![
            doc! { "type": "op", "opid": 1, "ns": "shop.orders", "client": "a:1", "waitingForLock": true },
            doc! { "type": "op", "opid": 2, "ns": "shop.orders", "client": "a:2", "waitingForLock": true },
            doc! { "type": "idleSession", "client": "a:3", "lsid": { "id": uuid }, "transaction": { "startWallClockTime": "t" } },
        ]
    }

    #[test]
    fn a_writer_behind_an_index_build_waits_for_the_build_and_not_for_the_transaction() {
        let edges = edges(&locks(), &Parties::of(&operations()));
        let id = |party: &Party| match party {
            Party::Session(key) => key.id.clone(),
            other => format!("{other:?}"),
        };
        let seen: Vec<_> = edges.iter().map(|e| (id(&e.waiter), id(&e.blocker), e.how, e.object.as_str())).collect();
        let transaction = "txn-00010203-0405-0607-0809-0a0b0c0d0e0f".to_owned();
        assert_eq!(
            seen,
            [
                ("1".to_owned(), transaction, Blocking::Holds, "collection shop.orders"),
                ("2".to_owned(), "1".to_owned(), Blocking::QueuedAhead, "collection shop.orders"),
            ]
        );
    }

    #[test]
    fn modes_conflict_as_the_server_has_it() {
        for (a, b, conflicts) in [
            ("IS", "IX", false),
            ("IS", "S", false),
            ("IX", "IX", false),
            ("S", "S", false),
            ("S", "IX", true),
            ("X", "IS", true),
            ("IX", "X", true),
        ] {
            assert_eq!((conflict(a, b), conflict(b, a)), (conflicts, conflicts), "{a} {b}");
        }
    }
}
