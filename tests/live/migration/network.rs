//! A network between the engine and its servers that stalls, is slow, or resets connections.

use crate::driver::{Client, Engine, Home, PHASES};
use crate::lab::{Cut, Proxy};
use crate::migration::shop::{Settings, Shop, climb, freeze_waits};
use crate::migration::ways::{complete, follow, insist, take_back};
use crate::migration::writer::{Writer, assert_sound};
use godwit::model::ids::PipelineId;
use godwit::model::lag::Reading;
use godwit::model::pipeline::{PipelineState, Traffic};
use godwit::model::sample::PipelineSample;
use godwit::wire::client::Connection;
use godwit::wire::frame::ServerFrame;
use sqlx::Executor;
use std::time::Duration;

/// A shop whose engine reaches both servers through proxies.
struct Far {
    shop: Shop,
    proxies: [Proxy; 2],
}

impl Far {
    async fn new(pipeline_lines: &'static str) -> Self {
        let shop = Shop::new().await;
        let proxies = [Proxy::in_front_of(shop.source.url()).await, Proxy::in_front_of(shop.target.url()).await];
        let stores = [proxies[0].url().to_owned(), proxies[1].url().to_owned()];
        let store_lines = "statement_timeout = \"3s\"\nconnect_timeout = \"1s\"";
        shop.declare(Settings { budget: "2s", stores, store_lines, pipeline_lines, ..shop.settings() });
        Self { shop, proxies }
    }

    fn proxy(&self, side: Traffic) -> &Proxy {
        match side {
            Traffic::Source => &self.proxies[0],
            Traffic::Target => &self.proxies[1],
        }
    }
}

const SIDES: [Traffic; 2] = [Traffic::Source, Traffic::Target];

/// Reads samples until one of the pipeline's satisfies a condition.
async fn sampled(shop: &Shop, what: &str, mut holds: impl FnMut(&PipelineSample) -> bool) {
    let mut connection = Connection::open(&shop.place().socket, "test").await.unwrap();
    connection.subscribe(connection.welcome.head, true).await.unwrap();
    let pipeline = PipelineId::from("shop");
    let mut last = None;
    let reading = async {
        loop {
            if let ServerFrame::Samples { samples } = connection.next().await.unwrap()
                && let Some(sample) = samples.pipelines.get(&pipeline)
            {
                if holds(sample) {
                    return;
                }
                last = Some(sample.clone());
            }
        }
    };
    let outcome = tokio::time::timeout(crate::driver::PATIENCE, reading).await;
    assert!(outcome.is_ok(), "{what} was not sampled: {last:#?}");
}

async fn running(client: &mut Client) {
    let pipeline = PipelineId::from("shop");
    client.until("the pipeline goes on", |m| m.pipelines[&pipeline].state == PipelineState::Running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn connections_that_break_during_copy_and_catch_up_are_made_anew() {
    let far = Far::new("chunk_size = \"64KB\"\nthrottle = { rows_per_second = 4000, workers = 2 }").await;
    let engine = Engine::start(&far.shop);
    let mut client = engine.client().await;
    let writer = Writer::by_file(&far.shop);
    client.run("assess").await;
    client.run("build").await;
    client.start("backfill").await;
    for side in SIDES {
        for cut in [Cut::Reset, Cut::Close] {
            writer.acknowledges(5).await;
            far.proxy(side).cut(cut);
        }
    }
    insist(&mut client, "backfill").await;
    for phase in &PHASES[3..7] {
        client.run(phase).await;
    }
    let pipeline = PipelineId::from("shop");
    for side in SIDES {
        for cut in [Cut::Reset, Cut::Close] {
            far.proxy(side).refuse().await;
            far.proxy(side).cut(cut);
            client.until("the loss is noticed", |m| m.pipelines[&pipeline].state.word() == "retrying").await;
            sampled(&far.shop, "an unknown lag", |s| matches!(s.lag.lag_ms, Reading::Unknown(_))).await;
            writer.acknowledges(5).await;
            far.proxy(side).recover().await;
            running(&mut client).await;
            let at = format!("{cut:?} on the {}", side.word());
            assert_sound(&far.shop, Traffic::Source, &writer, &at).await;
        }
    }
    sampled(&far.shop, "no anomaly", |s| s.anomalies == 0).await;
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_stall_is_noticed_and_nothing_is_lost() {
    // Both take half a minute of waiting, so they wait together.
    tokio::join!(stall(Traffic::Source), stall(Traffic::Target));
}

async fn stall(side: Traffic) {
    let far = Far::new("").await;
    let engine = Engine::start(&far.shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&far.shop);
    writer.acknowledges(5).await;
    far.proxy(side).stall();
    match side {
        // The source is silent: after half a minute it is taken for dead.
        Traffic::Source => {
            let pipeline = PipelineId::from("shop");
            client.until("the silence is noticed", |m| m.pipelines[&pipeline].state.word() == "retrying").await;
        }
        // The target takes nothing: the applied position stands while the source goes on.
        Traffic::Target => sampled(&far.shop, "a position that stands", |s| s.stalled).await,
    }
    let refused = client.begin("cutover").await.unwrap_err();
    assert!(refused.contains("blocked"), "{refused}");
    far.proxy(side).recover().await;
    running(&mut client).await;
    assert_sound(&far.shop, Traffic::Source, &writer, "after the stall").await;
    client.run("cutover").await;
    assert_sound(&far.shop, Traffic::Target, &writer, "after the cutover").await;
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn a_stall_at_the_freeze_uses_up_the_budget_and_no_more() {
    let far = Far::new("").await;
    let engine = Engine::start(&far.shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    let writer = Writer::by_file(&far.shop);
    for side in SIDES {
        let at = format!("a stall of the {}", side.word());
        let mut late = far.shop.session(Traffic::Source).await;
        late.execute("BEGIN; UPDATE orders SET note = 'late' WHERE name = 'seed-1'").await.unwrap();
        client.start("cutover").await;
        freeze_waits(&far.shop).await;
        far.proxy(side).stall();
        late.execute("COMMIT").await.unwrap();
        // Writers go on while the network still stalls: the source lets go of a holder that has gone silent.
        writer.acknowledges(5).await;
        far.proxy(side).recover().await;
        client.ended("cutover").await;
        complete(&far.shop, &mut client, &writer, &at).await;
        client.roll_back("cutover").await.unwrap();
        take_back(&far.shop, &mut client, &writer, &at).await;
    }
    writer.stop().await;
    engine.down(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: run tests/run"]
async fn connections_that_break_at_any_row_of_a_switch_lose_nothing() {
    /// Every how many rows of a switch, which has about forty.
    const STRIDE: usize = 7;
    let far = Far::new("").await;
    let engine = Engine::start(&far.shop);
    let mut client = engine.client().await;
    climb(&mut client).await;
    // A slow network besides.
    far.proxies.iter().for_each(|proxy| proxy.delay(Duration::from_millis(3)));
    let writer = Writer::by_file(&far.shop);
    for row in (2..).step_by(STRIDE) {
        let side = SIDES[row / STRIDE % 2];
        let at = format!("the {} reset at row {row}", side.word());
        client.start("cutover").await;
        let forth = follow(&mut client, row).await;
        far.proxy(side).cut(Cut::Reset);
        client.ended("cutover").await;
        complete(&far.shop, &mut client, &writer, &at).await;
        client.begin_roll_back("cutover").await.unwrap();
        let back = follow(&mut client, row).await;
        far.proxy(side).cut(Cut::Reset);
        client.taken_back("cutover").await;
        take_back(&far.shop, &mut client, &writer, &at).await;
        if !forth && !back {
            break;
        }
    }
    writer.stop().await;
    engine.down(&mut client).await;
}
