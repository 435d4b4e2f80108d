//! The demo without a terminal: the whole ladder, a cutover, a roll back, and a second cutover, under load.

use crate::cli::demo::driver::Driver;
use crate::cli::demo::shop::ShopSize;
use crate::cli::demo::stage::Stage;
use crate::cli::demo::verdict::{self, Sides, Verdict};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::model::ids::PhaseId;
use crate::model::phase::PhaseKind;
use chrono::Utc;
use std::time::Duration;

/// Longest time for one phase. The longest takes a few seconds on two cores.
const PHASE_TIMEOUT: Duration = Duration::from_secs(90);
/// Traffic on the new side before the roll back, and on the old side after it.
const TRAFFIC: Duration = Duration::from_secs(4);
/// Longest wait until everything written has been carried over.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Plays the whole script and reaches the verdict. With `revive` an engine that was killed is started again.
///
/// # Errors
/// When a phase fails, a wait expires, or the verdict cannot be reached.
pub async fn play(stage: &mut Stage, size: ShopSize, revive: bool, out: Output) -> Result<Verdict, Failure> {
    let began = Utc::now();
    stage.start_engine().await?;
    stage.start_workload()?;
    let mut driver = Driver::new(Session::open(&stage.chosen).await?, out, began, revive.then(|| stage.reviver()));
    driver.dwell(Duration::from_secs(1)).await?;
    let ladder: Vec<(PhaseId, PhaseKind)> =
        driver.session.migration.phases.iter().map(|phase| (phase.id.clone(), phase.kind)).collect();
    let of_kind =
        |kind: PhaseKind| {
            ladder.iter().find(|(_, k)| *k == kind).map(|(id, _)| id.clone()).ok_or_else(|| {
                Failure::new(Exit::Profile, format!("the demo's profile has no phase of the kind {kind}"))
            })
        };
    let (cutover, watch, retire) =
        (of_kind(PhaseKind::Cutover)?, of_kind(PhaseKind::Watch)?, of_kind(PhaseKind::Retire)?);
    for (id, _) in ladder.iter().take_while(|(id, _)| *id != cutover) {
        driver.carry_through(id, PHASE_TIMEOUT).await?;
    }
    driver.carry_through(&cutover, PHASE_TIMEOUT).await?;
    out.text(&format!("demo: the new side serves; {} s of traffic, then all the way back", TRAFFIC.as_secs()))?;
    driver.dwell(TRAFFIC).await?;
    driver.roll_back(&cutover, PHASE_TIMEOUT).await?;
    out.text(&format!("demo: the old side serves again; {} s of traffic, then the second cutover", TRAFFIC.as_secs()))?;
    driver.dwell(TRAFFIC).await?;
    driver.carry_through(&cutover, PHASE_TIMEOUT).await?;
    driver.carry_through(&watch, PHASE_TIMEOUT).await?;
    if !stage.workload_runs() {
        // Stopping it says why it ended.
        stage.stop_workload().await?;
        return Err(Failure::new(Exit::Finding, "the applications ended before the end of the demo"));
    }
    out.text("demo: the applications stop; what they wrote last flows back")?;
    stage.stop_workload().await?;
    driver.drain(Utc::now(), DRAIN_TIMEOUT).await?;
    driver.carry_through(&retire, PHASE_TIMEOUT).await?;
    out.text("demo: comparing the ledger with the stores, and the old side with the new one")?;
    Ok(verdict::reach(&stage.layout.files, size, Sides::Compared).await?.after_switches(2, 1))
}
