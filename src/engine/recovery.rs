//! After a start: finds what the last engine left half done, and goes on or takes it back.

use crate::engine::comparison;
use crate::engine::core::CoreRef;
use crate::engine::executor;
use crate::engine::knobs;
use crate::engine::planner::{self, WayBack};
use crate::engine::steps::step::{StepContext, StepError};
use crate::engine::steps::switch::fence::FenceStep;
use crate::engine::steps::switch::party::Party;
use crate::engine::survey::CarriedBy;
use crate::model::event::Event;
use crate::model::fold::PhaseRecord;
use crate::model::ids::Operator;
use crate::model::phase::{PhaseEvent, PhaseKind, PhaseStatus};
use crate::model::pipeline::{PipelineState, Stage, Traffic};
use crate::model::reason::{FailurePolicy, Reason};
use crate::pipelines::copier::control;
use std::time::Duration;

/// Who is named for what the engine does by itself.
pub fn engine() -> Operator {
    Operator::from("engine")
}

/// Restarts pipelines and the phase that was in work.
pub async fn recover(core: &CoreRef) {
    let state = core.dispatcher.state();
    for declared in &core.profile.pipelines {
        let record = core.record(&declared.id);
        core.fleet.room(&declared.id).knobs.send_replace(knobs::of(&declared.throttle, &record));
        restart_pipeline(core, &declared.id).await;
    }
    comparison::resume(core);
    let Some(phase) = state.phases.iter().find(|p| p.status.is_active() || p.status == PhaseStatus::Paused) else {
        return;
    };
    tracing::info!(phase = %phase.id, status = phase.status.word(), "a phase was in work when the last engine ended");
    match (&phase.status, phase.kind) {
        (PhaseStatus::RollingBack, _) => resume_rollback(core, phase).await,
        (_, PhaseKind::Cutover) => resume_cutover(core, phase).await,
        (PhaseStatus::Paused | PhaseStatus::Pausing, _) => {
            executor::spawn_run(core, &phase.id, engine());
            if let Some(controller) = core.controller() {
                controller.wish(control::Wish::Pause);
            }
        }
        _ => executor::spawn_run(core, &phase.id, engine()),
    }
}

/// Starts a pump that ran when the last engine ended. One that an operator had paused stays paused.
async fn restart_pipeline(core: &CoreRef, id: &crate::model::ids::PipelineId) {
    let record = core.record(id);
    let captured = match record.stage {
        Stage::Idle | Stage::Copy => return,
        Stage::CatchUp | Stage::Live => Traffic::Source,
        // Held for a switch that did not happen, or whose fence stands: either way the side that was left is captured.
        Stage::Frozen => record.traffic,
        Stage::Reverse => Traffic::Target,
    };
    let was_running = matches!(
        record.state,
        PipelineState::Starting
            | PipelineState::Running
            | PipelineState::Retrying { .. }
            | PipelineState::Failed { .. }
            | PipelineState::Paused
            | PipelineState::Pausing
    );
    if !was_running {
        return;
    }
    start_pipeline(core, id, captured).await;
    if matches!(record.state, PipelineState::Paused | PipelineState::Pausing) {
        core.fleet.pause(id);
    }
}

/// Starts the pump of a pipeline whose data is there. False, with the reason in the log, when it cannot be started.
pub async fn start_pipeline(core: &CoreRef, id: &crate::model::ids::PipelineId, captured: Traffic) -> bool {
    let Some(maps) = core.maps(id) else { return false };
    match core.route(id, captured, &maps) {
        Ok(route) => {
            core.fleet.start(core, id, captured, route).await;
            true
        }
        Err(error) => {
            tracing::error!(pipeline = %id, %error, "the pipeline cannot be started");
            false
        }
    }
}

fn context(core: &CoreRef, phase: &PhaseRecord) -> StepContext {
    let (_controller, control) = control::channel();
    StepContext { core: core.clone(), phase: phase.id.clone(), control, by: engine() }
}

/// Asks the stores, for as long as it takes, whether the fence of a switch stands: the engine's start must not guess.
async fn fence_stands(core: &CoreRef, phase: &PhaseRecord, leaving: Traffic) -> bool {
    let along = match leaving {
        Traffic::Source => CarriedBy::new(),
        Traffic::Target => planner::carried(core, phase),
    };
    let mut pause = Duration::from_millis(200);
    loop {
        let asked = async {
            let party = Party::assemble(core, phase, leaving, &along).await?;
            FenceStep(party).stands().await
        };
        match asked.await {
            Ok(stands) => return stands,
            Err(error) => tracing::warn!(phase = %phase.id, ?error, "whether the fence stands is not known yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}

/// A cutover in work: completed when the fence stands, undone when it does not.
async fn resume_cutover(core: &CoreRef, phase: &PhaseRecord) {
    if fence_stands(core, phase, Traffic::Source).await {
        executor::spawn_run(core, &phase.id, engine());
        return;
    }
    let context = context(core, phase);
    let undone = match planner::steps(core, phase).await {
        Ok(steps) => executor::take_back(&context, &steps).await,
        Err(error) => Ok(Err(words(error))),
    };
    let event = match undone {
        Ok(Ok(())) => PhaseEvent::Failed {
            reason: Reason::new(
                "the engine ended during the cutover before the fence; the cutover was undone, writers went on, nothing was lost",
                "retry the phase",
            ),
            policy: FailurePolicy::Retry,
        },
        Ok(Err(reason)) => PhaseEvent::Failed { reason, policy: FailurePolicy::Mend },
        Err(error) => {
            tracing::error!(%error, "the undo of the cutover could not be journaled");
            return;
        }
    };
    append(core, phase, event).await;
}

/// A roll back in work: goes on; a switch back whose fence does not stand is undone first.
async fn resume_rollback(core: &CoreRef, phase: &PhaseRecord) {
    let plan = phase.rollback_plan.clone().unwrap_or_default();
    if phase.kind == PhaseKind::Cutover
        && planner::is_switched(core, phase)
        && !fence_stands(core, phase, Traffic::Target).await
    {
        let context = context(core, phase);
        let undone = match planner::rollback_steps(core, phase).await {
            Ok(WayBack::Switch(steps) | WayBack::Undo(steps)) => executor::take_back(&context, &steps).await,
            Err(error) => Ok(Err(words(error))),
        };
        let reason = match undone {
            Ok(Ok(())) => Reason::new(
                "the engine ended during the roll back before the fence; it was undone, the new side still serves, nothing was lost",
                "`godwit rollback` again",
            ),
            Ok(Err(reason)) => reason,
            Err(error) => {
                tracing::error!(%error, "the undo of the roll back could not be journaled");
                return;
            }
        };
        append(core, phase, PhaseEvent::Stuck { reason }).await;
        return;
    }
    // The request named one phase and took later ones along, last first: what is left is everything down to the named one.
    let state = core.dispatcher.state();
    let named = state.phases.iter().find(|p| p.plan.as_ref().is_some_and(|known| known.hash == plan));
    let targets = planner::rollback_targets(core, named.map_or(&phase.id, |p| &p.id));
    executor::spawn_rollback(core, targets.into_iter().map(|t| t.id).collect(), plan, engine());
}

fn words(error: StepError) -> Reason {
    match error {
        StepError::Failed { reason, .. } => reason,
        StepError::Interrupted => Reason::new("the engine is stopping", "start it again"),
    }
}

async fn append(core: &CoreRef, phase: &PhaseRecord, event: PhaseEvent) {
    let appended = core.dispatcher.append(vec![Event::Phase { phase: phase.id.clone(), event }]).await;
    if let Err(error) = appended {
        tracing::error!(phase = %phase.id, %error, "the outcome of the recovery could not be journaled");
    }
}
