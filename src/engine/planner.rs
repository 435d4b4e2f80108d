//! From a phase to its steps, and from steps to a printed plan with its hash.

use crate::config::profile::{CustomStep, Phase};
use crate::engine::core::{Core, CoreRef};
use crate::engine::index_orders;
use crate::engine::lock_queue;
use crate::engine::mapping;
use crate::engine::steps::accounts::AccountStep;
use crate::engine::steps::copy::CopyStep;
use crate::engine::steps::custom::ProfileStep;
use crate::engine::steps::index::IndexStep;
use crate::engine::steps::inventory::{ChecksStep, InventoryStep};
use crate::engine::steps::objects::{MapStep, SchemaStep, SqlStep};
use crate::engine::steps::retire::RetireStep;
use crate::engine::steps::soak::SoakStep;
use crate::engine::steps::step::{StepError, StepRef};
use crate::engine::steps::switch::after::{OpenStep, RouteStep, TurnPumpsStep};
use crate::engine::steps::switch::before::{HoldRouteStep, WayBackStep};
use crate::engine::steps::switch::carry;
use crate::engine::steps::switch::fence::FenceStep;
use crate::engine::steps::switch::freeze::{CompareLastStep, DrainStep, FreezeStep, SequenceStep, TurnStep};
use crate::engine::steps::switch::party::{Party, PartyRef};
use crate::engine::steps::sync::{CloseStep, PumpStep, closed_message};
use crate::engine::steps::verification::CompareStep;
use crate::engine::survey::{self, CarriedBy};
use crate::journal::chain::hex;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PhaseId, PipelineId, StepId};
use crate::model::index_order::IndexOrder;
use crate::model::lock_queue::LockQueue;
use crate::model::phase::{PhaseKind, PhaseStatus};
use crate::model::pipeline::{Carried, Traffic};
use crate::model::plan::{Direction, Plan, PlannedStep};
use crate::model::schema::{SchemaPart, SchemaScript};
use crate::model::step::StepStatus;
use sha2::{Digest, Sha256};

/// How a phase is taken back.
pub enum WayBack {
    /// Its steps are undone, last first.
    Undo(Vec<StepRef>),
    /// Traffic was switched: a switch of its own, carried out forward.
    Switch(Vec<StepRef>),
}

/// The steps that carry a phase out. Of indexes, those that its record holds: what only the profile names is no step before it is journaled.
///
/// # Errors
/// [`StepError`] when a store that the steps depend on cannot be read.
pub async fn steps(core: &CoreRef, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut steps = match phase.kind {
        PhaseKind::Assess => assess(core, phase)?,
        PhaseKind::Build => build(core, phase).await?,
        PhaseKind::Backfill => backfill(core, phase).await?,
        PhaseKind::Sync => sync(core, phase).await?,
        PhaseKind::Verify => verify(phase),
        PhaseKind::Tune => tune(core, phase)?,
        PhaseKind::Secure => secure(core, phase).await?,
        PhaseKind::Cutover => switch(Party::assemble(core, phase, Traffic::Source, &CarriedBy::new()).await?),
        PhaseKind::Watch => watch(core, phase)?,
        PhaseKind::Retire => retire(core, phase).await?,
    };
    steps.extend(own_steps(core, &phase.id));
    Ok(steps)
}

/// The steps that take a phase back, once that has begun: a switch back takes along what the journal says.
///
/// # Errors
/// [`StepError`] when a store that the steps depend on cannot be read.
pub async fn rollback_steps(core: &CoreRef, phase: &PhaseRecord) -> Result<WayBack, StepError> {
    way_back_steps(core, phase, &carried(core, phase)).await
}

async fn way_back_steps(core: &CoreRef, phase: &PhaseRecord, along: &CarriedBy) -> Result<WayBack, StepError> {
    if phase.kind == PhaseKind::Cutover && is_switched(core, phase) {
        return Ok(WayBack::Switch(switch(Party::assemble(core, phase, Traffic::Target, along).await?)));
    }
    Ok(WayBack::Undo(steps(core, phase).await?))
}

/// What the journal says that the roll back of a phase takes along.
pub fn carried(core: &Core, phase: &PhaseRecord) -> CarriedBy {
    phase.pipelines.iter().map(|id| (id.clone(), core.record(id).carried)).collect()
}

/// True when a switch back was begun and not wholly undone: then it is about what the journal says, and not about what a new look
/// at the stores would find.
fn in_hand(phase: &PhaseRecord) -> bool {
    phase.status == PhaseStatus::RollingBack
        || phase.steps.iter().any(|s| s.id.as_str().starts_with("back/") && s.status != StepStatus::Undone)
}

/// True when the roll back of a phase would be a switch of which nothing has happened yet.
pub fn begins_switch_back(core: &Core, phase: &PhaseRecord) -> bool {
    phase.kind == PhaseKind::Cutover && is_switched(core, phase) && !in_hand(phase)
}

/// True when the target serves for the phase's pipelines.
pub fn is_switched(core: &Core, phase: &PhaseRecord) -> bool {
    // A switch back whose fence stands has turned `traffic` round already but is not complete: its own steps tell.
    let back_begun = phase.steps.iter().any(|s| s.id.as_str().starts_with("back/"));
    back_begun || phase.pipelines.iter().any(|p| core.record(p).traffic == Traffic::Target)
}

/// The printed plan of a phase in one direction. For a roll back, the plan covers every later phase that has something to take back.
///
/// # Errors
/// [`StepError`] when the steps cannot be made.
pub async fn plan(core: &CoreRef, phase: &PhaseRecord, direction: Direction) -> Result<Plan, StepError> {
    if direction == Direction::Rollback {
        return Ok(rollback_plan(core, phase).await?.0);
    }
    let (phase, unbuilt) = index_orders::resolved(core, phase).await?;
    let planned = steps(core, &phase).await?.iter().map(|s| s.planned()).collect();
    let mut notes = left_out(core, &phase).await?;
    notes.extend(unbuilt);
    let mut plan = printed(core, &phase, direction, planned, notes, Vec::new());
    plan.queues = queues(core, &phase).await?;
    Ok(plan)
}

/// Who would wait for whom if the phase's indexes were built now: of each table once.
async fn queues(core: &Core, phase: &PhaseRecord) -> Result<Vec<LockQueue>, StepError> {
    let mut queues: Vec<LockQueue> = Vec::new();
    for order in phase.indexes.iter().filter(|order| !phase.is_done(&order.step())) {
        if queues.iter().any(|known| known.store == order.store && known.table == order.build.table) {
            continue;
        }
        queues.push(lock_queue::read(core.store(&order.store)?, &order.build.table).await);
    }
    Ok(queues)
}

/// The plan of a roll back, and what it takes along: both from one look at the stores.
///
/// # Errors
/// [`StepError`] when the steps cannot be made, or when rows would be lost.
pub async fn rollback_plan(core: &CoreRef, phase: &PhaseRecord) -> Result<(Plan, CarriedBy), StepError> {
    let mut planned = Vec::new();
    let mut notes = Vec::new();
    let mut sizes = Vec::new();
    let mut taken = CarriedBy::new();
    for target in rollback_targets(core, &phase.id) {
        let along = along(core, &target, &mut notes, &mut sizes).await?;
        match way_back_steps(core, &target, &along).await? {
            WayBack::Switch(steps) => planned.extend(steps.iter().map(|s| s.planned())),
            WayBack::Undo(steps) => planned.extend(steps.iter().rev().filter_map(|s| taken_back(&target, s.planned()))),
        }
        taken.extend(along);
        if target.id != phase.id {
            notes.push(format!("takes the later phase {} back as well", target.id));
        }
    }
    Ok((printed(core, phase, Direction::Rollback, planned, notes, sizes), taken))
}

/// What a roll back of one phase takes along; empty when it is no switch back.
async fn along(
    core: &CoreRef,
    phase: &PhaseRecord,
    notes: &mut Vec<String>,
    sizes: &mut Vec<String>,
) -> Result<CarriedBy, StepError> {
    if phase.kind != PhaseKind::Cutover || !is_switched(core, phase) {
        return Ok(CarriedBy::new());
    }
    if in_hand(phase) {
        return Ok(carried(core, phase));
    }
    let survey = survey::take(core, phase).await?;
    notes.extend(survey.notes);
    sizes.extend(survey.sizes);
    // Every pipeline has its entry, so that what an earlier attempt carried is forgotten.
    let mut along: CarriedBy = phase.pipelines.iter().map(|id| (id.clone(), Carried::default())).collect();
    along.extend(survey.carried);
    Ok(along)
}

/// A step as it is taken back; `None` when there is nothing of it.
fn taken_back(phase: &PhaseRecord, mut step: PlannedStep) -> Option<PlannedStep> {
    let known = phase.step(&step.id)?;
    step.does = if known.made.is_empty() { step.undo } else { known.made.iter().rev().cloned().collect() };
    step.title = format!("Take back ({}): {}", phase.id, step.title);
    step.undo = Vec::new();
    step.point_of_no_return = false;
    (!step.does.is_empty()).then_some(step)
}

fn printed(
    core: &Core,
    phase: &PhaseRecord,
    direction: Direction,
    steps: Vec<PlannedStep>,
    notes: Vec<String>,
    sizes: Vec<String>,
) -> Plan {
    let way_back = match (phase.kind, phase.indexes.is_empty()) {
        (PhaseKind::Watch, false) => way_back(PhaseKind::Tune, direction),
        (kind, _) => way_back(kind, direction),
    };
    let mut plan = Plan {
        phase: phase.id.clone(),
        direction,
        steps,
        notes,
        sizes,
        queues: Vec::new(),
        way_back: way_back.to_owned(),
        hash: String::new(),
    };
    plan.hash = hash(&plan, &core.profile.digest);
    plan
}

/// The phases that a roll back of `phase` takes back, in the order in which it does: later ones first.
pub fn rollback_targets(core: &Core, phase: &PhaseId) -> Vec<PhaseRecord> {
    let state = core.dispatcher.state();
    let Some(at) = state.phases.iter().position(|p| p.id == *phase) else { return Vec::new() };
    state
        .phases
        .iter()
        .skip(at)
        .rev()
        .filter(|p| p.id == *phase || p.status.may_roll_back() || p.status.is_active())
        .cloned()
        .collect()
}

/// What a roll back after this plan would do, and which writes it would lose.
fn way_back(kind: PhaseKind, direction: Direction) -> &'static str {
    match (kind, direction) {
        (PhaseKind::Retire, Direction::Forward) => {
            "none: after this phase the old side is no longer kept current; the old tables stay, fenced"
        }
        (PhaseKind::Cutover, Direction::Forward) => {
            "before the fence: automatic undo, writers go on. After it: `godwit rollback` switches back by the reverse pipelines and loses no acknowledged write"
        }
        (PhaseKind::Cutover, Direction::Rollback) => {
            "before the fence: automatic undo, the new side serves on. After it: the cutover can be asked for again; no acknowledged write is lost"
        }
        (PhaseKind::Assess | PhaseKind::Verify | PhaseKind::Watch, Direction::Forward) => {
            "nothing is changed, so there is nothing to take back"
        }
        (_, Direction::Forward) => {
            "`godwit rollback` removes only what the journal says that Godwit made; the source is not touched, no write is lost"
        }
        (_, Direction::Rollback) => "the phase can be asked for again; the source is not touched, no write is lost",
    }
}

fn hash(plan: &Plan, digest: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(digest.as_bytes());
    let plan = Plan { sizes: Vec::new(), queues: Vec::new(), ..plan.clone() };
    // A plan is made of strings and lists: writing it as JSON cannot fail, and an empty text would only make approvals fail.
    hasher.update(serde_json::to_vec(&plan).unwrap_or_default());
    hex(&hasher.finalize())
}

fn declared<'a>(core: &'a Core, id: &PhaseId) -> Option<&'a Phase> {
    core.profile.phases.iter().find(|p| p.id == *id)
}

fn own_steps(core: &Core, id: &PhaseId) -> Vec<StepRef> {
    let Some(phase) = declared(core, id) else { return Vec::new() };
    phase
        .steps
        .iter()
        .map(|step| {
            let store = match step {
                CustomStep::Sql { store, .. } => core.stores.get(store).cloned(),
                CustomStep::Command { .. } | CustomStep::Http { .. } => None,
            };
            Box::new(ProfileStep { step: step.clone(), store }) as StepRef
        })
        .collect()
}

fn assess(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut stores = std::collections::BTreeSet::new();
    for pipeline in &phase.pipelines {
        let pipeline = core.pipeline(pipeline)?;
        stores.insert(pipeline.from.clone());
        stores.insert(pipeline.to.clone());
    }
    let mut steps: Vec<StepRef> = Vec::new();
    for id in stores {
        steps.push(Box::new(InventoryStep { store: core.store(&id)?.clone() }));
    }
    steps.push(Box::new(ChecksStep));
    Ok(steps)
}

async fn script(core: &Core, pipeline: &PipelineId) -> Result<SchemaScript, StepError> {
    let maps = mapping::resolve(core, pipeline).await?;
    let from = core.store(&core.pipeline(pipeline)?.from)?;
    Ok(from.schema().script(&maps).await?)
}

async fn left_out(core: &Core, phase: &PhaseRecord) -> Result<Vec<String>, StepError> {
    if phase.kind != PhaseKind::Build {
        return Ok(Vec::new());
    }
    let mut notes = Vec::new();
    for pipeline in &phase.pipelines {
        notes.extend(script(core, pipeline).await?.left_out.into_iter().map(|n| format!("{pipeline}: {n}")));
    }
    Ok(notes)
}

async fn objects(core: &Core, pipeline: &PipelineId, part: SchemaPart) -> Result<Vec<StepRef>, StepError> {
    let store = core.store(&core.pipeline(pipeline)?.to)?.clone();
    let statements = script(core, pipeline).await?.statements.into_iter().filter(|s| s.part == part);
    Ok(statements
        .map(|statement| {
            Box::new(SchemaStep { scope: pipeline.to_string(), store: store.clone(), statement }) as StepRef
        })
        .collect())
}

async fn build(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut steps: Vec<StepRef> = Vec::new();
    for pipeline in &phase.pipelines {
        let maps = mapping::resolve(core, pipeline).await?;
        steps.push(Box::new(MapStep { pipeline: pipeline.clone(), maps }));
        steps.extend(objects(core, pipeline, SchemaPart::Tables).await?);
    }
    Ok(steps)
}

async fn backfill(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut steps: Vec<StepRef> = Vec::new();
    for id in &phase.pipelines {
        let maps = mapping::resolve(core, id).await?;
        let route = core.route(id, Traffic::Source, &maps)?;
        let chunk_bytes = core.pipeline(id)?.chunk_bytes;
        let capture = route.source.capture().statements(&route.capture).await?;
        let adopted = core.record(id).adopted;
        steps.push(Box::new(CopyStep { pipeline: id.clone(), route, capture, chunk_bytes, adopted }));
        steps.extend(objects(core, id, SchemaPart::Keys).await?);
    }
    Ok(steps)
}

async fn sync(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut steps: Vec<StepRef> = Vec::new();
    for id in &phase.pipelines {
        let maps = mapping::resolve(core, id).await?;
        let route = core.route(id, Traffic::Source, &maps)?;
        steps.push(Box::new(PumpStep { pipeline: id.clone(), route }));
    }
    for id in &phase.pipelines {
        steps.extend(objects(core, id, SchemaPart::Rest).await?);
        steps.extend(objects(core, id, SchemaPart::Links).await?);
        let maps = mapping::resolve(core, id).await?;
        steps.push(Box::new(CloseStep {
            pipeline: id.clone(),
            store: core.store(&core.pipeline(id)?.to)?.clone(),
            tables: maps.into_iter().map(|m| m.target).collect(),
            message: closed_message(&core.profile.migration.name),
        }));
    }
    Ok(steps)
}

fn verify(phase: &PhaseRecord) -> Vec<StepRef> {
    phase.pipelines.iter().map(|p| Box::new(CompareStep { pipeline: p.clone() }) as StepRef).collect()
}

fn tune(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut stores = std::collections::BTreeSet::new();
    for pipeline in &phase.pipelines {
        stores.insert(core.pipeline(pipeline)?.to.clone());
    }
    // Before the statistics: those of an expression exist only with its index.
    let mut steps = indexes(core, phase)?;
    for id in stores {
        steps.push(Box::new(SqlStep {
            id: StepId(format!("{id}/analyze")),
            title: format!("Refresh the planner's statistics of {id}"),
            store: core.store(&id)?.clone(),
            statement: "ANALYZE".to_owned(),
            undo: String::new(),
        }));
    }
    Ok(steps)
}

async fn secure(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut steps: Vec<StepRef> = Vec::new();
    for id in &phase.pipelines {
        let pipeline = core.pipeline(id)?;
        let store = core.store(&pipeline.to)?.clone();
        let tables: Vec<_> = mapping::resolve(core, id).await?.into_iter().map(|m| m.target).collect();
        for service in core.profile.services.iter().filter(|s| s.store == pipeline.to) {
            for account in &service.accounts {
                steps.push(Box::new(AccountStep {
                    service: service.id.clone(),
                    store: store.clone(),
                    account: account.clone(),
                }));
                if !store.access().account_exists(account).await? {
                    continue;
                }
                for (statement, undo) in store.access().grants(account, &tables).await? {
                    steps.push(Box::new(SqlStep {
                        // Named by its text: after a partial run fewer rights are missing, and numbers would shift.
                        id: StepId(format!("{id}/{statement}")),
                        title: format!("Give {account} a right on {}", store.id()),
                        store: store.clone(),
                        statement,
                        undo,
                    }));
                }
            }
        }
    }
    Ok(steps)
}

/// The steps of a switch, in the order of the design's section 4.
fn switch(party: PartyRef) -> Vec<StepRef> {
    let mut steps = carry::before_the_freeze(&party);
    steps.push(Box::new(WayBackStep(party.clone())));
    steps.push(Box::new(HoldRouteStep(party.clone())));
    steps.push(Box::new(FreezeStep(party.clone())));
    steps.push(Box::new(DrainStep(party.clone())));
    steps.extend(carry::under_the_freeze(&party));
    steps.push(Box::new(CompareLastStep(party.clone())));
    steps.push(Box::new(SequenceStep(party.clone())));
    steps.push(Box::new(TurnStep(party.clone())));
    steps.push(Box::new(FenceStep(party.clone())));
    steps.push(Box::new(OpenStep(party.clone())));
    steps.push(Box::new(RouteStep(party.clone())));
    steps.push(Box::new(TurnPumpsStep(party)));
    steps
}

fn watch(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let soak = declared(core, &phase.id).map(|p| p.soak).unwrap_or_default();
    // First, so that the watch is over what will stay.
    let mut steps = indexes(core, phase)?;
    steps.push(Box::new(SoakStep { pipelines: phase.pipelines.clone(), soak }));
    Ok(steps)
}

/// Indexes that were taken into the phase.
fn indexes(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let step = |order: &IndexOrder| {
        Ok(Box::new(IndexStep {
            maker: format!("{}/{}/{}/", core.profile.migration.name, phase.id, order.step()),
            store: core.store(&order.store)?.clone(),
            order: order.clone(),
        }) as StepRef)
    };
    phase.indexes.iter().map(step).collect()
}

async fn retire(core: &Core, phase: &PhaseRecord) -> Result<Vec<StepRef>, StepError> {
    let mut steps: Vec<StepRef> = Vec::new();
    for id in &phase.pipelines {
        let maps = mapping::resolve(core, id).await?;
        let reverse = core.route(id, Traffic::Target, &maps)?;
        steps.push(Box::new(RetireStep {
            pipeline: id.clone(),
            capture: reverse.source.capture().statements(&reverse.capture).await?,
            reverse,
            forward: core.route(id, Traffic::Source, &maps)?,
        }));
    }
    Ok(steps)
}
