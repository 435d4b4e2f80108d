//! Operations, transactions, lock waits; and ending them.

use super::lab::{admin, client, ids, is_planned, name, open, shop, url};
use crate::lab::wait_until;
use godwit::model::session::{Activity, Blocking, Ending, Party, Session, SessionKind, SessionState};
use godwit::stores::StoreRef;
use godwit::stores::error::ErrorKind;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

async fn activity(store: &StoreRef) -> Activity {
    store.sessions().unwrap().activity().await.unwrap().value
}

async fn find(store: &StoreRef, application: &str, state: SessionState) -> Option<Session> {
    let sessions = activity(store).await.sessions;
    sessions.into_iter().find(|session| session.application == application && session.state == state)
}

/// The operation of `slow`; the driver's own, such as its login, are active under the same application for a moment.
async fn find_slow(store: &StoreRef, application: &str) -> Option<Session> {
    let sessions = activity(store).await.sessions;
    sessions.into_iter().find(|session| session.application == application && session.statement.contains("sleep(500)"))
}

/// Runs something slow: half a second for each of 200 documents.
fn slow(database: &mongodb::Database) -> tokio::task::JoinHandle<mongodb::error::Result<Document>> {
    let database = database.clone();
    tokio::spawn(async move {
        let filter = doc! { "$where": "sleep(500) || true", "b": { "$gte": 0 } };
        let find = doc! { "find": "orders", "filter": filter, "limit": 200, "batchSize": 200 };
        database.run_command(find).await
    })
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_transaction_an_index_build_and_a_writer_make_a_lock_tree() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let namespace = format!("{}.orders", database.name());
    let (holder, builder, writer) = (name("holder"), name("builder"), name("writer"));
    let store = open(&url());

    let holding = client(&url(), &holder).await;
    let mut session = holding.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let orders = holding.database(database.name()).collection::<Document>("orders");
    orders.update_one(doc! { "_id": 1 }, doc! { "$set": { "z": 1 } }).session(&mut session).await.unwrap();

    let building = client(&url(), &builder).await.database(database.name()).collection::<Document>("orders");
    let building =
        tokio::spawn(async move { building.create_index(IndexModel::builder().keys(doc! { "q": 1 }).build()).await });
    wait_until(SOON, async || find(&store, &builder, SessionState::Waiting).await.is_some()).await;
    let writing = client(&url(), &writer).await.database(database.name()).collection::<Document>("orders");
    let writing = tokio::spawn(async move { writing.update_one(doc! { "_id": 2 }, doc! { "$set": { "z": 1 } }).await });
    wait_until(SOON, async || find(&store, &writer, SessionState::Waiting).await.is_some()).await;

    store.replicas().unwrap().replication().await.unwrap();
    let read = store.sessions().unwrap().activity().await.unwrap();
    assert!(read.missing.is_empty(), "{:?}", read.missing);
    let seen = read.value;
    assert!(seen.limit.is_some_and(|limit| limit > 0));
    let key_of = |application: &str, state: SessionState| {
        seen.sessions.iter().find(|s| s.application == application && s.state == state).unwrap().key.clone()
    };
    let held = key_of(&holder, SessionState::IdleInTransaction);
    let (built, wrote) = (key_of(&builder, SessionState::Waiting), key_of(&writer, SessionState::Waiting));
    let transaction = seen.sessions.iter().find(|session| session.key == held).unwrap();
    assert_eq!((transaction.state, transaction.login.as_str()), (SessionState::IdleInTransaction, "root"));
    assert!(transaction.transaction_since.is_some());
    let ours: Vec<_> = seen.waits.iter().filter(|edge| edge.object == format!("collection {namespace}")).collect();
    let found: Vec<_> = ours.iter().map(|edge| (&edge.waiter, &edge.blocker, edge.how)).collect();
    let (held, built, wrote) = (Party::Session(held), Party::Session(built), Party::Session(wrote));
    assert_eq!(found, [(&built, &held, Blocking::Holds), (&wrote, &built, Blocking::QueuedAhead)]);
    assert_eq!((ours[0].wanted.as_str(), ours[0].held.as_str()), ("X", "IX"));
    assert!(seen.touches.iter().any(|touch| touch.table == namespace && touch.application == holder && touch.writes));

    // The transaction is ended only while it is the same one; then both waiters go on.
    let sessions = store.sessions().unwrap();
    let Party::Session(key) = held else { panic!("{held:?}") };
    let mut other = key.clone();
    other.born = "2000-01-01T00:00:00.000+00:00".to_owned();
    assert_eq!(sessions.end(&other, Ending::Kill).await.unwrap_err().kind, ErrorKind::NotFound);
    assert!(sessions.ending(&key, Ending::Kill).contains("killAllSessionsByPattern"));
    sessions.end(&key, Ending::Kill).await.unwrap();
    building.await.unwrap().unwrap();
    writing.await.unwrap().unwrap();
    session.commit_transaction().await.unwrap_err();
    assert!(activity(&store).await.waits.iter().all(|edge| edge.object != format!("collection {namespace}")));
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn an_operation_is_ended_only_while_it_is_the_same_one() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let application = name("slow");
    let store = open(&url());
    let running = slow(&client(&url(), &application).await.database(database.name()));
    is_planned(&admin, &database, &application).await;
    let session = find_slow(&store, &application).await.unwrap();
    assert_eq!(
        (session.kind, session.state, session.login.as_str(), session.database.as_str()),
        (SessionKind::Client, SessionState::Active, "root", database.name())
    );
    assert!(session.statement_since.is_some());
    assert!(!session.statement.contains("lsid") && !session.statement.contains("signature"), "{}", session.statement);

    let sessions = store.sessions().unwrap();
    let client_of = session.key.born.rsplit(' ').next().unwrap();
    for born in [format!("{}.others {client_of}", database.name()), format!("{}.orders 127.0.0.1:1", database.name())] {
        let mut other = session.key.clone();
        other.born = born;
        assert_eq!(sessions.end(&other, Ending::Cancel).await.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert!(!running.is_finished());
    assert_eq!(
        sessions.ending(&session.key, Ending::Cancel),
        format!("db.adminCommand({{ killOp: 1, op: {} }})", session.key.id)
    );
    sessions.end(&session.key, Ending::Cancel).await.unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("interrupted"), "{error}");
    assert_eq!(sessions.end(&session.key, Ending::Cancel).await.unwrap_err().kind, ErrorKind::NotFound);
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn an_idle_connection_is_shown_and_cannot_be_ended() {
    let admin = admin().await;
    let application = name("idler");
    let idler = client(&url(), &application).await;
    idler.database("admin").run_command(doc! { "ping": 1 }).await.unwrap();
    let store = open(&url());
    wait_until(SOON, async || {
        let sessions = activity(&store).await.sessions;
        sessions.iter().any(|s| s.application == application && s.key.id.starts_with("conn") && s.login == "root")
    })
    .await;
    let sessions = activity(&store).await.sessions;
    let idle = sessions.iter().find(|s| s.application == application && s.key.id.starts_with("conn")).unwrap();
    let error = store.sessions().unwrap().end(&idle.key, Ending::Kill).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unsupported);
    assert!(sessions.iter().any(|session| session.kind == SessionKind::Own));
    let read = store.sessions().unwrap().activity().await.unwrap();
    assert!(ids(&read.missing).is_empty());
    assert!(read.cost.statements <= 2, "one command, and the lock tables only when somebody waits");
    drop(admin);
}
