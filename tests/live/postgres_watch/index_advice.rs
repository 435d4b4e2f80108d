//! Index advice through a whole engine: planted defects are found, decoys are not, and the planner is asked where it can be.

use super::scene::{Scene, close, sql};
use crate::driver::Engine;
use crate::shown::{Watcher, repeat};
use godwit::model::finding::{Audit, Confidence, Finding, Severity, Verdict};
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
    CREATE TABLE tickets (id int, kind text, note text);
    CREATE TABLE answers (id int, kind text, note text);
    CREATE TABLE days (id int, at int, note text);
    CREATE TABLE years (id int, at int, note text);
    INSERT INTO tickets SELECT g, CASE WHEN g % 50 = 0 THEN 'zq7rare' || g % 3000 ELSE 'zq7done' END, repeat('x', 150) FROM generate_series(1, 60000) g;
    INSERT INTO answers SELECT * FROM tickets;
    INSERT INTO days SELECT g, g, repeat('x', 150) FROM generate_series(1, 60000) g;
    INSERT INTO years SELECT * FROM days;
    ANALYZE";

/// What statements ask of single columns, with how often. Values that few rows have, and a range of a thousandth, want an index; the value that nearly
/// all rows have, and a range of nine tenths, do not.
const ASKED: [(&str, usize); 5] = [
    ("SELECT note FROM tickets WHERE kind = 'zq7rare50'", 100),
    ("SELECT note FROM answers WHERE kind = 'zq7done'", 10),
    ("SELECT count(*) FROM answers WHERE kind = 'zq7rare100'", 10),
    ("SELECT note FROM days WHERE at BETWEEN 30000 AND 30060", 100),
    ("SELECT note FROM years WHERE at < 54000", 10),
];

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
    // Nothing that Godwit asks shows a value, not even where what is inside of statements is counted as well.
    sql(&mut legacy, &format!("ALTER DATABASE {} SET pg_stat_statements.track = 'all'", scene.legacy.name())).await;
    for (text, times) in ASKED {
        for _ in 0..times {
            sql(&mut legacy, text).await;
        }
    }
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
    let all = of(&told, "IX-NEW");
    let mut begins: Vec<&str> = all.iter().filter_map(|finding| finding.subject.split([',', ')']).next()).collect();
    begins.sort_unstable();
    assert_eq!(begins, ["public.days (at", "public.orders (customer", "public.tickets (kind"], "{all:#?}");
    let on = |table: &str| *all.iter().find(|finding| finding.subject.starts_with(table)).unwrap();
    let (rare, new) = (on("public.tickets"), on("public.orders"));
    assert!(rare.sentence.ends_with("for rare values only") && rare.severity == Severity::Low, "{rare:#?}");
    assert!(rare.why_not.iter().any(|why| why.contains("most common value (98 % of the rows)")), "{rare:#?}");
    assert!(
        on("public.days").evidence.iter().any(|line| line.contains("a middling value")),
        "{:#?}",
        on("public.days")
    );
    let shown = serde_json::to_string(&told.value).unwrap();
    assert!(!shown.contains("zq7"), "{shown}");
    let counted =
        "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%EXPLAIN%zq7%' OR query LIKE '%godwit%zq7%'";
    let counted: i64 = sqlx::query_scalar(counted).fetch_one(&mut legacy).await.unwrap();
    assert_eq!(counted, 0, "what Godwit asked shows no value");
    let asked = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE 'EXPLAIN (FORMAT JSON)%tickets%'";
    let asked: i64 = sqlx::query_scalar(asked).fetch_one(&mut legacy).await.unwrap();
    assert!(asked > 0, "and it is counted");
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
