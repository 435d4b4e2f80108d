//! Each operation of a switch fails once, before or after it took effect; and the engine dies between a step's intention and its outcome.

use crate::harness::{Client, Engine, PHASES, Shop};
use crate::writer::{Side, Writer, assert_sound};
use godwit::model::command::Action;
use godwit::model::ids::PhaseId;
use godwit::model::phase::PhaseStatus;
use godwit::model::reason::FailurePolicy;
use godwit::stores::error::ErrorKind;
use godwit::stores::fault::{FaultScript, When};
use sqlx::Executor;

/// Operation, which call of it in the switch, and on which side of its effect the failure lies. Two pipelines share the source, so
/// calls that are made for each pipeline come twice.
const FAULTS: [(&str, u64, When); 14] = [
    ("capture.drop_capture", 1, When::After),
    ("capture.prepare", 2, When::After),
    ("target.begin", 1, When::After),
    ("freeze.hold", 1, When::Before),
    ("guard.marker", 1, When::Before),
    ("guard.still_held", 1, When::Before),
    ("sequences.read", 2, When::Before),
    ("sequences.advance_past", 1, When::After),
    ("guard.still_held", 2, When::After),
    ("guard.fence", 1, When::Before),
    ("guard.fence", 1, When::After),
    ("freeze.open", 1, When::Before),
    ("freeze.open", 1, When::After),
    ("target.forget", 1, When::After),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_survives_the_loss_of_a_connection_at_any_of_its_operations() {
    survive(ErrorKind::Unreachable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_survives_a_refusal_of_any_of_its_operations() {
    survive(ErrorKind::Denied).await;
}

async fn survive(kind: ErrorKind) {
    let shop = Shop::new().await;
    let script = FaultScript::new();
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    for phase in &PHASES[..7] {
        client.run(phase).await;
    }
    let writer = Writer::start(&shop, 0);
    for (operation, nth, when) in FAULTS {
        let at = format!("{operation} {nth} fails {when:?} its effect ({kind:?})");
        let armed = script.fail(operation, nth, when, kind);
        client.start("cutover").await;
        client.ended("cutover").await;
        assert!(armed.was_hit(), "{at}: it was never called in the cutover");
        complete(&shop, &mut client, &writer, &at).await;

        let armed = script.fail(operation, nth, when, kind);
        client.roll_back("cutover").await.unwrap();
        assert!(armed.was_hit(), "{at}: it was never called in the roll back");
        take_back(&shop, &mut client, &writer, &at).await;
        script.clear();
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

/// Takes the ways out that the engine offers, until the cutover succeeded; checks every standstill.
async fn complete(shop: &Shop, client: &mut Client, writer: &Writer, at: &str) {
    for _ in 0..3 {
        match client.status("cutover") {
            PhaseStatus::Failed { policy: FailurePolicy::Complete, .. } => {}
            PhaseStatus::Failed { reason, policy } => {
                assert_eq!(policy, FailurePolicy::Retry, "{at}: {reason}");
                assert!(reason.what.contains("the cutover was undone"), "{at}: {reason}");
                assert_sound(shop, Side::Source, writer, at).await;
                writer.acknowledges(2).await;
            }
            _ => break,
        }
        client.accepted(Action::Retry { phase: PhaseId::from("cutover") }).await.unwrap();
        client.ended("cutover").await;
    }
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded, "{at}");
    assert_sound(shop, Side::Target, writer, at).await;
    writer.acknowledges(2).await;
}

/// The same for the roll back.
async fn take_back(shop: &Shop, client: &mut Client, writer: &Writer, at: &str) {
    for _ in 0..3 {
        match client.status("cutover") {
            PhaseStatus::Stuck { reason } if reason.next.contains("completes what is left") => {}
            PhaseStatus::Stuck { reason } => {
                assert!(reason.what.contains("the roll back was undone"), "{at}: {reason}");
                assert_sound(shop, Side::Target, writer, at).await;
                writer.acknowledges(2).await;
            }
            _ => break,
        }
        client.roll_back("cutover").await.unwrap();
    }
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack, "{at}");
    assert_sound(shop, Side::Source, writer, at).await;
    writer.acknowledges(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_a_table_is_looked_for_does_not_make_it_ours() {
    let shop = Shop::new().await;
    let mut target = shop.open("customers").await;
    target
        .execute(
            "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customers VALUES (7, 'not yours')",
        )
        .await
        .unwrap();
    let script = FaultScript::new();
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    client.run("assess").await;
    let held = script.hold("schema.exists", 1, When::Before);
    client.start("build").await;
    held.await_hit().await;
    engine.abandon().await;

    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    client.ended("build").await;
    let PhaseStatus::Failed { reason, .. } = client.status("build") else { panic!("{:?}", client.status("build")) };
    assert!(reason.what.contains("exists already and Godwit did not make it"), "{reason}");
    client.roll_back("build").await.unwrap();
    assert_eq!(shop.rows("customers", "customers").await, ["7|'not yours'"]);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_a_table_was_made_leaves_it_ours() {
    let shop = Shop::new().await;
    let script = FaultScript::new();
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    client.run("assess").await;
    let held = script.hold("schema.make", 1, When::After);
    client.start("build").await;
    held.await_hit().await;
    engine.abandon().await;

    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    client.ended("build").await;
    assert_eq!(client.status("build"), PhaseStatus::Succeeded);
    client.roll_back("build").await.unwrap();
    for file in ["customers", "orders"] {
        let mut db = shop.open(file).await;
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite%'")
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert_eq!(left, 0, "{file}");
    }
    engine.down(&mut client).await;
}
