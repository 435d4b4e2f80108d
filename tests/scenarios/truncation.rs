//! The engine is killed at journal row after journal row of a cutover and of its roll back, while an application writes.

use crate::harness::{Client, Home, PHASES, Process, Shop};
use crate::snapshot::{copy, restore};
use crate::writer::{Side, Writer, assert_sound};
use godwit::model::command::Action;
use godwit::model::ids::{PhaseId, Seq};
use godwit::model::phase::PhaseStatus;

/// A cutover and a roll back are about forty rows each. Every second row would take minutes on a small machine, so each of the two
/// tests takes every sixth, shifted by three: together every third.
const STRIDE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_row_of_a_switch_loses_nothing() {
    kill_at_rows(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_the_rows_between_loses_nothing_either() {
    kill_at_rows(1 + STRIDE / 2).await;
}

async fn kill_at_rows(first: usize) {
    let shop = Shop::new().await;
    let prepared = prepare(&shop).await;
    for row in (first..).step_by(STRIDE) {
        restore(prepared.path(), shop.path());
        if !kill_at(&shop, row).await {
            return;
        }
    }
}

/// Brings a shop to the eve of its cutover and copies its directory.
async fn prepare(shop: &Shop) -> tempfile::TempDir {
    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    for phase in &PHASES[..7] {
        client.run(phase).await;
    }
    engine.down(&mut client).await;
    let prepared = tempfile::tempdir().unwrap();
    copy(shop.path(), prepared.path());
    prepared
}

/// One life: the cutover is killed at its `row`-th journal row and completed, then the roll back likewise. False when neither has
/// that many rows.
async fn kill_at(shop: &Shop, row: usize) -> bool {
    let writer = Writer::start(shop, row);
    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    client.start("cutover").await;
    let begun = client.state.phase(&PhaseId::from("cutover")).unwrap().changed_seq;
    let mut reached = follow(&mut client, Seq(begun.0 + row as u64), Side::Target).await;
    engine.kill().await;

    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    client.ended("cutover").await;
    let at = format!("cutover killed at row {row}, {}", client.status("cutover").word());
    assert_sound(shop, serving(&client), &writer, &at).await;
    writer.acknowledges(4).await;
    while let PhaseStatus::Failed { reason, .. } = client.status("cutover") {
        assert!(reason.what.contains("nothing was lost"), "{at}: {reason}");
        client.accepted(Action::Retry { phase: PhaseId::from("cutover") }).await.unwrap();
        client.ended("cutover").await;
    }
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded, "{at}");
    assert_sound(shop, Side::Target, &writer, &format!("{at}, completed")).await;
    writer.acknowledges(4).await;

    client.begin_roll_back("cutover").await.unwrap();
    let begun = client.state.phase(&PhaseId::from("cutover")).unwrap().changed_seq;
    reached |= follow(&mut client, Seq(begun.0 + row as u64), Side::Source).await;
    engine.kill().await;

    let mut engine = Process::start(shop);
    let mut client = engine.client().await;
    client.taken_back("cutover").await;
    let at = format!("roll back killed at row {row}, {}", client.status("cutover").word());
    assert_sound(shop, serving(&client), &writer, &at).await;
    writer.acknowledges(4).await;
    while let PhaseStatus::Stuck { reason } = client.status("cutover") {
        assert!(reason.what.contains("nothing was lost"), "{at}: {reason}");
        client.roll_back("cutover").await.unwrap();
    }
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack, "{at}");
    assert_sound(shop, Side::Source, &writer, &format!("{at}, completed")).await;
    writer.stop().await;
    engine.down(&mut client).await;
    reached
}

/// Reads along until a row; false when the phase stood still before it.
async fn follow(client: &mut Client, row: Seq, towards: Side) -> bool {
    let stands = |client: &Client| match towards {
        Side::Target => client.status("cutover") != PhaseStatus::Running,
        Side::Source => client.status("cutover") != PhaseStatus::RollingBack,
    };
    while client.state.head < row {
        if stands(client) {
            return false;
        }
        client.next().await;
    }
    true
}

/// Who must serve, by the phase's status: a failed cutover was undone, a roll back that got stuck as well.
fn serving(client: &Client) -> Side {
    match client.status("cutover") {
        PhaseStatus::Succeeded | PhaseStatus::Stuck { .. } => Side::Target,
        PhaseStatus::Failed { .. } | PhaseStatus::RolledBack => Side::Source,
        other => panic!("cutover is {}", other.word()),
    }
}
