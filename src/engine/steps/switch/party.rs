//! Who takes part in a switch: the pipelines, the side that is left and the side that is entered.

use crate::engine::core::Core;
use crate::engine::error::EngineError;
use crate::engine::mapping;
use crate::engine::steps::step::StepError;
use crate::engine::survey::CarriedBy;
use crate::model::event::Event;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PipelineId, StepId, StoreId};
use crate::model::pipeline::{Carried, PipelineEvent, Stage, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::table::{TableMap, TableName};
use crate::pipelines::copier::route::CopierRoute;
use crate::stores::error::ErrorKind;
use crate::stores::{CaptureSpec, FreezeSpec, StoreRef};
use std::sync::Arc;
use std::time::Duration;

/// Extra time after which a server lets go of held writers by itself.
const HOLD_MARGIN: Duration = Duration::from_secs(2);

/// One pipeline in a switch.
pub struct Turning {
    /// Its name.
    pub pipeline: PipelineId,
    /// Now: captures the side that is left, writes the side that is entered.
    pub current: CopierRoute,
    /// Afterwards: captures the side that is entered, keeps the side that is left current.
    pub opposite: CopierRoute,
    /// Statements of the present capture with their undo, for the plan.
    pub current_capture: Vec<(String, String)>,
    /// Statements of the opposite capture with their undo, for the plan.
    pub opposite_capture: Vec<(String, String)>,
    /// Tables made on the side that is left since it was entered. They have a route of their own beside `current` until the switch,
    /// and belong to `opposite`.
    pub carrier: Option<Carrier>,
}

/// What brings tables along that the pipeline does not map yet.
pub struct Carrier {
    /// Its name in the fleet.
    pub id: PipelineId,
    /// From the side that is left to the side that is entered, over the new tables only.
    pub route: CopierRoute,
    /// Statements of its capture with their undo, for the plan.
    pub capture: Vec<(String, String)>,
    /// What it carries, as the journal keeps it.
    pub carried: Carried,
}

impl Turning {
    /// The routes that must be drained before the side that is left can be fenced, with their names in the fleet.
    pub fn routes(&self) -> impl Iterator<Item = (&PipelineId, &CopierRoute)> {
        let carrier = self.carrier.iter().map(|c| (&c.id, &c.route));
        std::iter::once((&self.pipeline, &self.current)).chain(carrier)
    }
}

/// Everybody in one switch.
pub struct Party {
    /// The side that serves now and is left.
    pub leaving: Traffic,
    /// Pipelines.
    pub turning: Vec<Turning>,
    /// The sentence for writers on the side that is left.
    pub moved_message: String,
    /// Downtime budget.
    pub budget: Duration,
}

/// Shared by the steps of one switch.
pub type PartyRef = Arc<Party>;

impl Party {
    /// The party of a cutover phase, leaving the given side and taking along what is named for each pipeline.
    ///
    /// # Errors
    /// [`StepError`] when a mapping is not known or the profile changed under the journal.
    pub async fn assemble(
        core: &Core,
        phase: &PhaseRecord,
        leaving: Traffic,
        along: &CarriedBy,
    ) -> Result<PartyRef, StepError> {
        let mut turning = Vec::new();
        for pipeline in &phase.pipelines {
            let maps = mapping::resolve(core, pipeline).await?;
            let current = core.route(pipeline, leaving, &maps)?;
            let today = core.route(pipeline, leaving.other(), &maps)?;
            let mut opposite_capture = today.source.capture().statements(&today.capture).await?;
            let carrier = match along.get(pipeline).filter(|carried| !carried.tables.is_empty()) {
                Some(carried) => Some(carrier(core, pipeline, carried).await?),
                None => None,
            };
            let mut all = maps;
            for map in carrier.iter().flat_map(|c| &c.carried.tables) {
                opposite_capture
                    .push((format!("-- and the same for {}, as soon as it is made", map.source), String::new()));
                all.push(map.clone());
            }
            turning.push(Turning {
                pipeline: pipeline.clone(),
                current_capture: current.source.capture().statements(&current.capture).await?,
                opposite_capture,
                current,
                opposite: core.route(pipeline, leaving.other(), &all)?,
                carrier,
            });
        }
        if turning.is_empty() {
            return Err(EngineError::Profile(format!("the phase {} has no pipelines", phase.id)).into());
        }
        let migration = &core.profile.migration;
        Ok(Arc::new(Self {
            leaving,
            turning,
            moved_message: format!(
                "godwit: moved: migration {} switched to the {} side; reconnect by the present route and retry",
                migration.name,
                leaving.other().word()
            ),
            budget: migration.downtime_budget,
        }))
    }

    /// Id of a step of this switch: the way back has ids of its own, so that the journal tells the two apart.
    pub fn step_id(&self, name: &str) -> StepId {
        match self.leaving {
            Traffic::Source => StepId::from(name),
            Traffic::Target => StepId(format!("back/{name}")),
        }
    }

    /// A plan line for a step of this switch.
    pub fn planned(&self, name: &str, title: String, does: Vec<String>, undo: Vec<String>) -> PlannedStep {
        PlannedStep { id: self.step_id(name), title, does, undo, point_of_no_return: false }
    }

    /// The stores that are left, each once, with the tables of all pipelines in them, in a fixed order.
    pub fn left(&self) -> Vec<(StoreRef, FreezeSpec, Vec<CaptureSpec>)> {
        self.by_store(|t| &t.current.source, |m| m.source.clone())
            .into_iter()
            .map(|(store, tables)| {
                let captures = self
                    .turning
                    .iter()
                    .filter(|t| t.current.source.id() == store.id())
                    .flat_map(|t| t.routes().map(|(_, route)| route.capture.clone()))
                    .collect();
                (store, self.freeze_spec(tables), captures)
            })
            .collect()
    }

    /// The stores that are entered, with their tables.
    pub fn entered(&self) -> Vec<(StoreRef, Vec<TableName>)> {
        self.by_store(|t| &t.current.target, |m| m.target.clone())
    }

    /// What is taken along, in the pipelines' own direction.
    pub fn carried(&self) -> Vec<&TableMap> {
        self.turning.iter().filter_map(|t| t.carrier.as_ref()).flat_map(|c| &c.carried.tables).collect()
    }

    /// Journals a stage for every pipeline of the switch, as one fact.
    ///
    /// # Errors
    /// [`StepError`] when the journal does not take it.
    pub async fn enter(&self, core: &Core, stage: Stage) -> Result<(), StepError> {
        let event =
            |t: &Turning| Event::Pipeline { pipeline: t.pipeline.clone(), event: PipelineEvent::Stage { stage } };
        core.dispatcher.append(self.turning.iter().map(event).collect()).await?;
        Ok(())
    }

    /// The stage of the pipelines before and after writers are held.
    pub fn stage(&self) -> Stage {
        match self.leaving {
            Traffic::Source => Stage::Live,
            Traffic::Target => Stage::Reverse,
        }
    }

    /// What a freeze of these tables is asked for.
    pub fn freeze_spec(&self, tables: Vec<TableName>) -> FreezeSpec {
        FreezeSpec {
            tables,
            lock_timeout: self.budget,
            hold_limit: self.budget + HOLD_MARGIN,
            moved_message: self.moved_message.clone(),
        }
    }

    fn by_store(
        &self,
        store: impl Fn(&Turning) -> &StoreRef,
        table: impl Fn(&TableMap) -> TableName,
    ) -> Vec<(StoreRef, Vec<TableName>)> {
        let mut grouped: std::collections::BTreeMap<StoreId, (StoreRef, Vec<TableName>)> =
            std::collections::BTreeMap::new();
        for turning in &self.turning {
            let store = store(turning);
            let entry = grouped.entry(store.id().clone()).or_insert_with(|| (store.clone(), Vec::new()));
            entry.1.extend(turning.routes().flat_map(|(_, route)| route.apply.tables.iter().map(&table)));
        }
        grouped
            .into_values()
            .map(|(store, mut tables)| {
                tables.sort();
                tables.dedup();
                (store, tables)
            })
            .collect()
    }
}

/// The carrier of one pipeline's new tables.
async fn carrier(core: &Core, pipeline: &PipelineId, carried: &Carried) -> Result<Carrier, StepError> {
    let declared = core.pipeline(pipeline)?;
    let (old, new) = (core.store(&declared.from)?, core.store(&declared.to)?);
    let route = CopierRoute::carrier(&core.profile.migration.name, pipeline, old, new, &carried.tables);
    let capture = match route.source.capture().statements(&route.capture).await {
        Ok(statements) => statements,
        // Dropped since: what was begun must still be taken back, and that needs no statements.
        Err(error) if error.kind == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    Ok(Carrier { id: route.pipeline.clone(), route, capture, carried: carried.clone() })
}
