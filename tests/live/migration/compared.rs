//! The same statement before and after the switch: the source's numbers are kept when traffic goes, and the target's begin then.

use crate::driver::Engine;
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
    done.store(true, Ordering::Relaxed);
    application.await.unwrap();
    let (sides, pair) = told;
    assert_eq!(pair.source.calls, 150, "the source's numbers are those of before the switch");
    assert!(sides.source_interval.1 <= sides.target_interval.0, "{sides:#?}");
    assert!(!matches!(pair.verdict, Comparability::TooFew { .. } | Comparability::NotComparable { .. }), "{pair:#?}");
    engine.down(&mut client).await;
}
