//! The same statement before and after the switch: the source's numbers are kept when traffic goes, and the target's begin then.

use crate::driver::{Engine, Home, PATIENCE};
use crate::migration::shop::{Shop, climb};
use crate::shown::{Watcher, repeat};
use chrono::Utc;
use godwit::model::hotspot::{Comparability, SidesCompared};
use godwit::model::ids::StoreId;
use godwit::model::pipeline::Traffic;
use godwit::model::view::{View, ViewKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const STATEMENT: &str = "SELECT name FROM customers WHERE id = $1";

/// Executions of the statement on the source in the shown interval, and when that began.
fn calls(view: &View) -> Option<(u64, chrono::DateTime<Utc>)> {
    let View::HotSpots(now) = view else { panic!("{view:?}") };
    let spots = &now.stores.get(&StoreId::from("source"))?.latest.as_ref()?.value.spots;
    let spot = spots.spots.iter().find(|spot| spot.canonical == "select name from shop.customers where id = ?");
    Some((spot.map_or(0, |spot| spot.calls), spots.from))
}

fn sides(view: &View) -> Option<&SidesCompared> {
    let View::HotSpots(now) = view else { panic!("{view:?}") };
    now.sides.iter().find(|sides| sides.pipeline.as_str() == "shop")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn statements_are_compared_across_the_switch() {
    let shop = Shop::new().await;
    // Nothing is so much slower that the watch may not begin; what is half as slow again keeps the old side from being retired.
    let text = std::fs::read_to_string(shop.profile()).unwrap();
    let gated = text.replace("[phases.watch]\n", "[phases.watch]\ngates = { hotspot_regression = 100.0 }\n");
    std::fs::write(shop.profile(), format!("{gated}\n[phases.retire]\ngates = {{ hotspot_regression = 1.5 }}\n"))
        .unwrap();
    for side in [Traffic::Source, Traffic::Target] {
        shop.sql(side, "CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats").await;
    }
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let mut watcher = Watcher::open(&shop, ViewKind::HotSpots).await;
    watcher.until("the first reading", calls).await;
    repeat(&mut shop.session(Traffic::Source).await, STATEMENT, 150).await;
    watcher.until("the source's calls", |view| calls(view).filter(|(calls, _)| *calls == 150)).await;
    climb(&mut client).await;
    let begun = Utc::now();
    client.run("cutover").await;

    let done = Arc::new(AtomicBool::new(false));
    let (mut session, is_done) = (shop.session(Traffic::Target).await, done.clone());
    let application = tokio::spawn(async move {
        while !is_done.load(Ordering::Relaxed) {
            repeat(&mut session, STATEMENT, 20).await;
        }
    });
    let told = watcher
        .until("both sides", |view| {
            let sides = sides(view)?;
            let pair = sides.comparison.both.iter().find(|pair| pair.name.starts_with("select name from shop.cust"))?;
            (sides.target_interval.0 > begun && pair.target.calls >= 100).then(|| (sides.clone(), pair.clone()))
        })
        .await;
    let (compared, pair) = told;
    assert_eq!(pair.source.calls, 150, "the source's numbers are those of before the switch");
    assert!(compared.source_interval.1 <= compared.target_interval.0, "{compared:#?}");
    assert!(!matches!(pair.verdict, Comparability::TooFew { .. } | Comparability::NotComparable { .. }), "{pair:#?}");
    client.run("watch").await;

    // Another engine has not seen the source before the switch, and knows it from the one before.
    engine.down(&mut client).await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let mut watcher = Watcher::open(&shop, ViewKind::HotSpots).await;
    // The same statement on something slower under the same name.
    let slowly = "ALTER TABLE customers RENAME TO kept;
                  CREATE VIEW customers AS SELECT * FROM kept WHERE pg_sleep(0.00002) IS NOT NULL";
    shop.sql(Traffic::Target, slowly).await;
    let again = Utc::now();
    let pair = watcher
        .until("both sides again", |view| {
            let sides = sides(view)?;
            let pair = sides.comparison.both.iter().find(|pair| pair.name.starts_with("select name from shop.cust"))?;
            (sides.target_interval.1 > again && pair.target.calls >= 100).then(|| pair.clone())
        })
        .await;
    assert_eq!(pair.source.calls, 150, "{pair:#?}");

    let deadline = tokio::time::Instant::now() + PATIENCE;
    let why = loop {
        let why = client.begin("retire").await.err().unwrap_or_default();
        if why.contains("times as long, limit 1.5") {
            break why;
        }
        assert!(tokio::time::Instant::now() < deadline, "{why}");
    };
    assert!(
        why.contains("hotspot_regression: pipeline shop: ") && why.contains("select name from shop.customers"),
        "{why}"
    );
    done.store(true, Ordering::Relaxed);
    application.await.unwrap();
    engine.down(&mut client).await;
}
