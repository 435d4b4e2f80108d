//! The ways out that the engine offers after a failure, taken until the switch is where it was meant to be; every standstill is checked.

use crate::driver::Client;
use crate::migration::shop::Shop;
use crate::migration::writer::{Writer, assert_sound};
use godwit::model::command::Action;
use godwit::model::ids::{PhaseId, Seq};
use godwit::model::phase::PhaseStatus;
use godwit::model::pipeline::Traffic;
use godwit::model::reason::FailurePolicy;

/// Ways that are taken before it counts as a circle.
const WAYS: usize = 6;

/// Runs a phase before the cutover to its end, retrying as its failures advise.
pub async fn insist(client: &mut Client, phase: &str) {
    client.ended(phase).await;
    for _ in 0..WAYS {
        if !matches!(client.status(phase), PhaseStatus::Failed { .. }) {
            break;
        }
        client.accepted(Action::Retry { phase: PhaseId::from(phase) }).await.unwrap();
        client.ended(phase).await;
    }
    assert_eq!(client.status(phase), PhaseStatus::Succeeded);
}

/// Completes a cutover that stands still.
pub async fn complete(shop: &Shop, client: &mut Client, writer: &Writer, at: &str) {
    for _ in 0..WAYS {
        match client.status("cutover") {
            PhaseStatus::Failed { policy: FailurePolicy::Complete, .. } => {}
            PhaseStatus::Failed { policy: FailurePolicy::Retry, reason } => {
                assert!(reason.what.contains("nothing was lost"), "{at}: {reason}");
                assert_sound(shop, Traffic::Source, writer, &format!("{at}: {reason}")).await;
                writer.acknowledges(2).await;
            }
            PhaseStatus::Failed { reason, .. } => {
                // What could not be undone by itself is undone by a roll back, as the reason says.
                assert!(reason.next.contains("godwit rollback"), "{at}: {reason}");
                client.roll_back("cutover").await.unwrap();
                continue;
            }
            PhaseStatus::Stuck { .. } => {
                client.roll_back("cutover").await.unwrap();
                continue;
            }
            PhaseStatus::RolledBack => {
                client.start("cutover").await;
                client.ended("cutover").await;
                continue;
            }
            _ => break,
        }
        client.accepted(Action::Retry { phase: PhaseId::from("cutover") }).await.unwrap();
        client.ended("cutover").await;
    }
    assert_eq!(client.status("cutover"), PhaseStatus::Succeeded, "{at}");
    assert_sound(shop, Traffic::Target, writer, at).await;
    writer.acknowledges(2).await;
}

/// Completes a roll back that stands still.
pub async fn take_back(shop: &Shop, client: &mut Client, writer: &Writer, at: &str) {
    for _ in 0..WAYS {
        match client.status("cutover") {
            PhaseStatus::Stuck { reason } => {
                if reason.what.contains("nothing was lost") {
                    assert_sound(shop, Traffic::Target, writer, &format!("{at}: {reason}")).await;
                    writer.acknowledges(2).await;
                }
            }
            _ => break,
        }
        client.roll_back("cutover").await.unwrap();
    }
    assert_eq!(client.status("cutover"), PhaseStatus::RolledBack, "{at}");
    assert_sound(shop, Traffic::Source, writer, at).await;
    writer.acknowledges(2).await;
}

/// Reads along until a number of rows after the phase's start; false when it stood still before.
pub async fn follow(client: &mut Client, rows: usize) -> bool {
    let begun = client.state.phase(&PhaseId::from("cutover")).unwrap().changed_seq;
    while client.state.head < Seq(begun.0 + rows as u64) {
        if !matches!(client.status("cutover"), PhaseStatus::Running | PhaseStatus::RollingBack) {
            return false;
        }
        client.next().await;
    }
    true
}
