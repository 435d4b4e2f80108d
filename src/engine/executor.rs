//! Carries phases out and takes them back. Append before act: `Intended` is on disk before a step touches a store.

use crate::engine::core::CoreRef;
use crate::engine::dispatcher::AppendError;
use crate::engine::planner;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::event::Event;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{Operator, PhaseId, StepId};
use crate::model::phase::{PhaseEvent, PhaseKind, PhaseStatus};
use crate::model::plan::Direction;
use crate::model::reason::{FailurePolicy, Reason};
use crate::model::step::{StepEvent, StepStatus};
use crate::pipelines::copier::control::{self, Controller, Wish};
use std::time::Duration;

/// How often a step that met a passing error is tried by itself before the phase fails.
const ATTEMPTS: u32 = 5;

/// First pause between such attempts; it doubles.
const BACK_OFF: Duration = Duration::from_millis(300);

/// Carries a phase out in a task of its own. Its status must be `Running` (or a pause of it).
pub fn spawn_run(core: &CoreRef, phase: &PhaseId, by: Operator) {
    let (core, phase) = (core.clone(), phase.clone());
    let (controller, control) = control::channel();
    core.set_controller(Some(controller.clone()));
    tokio::spawn(async move {
        let context = StepContext { core: core.clone(), phase: phase.clone(), control, by };
        let run = run(&context);
        tokio::pin!(run);
        let result = loop {
            tokio::select! {
                result = &mut run => break result,
                result = confirm_pauses(&context, &controller) => if let Err(error) = result { break Err(error) },
            }
        };
        if let Err(error) = result {
            tracing::error!(%phase, %error, "the phase stops: the journal does not take its events");
        }
        core.set_controller(None);
    });
}

/// Waits for one pause and its end, and journals both as they are confirmed.
async fn confirm_pauses(context: &StepContext, controller: &Controller) -> Result<(), AppendError> {
    controller.until(Wish::Pause).await;
    controller.held().await;
    if controller.current() == Wish::Pause && matches!(status(context), Some(PhaseStatus::Pausing)) {
        phase_event(context, PhaseEvent::Paused).await?;
    }
    controller.until(Wish::Run).await;
    if matches!(status(context), Some(PhaseStatus::Resuming)) {
        phase_event(context, PhaseEvent::Resumed).await?;
    }
    Ok(())
}

fn record(context: &StepContext) -> Option<PhaseRecord> {
    context.core.dispatcher.state().phase(&context.phase).cloned()
}

fn status(context: &StepContext) -> Option<PhaseStatus> {
    record(context).map(|r| r.status)
}

async fn phase_event(context: &StepContext, event: PhaseEvent) -> Result<(), AppendError> {
    context.core.dispatcher.append(vec![Event::Phase { phase: context.phase.clone(), event }]).await.map(|_| ())
}

async fn step_event(
    context: &StepContext,
    step: &StepId,
    direction: Direction,
    event: StepEvent,
) -> Result<(), AppendError> {
    let event = Event::Step { phase: context.phase.clone(), step: step.clone(), direction, event };
    context.core.dispatcher.append(vec![event]).await.map(|_| ())
}

/// All steps of a phase in order; ends with `Succeeded` or `Failed` in the journal, or silently on a stop of the engine.
async fn run(context: &StepContext) -> Result<(), AppendError> {
    let Some(phase) = record(context) else { return Ok(()) };
    let steps = match patiently(|| planner::steps(&context.core, &phase)).await {
        Ok(steps) => steps,
        Err(error) => return fail(context, &phase, &[], error).await,
    };
    for (at, step) in steps.iter().enumerate() {
        match carry_out(context, &**step).await? {
            Ok(()) => {}
            Err(StepError::Interrupted) => return Ok(()),
            Err(error) => return fail(context, &phase, steps.get(..=at).unwrap_or(&steps), error).await,
        }
    }
    phase_event(context, PhaseEvent::Succeeded).await
}

/// Asks for the steps of a phase. The stores are asked for them, so a passing error is met here as in a step.
async fn patiently<T, F>(ask: impl Fn() -> F) -> Result<T, StepError>
where
    F: Future<Output = Result<T, StepError>>,
{
    let mut pause = BACK_OFF;
    for _ in 1..ATTEMPTS {
        match ask().await {
            Err(StepError::Failed { passing: true, .. }) => {}
            outcome => return outcome,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    ask().await
}

/// One step: skipped when done, asked for its state when in doubt, else done with a few attempts.
async fn carry_out(context: &StepContext, step: &dyn Step) -> Result<Result<(), StepError>, AppendError> {
    let id = step.planned().id;
    let known = record(context).and_then(|r| r.step(&id).cloned());
    if known.as_ref().is_some_and(|k| k.status == StepStatus::Done) {
        return Ok(Ok(()));
    }
    let mut lane = context.control.enter();
    if lane.unless_paused().await == Wish::Stop {
        return Ok(Err(StepError::Interrupted));
    }
    if known.as_ref().is_some_and(|k| k.status == StepStatus::Intended) {
        match step.check(context).await {
            Ok(Some(outcome)) => return done(context, &id, outcome).await.map(Ok),
            Ok(None) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    let before = known.map_or(0, |k| k.attempts);
    let mut pause = BACK_OFF;
    for attempt in before + 1..=before + ATTEMPTS {
        let result = match step.admits(context).await {
            Err(error) => Err(error),
            Ok(()) => {
                step_event(context, &id, Direction::Forward, StepEvent::Intended { attempt }).await?;
                if step.is_pausable() {
                    // The step enters lanes of its own before it first waits; ours would keep a pause from being confirmed.
                    drop(lane);
                    let result = step.act(context).await;
                    lane = context.control.enter();
                    result
                } else {
                    step.act(context).await
                }
            }
        };
        match result {
            Ok(outcome) => return done(context, &id, outcome).await.map(Ok),
            Err(StepError::Interrupted) => return Ok(Err(StepError::Interrupted)),
            Err(StepError::Failed { reason, policy, passing }) => {
                step_event(context, &id, Direction::Forward, StepEvent::Failed { reason: reason.clone() }).await?;
                if !passing || attempt == before + ATTEMPTS {
                    return Ok(Err(StepError::Failed { reason, policy, passing }));
                }
                tokio::time::sleep(pause).await;
                pause *= 2;
                if lane.unless_paused().await == Wish::Stop {
                    return Ok(Err(StepError::Interrupted));
                }
            }
        }
    }
    Ok(Err(StepError::Interrupted))
}

async fn done(context: &StepContext, step: &StepId, outcome: Outcome) -> Result<(), AppendError> {
    let Outcome { evidence, made } = outcome;
    step_event(context, step, Direction::Forward, StepEvent::Done { evidence, made }).await
}

/// Ends a phase that failed. A cutover that has not passed its point of no return is undone first: writers go on, the copy stays.
async fn fail(
    context: &StepContext,
    phase: &PhaseRecord,
    begun: &[Box<dyn Step>],
    error: StepError,
) -> Result<(), AppendError> {
    let StepError::Failed { mut reason, mut policy, .. } = error else { return Ok(()) };
    // Without steps nothing was begun by us now: there is nothing to undo and nothing to claim.
    if phase.kind == PhaseKind::Cutover && !begun.is_empty() {
        if past_no_return(context, begun) {
            policy = FailurePolicy::Complete;
            reason.next = format!("the fence stands: retry completes what is left ({})", reason.next);
        } else {
            match take_back(context, begun).await? {
                Ok(()) => {
                    policy = FailurePolicy::Retry;
                    reason.what = format!("{}; the cutover was undone, writers went on, nothing was lost", reason.what);
                }
                Err(stuck) => {
                    // Never "cancelled" without proof (C05).
                    policy = FailurePolicy::Mend;
                    reason.next =
                        format!("the automatic undo failed as well ({stuck}): retry it with `godwit rollback`");
                }
            }
        }
    }
    phase_event(context, PhaseEvent::Failed { reason, policy }).await
}

/// True when a step that is the point of no return is done.
fn past_no_return(context: &StepContext, steps: &[Box<dyn Step>]) -> bool {
    record(context).is_some_and(|r| steps.iter().map(|s| s.planned()).any(|p| p.point_of_no_return && r.is_done(&p.id)))
}

/// Takes the begun steps back in reverse order; stops at the first that cannot be taken back.
pub async fn take_back(context: &StepContext, steps: &[Box<dyn Step>]) -> Result<Result<(), Reason>, AppendError> {
    for step in steps.iter().rev() {
        let id = step.planned().id;
        let Some(known) = record(context).and_then(|r| r.step(&id).cloned()) else { continue };
        if known.status == StepStatus::Undone {
            continue;
        }
        step_event(context, &id, Direction::Rollback, StepEvent::UndoIntended).await?;
        let mut pause = BACK_OFF;
        let mut remaining = ATTEMPTS;
        loop {
            remaining -= 1;
            match step.undo(context, &known.made).await {
                Ok(evidence) => {
                    step_event(context, &id, Direction::Rollback, StepEvent::Undone { evidence }).await?;
                    break;
                }
                Err(StepError::Failed { passing: true, .. }) if remaining > 0 => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(StepError::Failed { reason, .. }) => {
                    step_event(context, &id, Direction::Rollback, StepEvent::UndoFailed { reason: reason.clone() })
                        .await?;
                    return Ok(Err(reason));
                }
                Err(StepError::Interrupted) => {
                    return Ok(Err(Reason::new("the engine is stopping", "start it again: the roll back goes on")));
                }
            }
        }
    }
    Ok(Ok(()))
}

/// Takes a phase and every later one back, last first, in a task of its own. The first one's status must be `RollingBack`
/// already; `targets` lists them in the order in which they are taken back.
pub fn spawn_rollback(core: &CoreRef, targets: Vec<PhaseId>, plan: String, by: Operator) {
    let core = core.clone();
    let (controller, control) = control::channel();
    core.set_controller(Some(controller));
    tokio::spawn(async move {
        for phase in targets {
            let context =
                StepContext { core: core.clone(), phase: phase.clone(), control: control.clone(), by: by.clone() };
            match roll_back(&context, &plan).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%phase, %error, "the roll back stops: the journal does not take its events");
                    break;
                }
            }
        }
        core.set_controller(None);
    });
}

/// Takes one phase back; false when it got stuck.
async fn roll_back(context: &StepContext, plan: &str) -> Result<bool, AppendError> {
    let Some(phase) = record(context) else { return Ok(true) };
    if phase.status != PhaseStatus::RollingBack {
        let event = PhaseEvent::RollbackStarted { by: context.by.clone(), plan: plan.to_owned() };
        phase_event(context, event).await?;
    }
    let Some(phase) = record(context) else { return Ok(true) };
    let taken_back = match patiently(|| planner::rollback_steps(&context.core, &phase)).await {
        Ok(planner::WayBack::Undo(steps)) => take_back(context, &steps).await?,
        Ok(planner::WayBack::Switch(steps)) => switch_back(context, &steps).await?,
        Err(error) => Err(match error {
            StepError::Failed { reason, .. } => reason,
            StepError::Interrupted => return Ok(false),
        }),
    };
    match taken_back {
        Ok(()) => {
            phase_event(context, PhaseEvent::RolledBack).await?;
            Ok(true)
        }
        // An engine that is stopping leaves the roll back in work: the next one goes on with it.
        Err(_) if context.core.stop.borrow().is_some() => Ok(false),
        Err(reason) => {
            phase_event(context, PhaseEvent::Stuck { reason }).await?;
            Ok(false)
        }
    }
}

/// The cutover's way back after the switch: the same algorithm in the other direction, as steps of its own that are carried out forward.
async fn switch_back(context: &StepContext, steps: &[Box<dyn Step>]) -> Result<Result<(), Reason>, AppendError> {
    for (at, step) in steps.iter().enumerate() {
        match carry_out(context, &**step).await? {
            Ok(()) => {}
            Err(StepError::Interrupted) => {
                return Ok(Err(Reason::new("the engine is stopping", "start it again: the roll back goes on")));
            }
            Err(StepError::Failed { reason, .. }) => {
                let begun = steps.get(..=at).unwrap_or(steps);
                if past_no_return(context, begun) {
                    return Ok(Err(Reason::new(
                        reason.what,
                        format!(
                            "the new side is fenced: `godwit rollback` again completes what is left ({})",
                            reason.next
                        ),
                    )));
                }
                if let Err(undo) = take_back(context, begun).await? {
                    return Ok(Err(undo));
                }
                return Ok(Err(Reason::new(
                    format!("{}; the roll back was undone, the new side still serves, nothing was lost", reason.what),
                    "mend the cause, then `godwit rollback` again",
                )));
            }
        }
    }
    Ok(Ok(()))
}
