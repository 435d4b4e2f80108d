//! After the fence: open, route, turn the pipelines round. Each step is safe to run again.

use crate::engine::route;
use crate::engine::steps::objects::maker;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::engine::steps::switch::carry;
use crate::engine::steps::switch::party::{Carrier, PartyRef, Turning};
use crate::model::pipeline::{PipelineEvent, Stage, Traffic};
use crate::model::plan::PlannedStep;
use crate::stores::CaptureOrigin;
use async_trait::async_trait;

/// The error of an undo that must not be: after the fence the way back is a switch of its own.
fn no_undo() -> StepError {
    StepError::mend(
        "this step comes after the point of no return",
        "retry completes the phase; a roll back switches back",
    )
}

/// Lets applications write to the side that is entered.
pub struct OpenStep(pub PartyRef);

#[async_trait]
impl Step for OpenStep {
    fn planned(&self) -> PlannedStep {
        let does = self
            .0
            .entered()
            .iter()
            .map(|(store, tables)| {
                let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
                format!("-- {}: remove the fence on {}", store.id(), names.join(", "))
            })
            .collect();
        self.0.planned("open", format!("Open the {} side for writing", self.0.leaving.other().word()), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let mut count = 0;
        for (store, tables) in self.0.entered() {
            store.freeze().open(&tables).await?;
            count += tables.len();
        }
        let writable = self.0.leaving == Traffic::Source;
        for turning in &self.0.turning {
            context.core.note(&turning.pipeline, PipelineEvent::Writable { writable }).await;
        }
        Ok(Outcome::seen(format!("{count} tables open")))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Err(no_undo())
    }
}

/// Switches every route.
pub struct RouteStep(pub PartyRef);

#[async_trait]
impl Step for RouteStep {
    fn planned(&self) -> PlannedStep {
        let does = vec![format!(
            "-- point every route of the phase at the {} side; let held clients go on",
            self.0.leaving.other().word()
        )];
        self.0.planned("route", "Switch the routes".to_owned(), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let switched = route::switch_all(context, self.0.leaving.other()).await?;
        Ok(Outcome::seen(switched))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Err(no_undo())
    }
}

/// Ends the pipelines of the old direction and starts the opposite ones.
pub struct TurnPumpsStep(pub PartyRef);

impl TurnPumpsStep {
    /// Takes what was carried into the mapping. The carrier goes first: behind the journal's word nobody knows it any more.
    async fn adopt(&self, context: &StepContext, turning: &Turning, carrier: &Carrier) -> Result<(), StepError> {
        let (core, route) = (&context.core, &carrier.route);
        core.fleet.stop(&carrier.id).await;
        route.source.capture().drop_capture(&route.capture).await?;
        route.target.target().forget(&route.apply).await?;
        // The application's now: no undo may find them as Godwit's.
        route.target.schema().disown(&maker(context, &carry::scope(&turning.pipeline))).await?;
        let event = PipelineEvent::Adopted { tables: carrier.carried.tables.clone() };
        core.note(&turning.pipeline, event).await;
        Ok(())
    }

    /// Moves the opposite pipeline's start to the position journaled under the freeze, unless it has applied beyond it already.
    async fn begin_opposite(&self, context: &StepContext, turning: &Turning) -> Result<(), StepError> {
        let opposite = &turning.opposite;
        let record = context.core.record(&turning.pipeline);
        let Some(position) = record.origin.filter(|_| record.captured == Some(self.0.leaving.other())) else {
            return Ok(());
        };
        let state = opposite.target.target().state(&opposite.apply).await?;
        let Some(known) = state.origin else { return Ok(()) };
        if state.applied.unwrap_or(known.position) < position {
            let origin = CaptureOrigin { server_identity: known.server_identity, position };
            opposite.target.target().begin(&opposite.apply, &origin).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Step for TurnPumpsStep {
    fn planned(&self) -> PlannedStep {
        let mut does = Vec::new();
        for turning in &self.0.turning {
            let current = &turning.current;
            does.extend(turning.current_capture.iter().map(|(_, undo)| undo.clone()));
            if let Some(carrier) = &turning.carrier {
                does.extend(carrier.capture.iter().map(|(_, undo)| undo.clone()));
                let names: Vec<String> = carrier.carried.tables.iter().map(|m| m.target.to_string()).collect();
                does.push(format!("-- {}: {} belong to the mapping from now on", turning.pipeline, names.join(", ")));
            }
            does.push(format!(
                "-- {}: apply changes of {} to {}",
                turning.pipeline,
                current.target.id(),
                current.source.id()
            ));
        }
        does.retain(|line| !line.is_empty());
        let side = self.0.leaving.word();
        self.0.planned("reverse", format!("Turn the pipelines round: keep the {side} side current"), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let core = &context.core;
        for turning in &self.0.turning {
            let (current, opposite) = (&turning.current, &turning.opposite);
            if core.fleet.captured(&turning.pipeline) == Some(self.0.leaving) {
                core.fleet.stop(&turning.pipeline).await;
            }
            current.source.capture().drop_capture(&current.capture).await?;
            current.target.target().forget(&current.apply).await?;
            if let Some(carrier) = &turning.carrier {
                self.adopt(context, turning, carrier).await?;
            }
            self.begin_opposite(context, turning).await?;
            let stage = match self.0.leaving {
                Traffic::Source => Stage::Reverse,
                Traffic::Target => Stage::Live,
            };
            core.note(&turning.pipeline, PipelineEvent::Stage { stage }).await;
            core.fleet.start(core, &turning.pipeline, self.0.leaving.other(), opposite.clone()).await;
        }
        Ok(Outcome::seen(format!("{} pipelines run in the other direction", self.0.turning.len())))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Err(no_undo())
    }
}
