//! A table changes its shape under a migration: for each policy, at each moment.

use crate::driver::PATIENCE;
use crate::harness::{Client, Engine, Home, PHASES, Process, Shop};
use godwit::model::command::Action;
use godwit::model::ids::{PhaseId, PipelineId};
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::{PipelineRecord, PipelineState};
use godwit::model::reason::Reason;
use godwit::model::schema_change::SchemaOutcome;
use godwit::stores::fault::{FaultScript, When};
use sqlx::Executor;

/// The column with values that came with it, that were written by the statement after it, and that come later.
const ADD: &str = "ALTER TABLE orders ADD COLUMN grade TEXT NOT NULL DEFAULT 'plain'";
const WRITE: &str = "UPDATE orders SET grade = 'fine' WHERE id % 10 = 0; INSERT INTO orders(id, customer_id, total, grade) VALUES (5000, 1, 2.5, 'new'), (5001, 2, 3.5, 'plain'); DELETE FROM order_lines WHERE order_id = 7; DELETE FROM orders WHERE id = 7";

/// A shop whose orders pipeline has a policy.
async fn shop(policy: &str) -> Shop {
    let shop = Shop::new().await;
    let profile = std::fs::read_to_string(shop.profile()).unwrap();
    let declared = "tables = [\"orders\", \"order_lines\"]\n";
    let with = format!("{declared}on_schema_change = \"{policy}\"\n");
    std::fs::write(shop.profile(), profile.replacen(declared, &with, 1)).unwrap();
    shop
}

fn orders(client: &Client) -> PipelineRecord {
    client.state.pipelines[&PipelineId::from("orders")].clone()
}

async fn run(client: &mut Client, phases: &[&str]) {
    for phase in phases {
        client.run(phase).await;
    }
}

/// Waits until the orders pipeline has failed for something other than `before`.
async fn stopped(client: &mut Client, before: Option<&Reason>) -> Reason {
    let id = PipelineId::from("orders");
    let mut found = None;
    client
        .until("a stop", |m| {
            found = match m.pipelines.get(&id).map(|p| &p.state) {
                Some(PipelineState::Failed { reason }) if Some(reason) != before => Some(reason.clone()),
                _ => None,
            };
            found.is_some()
        })
        .await;
    found.unwrap()
}

/// Waits until a note about a column has an outcome and nothing of it is pending.
async fn settled(client: &mut Client, column: &str, outcome: SchemaOutcome) {
    let id = PipelineId::from("orders");
    client
        .until(&format!("{column} {outcome}"), |m| {
            let record = &m.pipelines[&id];
            record.pending.is_empty()
                && record.state == PipelineState::Running
                && record.schema.iter().any(|n| n.change.difference.column() == Some(column) && n.outcome == outcome)
        })
        .await;
}

async fn resume(client: &mut Client) {
    client.act(Action::ResumePipeline { pipeline: PipelineId::from("orders") }).await.unwrap();
}

/// A full verification that finds nothing.
async fn verified(client: &mut Client, shop: &Shop) {
    run(client, &["verify"]).await;
    shop.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_adds_a_column_with_its_values_while_it_follows() {
    let shop = shop("apply").await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    let mut app = shop.open("monolith").await;
    app.execute("INSERT INTO orders(id, customer_id, total) VALUES (4000, 1, 1.5)").await.unwrap();
    app.execute(ADD).await.unwrap();
    app.execute(WRITE).await.unwrap();
    settled(&mut client, "grade", SchemaOutcome::Added).await;
    app.execute("UPDATE orders SET grade = 'late' WHERE id = 11").await.unwrap();
    verified(&mut client, &shop).await;
    let note = &orders(&client).schema[0];
    assert_eq!(note.made[0].undo, "ALTER TABLE \"orders\" DROP COLUMN \"grade\"");
    // The way on and the way back are open.
    run(&mut client, &PHASES[5..8]).await;
    let mut served = shop.open("orders").await;
    served.execute("UPDATE orders SET grade = 'served' WHERE id = 12").await.unwrap();
    client.roll_back("cutover").await.unwrap();
    shop.assert_equal().await;
    client.roll_back("build").await.unwrap();
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_notices_a_column_that_no_row_follows() {
    let shop = shop("apply").await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    shop.open("monolith").await.execute(ADD).await.unwrap();
    settled(&mut client, "grade", SchemaOutcome::Added).await;
    verified(&mut client, &shop).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_adds_a_column_that_came_while_the_engine_was_down() {
    let shop = shop("apply").await;
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    engine.kill().await;
    let mut app = shop.open("monolith").await;
    app.execute("UPDATE orders SET note = 'before' WHERE id = 3").await.unwrap();
    app.execute(ADD).await.unwrap();
    app.execute(WRITE).await.unwrap();
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    settled(&mut client, "grade", SchemaOutcome::Added).await;
    verified(&mut client, &shop).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_the_note_and_the_values_loses_nothing() {
    // The note; the mapping; the values.
    for row in 1..=3 {
        let shop = shop("apply").await;
        let mut engine = Process::start(&shop);
        let mut client = engine.client().await;
        run(&mut client, &PHASES[..4]).await;
        let begun = client.state.head.0;
        let mut app = shop.open("monolith").await;
        app.execute(ADD).await.unwrap();
        app.execute(WRITE).await.unwrap();
        client.until("the row to be killed at", |m| m.head.0 >= begun + row).await;
        engine.kill().await;
        app.execute("UPDATE orders SET grade = 'meanwhile' WHERE id = 13").await.unwrap();
        let mut engine = Process::start(&shop);
        let mut client = engine.client().await;
        let id = PipelineId::from("orders");
        client
            .until("the column to be mapped with its values", |m| {
                let record = &m.pipelines[&id];
                let maps = record.tables.iter().flatten();
                record.pending.is_empty()
                    && record.state == PipelineState::Running
                    && maps.flat_map(|t| &t.columns).any(|c| c.source == "grade")
            })
            .await;
        verified(&mut client, &shop).await;
        // Whoever made it, it is in the journal with its undo.
        let made: Vec<String> = orders(&client).schema.iter().flat_map(|n| &n.made).map(|s| s.object.clone()).collect();
        assert_eq!(made, ["column orders.grade"], "killed at row {row}");
        engine.down(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_waits_for_the_operator_and_then_follows() {
    let shop = shop("stop").await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    let mut app = shop.open("monolith").await;
    app.execute(ADD).await.unwrap();
    app.execute(WRITE).await.unwrap();
    let first = stopped(&mut client, None).await;
    assert!(first.what.contains("orders changed: column grade (TEXT, not null, with a default) was added"), "{first}");
    assert!(!shop.rows("orders", "orders").await.iter().any(|r| r.starts_with("5000|")), "a row of the new shape");
    // Resumed too early: what is missing is named, and still nothing goes on.
    resume(&mut client).await;
    let second = stopped(&mut client, Some(&first)).await;
    assert!(second.what.contains("orders of orders-db has no column grade"), "{second}");
    shop.open("orders").await.execute(ADD).await.unwrap();
    resume(&mut client).await;
    settled(&mut client, "grade", SchemaOutcome::Followed).await;
    verified(&mut client, &shop).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_notices_a_change_that_came_while_the_engine_was_down() {
    let shop = shop("stop").await;
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    engine.kill().await;
    shop.open("monolith").await.execute(ADD).await.unwrap();
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    let reason = stopped(&mut client, None).await;
    assert!(reason.what.contains("column grade"), "{reason}");
    // Taken back at the source it goes on as if nothing had been.
    shop.open("monolith").await.execute("ALTER TABLE orders DROP COLUMN grade").await.unwrap();
    resume(&mut client).await;
    client.until("running", |m| m.pipelines[&PipelineId::from("orders")].state == PipelineState::Running).await;
    verified(&mut client, &shop).await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ignore_leaves_a_column_out_and_says_so() {
    let shop = shop("ignore").await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    let mut app = shop.open("monolith").await;
    app.execute("ALTER TABLE orders ADD COLUMN grade TEXT DEFAULT 'plain'").await.unwrap();
    app.execute(WRITE).await.unwrap();
    settled(&mut client, "grade", SchemaOutcome::LeftOut).await;
    run(&mut client, &["verify"]).await;
    let sentences = orders(&client).schema_sentences();
    assert!(sentences[0].contains("column grade (TEXT, with a default) was added; left out"), "{sentences:?}");
    assert!(shop.rows("orders", "orders").await.iter().any(|r| r.starts_with("5000|")));
    // It is no news after a restart either.
    engine.down(&mut client).await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    client.until("running", |m| m.pipelines[&PipelineId::from("orders")].state == PipelineState::Running).await;
    assert_eq!(orders(&client).schema.len(), 1);
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renamed_column_stops_under_every_policy_until_both_sides_agree() {
    for policy in ["stop", "ignore", "apply"] {
        let shop = shop(policy).await;
        let engine = Engine::start(&shop);
        let mut client = engine.client().await;
        run(&mut client, &PHASES[..4]).await;
        let mut app = shop.open("monolith").await;
        app.execute("ALTER TABLE orders RENAME COLUMN note TO remark").await.unwrap();
        app.execute("UPDATE orders SET remark = 'renamed' WHERE id = 21").await.unwrap();
        let reason = stopped(&mut client, None).await;
        assert!(reason.what.contains("column note is gone and remark is there instead"), "{policy}: {reason}");
        shop.open("orders").await.execute("ALTER TABLE orders RENAME COLUMN note TO remark").await.unwrap();
        resume(&mut client).await;
        settled(&mut client, "note", SchemaOutcome::Followed).await;
        app.execute("UPDATE orders SET remark = 'later' WHERE id = 22").await.unwrap();
        verified(&mut client, &shop).await;
        engine.down(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_renamed_or_dropped_stops_with_its_name() {
    let shop = shop("apply").await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    run(&mut client, &PHASES[..4]).await;
    let mut app = shop.open("monolith").await;
    app.execute("ALTER TABLE order_lines RENAME TO lines").await.unwrap();
    let reason = stopped(&mut client, None).await;
    assert!(reason.what.contains("order_lines changed: the table is now named lines"), "{reason}");
    app.execute("ALTER TABLE lines RENAME TO order_lines").await.unwrap();
    resume(&mut client).await;
    client.until("running", |m| m.pipelines[&PipelineId::from("orders")].state == PipelineState::Running).await;
    verified(&mut client, &shop).await;
    app.execute("DROP TABLE order_lines").await.unwrap();
    let reason = stopped(&mut client, None).await;
    assert!(reason.what.contains("order_lines changed: the table is gone"), "{reason}");
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_comes_between_the_build_and_the_copy_is_not_passed_over() {
    for policy in ["stop", "ignore", "apply"] {
        let shop = shop(policy).await;
        let engine = Engine::start(&shop);
        let mut client = engine.client().await;
        run(&mut client, &PHASES[..2]).await;
        let mut app = shop.open("monolith").await;
        app.execute(ADD).await.unwrap();
        client.start("backfill").await;
        client.ended("backfill").await;
        if policy == "stop" {
            let PhaseStatus::Failed { reason, .. } = client.status("backfill") else { panic!("it went on") };
            assert!(reason.what.contains("column grade"), "{reason}");
            shop.open("orders").await.execute(ADD).await.unwrap();
            client.accepted(Action::Retry { phase: PhaseId::from("backfill") }).await.unwrap();
            client.ended("backfill").await;
        }
        assert_eq!(client.status("backfill"), PhaseStatus::Succeeded, "{policy}");
        run(&mut client, &["sync"]).await;
        app.execute(WRITE).await.unwrap();
        if policy == "ignore" {
            settled(&mut client, "grade", SchemaOutcome::LeftOut).await;
            run(&mut client, &["verify"]).await;
        } else {
            let id = PipelineId::from("orders");
            client.until("the values", |m| m.pipelines[&id].pending.is_empty()).await;
            verified(&mut client, &shop).await;
        }
        engine.down(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_that_comes_during_the_copy() {
    for policy in ["stop", "ignore", "apply"] {
        let shop = shop(policy).await;
        let script = FaultScript::new();
        let engine = Engine::start_with(&shop, &script);
        let mut client = engine.client().await;
        run(&mut client, &PHASES[..2]).await;
        // The third chunk's loading waits: rows are being copied.
        let gate = script.hold("loader.start", 3, When::Before);
        client.start("backfill").await;
        tokio::time::timeout(PATIENCE, gate.await_hit()).await.unwrap();
        let mut app = shop.open("monolith").await;
        app.execute(ADD).await.unwrap();
        app.execute(WRITE).await.unwrap();
        if policy == "stop" {
            let reason = stopped(&mut client, None).await;
            assert!(reason.what.contains("column grade"), "{reason}");
            gate.release();
            client.ended("backfill").await;
            shop.open("orders").await.execute(ADD).await.unwrap();
            client.accepted(Action::Retry { phase: PhaseId::from("backfill") }).await.unwrap();
        } else {
            gate.release();
        }
        client.ended("backfill").await;
        assert_eq!(client.status("backfill"), PhaseStatus::Succeeded, "{policy}");
        run(&mut client, &["sync"]).await;
        if policy == "ignore" {
            settled(&mut client, "grade", SchemaOutcome::LeftOut).await;
            run(&mut client, &["verify"]).await;
        } else {
            let id = PipelineId::from("orders");
            client.until("the values", |m| m.pipelines[&id].pending.is_empty()).await;
            verified(&mut client, &shop).await;
        }
        engine.down(&mut client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_cutover_the_new_side_is_looked_at() {
    for policy in ["stop", "ignore", "apply"] {
        let shop = shop(policy).await;
        let engine = Engine::start(&shop);
        let mut client = engine.client().await;
        run(&mut client, &PHASES[..8]).await;
        let mut served = shop.open("orders").await;
        served.execute(ADD).await.unwrap();
        served.execute(WRITE).await.unwrap();
        match policy {
            "stop" => {
                let reason = stopped(&mut client, None).await;
                assert!(reason.next.contains("orders of monolith"), "{reason}");
                shop.open("monolith").await.execute(ADD).await.unwrap();
                resume(&mut client).await;
                settled(&mut client, "grade", SchemaOutcome::Followed).await;
            }
            "ignore" => settled(&mut client, "grade", SchemaOutcome::LeftOut).await,
            _ => settled(&mut client, "grade", SchemaOutcome::Added).await,
        }
        // The way back is what counts: with the values where they were carried.
        client.roll_back("cutover").await.unwrap();
        assert!(shop.rows("monolith", "orders").await.iter().any(|r| r.starts_with("5000|")), "{policy}");
        if policy != "ignore" {
            shop.assert_equal().await;
        }
        engine.down(&mut client).await;
    }
}
