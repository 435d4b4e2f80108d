//! The demo with a terminal: the cockpit with a coach that says which key comes next, and the verdict after it was left.

use crate::cli::attach;
use crate::cli::demo::driver::Driver;
use crate::cli::demo::shop::ShopSize;
use crate::cli::demo::stage::Stage;
use crate::cli::demo::verdict::{self, Sides, Verdict};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::phase::{PhaseKind, PhaseStatus};
use crate::model::pipeline::Stage as PipelineStage;
use crate::tui::CockpitOptions;
use crate::tui::coach::{Coach, Note};
use chrono::Utc;
use std::time::Duration;

/// Longest wait for the pipelines to drain after the cockpit was left; when it expires the sides are not compared.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);

/// Opens the cockpit on a running demo; reaches the verdict when it is left.
///
/// # Errors
/// When the terminal cannot be used or the verdict cannot be reached.
pub async fn play(stage: &mut Stage, size: ShopSize, out: Output) -> Result<Verdict, Failure> {
    stage.start_engine().await?;
    stage.start_workload()?;
    let options = CockpitOptions { coach: Some(coach()), ..CockpitOptions::default() };
    Box::pin(attach::cockpit(&stage.chosen, options)).await?;
    out.text("demo: the applications stop")?;
    stage.stop_workload().await?;
    let sides = settle(stage, out).await?;
    out.text("demo: comparing the ledger with the stores")?;
    verdict::reach(&stage.layout.files, size, sides).await
}

/// Whether both sides must be equal now: only while pipelines keep them so, and after they have drained.
async fn settle(stage: &Stage, out: Output) -> Result<Sides, Failure> {
    let session = Session::open(&stage.chosen).await?;
    let following = !session.migration.declared.is_empty()
        && session.migration.declared.iter().all(|declared| {
            let stage = session.migration.pipelines.get(&declared.id).map(|p| p.stage);
            matches!(stage, Some(PipelineStage::Live | PipelineStage::Reverse))
        });
    if !following {
        return Ok(Sides::NotCompared);
    }
    let drained = Driver::new(session, out, Utc::now(), None).drain(Utc::now(), DRAIN_TIMEOUT).await;
    Ok(if drained.is_ok() { Sides::Compared } else { Sides::NotCompared })
}

/// What to say beyond "press this key": what is worth looking at.
fn coach() -> Coach {
    let note = |phase, status: &PhaseStatus, text: &str| Note {
        phase,
        status: status.word().to_owned(),
        text: text.to_owned(),
    };
    Coach {
        notes: vec![
            note(
                PhaseKind::Assess,
                &PhaseStatus::Ready,
                "Welcome. A shop is being used right now. Press r to ask for the first phase; it changes nothing.",
            ),
            note(
                PhaseKind::Cutover,
                &PhaseStatus::Ready,
                "Both sides are equal. Press r for the plan of the cutover: writers will wait for less than a second.",
            ),
            note(
                PhaseKind::Watch,
                &PhaseStatus::Ready,
                "The new side serves, the old one follows. Press r to go on, or select cutover and press B to go all the way back.",
            ),
        ],
        farewell: Some("The migration is done. Press q: the ledger is then compared with the stores.".to_owned()),
    }
}
