//! Index steps on real servers: built beside a transaction that holds them up, found again after the engine was killed in the middle, an invalid
//! leftover dropped and built again, and taken back.

use crate::driver::{Client, PHASES, Process, poll};
use crate::migration::shop::Shop;
use godwit::model::command::{Action, Answer};
use godwit::model::index_order::FindingName;
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::Traffic;
use godwit::model::plan::{Direction, Plan};
use sqlx::{Connection, Executor, PgConnection};

/// The index under which the scenes build.
const NAME: &str = "orders_total_idx";

/// Before tune, with an index that only the source has.
async fn verified(shop: &Shop, client: &mut Client) {
    for phase in &PHASES[..5] {
        client.run(phase).await;
    }
    shop.sql(Traffic::Source, "CREATE INDEX orders_by_total ON orders(total)").await;
}

async fn take(client: &mut Client) {
    let finding = FindingName::parse("IX-LOST:target:public.orders (total)", |word| word == "target").unwrap();
    client.act(Action::TakeIndex { phase: "tune".into(), finding }).await.unwrap();
}

async fn planned(client: &mut Client) -> Plan {
    let action = Action::Plan { phase: "tune".into(), direction: Direction::Forward };
    let Answer::Planned { plan, .. } = client.act(action).await.unwrap() else { panic!("no plan") };
    plan
}

/// A transaction whose snapshot every index build has to wait for.
async fn snapshot_holder(shop: &Shop) -> PgConnection {
    let mut holder = shop.session(Traffic::Target).await;
    holder.execute("SET application_name = 'forgotten'").await.unwrap();
    holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM orders").await.unwrap();
    holder
}

/// `none`, `invalid` or `valid`, and whether it is being built.
async fn standing(shop: &Shop) -> (String, bool) {
    let sql = format!(
        "SELECT coalesce((SELECT CASE WHEN x.indisvalid THEN 'valid' ELSE 'invalid' END FROM pg_index x WHERE x.indexrelid = to_regclass('public.{NAME}')), 'none')
             || ' ' || (SELECT count(*) FROM pg_stat_progress_create_index WHERE index_relid = to_regclass('public.{NAME}'))"
    );
    let told = shop.column(Traffic::Target, &sql).await.remove(0);
    let (state, builds) = told.split_once(' ').unwrap();
    (state.to_owned(), builds != "0")
}

/// Waits until the index stands so.
async fn until(shop: &Shop, what: &str, state: &str, is_built: bool) {
    poll(what, async || {
        let now = standing(shop).await;
        if now == (state.to_owned(), is_built) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

/// Starts tune and kills the engine while the build waits for the holder.
async fn killed_in_the_middle(shop: &Shop) -> PgConnection {
    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    verified(shop, &mut client).await;
    take(&mut client).await;
    let holder = snapshot_holder(shop).await;
    let plan = planned(&mut client).await;
    let statement = format!("CREATE INDEX CONCURRENTLY {NAME} ON public.orders (total)");
    assert_eq!(plan.steps[0].does.last(), Some(&statement));
    assert_eq!(plan.steps[0].undo, [format!("DROP INDEX CONCURRENTLY public.{NAME}")]);
    let queue = plan.queues[0].lines().join("\n");
    assert!(queue.contains("forgotten") && queue.contains("lock time-out that fits now"), "{queue}");
    client.start("tune").await;
    until(shop, "the build waits", "invalid", true).await;
    engine.kill().await;
    holder
}

async fn made_notes(shop: &Shop) -> Vec<String> {
    shop.column(Traffic::Target, &format!("SELECT maker FROM godwit.made WHERE object LIKE 'index {NAME}%'")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_build_that_goes_on_without_its_engine_is_found_and_taken_back() {
    let shop = Shop::new().await;
    let holder = killed_in_the_middle(&shop).await;
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    assert_eq!(standing(&shop).await, ("invalid".to_owned(), true), "the server builds on");
    assert!(
        !matches!(client.status("tune"), PhaseStatus::Succeeded | PhaseStatus::Failed { .. }),
        "the engine waits for it"
    );
    holder.close().await.unwrap();
    client.ended("tune").await;
    assert_eq!(client.status("tune"), PhaseStatus::Succeeded);
    assert_eq!(standing(&shop).await, ("valid".to_owned(), false));
    assert_eq!(made_notes(&shop).await.len(), 1);
    client.roll_back("tune").await.unwrap();
    assert_eq!(standing(&shop).await.0, "none");
    assert!(made_notes(&shop).await.is_empty());
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_invalid_leftover_of_ours_is_dropped_and_built_again() {
    let shop = Shop::new().await;
    let holder = killed_in_the_middle(&shop).await;
    shop.sql(Traffic::Target, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'godwit act' AND datname = current_database()").await;
    until(&shop, "the leftover", "invalid", false).await;
    holder.close().await.unwrap();
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    client.ended("tune").await;
    assert_eq!(client.status("tune"), PhaseStatus::Succeeded);
    assert_eq!(standing(&shop).await, ("valid".to_owned(), false));
    let tune = client.state.phase(&"tune".into()).unwrap();
    assert!(
        tune.steps[0].note.contains("an invalid index that an interrupted build had left was dropped first"),
        "{:?}",
        tune.steps[0]
    );
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_build_in_work_is_ended_by_a_roll_back() {
    let shop = Shop::new().await;
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    take(&mut client).await;
    let holder = snapshot_holder(&shop).await;
    client.start("tune").await;
    until(&shop, "the build waits", "invalid", true).await;
    client.begin_roll_back("tune").await.unwrap();
    // Removing it has to wait for the same snapshot as building it had.
    until(&shop, "the build is ended", "invalid", false).await;
    holder.close().await.unwrap();
    client.taken_back("tune").await;
    assert_eq!(client.status("tune"), PhaseStatus::RolledBack);
    assert_eq!(standing(&shop).await.0, "none");
    engine.down(&mut client).await;
}
