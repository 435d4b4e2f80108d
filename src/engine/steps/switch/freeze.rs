//! While writers are held: drain, compare, sequences, and where the opposite pipeline starts.

use crate::engine::barrier::{PipelineBarrier, token};
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::engine::steps::switch::party::PartyRef;
use crate::engine::steps::switch::session::{SwitchSession, lost, within_budget};
use crate::model::pipeline::{PipelineEvent, Stage};
use crate::model::plan::PlannedStep;
use crate::stores::error::{ErrorKind, StoreError};
use crate::stores::{FreezeGuard, FreezeSpec, MapSide, StoreRef};
use crate::verify::compare::rows_at_rest;
use async_trait::async_trait;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before a connection that broke while writers were to be held is made anew.
const HOLD_AGAIN: Duration = Duration::from_millis(100);

/// Holds writers on the side that is left.
pub struct FreezeStep(pub PartyRef);

#[async_trait]
impl Step for FreezeStep {
    fn planned(&self) -> PlannedStep {
        let mut does = Vec::new();
        let mut undo = Vec::new();
        for (store, spec, _) in self.0.left() {
            for (statement, back) in store.freeze().statements(&spec) {
                does.push(statement);
                undo.push(back);
            }
        }
        undo.retain(|line| !line.is_empty());
        let title = format!(
            "Hold writers on the {} side for at most {} ms; they wait and do not fail",
            self.0.leaving.word(),
            self.0.budget.as_millis()
        );
        self.0.planned("freeze", title, does, undo)
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        // Told before it is so: whoever looks must not see `live` while writers wait.
        self.0.enter(&context.core, Stage::Frozen).await?;
        // Where poolers hold their clients already, the clock runs since then.
        let waiting = context.core.switch.lock().await.take();
        let mut session = waiting.unwrap_or_else(|| SwitchSession::begin(self.0.budget));
        for (store, spec, _) in self.0.left() {
            // On an error the guards taken so far are dropped with the session: their writers go on. The executor does not try again:
            // one budget is all that writers, and the clients of poolers, are made to wait.
            let guard = hold(&store, spec, session.deadline).await.map_err(|e| StepError::from(e).ends_the_try())?;
            session.guards.push((store.id().clone(), guard));
        }
        let evidence = format!("writers of {} stores held after {} ms", session.guards.len(), session.held_ms());
        *context.core.switch.lock().await = Some(session);
        Ok(Outcome::seen(evidence))
    }

    async fn undo(&self, context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        let Some(session) = context.core.switch.lock().await.take() else {
            self.0.enter(&context.core, self.0.stage()).await?;
            return Ok("nothing was held: the locks end with their connection".to_owned());
        };
        let held = session.held_ms();
        let mut failed = None;
        for (_, guard) in session.guards {
            // Releasing ends with the connection at the latest; the others must be let go all the same.
            if let Err(error) = guard.release().await {
                failed = Some(error);
            }
        }
        self.0.enter(&context.core, self.0.stage()).await?;
        Ok(match failed {
            Some(error) => format!("writers went on after {held} ms (a connection had to be dropped: {error})"),
            None => format!("writers went on after {held} ms"),
        })
    }
}

/// Holds a store's writers before the deadline. A connection that broke is made anew; locks that were not to be had are not waited for
/// again, because the store tries several times by itself.
async fn hold(store: &StoreRef, mut spec: FreezeSpec, deadline: Instant) -> Result<Box<dyn FreezeGuard>, StoreError> {
    loop {
        spec.lock_timeout = deadline.saturating_duration_since(Instant::now());
        match store.freeze().hold(&spec).await {
            Err(error) if error.kind == ErrorKind::Unreachable && Instant::now() + HOLD_AGAIN < deadline => {
                tracing::warn!(store = %store.id(), %error, "the session that holds writers is made anew");
                tokio::time::sleep(HOLD_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

/// Proves that the log is drained: a marker behind the last write comes out at the other side.
pub struct DrainStep(pub PartyRef);

#[async_trait]
impl Step for DrainStep {
    fn planned(&self) -> PlannedStep {
        let does = vec!["-- write a marker into the log behind the last write and wait until it comes out".to_owned()];
        self.0.planned("drain", "Drain the pipelines".to_owned(), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        within_budget(context, "drain the pipelines", async {
            let token = token("drain");
            let mut session = context.core.switch.lock().await;
            let session = session.as_mut().ok_or_else(lost)?;
            for (store, _, captures) in self.0.left() {
                let guard = session.guards.iter_mut().find(|(id, _)| id == store.id());
                let (_, guard) = guard.ok_or_else(lost)?;
                guard.marker(&captures, &token).await?;
            }
            let patience = session.deadline.saturating_duration_since(Instant::now());
            for (pipeline, _) in self.0.turning.iter().flat_map(|t| t.routes()) {
                let barrier = PipelineBarrier { core: context.core.clone(), pipeline: pipeline.clone(), patience };
                barrier.passed(&token).await.map_err(|why| {
                    StepError::retry(
                        format!("pipeline {pipeline} did not drain: {why}"),
                        "look at its lag and state, then retry the phase",
                    )
                })?;
            }
            session.still_held().await?;
            Ok(Outcome::seen(format!(
                "the marker came out of {} pipelines; writers held for {} ms",
                self.0.turning.len(),
                session.held_ms()
            )))
        })
        .await
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing to take back".to_owned())
    }
}

/// Asks whether writers are held.
async fn still_held(context: &StepContext) -> Result<(), StepError> {
    context.core.switch.lock().await.as_mut().ok_or_else(lost)?.still_held().await
}

/// Compares the rows that changed last; both sides are at rest, so any difference is real.
pub struct CompareLastStep(pub PartyRef);

#[async_trait]
impl Step for CompareLastStep {
    fn planned(&self) -> PlannedStep {
        let does = vec!["-- compare the rows that changed last, on both sides, at rest".to_owned()];
        self.0.planned("compare-last", "Compare the rows that changed last".to_owned(), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        within_budget(context, "compare the rows that changed last", async {
            let mut compared = 0;
            for (pipeline, route) in self.0.turning.iter().flat_map(|t| t.routes()) {
                let recent = context.core.fleet.room(pipeline).status.recent();
                compared += recent.len();
                let drift = rows_at_rest(&route.source, &route.target, &route.apply.tables, &recent).await?;
                if let Some(first) = drift.first() {
                    // Without the freeze writers went on meanwhile, and a difference says nothing.
                    still_held(context).await?;
                    let table = route.apply.tables.get(first.table).map(|m| m.source.to_string());
                    let key: Vec<String> = first.key.iter().map(ToString::to_string).collect();
                    return Err(StepError::mend(
                        format!(
                            "pipeline {pipeline}: {} of the rows that changed last differ, first {} {}",
                            drift.len(),
                            table.unwrap_or_default(),
                            key.join(",")
                        ),
                        "run `godwit verify`, find out who wrote there, repair, then retry the phase",
                    ));
                }
            }
            Ok(Outcome::seen(format!("{compared} rows that changed last are equal")))
        })
        .await
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing to take back".to_owned())
    }
}

/// Moves sequences of the side that is entered past everything handed out (S01 to S03, R04).
pub struct SequenceStep(pub PartyRef);

#[async_trait]
impl Step for SequenceStep {
    fn planned(&self) -> PlannedStep {
        let does = vec![
            "-- read every sequence behind the moved tables; move its counterpart past the highest value".to_owned(),
        ];
        self.0.planned("sequences", "Move sequences past the highest value handed out".to_owned(), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        within_budget(context, "move sequences", async {
            let mut moved = 0;
            for (_, route) in self.0.turning.iter().flat_map(|t| t.routes()) {
                let states = route.source.sequences().read(&route.apply.tables, MapSide::Source).await?;
                route.target.sequences().advance_past(&states).await?;
                moved += states.len();
            }
            Ok(Outcome::seen(format!("{moved} sequences stand past the highest value")))
        })
        .await
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("sequences stay where they are: they are never moved back".to_owned())
    }
}

/// Records where the opposite pipeline starts, before the entered side takes its first write. Only the journal is written: on an
/// engine with one writer (SQLite) the side that is left cannot take a checkpoint while it is held, and it has had an earlier,
/// equally safe one since the way back was prepared.
pub struct TurnStep(pub PartyRef);

#[async_trait]
impl Step for TurnStep {
    fn planned(&self) -> PlannedStep {
        let does = vec!["-- journal the entered side's log position: the opposite pipelines start there".to_owned()];
        self.0.planned("turn", "Record where the opposite pipelines start".to_owned(), does, Vec::new())
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        within_budget(context, "record where the opposite pipelines start", async {
            let mut positions = Vec::new();
            for turning in &self.0.turning {
                let opposite = &turning.opposite;
                let position = opposite.source.capture().retention(&opposite.capture).await?.log_end;
                let event = PipelineEvent::Origin { position, captured: self.0.leaving.other() };
                context.core.note(&turning.pipeline, event).await;
                positions.push(format!("{} from {position}", turning.pipeline));
            }
            Ok(Outcome::seen(positions.join(", ")))
        })
        .await
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing was written but the journal".to_owned())
    }
}
