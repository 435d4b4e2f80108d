//! Who takes part in a switch: the pipelines, the side that is left and the side that is entered.

use crate::engine::core::Core;
use crate::engine::error::EngineError;
use crate::engine::mapping;
use crate::engine::steps::step::StepError;
use crate::model::fold::PhaseRecord;
use crate::model::ids::{PipelineId, StepId, StoreId};
use crate::model::pipeline::Traffic;
use crate::model::plan::PlannedStep;
use crate::model::table::TableName;
use crate::pipelines::copier::route::CopierRoute;
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
    /// The party of a cutover phase, leaving the given side.
    ///
    /// # Errors
    /// [`StepError`] when a mapping is not known or the profile changed under the journal.
    pub async fn assemble(core: &Core, phase: &PhaseRecord, leaving: Traffic) -> Result<PartyRef, StepError> {
        let mut turning = Vec::new();
        for pipeline in &phase.pipelines {
            let maps = mapping::resolve(core, pipeline).await?;
            let current = core.route(pipeline, leaving, &maps)?;
            let opposite = core.route(pipeline, leaving.other(), &maps)?;
            turning.push(Turning {
                pipeline: pipeline.clone(),
                current_capture: current.source.capture().statements(&current.capture).await?,
                opposite_capture: opposite.source.capture().statements(&opposite.capture).await?,
                current,
                opposite,
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
        self.by_store(|t| &t.current.source, |t| t.current.apply.tables.iter().map(|m| m.source.clone()).collect())
            .into_iter()
            .map(|(store, tables)| {
                let captures = self
                    .turning
                    .iter()
                    .filter(|t| t.current.source.id() == store.id())
                    .map(|t| t.current.capture.clone())
                    .collect();
                (store, self.freeze_spec(tables), captures)
            })
            .collect()
    }

    /// The stores that are entered, with their tables.
    pub fn entered(&self) -> Vec<(StoreRef, Vec<TableName>)> {
        self.by_store(|t| &t.current.target, |t| t.current.apply.tables.iter().map(|m| m.target.clone()).collect())
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
        tables: impl Fn(&Turning) -> Vec<TableName>,
    ) -> Vec<(StoreRef, Vec<TableName>)> {
        let mut grouped: std::collections::BTreeMap<StoreId, (StoreRef, Vec<TableName>)> =
            std::collections::BTreeMap::new();
        for turning in &self.turning {
            let store = store(turning);
            let entry = grouped.entry(store.id().clone()).or_insert_with(|| (store.clone(), Vec::new()));
            entry.1.extend(tables(turning));
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
