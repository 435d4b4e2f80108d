//! Digests, and the slow log in their place.

use super::lab::{Client, Place, Product, each_product};
use crate::lab::Lab;
use godwit::model::monitor::MonitorRole;
use godwit::model::statement::{StatementSource, Statements};
use godwit::stores::mysql::store::MysqlStore;
use godwit::stores::observe::{IndexStats, Monitoring, Replicas, Sessions, StatementStats};

async fn read(store: &MysqlStore) -> Statements {
    store.statements().await.unwrap().value.expect("statistics are kept")
}

each_product!(digests_count_every_execution_of_this_database);
async fn digests_count_every_execution_of_this_database(product: Product) {
    let mut place = Place::shared(product, 1).await;
    place.with_orders().await;
    let store = place.store();
    for id in 1..=5 {
        place.sql.run(&format!("SELECT note FROM orders WHERE c = {id}")).await;
    }
    let of = |read: &Statements| {
        let found: Vec<_> = read
            .counters
            .iter()
            .filter(|c| c.text.starts_with("SELECT `note`") && c.database == place.database)
            .cloned()
            .collect();
        found
    };
    let first = read(&store).await;
    assert_eq!(first.source, StatementSource::PerformanceSchema);
    let [counter] = &of(&first)[..] else { panic!("{:#?}", first.counters) };
    assert_eq!((counter.calls, counter.rows, counter.examined), (5, Some(4), Some(20)));
    assert_eq!(counter.without_index, Some(5), "there is no index on c");
    assert_eq!(counter.percentiles.and_then(|p| p.p99_us).is_some(), product == Product::Mysql, "{counter:?}");
    assert!(counter.total_us > 0.0 && !counter.text.contains("= 3"), "{}", counter.text);
    let mut sql = place.client().await;
    sql.run("SELECT note FROM orders WHERE c = 9").await;
    let second = read(&store).await;
    assert_eq!(first.epoch, second.epoch);
    assert_eq!(of(&second)[0].calls, 6);
    assert_eq!(of(&second)[0].id, counter.id);
    let others = second.counters.iter().filter(|c| !c.database.is_empty() && c.database != place.database);
    assert_eq!(others.count(), 0, "other databases are other stores");
    place.finish().await;
}

each_product!(emptying_the_table_begins_a_new_epoch);
async fn emptying_the_table_begins_a_new_epoch(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place.with_orders().await;
    let store = place.store();
    let first = read(&store).await;
    crate::lab::wait_until(super::lab::PATIENCE, || async {
        let mut sql = place.client().await;
        sql.run("TRUNCATE performance_schema.events_statements_summary_by_digest").await;
        read(&store).await.epoch != first.epoch
    })
    .await;
}

each_product!(the_slow_log_stands_in_and_says_so);
async fn the_slow_log_stands_in_and_says_so(product: Product) {
    let lab = Lab::private(&[product.server(2)]);
    let mut place = Place::on(product, &lab, 2).await;
    let store = place.store();
    let none = store.statements().await.unwrap();
    assert!(none.value.is_none());
    let ids: Vec<&str> = none.missing.iter().map(|missing| missing.id.as_str()).collect();
    assert_eq!(ids, product.ids(&["mariadb.statements.performance_schema", "mariadb.statements.slow_log"]));
    place.sql.run("SET GLOBAL log_output = 'TABLE', GLOBAL slow_query_log = ON, GLOBAL long_query_time = 0.05").await;
    let mut client = place.client().await;
    for secret in ["'hush one'", "'hush two'"] {
        client.run(&format!("SELECT SLEEP(0.1), {secret}")).await;
    }
    let seen = read(&store).await;
    assert_eq!(seen.source, StatementSource::SlowLog);
    let [counter] = &seen.counters[..] else { panic!("{:#?}", seen.counters) };
    assert_eq!(
        (counter.text.as_str(), counter.calls, counter.login.as_deref()),
        ("SELECT SLEEP(?), ?", 2, Some("root"))
    );
    assert!(counter.total_us > 150_000.0, "{}", counter.total_us);
    assert!(seen.coverage.note.unwrap().contains("longer than 0.05"));
}

each_product!(own_questions_are_no_hot_spots);
async fn own_questions_are_no_hot_spots(product: Product) {
    let lab = Lab::private(&[product.server(1)]);
    let mut place = Place::on(product, &lab, 1).await;
    place.with_orders().await;
    let mut admin = Client::connect(&place.url, "").await;
    let grants = place.store().grants(MonitorRole::Watch);
    let (own, rights): (Vec<_>, Vec<_>) =
        grants.into_iter().partition(|grant| grant.statement.contains("setup_actors"));
    for grant in rights {
        admin.run(&grant.statement.replace("'PASSWORD'", "'hush'")).await;
    }
    let rounds = async || {
        // A new session each time: what is counted of one is settled when it begins.
        let store = place.store_as(MonitorRole::Watch.account(), "hush");
        for _ in 0..5 {
            store.activity().await.unwrap();
            store.replication().await.unwrap();
            store.statements().await.unwrap();
            store.indexes().await.unwrap();
        }
        let mut admin = Client::connect(&place.url, "").await;
        let ours = "SELECT CAST(SUM(COUNT_STAR) AS SIGNED) FROM performance_schema.events_statements_summary_by_digest
                     WHERE DIGEST_TEXT LIKE '%INNODB_TRX%' OR DIGEST_TEXT LIKE '%MAX_CONNECTIONS%' OR DIGEST_TEXT LIKE 'SHOW GLOBAL STATUS%'";
        sqlx::query_scalar::<_, Option<i64>>(ours).fetch_one(&mut admin.session).await.unwrap().unwrap_or(0)
    };
    let counted = rounds().await;
    assert!(counted >= 5, "without the statement they are counted: {counted}");
    let [own] = &own[..] else { panic!("{own:?}") };
    assert!(!own.required);
    admin.run(&own.statement).await;
    assert_eq!(rounds().await, counted, "no question more");
    let store = place.store_as(MonitorRole::Watch.account(), "hush");
    assert_eq!(store.activity().await.unwrap().missing, [], "and nothing less is seen");
    admin.run(&own.undo).await;
    assert!(rounds().await > counted);
}
