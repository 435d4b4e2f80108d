//! Sessions and how they are stopped.

use super::lab::{Place, Product, each_product, look_until, session};
use crate::lab::Lab;
use godwit::model::session::{Activity, Ending, SessionKey, SessionKind, SessionState};
use godwit::stores::error::ErrorKind;
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::Sessions;
use godwit::stores::{OpenOptions, Probe, Store};
use std::time::Duration;

each_product!(sessions_are_seen_in_their_states);
async fn sessions_are_seen_in_their_states(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let (idle, mut open) = (place.client().await, place.client().await);
    open.run("BEGIN").await;
    open.run("UPDATE orders SET c = 5 WHERE id = 1").await;
    let busy = place.client().await.runs("SELECT SLEEP(30) /* \u{1b}[2J hello */");
    let store = place.store();
    let seen = look_until(&store, "all three", |activity| {
        let state = |id: &str| activity.sessions.iter().find(|s| s.key.id == id).map(|s| s.state);
        state(&busy.id) == Some(SessionState::Active)
            && state(&open.id) == Some(SessionState::IdleInTransaction)
            && state(&idle.id) == Some(SessionState::Idle)
    })
    .await;
    let one = session(&seen, &busy.id);
    assert_eq!((one.kind, one.login.as_str(), one.client.as_str()), (SessionKind::Client, "root", "127.0.0.1"));
    assert_eq!(one.database, place.database);
    assert!(one.statement.contains("SELECT SLEEP(30)") && !one.statement.contains('\u{1b}'), "{}", one.statement);
    assert!(one.statement_since.is_some() && one.transaction_since.is_none());
    let one = session(&seen, &open.id);
    assert!(one.transaction_since.is_some() && one.statement.is_empty());
    // The open transaction has the table in use, though it does nothing now.
    let touch = seen.touches.iter().find(|touch| touch.session.id == open.id).expect("the table is touched");
    assert_eq!((touch.table.clone(), touch.writes), (format!("{}.orders", place.database), true));
    assert!(seen.limit.is_some_and(|limit| limit > 10));
    store.end(&session(&seen, &busy.id).key, Ending::Cancel).await.unwrap();
    let _ = busy.ended().await;
    open.run("ROLLBACK").await;
    place.finish().await;
}

each_product!(cancelling_ends_the_statement_and_killing_the_session);
async fn cancelling_ends_the_statement_and_killing_the_session(product: Product) {
    let place = Place::shared(product, 1).await;
    let store = place.store();
    let runs = |activity: &Activity, id: &str| {
        activity.sessions.iter().any(|s| s.key.id == id && s.statement.contains("SLEEP"))
    };
    let busy = place.client().await.runs("SELECT SLEEP(60)");
    let seen = look_until(&store, "the statement", |activity| runs(activity, &busy.id)).await;
    let key = session(&seen, &busy.id).key.clone();
    assert_eq!(store.ending(&key, Ending::Cancel), format!("KILL QUERY {}", key.id));
    store.end(&key, Ending::Cancel).await.unwrap();
    let (mut client, _) = busy.ended().await;
    client.run("SELECT 1").await;

    let busy = client.runs("SELECT SLEEP(60)");
    look_until(&store, "the statement", |activity| runs(activity, &busy.id)).await;
    store.end(&key, Ending::Kill).await.unwrap();
    let (mut client, outcome) = busy.ended().await;
    assert!(outcome.is_err() && client.attempt("SELECT 1").await.is_err());
    look_until(&store, "its end", |activity| activity.sessions.iter().all(|s| s.key != key)).await;
    let again = store.end(&key, Ending::Kill).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);
    place.finish().await;
}

each_product!(another_bearer_of_the_number_is_left_alone);
async fn another_bearer_of_the_number_is_left_alone(product: Product) {
    let place = Place::shared(product, 1).await;
    let store = place.store();
    let mut client = place.client().await;
    let seen = look_until(&store, "it", |activity| activity.sessions.iter().any(|s| s.key.id == client.id)).await;
    let key = &session(&seen, &client.id).key;
    let (who, run) = key.born.rsplit_once(" run ").unwrap();
    let run: u64 = run.parse().unwrap();
    for born in [format!("{who}0 run {run}"), format!("{who} run {}", run - 60), String::new()] {
        let stranger = SessionKey { id: key.id.clone(), born };
        let refused = store.end(&stranger, Ending::Kill).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NotFound, "{refused}");
    }
    client.run("SELECT 1").await;
    // Another store object computes the server's start anew and means the same session.
    place.store().end(key, Ending::Kill).await.unwrap();
    assert!(client.attempt("SELECT 1").await.is_err());
    place.finish().await;
}

each_product!(facts_and_tables_are_read);
async fn facts_and_tables_are_read(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    let facts = store.facts().await.unwrap();
    assert_eq!(facts.version.contains("MariaDB"), product == Product::MariaDb, "{}", facts.version);
    assert!(facts.identity.ends_with(&format!("database {}", place.database)), "{}", facts.identity);
    assert!(facts.clock_difference_ms.abs() < 2_000, "{}", facts.clock_difference_ms);
    let tables = store.inventory().tables().await.unwrap();
    let [orders] = &tables[..] else { panic!("{tables:?}") };
    assert_eq!((orders.name.to_string(), orders.columns.len()), (format!("{}.orders", place.database), 3));
    assert!(store.inventory().has_rows(&orders.name).await.unwrap());
    assert!(!store.address().contains("root:"), "{}", store.address());
    place.finish().await;
}

each_product!(a_server_that_is_frozen_killed_or_restarted);
async fn a_server_that_is_frozen_killed_or_restarted(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let place = Place::on(product, &lab, 1).await;
    let (_, rest) = place.url.split_once("://").unwrap();
    let options = OpenOptions {
        id: "lab".into(),
        statement_timeout: Duration::from_millis(500),
        connect_timeout: Duration::from_secs(2),
    };
    let url = format!("{}://{rest}", product.word());
    let store = MysqlStore::open(options, product.word(), &url).unwrap();
    let before = Sessions::activity(&store).await.unwrap();
    lab.server("pause", product.server(1));
    let error = Sessions::activity(&store).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::TimedOut | ErrorKind::Unreachable), "{error}");
    lab.server("continue", product.server(1));
    Sessions::activity(&store).await.unwrap();
    lab.server("kill", product.server(1));
    let error = Sessions::activity(&store).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    lab.server("start", product.server(1));
    let after = Sessions::activity(&store).await.unwrap();
    assert!(after.cost.statements > 0 && after.at > before.at);
}
