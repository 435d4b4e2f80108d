//! A physical replica counts its own scans: an index that only it uses is used.

use super::scene::{Scene, close, sql};
use crate::driver::{Engine, Home, PATIENCE};
use crate::lab::wait_until;
use godwit::advice::dialect::Dialect;
use godwit::advice::indexes::inspection::{Inspection, Replica};
use godwit::advice::indexes::unused;
use godwit::model::finding::{Finding, Verdict};
use godwit::model::ids::StoreId;
use godwit::model::index::Indexes;
use godwit::model::lag::Reading;
use godwit::model::view::{View, ViewKind};
use godwit::stores::OpenOptions;
use godwit::stores::observe::IndexStats;
use godwit::stores::postgres::store::PostgresStore;
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use url::Url;

const PLANTED: &str = "
    CREATE TABLE orders (id int PRIMARY KEY, here int, there int, nowhere int);
    INSERT INTO orders SELECT g, g, g, g FROM generate_series(1, 5000) g;
    CREATE INDEX orders_here ON orders (here);
    CREATE INDEX orders_there ON orders (there);
    CREATE INDEX orders_nowhere ON orders (nowhere);
    ANALYZE";

async fn indexes(url: &str) -> Indexes {
    let options = OpenOptions {
        id: "server".into(),
        statement_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(5),
    };
    let store = PostgresStore::open(options, url).unwrap();
    store.indexes().await.unwrap().value
}

/// Uses an index more than once a day of the window, and waits until the server has counted it.
async fn scan(url: &str, column: &str) {
    let mut session = PgConnection::connect(url).await.unwrap();
    sql(&mut session, "SET enable_seqscan = off; SET enable_bitmapscan = off").await;
    for _ in 0..50 {
        sql(&mut session, &format!("SELECT * FROM orders WHERE {column} = 7")).await;
    }
    close(session).await;
    let name = format!("public.orders_{column}");
    let is_counted = async || indexes(url).await.indexes.iter().any(|i| i.name == name && i.scans.known() > Some(&0));
    wait_until(PATIENCE, is_counted).await;
}

/// What the rule says forty days later, when all windows are long enough.
fn unused_in_forty_days(primary: &Indexes, replicas: Vec<Replica<'_>>) -> Vec<Finding> {
    let store = StoreId::from("legacy");
    let at = primary.window.since + chrono::TimeDelta::days(40);
    let unread = if replicas.is_empty() { primary.replicas_unread.clone() } else { Vec::new() };
    unused::look(&Inspection {
        replicas,
        replicas_unread: unread,
        ..Inspection::new(&store, Dialect::Postgres, primary, at)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_index_that_only_a_replica_uses_is_used() {
    let scene = Scene::new(&["pgr1"]).await;
    let mut legacy = scene.legacy.connect().await;
    sql(&mut legacy, PLANTED).await;
    // A session that ends hands in what it has counted.
    close(legacy).await;
    let is_counted =
        async || indexes(scene.legacy.url()).await.tables.iter().any(|t| t.inserted == Reading::Known(5_000));
    wait_until(PATIENCE, is_counted).await;
    let mut standby = Url::parse(&scene.lab.url("pgr1")).unwrap();
    standby.set_path(scene.legacy.name());
    let standby = String::from(standby);
    let arrived = async || match PgConnection::connect(&standby).await {
        Ok(mut session) => sqlx::query("SELECT 'orders_nowhere'::regclass").execute(&mut session).await.is_ok(),
        Err(_) => false,
    };
    wait_until(PATIENCE, arrived).await;
    scan(scene.legacy.url(), "here").await;
    scan(&standby, "there").await;

    // The rule over what both servers really count.
    let (primary, replica) = (indexes(scene.legacy.url()).await, indexes(&standby).await);
    assert_eq!((primary.follows_as.as_deref(), replica.follows_as.as_deref()), (None, Some("lab pgr1")));
    assert_eq!(primary.replicas_unread, ["lab pgr1"]);
    let unproved = unused_in_forty_days(&primary, Vec::new());
    assert!(matches!(&unproved[0].verdict, Verdict::NotCheckable { why } if why.contains("lab pgr1")), "{unproved:#?}");
    let found = unused_in_forty_days(&primary, vec![Replica { name: "standby", indexes: &replica }]);
    let subjects: Vec<&str> = found.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["public.orders_nowhere"], "the one that the replica uses is a decoy: {found:#?}");
    assert!(found[0].evidence.contains(&"no scans on the replica standby".to_owned()), "{found:#?}");

    // The same through an engine, whose profile names the replica.
    scene.declare(&[("standby", "postgres", &standby)]);
    let profile = std::fs::read_to_string(scene.profile()).unwrap();
    let named = profile.replace("[stores.standby]\n", "[stores.standby]\nreplica_of = \"legacy\"\n");
    std::fs::write(scene.profile(), named).unwrap();
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = scene.watcher(ViewKind::Indexes).await;
    let (why, evidence) = watcher
        .until("what is said of unused indexes", |view| {
            let View::Indexes(stores) = view else { panic!("{view:?}") };
            let audit = stores.get(&StoreId::from("legacy"))?.latest.as_ref()?;
            let finding = audit.value.findings.iter().find(|finding| finding.rule == unused::RULE)?;
            let Verdict::NotCheckable { why } = &finding.verdict else { panic!("{finding:#?}") };
            Some((why.clone(), finding.evidence.clone()))
        })
        .await;
    assert_eq!(evidence, ["public.orders_nowhere"]);
    assert!(why.contains("on the replica standby only 0 days") && !why.contains("were not asked"), "{why}");
    engine.down(&mut client).await;

    // A replica that does not answer is named.
    scene.lab.server("stop", "pgr1");
    let engine = Engine::start(&scene);
    let mut client = engine.client().await;
    let mut watcher = scene.watcher(ViewKind::Indexes).await;
    let why = watcher
        .until("what is not proved", |view| {
            let View::Indexes(stores) = view else { panic!("{view:?}") };
            let audit = stores.get(&StoreId::from("legacy"))?.latest.as_ref()?;
            let finding = audit.value.findings.iter().find(|finding| finding.rule == unused::RULE)?;
            let Verdict::NotCheckable { why } = &finding.verdict else { panic!("{finding:#?}") };
            Some(why.clone())
        })
        .await;
    assert!(why.contains("these were not asked: standby ("), "{why}");
    engine.down(&mut client).await;
}
