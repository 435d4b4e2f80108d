//! Index advice through a whole engine: planted defects are found, decoys are not, and the planner is asked where it can be.

use super::scene::{Scene, close, sql};
use crate::driver::Engine;
use crate::shown::{Watcher, repeat};
use godwit::model::finding::{Audit, Confidence, Finding, Verdict};
use godwit::model::ids::StoreId;
use godwit::model::observation::Observation;
use godwit::model::view::{View, ViewKind};

/// A parent with two children, of which one lacks the index of its foreign key; a duplicate, and what only looks like one.
const PLANTED: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, customer bigint, state text, placed timestamptz DEFAULT now());
    CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE, what text);
    CREATE TABLE notes (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE, what text);
    INSERT INTO orders SELECT g, g % 20000, 'open' FROM generate_series(1, 40000) g;
    INSERT INTO lines SELECT g, 1 + g % 40000, 'thing' FROM generate_series(1, 60000) g;
    INSERT INTO notes SELECT g, 1 + g % 40000, 'thing' FROM generate_series(1, 60000) g;
    CREATE INDEX notes_order ON notes (order_id, what);
    CREATE INDEX orders_placed ON orders (placed);
    CREATE INDEX orders_placed_again ON orders (placed);
    CREATE INDEX orders_placed_some ON orders (placed) WHERE state = 'open';
    CREATE UNIQUE INDEX orders_state_id ON orders (state, id);
    ANALYZE";

fn audit<'a>(view: &'a View, store: &str) -> Option<&'a Observation<Audit>> {
    let View::Indexes(stores) = view else { panic!("{view:?}") };
    stores.get(&StoreId::from(store))?.latest.as_ref()
}

async fn read(watcher: &mut Watcher, store: &str) -> Observation<Audit> {
    watcher.until(&format!("advice for {store}"), |view| audit(view, store).cloned()).await
}

fn of<'a>(audit: &'a Observation<Audit>, rule: &str) -> Vec<&'a Finding> {
    let of_rule = |finding: &&Finding| finding.rule == rule && finding.verdict == Verdict::Fail;
    audit.value.findings.iter().filter(of_rule).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn planted_defects_are_found_and_decoys_are_not() {
    let scene = Scene::new(&[]).await;
    let (mut legacy, mut orders) = (scene.legacy.connect().await, scene.orders.connect().await);
    sql(&mut legacy, &format!("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hypopg; {PLANTED}")).await;
    sql(&mut orders, "CREATE SCHEMA sales; CREATE TABLE sales.orders (id int PRIMARY KEY, customer bigint, state text, placed timestamptz)").await;
    repeat(&mut legacy, "SELECT id FROM orders WHERE customer = $1", 200).await;
    repeat(&mut legacy, "DELETE FROM orders WHERE id = $1", 3).await;
    scene.declare(&[]);
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = scene.watcher(ViewKind::Indexes).await;
    let told = read(&mut watcher, "legacy").await;
    let subjects = |rule: &str| of(&told, rule).iter().map(|finding| finding.subject.clone()).collect::<Vec<_>>();

    let keys = subjects("IX-FK");
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].contains("lines"), "{keys:?}");
    let twice = subjects("IX-DUP");
    assert_eq!(twice, ["public.orders_placed_again"], "the partial and the unique one are decoys");
    let new = of(&told, "IX-NEW");
    let [new] = new.as_slice() else { panic!("{:#?}", told.value.findings) };
    assert!(new.subject.starts_with("public.orders (customer"), "{new:#?}");
    assert_eq!(new.confidence, Confidence::Planned, "{new:#?}");
    assert!(new.statement.as_ref().unwrap().starts_with("CREATE INDEX CONCURRENTLY"));
    assert!(told.missing.iter().all(|missing| missing.id != "godwit.indexes.what_if"), "{:?}", told.missing);
    // Nothing is called unused in a window of minutes.
    let unused: Vec<&Finding> = told.value.findings.iter().filter(|f| f.rule == "IX-UNUSED").collect();
    assert!(unused.iter().all(|finding| matches!(finding.verdict, Verdict::NotCheckable { .. })), "{unused:#?}");

    // The target was made without the source's indexes.
    let lost = watcher
        .until("what the target lacks", |view| {
            let audit = audit(view, "orders-db")?;
            (!of(audit, "IX-LOST").is_empty()).then(|| audit.clone())
        })
        .await;
    let lost: Vec<&str> = of(&lost, "IX-LOST").iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(lost, ["sales.orders (state, id)", "sales.orders (placed)"], "each key once, the primary key is there");
    engine.down(&mut client).await;
    close(legacy).await;
    close(orders).await;
}
