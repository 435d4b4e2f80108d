//! Hot spots through a whole engine: a real workload on unlike servers, resets, a crash, and a database without statistics.

use super::scene::{Scene, close, sql};
use crate::driver::Engine;
use crate::lab::fresh_database;
use crate::shown::{Watcher, repeat};
use godwit::model::hotspot::{Comparability, HotSpot, HotSpotsNow, StoreHotSpots};
use godwit::model::ids::StoreId;
use godwit::model::observation::Observation;
use godwit::model::statement::StatementSource;
use godwit::model::view::{View, ViewKind};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};

fn now(view: &View) -> &HotSpotsNow {
    match view {
        View::HotSpots(now) => now,
        other => panic!("{other:?}"),
    }
}

fn read<'a>(view: &'a View, store: &str) -> Option<&'a Observation<StoreHotSpots>> {
    now(view).stores.get(&StoreId::from(store))?.latest.as_ref()
}

/// The statement in whose canonical form all words occur.
fn spot(view: &View, store: &str, words: &[&str]) -> Option<HotSpot> {
    let spots = &read(view, store)?.value.spots.spots;
    spots.iter().find(|spot| words.iter().all(|word| spot.canonical.contains(word))).cloned()
}

/// Each interval is shown for some seconds only, and of each store in its own time.
async fn ever_spot(watcher: &mut Watcher, store: &str, words: &[&str]) -> HotSpot {
    watcher.ever(&format!("{words:?} on {store}"), |view| spot(view, store, words)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and MariaDB: run tests/run"]
async fn the_same_statement_has_one_name_wherever_it_runs() {
    let scene = Scene::new(&["maria1"]).await;
    let maria_url = format!("{}shop", scene.lab.mariadb(1));
    let mut maria = MySqlConnection::connect(&scene.lab.mariadb(1)).await.unwrap();
    maria.execute("CREATE DATABASE shop").await.unwrap();
    let mut maria = MySqlConnection::connect(&maria_url).await.unwrap();
    maria.execute("CREATE TABLE readings (place int, height int)").await.unwrap();
    let (mut legacy, mut orders) = (scene.legacy.connect().await, scene.orders.connect().await);
    let tables =
        "CREATE TABLE orders (id int PRIMARY KEY, customer bigint); CREATE TABLE items (id int, order_id bigint);
                  CREATE TABLE readings (place bigint, height int)";
    sql(&mut legacy, &format!("CREATE EXTENSION pg_stat_statements; {tables}")).await;
    sql(&mut orders, "CREATE SCHEMA sales; CREATE EXTENSION pg_stat_statements SCHEMA sales").await;
    sql(&mut orders, "CREATE TABLE sales.orders (id int PRIMARY KEY, customer bigint)").await;
    repeat(&mut legacy, "SELECT o.id FROM public.orders AS o WHERE o.customer = $1", 150).await;
    repeat(&mut orders, "select id from sales.orders where customer=$1 /* the new side */", 150).await;
    repeat(&mut legacy, "SELECT r.height FROM readings r WHERE $1 = r.place", 5).await;
    repeat(&mut legacy, "SELECT i.id FROM items i JOIN orders o ON o.id = i.order_id WHERE o.customer = $1", 5).await;
    for place in 0..5 {
        maria.execute(AssertSqlSafe(format!("SELECT height FROM shop.readings WHERE place = {place}"))).await.unwrap();
    }
    scene.declare(&[("maria", "mariadb", &maria_url)]);
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = scene.watcher(ViewKind::HotSpots).await;

    let before = ever_spot(&mut watcher, "legacy", &["select id from orders.orders"]).await;
    let after = ever_spot(&mut watcher, "orders-db", &["select id from orders.orders"]).await;
    assert_eq!(before.fingerprint, after.fingerprint, "{} | {}", before.canonical, after.canonical);
    assert_eq!(
        (before.calls, after.calls, before.tables.as_slice()),
        (150, 150, ["orders.orders".to_owned()].as_slice())
    );
    assert!(before.parsed && before.mean_us().is_some_and(|mean| mean > 0.0) && before.deviation_us().is_some());
    assert_ne!(before.ids, after.ids, "the servers' own names differ");
    let here = ever_spot(&mut watcher, "legacy", &["select height from readings"]).await;
    let there = ever_spot(&mut watcher, "maria", &["select height from readings"]).await;
    assert_eq!(here.fingerprint, there.fingerprint, "{} | {}", here.canonical, there.canonical);

    let (sides, pair) = watcher
        .ever("both sides", |view| {
            let sides = now(view).sides.first()?;
            let pair = sides.comparison.both.iter().find(|pair| pair.source_fingerprint == before.fingerprint)?;
            Some((sides.clone(), pair.clone()))
        })
        .await;
    assert_eq!((pair.source.calls, pair.target.calls), (150, 150));
    assert!(!matches!(pair.verdict, Comparability::TooFew { .. } | Comparability::NotComparable { .. }), "{pair:?}");
    let only: Vec<&str> = sides.comparison.disappeared.iter().map(|spot| spot.canonical.as_str()).collect();
    assert!(only.iter().all(|canonical| canonical.contains("orders.orders")), "only the moved table's: {only:?}");

    let crossing = watcher
        .ever("the statement across services", |view| read(view, "legacy")?.value.crossing.first().cloned())
        .await;
    let owners: Vec<String> = crossing.tables.iter().map(|(table, service)| format!("{table} {service}")).collect();
    assert_eq!(owners, ["orders.orders orders", "stock.items stock"]);
    engine.down(&mut client).await;
    maria.close().await.unwrap();
    close(legacy).await;
    close(orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_reset_is_never_a_rate_and_a_crash_is_noticed() {
    let scene = Scene::new(&[]).await;
    let (mut legacy, mut orders) = (scene.legacy.connect().await, scene.orders.connect().await);
    for session in [&mut legacy, &mut orders] {
        sql(session, "CREATE EXTENSION pg_stat_statements; CREATE TABLE t (a bigint)").await;
        repeat(session, "SELECT a FROM t WHERE a = $1", 1_000).await;
    }
    scene.declare(&[]);
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = scene.watcher(ViewKind::HotSpots).await;
    for store in ["legacy", "orders-db"] {
        let first = ever_spot(&mut watcher, store, &["select a from t"]).await;
        assert_eq!(first.calls, 1_000, "the first reading tells all since the server began to count");
        watcher.until("a second reading", |view| spot(view, store, &["select a from t"]).is_none().then_some(())).await;
    }

    sql(&mut legacy, "SELECT pg_stat_statements_reset()").await;
    repeat(&mut legacy, "SELECT a FROM t WHERE a = $1", 7).await;
    // An immediate stop zeroes the counters of the other server and says so nowhere.
    close(orders).await;
    scene.lab.server("kill", "pg2");
    scene.lab.server("start", "pg2");
    let mut orders = scene.orders.connect().await;
    repeat(&mut orders, "SELECT a FROM t WHERE a = $1", 9).await;
    for (store, calls) in [("legacy", 7), ("orders-db", 9)] {
        let told = watcher
            .until("the reset", |view| {
                let read = read(view, store)?.value.clone();
                read.reset.is_some().then_some(read)
            })
            .await;
        assert!(told.reset.unwrap().why.contains("anew"));
        let after = watcher
            .ever("what ran after the reset", |view| {
                read(view, store)?.value.reset.as_ref()?;
                spot(view, store, &["select a from t"])
            })
            .await;
        assert!(after.calls <= calls, "{store}: {after:?}");
    }
    // The next interval is one again.
    repeat(&mut legacy, "SELECT a FROM t WHERE a = $1", 11).await;
    watcher
        .until("the interval after it", |view| {
            let spot = spot(view, "legacy", &["select a from t"])?;
            (11..=18).contains(&spot.calls).then_some(())
        })
        .await;
    engine.down(&mut client).await;
    close(legacy).await;
    close(orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn without_the_extension_sessions_are_sampled_and_called_so() {
    let scene = Scene::new(&[]).await;
    let other = fresh_database(&scene.lab.postgres(1), "other").await;
    let (mut busy, mut elsewhere) = (scene.legacy.connect().await, other.connect().await);
    scene.declare(&[]);
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = scene.watcher(ViewKind::HotSpots).await;
    let work = tokio::spawn(async move {
        sql(&mut busy, "SELECT pg_sleep(9.5), 'top secret'").await;
        busy
    });
    let decoy = tokio::spawn(async move {
        sql(&mut elsewhere, "SELECT pg_sleep(9.25)").await;
        elsewhere
    });
    let seen = ever_spot(&mut watcher, "legacy", &["pg_sleep"]).await;
    assert!(seen.total_us >= 2e6 && !seen.text.contains("secret") && !seen.canonical.contains("secret"), "{seen:?}");
    assert_eq!(seen.calls, 1, "one execution, however often it was seen");
    let told = watcher.until("the list", |view| read(view, "legacy").cloned()).await;
    assert_eq!(told.value.spots.source, StatementSource::Sampled);
    let sleeping = told.value.spots.spots.iter().filter(|spot| spot.canonical.contains("pg_sleep")).count();
    assert_eq!(sleeping, 1, "what runs in another database is another store's: {:#?}", told.value.spots.spots);
    let missing = told.missing.iter().find(|missing| missing.id == "postgres.statements.extension").unwrap();
    assert!(missing.enable.as_ref().unwrap().contains("CREATE EXTENSION pg_stat_statements"));
    assert!(missing.price.contains("restart"));
    close(work.await.unwrap()).await;
    close(decoy.await.unwrap()).await;

    // Once it is counted, nothing sampled is left in the list.
    let mut legacy = scene.legacy.connect().await;
    sql(&mut legacy, "CREATE EXTENSION pg_stat_statements").await;
    let counted = watcher
        .until("the change", |view| {
            let value = &read(view, "legacy")?.value;
            (value.spots.source == StatementSource::PgStatStatements).then(|| value.clone())
        })
        .await;
    assert!(counted.reset.unwrap().why.contains("source changed"));
    engine.down(&mut client).await;
    close(legacy).await;
    drop(other);
}
