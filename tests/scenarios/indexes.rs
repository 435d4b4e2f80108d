//! Acting on index advice: a finding is taken, planned, approved, built as a journaled step, found again after a crash, and taken back; and a gate
//! that waits for it.

use crate::driver::{Client, Engine, Home, PHASES};
use crate::harness::Shop;
use godwit::model::command::{Action, Answer};
use godwit::model::event::Event;
use godwit::model::ids::PhaseId;
use godwit::model::index_order::FindingName;
use godwit::model::phase::PhaseStatus;
use godwit::model::plan::{Direction, Plan};
use godwit::stores::error::ErrorKind;
use godwit::stores::fault::{FaultScript, When};
use sqlx::Executor;

/// The finding that the scenes are about: an index that the monolith got after the target's were built.
const LOST: &str = "IX-LOST:orders-db:orders (note)";

fn named(text: &str) -> FindingName {
    FindingName::parse(text, |word| word.ends_with("-db") || word == "monolith").unwrap()
}

fn take(phase: &str) -> Action {
    Action::TakeIndex { phase: phase.into(), finding: named(LOST) }
}

fn leave(phase: &str) -> Action {
    Action::LeaveIndex { phase: phase.into(), finding: named(LOST) }
}

/// A shop whose cutover waits for indexes.
async fn shop() -> Shop {
    let shop = Shop::new().await;
    let text = std::fs::read_to_string(shop.profile()).unwrap();
    std::fs::write(shop.profile(), text.replace("drift = 0 }", "drift = 0, indexes = \"none missing\" }")).unwrap();
    shop
}

/// Everything before tune, and then an index that only the monolith has.
async fn verified(shop: &Shop, client: &mut Client) {
    for phase in &PHASES[..5] {
        client.run(phase).await;
    }
    shop.open("monolith").await.execute("CREATE INDEX orders_by_note ON orders(note)").await.unwrap();
}

async fn has_index(shop: &Shop, name: &str) -> bool {
    let sql = format!("SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = '{name}'");
    let count: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut shop.open("orders").await).await.unwrap();
    count == 1
}

async fn planned(client: &mut Client, phase: &str) -> Plan {
    let action = Action::Plan { phase: phase.into(), direction: Direction::Forward };
    let Answer::Planned { plan, .. } = client.act(action).await.unwrap() else { panic!("no plan") };
    plan
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_index_is_taken_built_taken_back_and_built_again() {
    let shop = shop().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    assert!(planned(&mut client, "tune").await.queues.is_empty(), "nothing is built that nobody took");

    client.act(take("tune")).await.unwrap();
    client.until("the decision", |m| m.phase(&PhaseId::from("tune")).unwrap().indexes.len() == 1).await;
    assert!(!has_index(&shop, "orders_note_idx").await, "a decision builds nothing");
    let plan = planned(&mut client, "tune").await;
    let step = &plan.steps[0];
    assert_eq!(step.does.last().unwrap(), "CREATE INDEX orders_note_idx ON orders (note)");
    assert_eq!(step.undo, ["DROP INDEX orders_note_idx"]);
    assert!(plan.queues[0].lines().join("\n").contains("sqlite shows no sessions"), "{:?}", plan.queues);
    assert!(plan.way_back.contains("removes only what the journal says"));

    client.run("tune").await;
    assert!(has_index(&shop, "orders_note_idx").await);
    let why = client.act(take("tune")).await.unwrap_err();
    assert!(why.contains("its plan is made"), "{why}");

    client.roll_back("tune").await.unwrap();
    assert!(!has_index(&shop, "orders_note_idx").await);
    assert!(has_index(&shop, "orders_by_customer").await, "an index of the build phase stays");
    client.run("tune").await;
    assert!(has_index(&shop, "orders_note_idx").await, "the decision stands until somebody takes it back");
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_index_keeps_the_cutover_waiting_until_it_is_there() {
    let shop = shop().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    for phase in &PHASES[5..7] {
        client.run(phase).await;
    }
    let why = client.begin("cutover").await.unwrap_err();
    assert!(why.contains("indexes: IX-LOST on orders-db: orders lacks the index (note)"), "{why}");
    // Somebody mends it by hand: the gate looks again when it is asked, not when the advice is next due.
    shop.open("orders").await.execute("CREATE INDEX by_hand ON orders(note)").await.unwrap();
    client.run("cutover").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_made_meanwhile_is_neither_taken_over_nor_removed() {
    let shop = shop().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    client.act(take("tune")).await.unwrap();
    shop.open("orders").await.execute("CREATE INDEX orders_note_idx ON orders(total)").await.unwrap();
    client.start("tune").await;
    client.ended("tune").await;
    let PhaseStatus::Failed { reason, .. } = client.status("tune") else { panic!("{:?}", client.status("tune")) };
    assert!(reason.what.contains("orders_note_idx stands there already and Godwit did not make it"), "{reason}");
    client.roll_back("tune").await.unwrap();
    assert!(has_index(&shop, "orders_note_idx").await);
    client.act(leave("tune")).await.unwrap();
    client.run("tune").await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_does_not_build_it_twice() {
    let shop = shop().await;
    let script = FaultScript::new();
    let engine = Engine::start_with(&shop, &script);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    client.act(take("tune")).await.unwrap();
    let lost = script.fail("index.make", 1, When::After, ErrorKind::Unreachable);
    client.run("tune").await;
    assert!(lost.was_hit());
    assert_eq!(script.calls("index.make"), 1, "the second attempt found it");
    assert!(has_index(&shop, "orders_note_idx").await);
    client.roll_back("tune").await.unwrap();
    assert!(!has_index(&shop, "orders_note_idx").await);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_dies_before_or_after_the_build_finds_out_which() {
    for when in [When::Before, When::After] {
        let shop = shop().await;
        let script = FaultScript::new();
        let engine = Engine::start_with(&shop, &script);
        let mut client = engine.client().await;
        verified(&shop, &mut client).await;
        client.act(take("tune")).await.unwrap();
        let held = script.hold("index.make", 1, when);
        client.start("tune").await;
        held.await_hit().await;
        engine.abandon().await;
        let engine = Engine::start(&shop);
        let mut client = engine.client().await;
        client.ended("tune").await;
        assert_eq!(client.status("tune"), PhaseStatus::Succeeded);
        assert!(has_index(&shop, "orders_note_idx").await);
        client.roll_back("tune").await.unwrap();
        assert!(!has_index(&shop, "orders_note_idx").await, "it is known to be ours");
        engine.down(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_refused_where_it_would_mean_nothing_and_voids_what_was_asked_for() {
    let shop = shop().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    let unknown = Action::TakeIndex { phase: "tune".into(), finding: named("IX-LOST:orders-db:orders (nosuch)") };
    assert!(client.act(unknown).await.unwrap_err().contains("there is no finding"));
    assert!(client.act(take("secure")).await.unwrap_err().contains("built by tune and watch phases"));
    assert!(client.act(leave("tune")).await.unwrap_err().contains("it took nothing"));

    client.act(Action::Run { phase: "tune".into() }).await.unwrap();
    let asked = |status: &PhaseStatus| matches!(status, PhaseStatus::AwaitingApproval { .. });
    client.until("the request", |m| asked(&m.phase(&PhaseId::from("tune")).unwrap().status)).await;
    client.act(take("tune")).await.unwrap();
    client
        .until("the request is void", |m| m.phase(&PhaseId::from("tune")).unwrap().status == PhaseStatus::Ready)
        .await;
    client.act(leave("tune")).await.unwrap();
    client.until("the decision is taken back", |m| m.phase(&PhaseId::from("tune")).unwrap().indexes.is_empty()).await;
    let told = client.log.iter().filter(|entry| matches!(entry.event, Event::Index { .. })).count();
    assert_eq!(told, 2);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_profile_may_name_it_and_the_request_fixes_what_that_means() {
    let shop = shop().await;
    let text = std::fs::read_to_string(shop.profile()).unwrap();
    std::fs::write(
        shop.profile(),
        format!("{text}\n[phases.tune]\nindexes = [\"{LOST}\", \"IX-FK:orders (nosuch)\"]\n"),
    )
    .unwrap();
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    let plan = planned(&mut client, "tune").await;
    assert!(plan.steps[0].does.iter().any(|line| line.starts_with("CREATE INDEX orders_note_idx")), "{:?}", plan.steps);
    assert!(
        plan.notes.iter().any(|note| note.contains("IX-FK:orders (nosuch) is not built: there is no such finding now")),
        "{:?}",
        plan.notes
    );
    assert!(client.state.phase(&PhaseId::from("tune")).unwrap().indexes.is_empty(), "printing decides nothing");
    client.run("tune").await;
    assert_eq!(client.state.phase(&PhaseId::from("tune")).unwrap().indexes.len(), 1);
    assert!(has_index(&shop, "orders_note_idx").await);
    let why = client.act(Action::TakeIndex { phase: "watch".into(), finding: named(LOST) }).await.unwrap_err();
    assert!(why.contains("there is no finding"), "it is built: {why}");
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_phase_builds_first_and_watches_then() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    verified(&shop, &mut client).await;
    for phase in &PHASES[5..8] {
        client.run(phase).await;
    }
    client.act(take("watch")).await.unwrap();
    let plan = planned(&mut client, "watch").await;
    assert_eq!(plan.steps.len(), 2);
    assert!(plan.steps[0].title.contains("orders_note_idx") && plan.way_back.contains("removes only"), "{plan:?}");
    client.run("watch").await;
    assert!(has_index(&shop, "orders_note_idx").await);
    engine.down(&mut client).await;
}
