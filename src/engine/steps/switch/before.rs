//! Before writers are held: the way back, and routes that can hold clients.

use crate::engine::route;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::engine::steps::switch::party::PartyRef;
use crate::engine::steps::switch::session::SwitchSession;
use crate::model::ids::PipelineId;
use crate::model::pipeline::{PipelineEvent, PipelineState, Traffic};
use crate::model::plan::PlannedStep;
use async_trait::async_trait;

/// Makes the capture of the opposite direction and proves that its applier may write: the way back is checked before the way
/// forward is offered (R02).
pub struct WayBackStep(pub PartyRef);

#[async_trait]
impl Step for WayBackStep {
    fn planned(&self) -> PlannedStep {
        let mut does = Vec::new();
        let mut undo = Vec::new();
        for turning in &self.0.turning {
            for (statement, back) in &turning.opposite_capture {
                does.push(statement.clone());
                undo.push(back.clone());
            }
        }
        undo.reverse();
        undo.retain(|line| !line.is_empty());
        let side = self.0.leaving.other().word();
        self.0.planned(
            "way-back",
            format!("Prepare change capture on the {side} side, so that there is a way back"),
            does,
            undo,
        )
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        for turning in &self.0.turning {
            let record = context.core.record(&turning.pipeline);
            moves(&turning.pipeline, &record.state)?;
            if let Some(column) = record.pending.first() {
                return Err(StepError::retry(
                    format!(
                        "{}: the values of {}.{} are still being carried over",
                        turning.pipeline, column.table, column.column
                    ),
                    "wait until the journal says that they are on the other side, then retry the phase",
                ));
            }
            if self.0.leaving == Traffic::Source {
                // From here on, whatever is made there is made meanwhile, and a roll back takes it along.
                let entered = turning.current.target.inventory();
                let (tables, others) = (entered.names().await?, entered.others().await?);
                context.core.note(&turning.pipeline, PipelineEvent::Inventoried { tables, others }).await;
            }
            let opposite = &turning.opposite;
            opposite.source.capture().drop_capture(&opposite.capture).await?;
            let (origin, _) = opposite.source.capture().prepare(&opposite.capture, false).await?;
            opposite.target.target().state(&opposite.apply).await?;
            // A safe start: until the fence nobody but our applier writes to the entered side. The exact one is journaled once writers are held.
            opposite.target.target().begin(&opposite.apply, &origin).await?;
            // Opening the applier uses every right that the way back will need.
            let mut applier = opposite.target.target().applier(&opposite.apply).await?;
            applier.rollback().await?;
        }
        Ok(Outcome::seen(format!("{} captures stand; their appliers may write", self.0.turning.len())))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        for turning in &self.0.turning {
            turning.opposite.source.capture().drop_capture(&turning.opposite.capture).await?;
            turning.opposite.target.target().forget(&turning.opposite.apply).await?;
        }
        Ok("captures removed".to_owned())
    }
}

/// Refuses to hold anybody for a pipeline that stands still: it would not drain, and only a person gets it going.
///
/// # Errors
/// [`StepError`] with the pipeline's own reason.
pub fn moves(pipeline: &PipelineId, state: &PipelineState) -> Result<(), StepError> {
    let again = format!("`godwit resume --pipeline {pipeline}`, then try again");
    match state {
        PipelineState::Failed { reason } => Err(StepError::retry(
            format!("pipeline {pipeline} is failed, so it would not drain: {}", reason.what),
            format!("mend that, {again}"),
        )),
        PipelineState::Paused | PipelineState::Pausing => {
            Err(StepError::retry(format!("pipeline {pipeline} is {}, so it would not drain", state.word()), again))
        }
        PipelineState::Stopped | PipelineState::Starting | PipelineState::Running | PipelineState::Retrying { .. } => {
            Ok(())
        }
    }
}

/// Asks routes that can hold clients (PgBouncer) to do so.
pub struct HoldRouteStep(pub PartyRef);

#[async_trait]
impl Step for HoldRouteStep {
    fn planned(&self) -> PlannedStep {
        self.0.planned(
            "hold-route",
            "Let connection poolers hold their clients".to_owned(),
            vec!["-- PAUSE on every PgBouncer of the phase's routes".to_owned()],
            vec!["-- RESUME".to_owned()],
        )
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        // Clients wait from the moment of the first PAUSE, so the downtime budget counts from here.
        let session = SwitchSession::begin(self.0.budget);
        let started = session.since;
        let held = route::hold_all(context, session.deadline).await.map_err(StepError::ends_the_try)?;
        if held > 0 {
            *context.core.switch.lock().await = Some(session);
        }
        Ok(Outcome::seen(format!("{held} poolers hold their clients after {} ms", started.elapsed().as_millis())))
    }

    async fn undo(&self, context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        context.core.switch.lock().await.take();
        let released = route::release_all(context).await?;
        Ok(format!("{released} poolers let their clients go on"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reason::Reason;

    #[test]
    fn who_stands_still_is_refused_with_its_reason_and_a_way_on() {
        let pipeline = PipelineId::from("orders");
        let refused = |state| match moves(&pipeline, &state) {
            Err(StepError::Failed { reason, .. }) => reason.to_string(),
            other => panic!("{other:?}"),
        };
        let failed = refused(PipelineState::Failed { reason: Reason::new("its table is gone", "bring it back") });
        assert!(failed.contains("orders is failed, so it would not drain: its table is gone"), "{failed}");
        for told in [failed, refused(PipelineState::Paused), refused(PipelineState::Pausing)] {
            assert!(told.contains("`godwit resume --pipeline orders`"), "{told}");
        }
        for state in [PipelineState::Stopped, PipelineState::Starting, PipelineState::Running] {
            assert!(moves(&pipeline, &state).is_ok(), "{state:?}");
        }
    }
}
