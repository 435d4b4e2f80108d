//! The fence: the point of no return.

use crate::engine::barrier::{PATIENCE, PipelineBarrier};
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::engine::steps::switch::party::PartyRef;
use crate::engine::steps::switch::session::lost;
use crate::engine::steps::sync::CLOSED;
use crate::engine::survey;
use crate::model::event::Event;
use crate::model::ids::PipelineId;
use crate::model::pipeline::{PipelineEvent, Traffic};
use crate::model::plan::PlannedStep;
use crate::model::reason::{FailurePolicy, Reason};
use crate::stores::FenceState;
use crate::verify::barrier::Barrier;
use async_trait::async_trait;
use std::time::Duration;

/// How often the store is asked for an outcome that is not known.
const QUESTIONS: u32 = 20;

/// Commits the fence in the transactions that hold the locks.
pub struct FenceStep(pub PartyRef);

impl FenceStep {
    /// Stores on which the fence does not stand yet, and whether it stands on any.
    async fn standing(&self) -> Result<(Vec<String>, bool), StepError> {
        let mut open = Vec::new();
        let mut any = false;
        for (store, spec, _) in self.0.left() {
            match store.freeze().fence_state(&spec.tables).await? {
                FenceState::Fenced { token } if token != CLOSED => any = true,
                FenceState::Fenced { .. } | FenceState::Open => open.push(store.id().to_string()),
                FenceState::Mixed { open: tables } => {
                    let tables: Vec<String> = tables.iter().map(ToString::to_string).collect();
                    return Err(StepError::mend(
                        format!("{}: some tables are fenced and some are not ({})", store.id(), tables.join(", ")),
                        "Godwit never commits that: find out who changed the fence triggers",
                    ));
                }
            }
        }
        Ok((open, any))
    }

    /// Asks the stores until they answer; the answer decides, not what the connection said.
    async fn outcome(&self) -> Result<(Vec<String>, bool), StepError> {
        let mut pause = Duration::from_millis(200);
        let mut last = None;
        for _ in 0..QUESTIONS {
            match self.standing().await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        let why = match last {
            Some(StepError::Failed { reason, .. }) => reason.what,
            Some(StepError::Interrupted) | None => String::new(),
        };
        Err(StepError::Failed {
            reason: Reason::new(
                format!("whether the fence stands cannot be found out: {why}"),
                "bring the store back, then retry: it is asked again",
            ),
            policy: FailurePolicy::Mend,
            passing: false,
        })
    }

    /// Whether the fence stands on any store that is left: then the switch happened.
    ///
    /// # Errors
    /// [`StepError`] when a store cannot be asked.
    pub async fn stands(&self) -> Result<bool, StepError> {
        Ok(self.standing().await?.1)
    }

    /// Journals what the fence decided, in one piece: traffic belongs to the other side, and nobody is held any more.
    async fn passed(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let mut events = Vec::new();
        for turning in &self.0.turning {
            let event = PipelineEvent::Traffic { serves: self.0.leaving.other() };
            events.push(Event::Pipeline { pipeline: turning.pipeline.clone(), event });
            let event = PipelineEvent::Stage { stage: self.0.stage() };
            events.push(Event::Pipeline { pipeline: turning.pipeline.clone(), event });
        }
        context.core.dispatcher.append(events).await?;
        Ok(Outcome::seen(format!("the {} side is fenced: the other side serves", self.0.leaving.word())))
    }

    /// Tables of the new side that nobody takes along: made after the plan was printed.
    async fn unseen(&self, context: &StepContext) -> Result<Vec<String>, StepError> {
        if self.0.leaving == Traffic::Source {
            return Ok(Vec::new());
        }
        let pipelines: Vec<PipelineId> = self.0.turning.iter().map(|t| t.pipeline.clone()).collect();
        survey::unseen(&context.core, &pipelines, &self.0.carried()).await
    }

    /// The outcome of a fence that this very engine committed. Not every engine's locks keep a table from being made between the
    /// last look and the commit; one that was is on the side that is left, with its rows, and is named.
    async fn committed(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let mut outcome = self.passed(context).await?;
        match self.unseen(context).await {
            Ok(unseen) if unseen.is_empty() => {}
            Ok(unseen) => {
                let note = format!("; made in the very moment and not taken along: {}", unseen.join(", "));
                outcome.evidence.push_str(&note);
            }
            Err(error) => tracing::warn!(?error, "whether a table was made while the fence was committed is not known"),
        }
        Ok(outcome)
    }
}

#[async_trait]
impl Step for FenceStep {
    fn planned(&self) -> PlannedStep {
        let does = self
            .0
            .left()
            .iter()
            .map(|(store, spec, _)| {
                let names: Vec<String> = spec.tables.iter().map(ToString::to_string).collect();
                format!(
                    "-- {}: fence on {} and COMMIT, in the transaction that holds the locks",
                    store.id(),
                    names.join(", ")
                )
            })
            .collect();
        let title = format!("POINT OF NO RETURN: fence the {} side", self.0.leaving.word());
        let mut planned = self.0.planned("fence", title, does, Vec::new());
        planned.point_of_no_return = true;
        planned
    }

    async fn check(&self, context: &StepContext) -> Result<Option<Outcome>, StepError> {
        let (open, any) = self.outcome().await?;
        if open.is_empty() {
            return Ok(Some(self.passed(context).await?));
        }
        if any {
            // Several stores are left and the engine ended between two of them: the first fence decided.
            self.complete(context).await?;
            return Ok(Some(self.passed(context).await?));
        }
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let Some(mut session) = context.core.switch.lock().await.take() else { return Err(lost()) };
        let remaining = session.deadline.saturating_duration_since(tokio::time::Instant::now());
        let still = async {
            let unseen = self.unseen(context).await?;
            if !unseen.is_empty() {
                return Err(StepError::retry(
                    format!("made on the new side after the plan was printed: {}", unseen.join(", ")),
                    "ask for the roll back plan again: it takes them along",
                ));
            }
            session.still_held().await
        };
        match tokio::time::timeout(remaining, still).await {
            Ok(result) => result?,
            Err(_) => {
                return Err(StepError::retry("the downtime budget was used up before the fence", "retry the phase"));
            }
        }
        let token = crate::engine::barrier::token("switch");
        let mut failure = None;
        for (_, guard) in session.guards {
            if let Err(error) = guard.fence(&token).await {
                failure = Some(error);
                break;
            }
        }
        let Some(error) = failure else { return self.committed(context).await };
        // What the connection said is not the outcome: the stores are asked.
        let (open, any) = self.outcome().await?;
        if open.is_empty() {
            return self.committed(context).await;
        }
        if any {
            self.complete(context).await?;
            return self.committed(context).await;
        }
        Err(error.into())
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        let (_, any) = self.outcome().await?;
        if any {
            return Err(StepError::mend(
                "the fence stands: the switch cannot be undone, only completed or taken back by a roll back",
                "retry the phase",
            ));
        }
        Ok("the fence was never committed".to_owned())
    }
}

impl FenceStep {
    /// Some stores are fenced and some are not: closes the rest and drains once more, because their writers were let go in between.
    async fn complete(&self, context: &StepContext) -> Result<(), StepError> {
        let token = crate::engine::barrier::token("switch");
        for (store, spec, _) in self.0.left() {
            if matches!(store.freeze().fence_state(&spec.tables).await?, FenceState::Open) {
                store.freeze().close(&spec.tables, &token, &spec.moved_message).await?;
            }
        }
        for (pipeline, route) in self.0.turning.iter().flat_map(|t| t.routes()) {
            let (core, pipeline) = (context.core.clone(), pipeline.clone());
            core.fleet.start(&core, &pipeline, self.0.leaving, route.clone()).await;
            let sentence = format!("pipeline {pipeline} did not drain after the fence");
            PipelineBarrier { core, pipeline, patience: PATIENCE }
                .pass()
                .await
                .map_err(|why| StepError::retry(format!("{sentence}: {why}"), "retry the phase"))?;
        }
        Ok(())
    }
}
