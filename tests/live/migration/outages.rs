//! Servers that crash and come back, and sessions that a server ends.

use crate::driver::{Client, Engine, PHASES};
use crate::lab::Lab;
use crate::migration::shop::{Settings, Shop, climb, freeze_waits};
use crate::migration::ways::{complete, insist, take_back};
use crate::migration::writer::{Writer, assert_sound};
use godwit::model::ids::{PhaseId, PipelineId, StepId};
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::{PipelineState, Traffic};
use sqlx::Executor;

/// Ends a server as a crash of its machine would, and starts it again.
async fn crash(lab: &Lab, server: &str) {
    lab.server("kill", server);
    lab.server("start", server);
}

/// Waits until a step of the cutover is done; false when the cutover stood still before.
async fn passes(client: &mut Client, step: &str) -> bool {
    let (phase, step) = (PhaseId::from("cutover"), StepId::from(step));
    while !client.state.phase(&phase).unwrap().is_done(&step) {
        if !matches!(client.status("cutover"), PhaseStatus::Running | PhaseStatus::RollingBack) {
            return false;
        }
        client.next().await;
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_server_that_crashes_and_comes_back_costs_time_and_no_row() {
    let lab = Lab::private(&["pg1", "pg2"]);
    let shop = Shop::on(&lab).await;
    let pipeline_lines = "chunk_size = \"64KB\"\nthrottle = { rows_per_second = 4000, workers = 2 }";
    shop.declare(Settings { pipeline_lines, ..shop.settings() });
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    let writer = Writer::by_file(&shop);
    client.run("assess").await;
    client.run("build").await;

    // During the copy.
    client.start("backfill").await;
    for server in ["pg1", "pg2"] {
        writer.acknowledges(5).await;
        crash(&lab, server).await;
    }
    insist(&mut client, "backfill").await;

    // While changes are applied.
    for phase in &PHASES[3..7] {
        client.run(phase).await;
    }
    let pipeline = PipelineId::from("shop");
    for server in ["pg1", "pg2"] {
        crash(&lab, server).await;
        client.until("the loss is noticed", |m| m.pipelines[&pipeline].state.word() == "retrying").await;
        client.until("the pipeline goes on", |m| m.pipelines[&pipeline].state == PipelineState::Running).await;
        assert_sound(&shop, Traffic::Source, &writer, &format!("after the crash of {server}")).await;
    }

    // At the freeze, before the fence.
    for server in ["pg1", "pg2"] {
        let mut late = shop.session(Traffic::Source).await;
        late.execute("BEGIN; UPDATE orders SET note = 'late' WHERE name = 'seed-1'").await.unwrap();
        client.start("cutover").await;
        freeze_waits(&shop).await;
        crash(&lab, server).await;
        drop(late);
        client.ended("cutover").await;
        complete(&shop, &mut client, &writer, &format!("crash of {server} before the fence")).await;

        // After the fence of the way back.
        client.begin_roll_back("cutover").await.unwrap();
        passes(&mut client, "back/fence").await;
        crash(&lab, server).await;
        client.taken_back("cutover").await;
        take_back(&shop, &mut client, &writer, &format!("crash of {server} after the fence of the roll back")).await;
    }

    // After the fence.
    for server in ["pg1", "pg2"] {
        client.start("cutover").await;
        passes(&mut client, "fence").await;
        crash(&lab, server).await;
        client.ended("cutover").await;
        complete(&shop, &mut client, &writer, &format!("crash of {server} after the fence")).await;
        client.roll_back("cutover").await.unwrap();
        take_back(&shop, &mut client, &writer, "the way back").await;
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn sessions_that_the_server_ends_are_made_anew() {
    let shop = Shop::new().await;
    let engine = Engine::start(&shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&shop);
    // A step of the switch, and whether the engine's sessions are ended after it on the side that is left or on the one that is entered.
    for (step, left) in
        [("way-back", true), ("freeze", true), ("drain", false), ("sequences", true), ("fence", true), ("open", false)]
    {
        let (side, back) = if left { (Traffic::Source, Traffic::Target) } else { (Traffic::Target, Traffic::Source) };
        client.start("cutover").await;
        if passes(&mut client, step).await {
            end_sessions(&shop, side).await;
        }
        client.ended("cutover").await;
        complete(&shop, &mut client, &writer, &format!("sessions on the {} ended after {step}", side.word())).await;
        client.begin_roll_back("cutover").await.unwrap();
        if passes(&mut client, &format!("back/{step}")).await {
            end_sessions(&shop, back).await;
        }
        client.taken_back("cutover").await;
        take_back(&shop, &mut client, &writer, &format!("sessions on the {} ended after back/{step}", back.word()))
            .await;
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

/// Ends every session of the engine on one side.
async fn end_sessions(shop: &Shop, side: Traffic) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name LIKE 'godwit%'";
    shop.column(side, end).await;
}
