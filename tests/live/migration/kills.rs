//! The engine is killed, and started again: at moments of the copy that the writer's pace picks, and at row after row of a cutover and of its
//! roll back.

use crate::driver::{PHASES, Process, poll};
use crate::migration::shop::{Settings, Shop};
use crate::migration::ways::{complete, follow, insist, take_back};
use crate::migration::writer::{Writer, assert_sound};
use godwit::model::pipeline::Traffic;

/// A cutover and a roll back are about forty rows each; two tests take every eighth, shifted by four.
const STRIDE: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_kill_at_any_row_of_a_switch_loses_nothing() {
    kill_at_rows(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_kill_at_the_rows_between_loses_nothing_either() {
    kill_at_rows(1 + STRIDE / 2).await;
}

async fn kill_at_rows(first: usize) {
    let shop = Shop::new().await;
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    for phase in &PHASES[..7] {
        client.run(phase).await;
    }
    let writer = Writer::by_file(&shop);
    for row in (first..).step_by(STRIDE) {
        client.start("cutover").await;
        let forth = follow(&mut client, row).await;
        engine.kill().await;
        engine = Process::start(&shop);
        client = engine.client().await;
        client.ended("cutover").await;
        let at = format!("cutover killed at row {row}, {}", client.status("cutover").word());
        complete(&shop, &mut client, &writer, &at).await;

        client.begin_roll_back("cutover").await.unwrap();
        let back = follow(&mut client, row).await;
        engine.kill().await;
        engine = Process::start(&shop);
        client = engine.client().await;
        client.taken_back("cutover").await;
        let at = format!("roll back killed at row {row}, {}", client.status("cutover").word());
        take_back(&shop, &mut client, &writer, &at).await;
        if !forth && !back {
            break;
        }
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn an_engine_that_is_killed_again_and_again_on_its_way_up_loses_nothing() {
    let shop = Shop::new().await;
    // Slow enough that kills fall into the copy.
    let pipeline_lines = "chunk_size = \"64KB\"\nthrottle = { rows_per_second = 4000, workers = 2 }";
    shop.declare(Settings { pipeline_lines, ..shop.settings() });
    let writer = Writer::by_file(&shop);
    let mut engine = Process::start(&shop);
    let mut client = engine.client().await;
    for (at, phase) in PHASES[..8].iter().enumerate() {
        client.start(phase).await;
        // How far the writer gets before a kill differs from one to the next.
        for kill in 0..if *phase == "backfill" { 3 } else { 1 } {
            writer.acknowledges(3 + (at * 17 + kill * 41) % 50).await;
            engine.kill().await;
            engine = Process::start(&shop);
            client = engine.client().await;
        }
        if *phase == "cutover" {
            client.ended("cutover").await;
            complete(&shop, &mut client, &writer, "the cutover").await;
        } else {
            insist(&mut client, phase).await;
        }
    }
    client.begin_roll_back("cutover").await.unwrap();
    writer.acknowledges(1).await;
    engine.kill().await;
    engine = Process::start(&shop);
    client = engine.client().await;
    client.taken_back("cutover").await;
    take_back(&shop, &mut client, &writer, "the roll back").await;
    client.run("cutover").await;
    assert_sound(&shop, Traffic::Target, &writer, "the second cutover").await;
    client.run("watch").await;
    client.run("retire").await;
    writer.stop().await;
    let slots = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()";
    poll("the slots are gone", async || match shop.column(Traffic::Target, slots).await.as_slice() {
        [] => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .await;
    engine.down(&mut client).await;
}
