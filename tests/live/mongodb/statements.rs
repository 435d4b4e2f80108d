//! Slow operations from the log, the profiler and by looking; all operations by collection.

use super::lab::{admin, client, ids, name, open, shop, url, url_as};
use crate::lab::wait_until;
use godwit::model::statement::{StatementCounter, StatementSource, Statements};
use godwit::stores::StoreRef;
use mongodb::Database;
use mongodb::bson::doc;
use std::time::Duration;

const SECRET: &str = "Wert-5521";

async fn read(store: &StoreRef) -> (Statements, Vec<String>) {
    let read = store.statements().unwrap().statements().await.unwrap();
    (read.value.unwrap(), ids(&read.missing).into_iter().map(str::to_owned).collect())
}

fn of<'a>(statements: &'a Statements, database: &Database, text: &str) -> Vec<&'a StatementCounter> {
    statements.counters.iter().filter(|counter| counter.database == database.name() && counter.text == text).collect()
}

/// An operation that takes longer than the 100 ms after which the log has it.
async fn slow_find(database: &Database, n: i32) {
    let filter = doc! { "a": { "$in": [n, n + 1] }, "s": { "$ne": SECRET }, "$where": "sleep(2) || true" };
    database
        .run_command(doc! { "find": "orders", "filter": filter, "sort": { "b": -1 }, "limit": 200, "batchSize": 200 })
        .await
        .unwrap();
}

const SHAPE: &str =
    r#"{"find":"orders","filter":{"a":{"$in":["?"]},"s":{"$ne":"?"},"$where":"?"},"sort":{"b":-1},"limit":"?"}"#;

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn slow_operations_come_from_the_log_and_without_their_values() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let store = open(&url().replace("/?", &format!("/{}?", database.name())));
    slow_find(&database, 1).await;
    let (first, missing) = read(&store).await;
    assert_eq!(first.source, StatementSource::SlowLog);
    assert_eq!(missing, ["mongodb.statements.profiler"]);
    assert_eq!(of(&first, &database, SHAPE).iter().map(|c| c.calls).sum::<u64>(), 1, "{:#?}", first.counters);
    slow_find(&database, 3).await;
    let (second, _) = read(&store).await;
    let counters = of(&second, &database, SHAPE);
    assert_eq!((counters.len(), counters[0].calls, first.epoch == second.epoch), (1, 2, true));
    assert!(counters[0].total_us >= 200_000.0);
    assert!(counters[0].examined >= Some(2_000) && counters[0].without_index == Some(2), "{counters:?}");
    let json = serde_json::to_string(&(&first, &second)).unwrap();
    assert!(!json.contains(SECRET) && !json.contains("sleep("), "{json}");
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn a_profiler_that_is_on_shows_every_operation_with_its_login() {
    let admin = admin().await;
    let database = shop(&admin).await;
    // The superuser may not read what `clusterMonitor` may; a reader of the profile is what the optional grant makes.
    let store = open(&url().replace("/?", &format!("/{}?", database.name())));
    let (log, _) = read(&store).await;
    assert_eq!(log.source, StatementSource::SlowLog);
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    for n in 0..3 {
        database.run_command(doc! { "find": "orders", "filter": { "_id": n } }).await.unwrap();
        database
            .run_command(
                doc! { "update": "orders", "updates": [{ "q": { "_id": n }, "u": { "$set": { "s": SECRET } } }] },
            )
            .await
            .unwrap();
    }
    let (first, missing) = read(&store).await;
    database.run_command(doc! { "find": "orders", "filter": { "_id": 7 } }).await.unwrap();
    let (second, _) = read(&store).await;
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    assert_eq!((first.source, missing.len()), (StatementSource::Profiler, 0), "{missing:?}");
    assert_ne!(first.epoch, log.epoch, "another source begins anew");
    let find = r#"{"find":"orders","filter":{"_id":"?"}}"#;
    let update = r#"{"update":"orders","q":{"_id":"?"},"u":{"$set":{"s":"?"}},"multi":"?","upsert":"?"}"#;
    assert_eq!(of(&first, &database, find)[0].calls, 3);
    assert_eq!(of(&first, &database, find)[0].login.as_deref(), Some("root"));
    assert_eq!(
        of(&first, &database, update).iter().map(|c| (c.calls, c.rows)).collect::<Vec<_>>(),
        [(3, Some(3))],
        "{:#?}",
        first.counters
    );
    assert_eq!(of(&second, &database, find)[0].calls, 4, "each entry counts once");
    assert!(!serde_json::to_string(&second).unwrap().contains(SECRET));
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn without_log_and_profiler_it_is_what_runs_at_a_look() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let login = name("sampler");
    let privileges = doc! { "resource": { "cluster": true }, "actions": ["inprog", "listDatabases"] };
    let server = admin.database("admin");
    server.run_command(doc! { "createRole": &login, "roles": [], "privileges": [privileges] }).await.unwrap();
    server.run_command(doc! { "createUser": &login, "pwd": "pw", "roles": [&login] }).await.unwrap();
    let store = open(&url_as(&login, "pw"));
    let busy = client(&url(), "busy").await.database(database.name());
    let running = tokio::spawn(async move {
        let filter = doc! { "$where": "sleep(500) || true", "s": { "$ne": SECRET } };
        busy.run_command(doc! { "find": "orders", "filter": filter, "maxTimeMS": 60_000 }).await
    });
    let shape = r#"{"find":"orders","filter":{"$where":"?","s":{"$ne":"?"}}}"#;
    // The first looks may come before the operation has a plan.
    wait_until(Duration::from_secs(20), async || {
        of(&read(&store).await.0, &database, shape).iter().any(|counter| counter.without_index == Some(1))
    })
    .await;
    let (first, missing) = read(&store).await;
    assert_eq!(first.source, StatementSource::Sampled);
    assert_eq!(missing, ["mongodb.statements.profiler_right", "mongodb.statements.log"]);
    let (second, _) = read(&store).await;
    let (a, b) = (of(&first, &database, shape)[0], of(&second, &database, shape)[0]);
    assert_eq!((a.calls, b.calls), (1, 1), "one operation, however often it is looked at");
    assert!(b.total_us >= a.total_us && b.without_index == Some(1));
    assert!(!serde_json::to_string(&second).unwrap().contains(SECRET));
    running.abort();
    server.run_command(doc! { "dropUser": &login }).await.unwrap();
    server.run_command(doc! { "dropRole": &login }).await.unwrap();
    database.drop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs MongoDB: run tests/run"]
async fn all_operations_of_a_collection_are_counted_with_percentiles() {
    let admin = admin().await;
    let database = shop(&admin).await;
    let store = open(&url().replace("/?", &format!("/{}?", database.name())));
    let id = format!("{}.orders/reads", database.name());
    let reads = async || {
        let beside = store.statements().unwrap().beside().await.unwrap();
        let statements = beside.value.unwrap();
        assert_eq!(statements.source, StatementSource::LatencyStats);
        statements.counters.into_iter().find(|counter| counter.id == id)
    };
    let before = reads().await.map_or(0, |counter| counter.calls);
    for n in 0..20 {
        database.run_command(doc! { "find": "orders", "filter": { "_id": n } }).await.unwrap();
    }
    let after = reads().await.unwrap();
    // Looking at the collection is a read of it too.
    assert!((20..=22).contains(&(after.calls - before)), "{before} {}", after.calls);
    let percentiles = after.percentiles.unwrap();
    assert!(
        percentiles.p50_us > Some(0.0)
            && percentiles.p95_us >= percentiles.p50_us
            && percentiles.p99_us >= percentiles.p95_us
    );
    database.drop().await.unwrap();
}
