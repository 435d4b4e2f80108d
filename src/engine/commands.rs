//! Carrying commands out: role, what the operator saw, typed name, then the state machine. A refusal is a sentence and changes nothing.

use crate::engine::checks;
use crate::engine::comparison;
use crate::engine::core::CoreRef;
use crate::engine::dispatcher::{AppendError, Guard};
use crate::engine::ending;
use crate::engine::executor;
use crate::engine::gate::{self, Look};
use crate::engine::index_orders;
use crate::engine::knobs;
use crate::engine::planner;
use crate::engine::recovery;
use crate::engine::steps::step::StepError;
use crate::engine::steps::switch::before::moves;
use crate::model::command::{Action, Answer, Command};
use crate::model::event::Event;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{Operator, PhaseId, PipelineId, Seq};
use crate::model::phase::{Approval, PhaseEvent, PhaseKind, PhaseStatus};
use crate::model::pipeline::{Carried, PipelineEvent, PipelineState, Stage, Traffic};
use crate::model::plan::Direction;
use crate::model::reason::FailurePolicy;
use crate::model::role::Role;
use crate::pipelines::copier::control::Wish;
use chrono::Utc;

/// Why a command is refused.
pub struct Refusal(pub String);

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        Self(error.to_string())
    }
}

impl From<StepError> for Refusal {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Interrupted => Self("the engine is stopping".to_owned()),
            StepError::Failed { reason, .. } => Self(reason.to_string()),
        }
    }
}

type Result<T> = std::result::Result<T, Refusal>;

/// Shortest prefix of a plan's hash that names it.
const HASH_PREFIX: usize = 12;

/// Carries one command out. Refusals of acting commands are journaled: who tried what.
pub async fn answer(core: &CoreRef, by: &Operator, role: Role, command: Command) -> Answer {
    let typed = command.action.as_typed();
    let reads = command.action.only_reads();
    match carry_out(core, by, role, command).await {
        Ok(answer) => answer,
        Err(Refusal(why)) => {
            if !reads {
                let event = Event::CommandRejected { by: by.clone(), command: typed, why: why.clone() };
                if let Err(error) = core.dispatcher.append(vec![event]).await {
                    tracing::error!(%error, "a refusal could not be journaled");
                }
            }
            Answer::Rejected { why }
        }
    }
}

async fn carry_out(core: &CoreRef, by: &Operator, role: Role, command: Command) -> Result<Answer> {
    let needs = command.action.needs();
    if role < needs {
        return Err(Refusal(format!(
            "`{}` needs the role {needs}; {by} is {role} (see [roles] in the profile)",
            command.action.as_typed()
        )));
    }
    confirmed(core, &command)?;
    let phase = match command.action.phase() {
        Some(id) => Some(seen(core, id, command.expected_seq)?),
        None => None,
    };
    match (command.action, phase) {
        (Action::Plan { direction, .. }, Some(phase)) => {
            Ok(Answer::Planned { plan: planner::plan(core, &phase, direction).await?, seq: None })
        }
        (Action::Run { .. }, Some(phase)) => run(core, by, &phase).await,
        (Action::Approve { plan, .. }, Some(phase)) => approve(core, by, &phase, &plan).await,
        (Action::Withdraw { .. }, Some(phase)) => {
            let why = format!("withdrawn by {by}");
            change(core, &phase, PhaseEvent::ApprovalVoid { why }, "the request is withdrawn").await
        }
        (Action::Pause { .. }, Some(phase)) => pause(core, by, &phase).await,
        (Action::Resume { .. }, Some(phase)) => {
            in_work(core)?;
            let event = PhaseEvent::ResumeRequested { by: by.clone() };
            let answer = change(core, &phase, event, "going on as soon as the steps confirm").await?;
            wish(core, Wish::Run);
            Ok(answer)
        }
        (Action::Retry { .. }, Some(phase)) => retry(core, by, &phase).await,
        (Action::Rollback { plan, .. }, Some(phase)) => roll_back(core, by, &phase, &plan).await,
        (Action::Skip { why, .. }, Some(phase)) => skip(core, by, &phase, why).await,
        (Action::Verify { pipelines, tables, repair }, _) => verify(core, by, pipelines, tables, repair).await,
        (Action::PausePipeline { pipeline }, _) => pause_pipeline(core, &pipeline).await,
        (Action::ResumePipeline { pipeline }, _) => resume_pipeline(core, &pipeline).await,
        (Action::Throttle { pipeline, knob, value }, _) => knobs::turn(core, by, &pipeline, &knob, &value).await,
        (Action::ShowEnding { store, session, how }, _) => ending::show(core, &store, &session, how),
        (Action::EndSession { store, session, how }, _) => ending::end(core, by, &store, &session, how).await,
        (Action::TakeIndex { finding, .. }, Some(phase)) => index_orders::take(core, by, &phase, &finding).await,
        (Action::LeaveIndex { finding, .. }, Some(phase)) => index_orders::leave(core, by, &phase, &finding).await,
        (Action::Check, _) => Ok(Answer::Checked { checks: checks::run(&core.profile, &core.stores).await }),
        (Action::Down, _) => {
            let seq = core.dispatcher.state().head;
            core.ask_to_stop(format!("`godwit down` by {by}"));
            Ok(Answer::Accepted {
                seq,
                message: "the engine finishes what is in flight and stops; phases go on at the next start".to_owned(),
            })
        }
        (action, None) => Err(Refusal(format!("`{}` names no phase", action.as_typed()))),
    }
}

/// In production a dangerous command needs the target's name, typed.
fn confirmed(core: &CoreRef, command: &Command) -> Result<()> {
    if !core.profile.migration.is_production() || !command.action.is_dangerous() {
        return Ok(());
    }
    let wanted = command.action.typed_name(&core.profile.migration.name);
    if command.confirm.as_deref() == Some(wanted) {
        return Ok(());
    }
    Err(Refusal(format!("this is production: confirm by typing `{wanted}` (on the command line: --confirm {wanted})")))
}

/// The phase's record, unless it changed after what the operator saw.
fn seen(core: &CoreRef, id: &PhaseId, expected: Option<Seq>) -> Result<PhaseRecord> {
    let state = core.dispatcher.state();
    let Some(phase) = state.phase(id) else {
        let names: Vec<&str> = state.phases.iter().map(|p| p.id.as_str()).collect();
        return Err(Refusal(format!("there is no phase {id}; the ladder is {}", names.join(", "))));
    };
    if let Some(expected) = expected
        && phase.changed_seq > expected
    {
        return Err(AppendError::Stale { phase: id.clone(), now: phase.status.word(), seq: phase.changed_seq }.into());
    }
    Ok(phase.clone())
}

fn guard(phase: &PhaseRecord) -> Guard {
    Guard { phase: phase.id.clone(), unchanged_since: phase.changed_seq }
}

/// Appends one phase event, if the phase is still what it was.
async fn change(core: &CoreRef, phase: &PhaseRecord, event: PhaseEvent, message: &str) -> Result<Answer> {
    let entries =
        core.dispatcher.append_if(guard(phase), vec![Event::Phase { phase: phase.id.clone(), event }]).await?;
    let seq = entries.first().map_or(Seq(0), |e| e.seq);
    Ok(Answer::Accepted { seq, message: message.to_owned() })
}

/// Asked before a wish is journaled: a refusal must not leave a trace in the phase.
fn in_work(core: &CoreRef) -> Result<()> {
    match core.controller() {
        Some(_) => Ok(()),
        None => Err(Refusal("no phase is in work".to_owned())),
    }
}

/// Tells the phase in work. One that ended in between has no wish to take.
fn wish(core: &CoreRef, wish: Wish) {
    if let Some(controller) = core.controller() {
        controller.wish(wish);
    }
}

/// Asked for: gates, plan, then approvals are collected.
async fn run(core: &CoreRef, by: &Operator, phase: &PhaseRecord) -> Result<Answer> {
    // The status is asked first: nobody wants to read gates for a phase that cannot run.
    let probe = PhaseEvent::PlanRequested { by: by.clone(), plan: String::new() };
    phase.status.next(&probe).map_err(|e| Refusal(format!("{}: {e}", phase.id)))?;
    let obstacles = gate::obstacles(&gate::board(core, phase, Look::Anew).await);
    if !obstacles.is_empty() {
        let sentence = format!("{} is blocked: {}", phase.id, obstacles.join("; "));
        change(core, phase, PhaseEvent::Blocked { reasons: obstacles }, "").await?;
        return Ok(Answer::Rejected { why: sentence });
    }
    let (resolved, _) = index_orders::resolved(core, phase).await?;
    let plan = planner::plan(core, phase, Direction::Forward).await?;
    // What the profile names is fixed now: the steps are made from the journal alone.
    let mut events = index_orders::events(phase, &resolved, by);
    events.extend([
        Event::Planned { plan: plan.clone() },
        Event::Phase {
            phase: phase.id.clone(),
            event: PhaseEvent::PlanRequested { by: by.clone(), plan: plan.hash.clone() },
        },
    ]);
    let entries = core.dispatcher.append_if(guard(phase), events).await?;
    Ok(Answer::Planned { plan, seq: entries.last().map(|e| e.seq) })
}

/// Consent to a plan; with enough of it the phase starts.
async fn approve(core: &CoreRef, by: &Operator, phase: &PhaseRecord, plan: &str) -> Result<Answer> {
    let PhaseStatus::AwaitingApproval { plan: current, requested_by, .. } = &phase.status else {
        return Err(Refusal(format!("{} is {}: there is nothing to approve", phase.id, phase.status.word())));
    };
    if !names_plan(plan, current) {
        return Err(Refusal(format!(
            "the plan of {} is {}, not {}: read it again before approving",
            phase.id,
            current.get(..HASH_PREFIX).unwrap_or(current),
            plan.get(..HASH_PREFIX).unwrap_or(plan)
        )));
    }
    if phase.approvals >= 2 && by == requested_by {
        return Err(Refusal(format!(
            "{} needs {} approvals and {by} asked for it: the requester does not count",
            phase.id, phase.approvals
        )));
    }
    let declared = core.profile.phases.iter().find(|p| p.id == phase.id);
    let ttl = declared.map_or(std::time::Duration::from_secs(3600), |p| p.approval_ttl);
    let expires_at = Utc::now() + chrono::Duration::from_std(ttl).unwrap_or_else(|_| chrono::Duration::days(365));
    let approval = Approval { by: by.clone(), expires_at };
    let event = PhaseEvent::Approved { approval, plan: current.clone() };
    let entries =
        core.dispatcher.append_if(guard(phase), vec![Event::Phase { phase: phase.id.clone(), event }]).await?;
    let seq = entries.first().map_or(Seq(0), |e| e.seq);
    let phase = seen(core, &phase.id, None)?;
    let valid = valid_approvals(&phase);
    if valid < phase.approvals as usize {
        let message = format!("approved: {valid} of {} approvals", phase.approvals);
        return Ok(Answer::Accepted { seq, message });
    }
    start(core, by, &phase).await?;
    Ok(Answer::Accepted { seq, message: format!("approved: {} starts", phase.id) })
}

fn names_plan(given: &str, plan: &str) -> bool {
    given.len() >= HASH_PREFIX && plan.starts_with(given)
}

/// Approvals that have not expired; with two or more needed, the requester's does not count.
fn valid_approvals(phase: &PhaseRecord) -> usize {
    match &phase.status {
        PhaseStatus::AwaitingApproval { approvals, requested_by, .. } => approvals
            .iter()
            .filter(|a| a.expires_at > Utc::now() && (phase.approvals < 2 || a.by != *requested_by))
            .count(),
        _ => 0,
    }
}

/// Starts an approved phase: gates and plan once more, because time has passed.
async fn start(core: &CoreRef, by: &Operator, phase: &PhaseRecord) -> Result<()> {
    let PhaseStatus::AwaitingApproval { plan: approved, .. } = &phase.status else { return Ok(()) };
    let state = core.dispatcher.state();
    if core.controller().is_some() || state.phases.iter().any(|p| p.status.is_active()) {
        return Err(Refusal("another phase is in work: wait for it, or pause it and roll it back".to_owned()));
    }
    let obstacles = gate::obstacles(&gate::board(core, phase, Look::Anew).await);
    if !obstacles.is_empty() {
        let sentence = format!(
            "{} is approved but blocked now: {}; approve again when it is clear",
            phase.id,
            obstacles.join("; ")
        );
        change(core, phase, PhaseEvent::Blocked { reasons: obstacles }, "").await?;
        return Err(Refusal(sentence));
    }
    let plan = planner::plan(core, phase, Direction::Forward).await?;
    if plan.hash != *approved {
        let why = "the plan changed after it was approved".to_owned();
        change(core, phase, PhaseEvent::ApprovalVoid { why }, "").await?;
        return Err(Refusal(format!(
            "the plan of {} changed after it was approved: ask for it again and read it",
            phase.id
        )));
    }
    core.dispatcher
        .append_if(guard(phase), vec![Event::Phase { phase: phase.id.clone(), event: PhaseEvent::Started }])
        .await?;
    executor::spawn_run(core, &phase.id, by.clone());
    Ok(())
}

async fn pause(core: &CoreRef, by: &Operator, phase: &PhaseRecord) -> Result<Answer> {
    if phase.kind == PhaseKind::Cutover {
        return Err(Refusal(
            "a cutover is not paused: its downtime budget ends it, and roll back takes it back".to_owned(),
        ));
    }
    in_work(core)?;
    let event = PhaseEvent::PauseRequested { by: by.clone() };
    let answer = change(core, phase, event, "pausing: what is in flight is being finished").await?;
    wish(core, Wish::Pause);
    Ok(answer)
}

async fn retry(core: &CoreRef, by: &Operator, phase: &PhaseRecord) -> Result<Answer> {
    if core.controller().is_some() {
        return Err(Refusal("another phase is in work".to_owned()));
    }
    for pipeline in &phase.pipelines {
        core.fleet.resume(pipeline);
    }
    let answer =
        change(core, phase, PhaseEvent::RetryRequested { by: by.clone() }, "trying again from the step that failed")
            .await?;
    executor::spawn_run(core, &phase.id, by.clone());
    Ok(answer)
}

/// What has passed its point of no return by half is completed before it is taken back: half of two sides is no side to go back to.
fn no_half_way(phase: &PhaseRecord) -> Result<()> {
    let PhaseStatus::Failed { policy, .. } = &phase.status else { return Ok(()) };
    if *policy == FailurePolicy::Complete || phase.kind == PhaseKind::Retire {
        return Err(Refusal(format!(
            "{} stopped behind its point of no return: mend the cause and `godwit retry {}` completes it; a roll back is possible after that where the plan says so",
            phase.id, phase.id
        )));
    }
    Ok(())
}

async fn roll_back(core: &CoreRef, by: &Operator, phase: &PhaseRecord, hash: &str) -> Result<Answer> {
    let state = core.dispatcher.state();
    let retired = state.phases.iter().any(|p| p.kind == PhaseKind::Retire && p.status == PhaseStatus::Succeeded);
    if retired {
        return Err(Refusal(
            "the migration is retired: the old side is no longer kept current, so there is no way back".to_owned(),
        ));
    }
    let targets = planner::rollback_targets(core, &phase.id);
    for target in &targets {
        no_half_way(target)?;
    }
    let probe = PhaseEvent::RollbackStarted { by: by.clone(), plan: String::new() };
    phase.status.next(&probe).map_err(|e| Refusal(format!("{}: {e}", phase.id)))?;
    let (plan, carried) = planner::rollback_plan(core, phase).await?;
    if !names_plan(hash, &plan.hash) {
        return Err(Refusal(format!(
            "the roll back plan of {} is {} now: print it with `godwit plan {} --rollback`, read it, and name its hash",
            phase.id,
            plan.short_hash(),
            phase.id
        )));
    }
    // Before tables are carried and later phases taken back for a switch that would not drain.
    for target in targets.iter().filter(|target| planner::begins_switch_back(core, target)) {
        for pipeline in &target.pipelines {
            moves(pipeline, &core.record(pipeline).state)?;
        }
    }
    core.stop_phase().await;
    // A phase that was in work has come to its end or to a stop meanwhile.
    let targets = planner::rollback_targets(core, &phase.id);
    let Some(first) = targets.first() else {
        return Err(Refusal(format!("{} has nothing to take back", phase.id)));
    };
    let mut events = vec![Event::Planned { plan: plan.clone() }];
    // What is taken along is what the plan says, whatever is made from now on: the last look under the freeze finds that.
    events.extend(carried.into_iter().map(|(pipeline, Carried { tables, statements })| Event::Pipeline {
        pipeline,
        event: PipelineEvent::Carrying { tables, statements },
    }));
    events.push(Event::Phase {
        phase: first.id.clone(),
        event: PhaseEvent::RollbackStarted { by: by.clone(), plan: plan.hash.clone() },
    });
    let entries = core.dispatcher.append(events).await?;
    let names: Vec<String> = targets.iter().map(|t| t.id.to_string()).collect();
    executor::spawn_rollback(core, targets.into_iter().map(|t| t.id).collect(), plan.hash, by.clone());
    Ok(Answer::Accepted {
        seq: entries.first().map_or(Seq(0), |e| e.seq),
        message: format!("rolling back {}", names.join(", then ")),
    })
}

async fn skip(core: &CoreRef, by: &Operator, phase: &PhaseRecord, why: String) -> Result<Answer> {
    if matches!(phase.kind, PhaseKind::Build | PhaseKind::Backfill | PhaseKind::Sync | PhaseKind::Cutover) {
        return Err(Refusal(format!("{} cannot be skipped: later phases stand on it", phase.id)));
    }
    if why.trim().is_empty() {
        return Err(Refusal("say why it is skipped: the journal keeps it".to_owned()));
    }
    change(core, phase, PhaseEvent::Skipped { by: by.clone(), why }, "skipped").await
}

/// Starts a comparison in a task of its own.
async fn verify(
    core: &CoreRef,
    by: &Operator,
    pipelines: Vec<PipelineId>,
    tables: Vec<String>,
    repair: bool,
) -> Result<Answer> {
    let pipelines =
        if pipelines.is_empty() { core.profile.pipelines.iter().map(|p| p.id.clone()).collect() } else { pipelines };
    for id in &pipelines {
        core.pipeline(id).map_err(|e| Refusal(e.to_string()))?;
        let maps = core
            .maps(id)
            .ok_or_else(|| Refusal(format!("pipeline {id} has no tables yet: run the build phase first")))?;
        if core.record(id).copied_rows.is_none() {
            return Err(Refusal(format!("pipeline {id} is not copied yet: there is nothing to compare")));
        }
        let unknown = tables.iter().find(|t| pipelines.len() == 1 && !maps.iter().any(|m| m.source.to_string() == **t));
        if let Some(table) = unknown {
            return Err(Refusal(format!("pipeline {id} has no table {table}")));
        }
    }
    let state = core.dispatcher.state();
    let busy = pipelines.iter().find(|p| {
        core.samples.borrow().verifying.contains_key(*p)
            || state.comparisons.get(*p).is_some_and(|record| record.asked.is_some())
    });
    if let Some(pipeline) = busy {
        return Err(Refusal(format!("pipeline {pipeline} is being compared already")));
    }
    let seq = comparison::start(core, by, pipelines, tables, repair).await?;
    Ok(Answer::Accepted { seq, message: "comparing; results show as they come".to_owned() })
}

async fn pause_pipeline(core: &CoreRef, pipeline: &PipelineId) -> Result<Answer> {
    core.pipeline(pipeline).map_err(|e| Refusal(e.to_string()))?;
    if core.record(pipeline).stage == Stage::Frozen {
        return Err(Refusal(format!(
            "writers are held for a switch and pipeline {pipeline} is draining: that ends within the downtime budget"
        )));
    }
    if !core.fleet.pause(pipeline) {
        return Err(Refusal(format!("pipeline {pipeline} is not running: there is nothing to pause")));
    }
    let event =
        Event::Pipeline { pipeline: pipeline.clone(), event: PipelineEvent::State { state: PipelineState::Pausing } };
    let entries = core.dispatcher.append(vec![event]).await?;
    let message = "pausing: the source keeps its log, the runway shows for how long".to_owned();
    Ok(Answer::Accepted { seq: entries.first().map_or(Seq(0), |e| e.seq), message })
}

async fn resume_pipeline(core: &CoreRef, pipeline: &PipelineId) -> Result<Answer> {
    core.pipeline(pipeline).map_err(|e| Refusal(e.to_string()))?;
    let seq = core.dispatcher.state().head;
    // One whose data is there but whose pump is not running is started.
    let started = match core.record(pipeline).stage {
        Stage::Idle | Stage::Copy | Stage::CatchUp => false,
        Stage::Live => recovery::start_pipeline(core, pipeline, Traffic::Source).await,
        Stage::Frozen => recovery::start_pipeline(core, pipeline, core.record(pipeline).traffic).await,
        Stage::Reverse => recovery::start_pipeline(core, pipeline, Traffic::Target).await,
    };
    if !core.fleet.resume(pipeline) && !started {
        return Err(Refusal(format!("pipeline {pipeline} is not running: the sync phase starts it")));
    }
    Ok(Answer::Accepted { seq: Seq(seq.0 + 1), message: "going on".to_owned() })
}
