//! What may come between the freeze and the fence. Each ends in a state with a name and a way out, and nothing is lost.

use crate::driver::{Client, Engine, Home, poll};
use crate::migration::shop::{Settings, Shop, climb, freeze_waits};
use crate::migration::writer::{Writer, assert_sound};
use crate::pooler::Pooler;
use godwit::model::command::Action;
use godwit::model::ids::{PhaseId, PipelineId};
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::{PipelineState, Traffic};
use godwit::model::reason::{FailurePolicy, Reason};
use godwit::stores::postgres::address::Address;
use sqlx::{Executor, PgConnection};
use std::time::Duration;

/// A transaction on the source that has written to the moved tables.
const WRITES: &str = "BEGIN; UPDATE orders SET note = 'late' WHERE name = 'seed-1'";

/// Asserts that the cutover was undone, and why.
fn undone(client: &Client) -> Reason {
    match client.status("cutover") {
        PhaseStatus::Failed { reason, policy: FailurePolicy::Retry } => {
            assert!(reason.what.contains("the cutover was undone, writers went on, nothing was lost"), "{reason}");
            reason
        }
        other => panic!("the cutover is {other:?}"),
    }
}

/// The way out of an undone cutover.
async fn retry(client: &mut Client) {
    client.accepted(Action::Retry { phase: PhaseId::from("cutover") }).await.unwrap();
    client.ended("cutover").await;
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded);
}

async fn note_of_seed(shop: &Shop, side: Traffic) -> String {
    shop.column(side, "SELECT note FROM orders WHERE name = 'seed-1'").await.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn c02_a_transaction_that_outlasts_the_budget_has_the_cutover_undone() {
    let shop = Shop::new().await;
    shop.declare(Settings { budget: "700ms", ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&shop);
    let mut long = shop.session(Traffic::Source).await;
    long.execute(WRITES).await.unwrap();
    client.start("cutover").await;
    client.ended("cutover").await;
    let reason = undone(&client);
    assert!(reason.what.contains("hold writers"), "{reason}");
    writer.acknowledges(5).await;

    long.execute("COMMIT").await.unwrap();
    retry(&mut client).await;
    assert_sound(&shop, Traffic::Target, &writer, "after the retry").await;
    assert_eq!(note_of_seed(&shop, Traffic::Target).await, "late");
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PgBouncer: run tests/run"]
async fn c02_clients_of_a_pgbouncer_wait_for_one_budget_and_no_more() {
    let shop = Shop::new().await;
    let pooler = Pooler::start(&Address::parse(shop.source.url()).unwrap(), "transaction").await;
    shop.declare(Settings { budget: "1s", route: shop.pooler_route(&pooler, "30s"), ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_pooler(&pooler);
    writer.acknowledges(5).await;
    let mut long = shop.session(Traffic::Source).await;
    long.execute(WRITES).await.unwrap();
    client.start("cutover").await;
    client.ended("cutover").await;
    undone(&client);
    writer.acknowledges(5).await;
    let desk = writer.hold().await;
    let (longest, failed) = (desk.longest, desk.failed);
    drop(desk);
    // Five budgets with pauses between them are nine seconds and more; a busy machine adds some to one.
    assert!(longest < Duration::from_secs(4) && failed == 0, "{failed} failed, the longest took {longest:?}");
    long.execute("COMMIT").await.unwrap();
    retry(&mut client).await;
    assert_sound(&shop, Traffic::Target, &writer, "after the retry").await;
    assert_eq!(writer.hold().await.failed, 0);
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn c03_a_transaction_that_commits_while_the_freeze_waits_comes_along() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&shop);
    let mut late = shop.session(Traffic::Source).await;
    late.execute(WRITES).await.unwrap();
    client.start("cutover").await;
    freeze_waits(&shop).await;
    late.execute("UPDATE orders SET note = 'latest' WHERE name = 'seed-1'; COMMIT").await.unwrap();
    client.ended("cutover").await;
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded);
    assert_sound(&shop, Traffic::Target, &writer, "after the cutover").await;
    assert_eq!(note_of_seed(&shop, Traffic::Target).await, "latest");

    // The same on the way back.
    let mut late = shop.session(Traffic::Target).await;
    late.execute(WRITES).await.unwrap();
    client.begin_roll_back("cutover").await.unwrap();
    late.execute("COMMIT").await.unwrap();
    client.taken_back("cutover").await;
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack);
    assert_sound(&shop, Traffic::Source, &writer, "after the roll back").await;
    assert_eq!(note_of_seed(&shop, Traffic::Source).await, "late");
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn c03_the_gate_names_an_old_transaction() {
    let shop = Shop::new().await;
    shop.declare(Settings { open_transactions: "50ms", ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let mut old: PgConnection = shop.session(Traffic::Source).await;
    old.execute("SET application_name = 'nightly report'").await.unwrap();
    old.execute(WRITES).await.unwrap();
    let age = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND clock_timestamp() - xact_start > '100 ms'
               AND application_name = 'nightly report'";
    poll("the transaction is old", async || match shop.column(Traffic::Source, age).await[0].as_str() {
        "0" => Err("it is young".to_owned()),
        _ => Ok(()),
    })
    .await;
    poll("the gate closes", async || match client.begin("cutover").await {
        Err(why) if why.contains("open_transactions: source: session") && why.contains("nightly report") => Ok(()),
        Err(why) => Err(why),
        Ok(()) => panic!("the cutover was let through"),
    })
    .await;
    old.execute("ROLLBACK").await.unwrap();
    client.run("cutover").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PgBouncer: run tests/run"]
async fn c14_a_pgbouncer_in_session_mode_is_told_and_the_retry_works_when_its_clients_left() {
    let shop = Shop::new().await;
    let pooler = Pooler::start(&Address::parse(shop.source.url()).unwrap(), "session").await;
    shop.declare(Settings { route: shop.pooler_route(&pooler, "500ms"), ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_pooler(&pooler);
    writer.acknowledges(5).await;
    client.start("cutover").await;
    client.ended("cutover").await;
    let reason = undone(&client);
    assert!(reason.what.contains("in session pooling; the clients go on"), "{reason}");
    writer.acknowledges(5).await;
    assert_sound(&shop, Traffic::Source, &writer, "after the failed cutover").await;

    // The clients of before are gone, those of after come by the new route.
    writer.stop().await;
    retry(&mut client).await;
    let writer = Writer::by_pooler(&pooler);
    writer.acknowledges(5).await;
    assert!(
        shop.difference().await.is_none_or(|what| what.contains("first difference None")),
        "the new side only has more"
    );
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_route_command_that_fails_leaves_a_cutover_that_only_has_to_be_completed() {
    let shop = Shop::new().await;
    let script = shop.path().join("route");
    std::fs::write(&script, "exit 3").unwrap();
    let file = shop.path().join("route.json");
    let route = format!("[{{ file = \"{}\" }}, {{ command = [\"sh\", \"{}\"] }}]", file.display(), script.display());
    shop.declare(Settings { route, ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&shop);
    for (words, why) in [
        ("exit 3", "sh failed (exit status: 3)"),
        ("echo no such pool >&2; exit 4", "sh failed (exit status: 4): no such pool"),
    ] {
        std::fs::write(&script, words).unwrap();
        match client.status("cutover") {
            PhaseStatus::Failed { .. } => {
                client.accepted(Action::Retry { phase: PhaseId::from("cutover") }).await.unwrap();
            }
            _ => client.start("cutover").await,
        }
        client.ended("cutover").await;
        let PhaseStatus::Failed { reason, policy } = client.status("cutover") else {
            panic!("{:?}", client.status("cutover"))
        };
        assert_eq!((reason.what.as_str(), policy), (why, FailurePolicy::Complete));
        assert!(reason.next.contains("the fence stands: retry completes what is left"), "{reason}");
        // The routing file comes first in the list, so applications are on the new side already.
        writer.acknowledges(5).await;
    }
    std::fs::write(&script, "test \"$GODWIT_SIDE\" = target").unwrap();
    retry(&mut client).await;
    assert_sound(&shop, Traffic::Target, &writer, "after the retry").await;
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_drain_that_uses_up_the_budget_has_the_cutover_undone() {
    let shop = Shop::new().await;
    shop.declare(Settings { budget: "1500ms", ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&shop);
    let mut late = shop.session(Traffic::Source).await;
    late.execute(WRITES).await.unwrap();
    client.start("cutover").await;
    freeze_waits(&shop).await;
    // The target's applier has to wait for this one.
    let mut other = shop.session(Traffic::Target).await;
    other.execute("BEGIN; LOCK TABLE orders IN SHARE MODE").await.unwrap();
    late.execute("COMMIT").await.unwrap();
    client.ended("cutover").await;
    let reason = undone(&client);
    assert!(reason.what.contains("drain"), "{reason}");
    writer.acknowledges(5).await;

    other.execute("ROLLBACK").await.unwrap();
    assert_sound(&shop, Traffic::Source, &writer, "after the undone cutover").await;
    retry(&mut client).await;
    assert_sound(&shop, Traffic::Target, &writer, "after the retry").await;
    assert_eq!(note_of_seed(&shop, Traffic::Target).await, "late");
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_row_that_the_target_refuses_at_the_freeze_is_named_and_can_be_mended() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&shop);
    shop.sql(Traffic::Target, "ALTER TABLE orders ADD CONSTRAINT cheap CHECK (total < 1000)").await;
    let mut late = shop.session(Traffic::Source).await;
    late.execute(WRITES).await.unwrap();
    client.start("cutover").await;
    freeze_waits(&shop).await;
    late.execute("UPDATE orders SET total = 5000 WHERE id = 7; COMMIT").await.unwrap();
    client.ended("cutover").await;
    let reason = undone(&client);
    assert!(reason.what.contains("did not drain: the pipeline shop is failed"), "{reason}");
    let shop_pipeline = PipelineId::from("shop");
    let PipelineState::Failed { reason } = client.state.pipelines[&shop_pipeline].state.clone() else {
        panic!("{:?}", client.state.pipelines)
    };
    for word in ["orders", "7", "cheap"] {
        assert!(reason.what.contains(word), "{word}: {reason}");
    }
    writer.acknowledges(5).await;

    shop.sql(Traffic::Target, "ALTER TABLE orders DROP CONSTRAINT cheap").await;
    client.act(Action::ResumePipeline { pipeline: shop_pipeline.clone() }).await.unwrap();
    client.until("the pipeline runs", |m| m.pipelines[&shop_pipeline].state == PipelineState::Running).await;
    assert_sound(&shop, Traffic::Source, &writer, "after the row was mended").await;
    retry(&mut client).await;
    assert_sound(&shop, Traffic::Target, &writer, "after the retry").await;
    writer.stop().await;
    engine.down(&mut client).await;
}
