//! Builds one index that an operator took from the advice.
//!
//! Invariant: nothing is removed or called done that is not this step's own. Own is what the store says that this step made; on an engine without
//! a place for notes, what bears the name with the ordered columns, because `admits` saw the name free before the intention was journaled.

use crate::engine::lock_queue;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::index_order::IndexOrder;
use crate::model::plan::PlannedStep;
use crate::stores::StoreRef;
use crate::stores::index_maker::{IndexMaker, Maker, Standing};
use async_trait::async_trait;
use std::time::{Duration, Instant};

/// Time between two looks at a build that goes on by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Builds one index.
pub struct IndexStep {
    /// What was taken.
    pub order: IndexOrder,
    /// Where.
    pub store: StoreRef,
    /// The name under which this step signs what it makes.
    pub maker: String,
}

impl IndexStep {
    fn engine(&self) -> Result<&dyn IndexMaker, StepError> {
        self.store.index_maker().ok_or_else(|| {
            StepError::mend(
                format!("{} is {}: Godwit builds no indexes there", self.store.id(), self.store.engine()),
                "take the index out of the phase with `godwit indexes --leave`",
            )
        })
    }

    async fn standing(&self) -> Result<Option<Standing>, StepError> {
        Ok(self.engine()?.index_standing(&self.order.build, &self.maker).await?)
    }

    fn is_ours(&self, standing: &Standing) -> bool {
        match &standing.maker {
            Maker::Noted(maker) => standing.on_table && *maker == self.maker,
            Maker::Nobody => false,
            Maker::Untold => standing.fits(&self.order.build),
        }
    }

    fn somebody_elses(&self) -> StepError {
        StepError::mend(
            format!(
                "{}: something named {} stands there already and Godwit did not make it",
                self.store.id(),
                self.order.build.name
            ),
            "Godwit never touches what it did not make: rename or remove it yourself, or take the index out of the phase, then retry",
        )
    }

    fn made(&self, evidence: String) -> Outcome {
        Outcome { evidence, made: vec![self.order.build.undo.clone()] }
    }

    /// What stands when nothing of ours is being built any more; waits for a build that goes on by itself, as after a crash of the engine.
    async fn settled(&self, context: &StepContext) -> Result<Option<Standing>, StepError> {
        let mut control = context.control.clone();
        loop {
            let standing = self.standing().await?;
            match &standing {
                Some(standing) if !self.is_ours(standing) => return Err(self.somebody_elses()),
                Some(standing) if standing.being_built => {}
                _ => return Ok(standing),
            }
            let stopped = tokio::time::timeout(LOOK_EVERY, control.stopped()).await.is_ok();
            if stopped {
                return Err(StepError::Interrupted);
            }
        }
    }

    /// After a build that failed: what it left behind costs writes and serves nobody. The next attempt finds what this cannot remove.
    async fn tidy_up(&self, patience: Option<Duration>) {
        let tidied = async {
            match self.standing().await? {
                Some(left) if self.is_ours(&left) && !left.valid && !left.being_built => {
                    Ok(self.engine()?.unmake_index(&self.order.build, &self.maker, patience).await?)
                }
                _ => Ok::<(), StepError>(()),
            }
        };
        if let Err(error) = tidied.await {
            tracing::warn!(store = %self.store.id(), index = %self.order.build.name, ?error, "what a failed build left behind could not be removed yet");
        }
    }
}

#[async_trait]
impl Step for IndexStep {
    fn planned(&self) -> PlannedStep {
        let (does, undo) = match self.store.index_maker() {
            Some(engine) => engine.index_statements(&self.order.build, &self.maker),
            None => (vec![self.order.build.statement.clone()], vec![self.order.build.undo.clone()]),
        };
        let mut does = does;
        does.insert(
            0,
            "-- each wait for a lock is bounded by what the sessions are when it begins (see the lock queue)"
                .to_owned(),
        );
        PlannedStep {
            id: self.order.step(),
            title: format!(
                "Build the index {} on {} of {}, taken from {}",
                self.order.build.name,
                self.order.build.table,
                self.store.id(),
                self.order.rule
            ),
            does,
            undo,
            point_of_no_return: false,
        }
    }

    async fn check(&self, context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(match self.settled(context).await? {
            Some(standing) if standing.valid => {
                Some(self.made(format!("{} is there and usable: the server finished it", self.order.build.name)))
            }
            // Nothing, or an invalid one that `act` removes first.
            _ => None,
        })
    }

    async fn admits(&self, _context: &StepContext) -> Result<(), StepError> {
        match self.standing().await? {
            Some(standing) if !self.is_ours(&standing) => Err(self.somebody_elses()),
            // Without notes only an earlier attempt of this step can have made it, and that is asked by `check`.
            Some(_) | None => Ok(()),
        }
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let engine = self.engine()?;
        let queue = lock_queue::read(&self.store, &self.order.build.table).await;
        let patience = queue.lock_timeout_ms.map(Duration::from_millis);
        let mut told = Vec::new();
        if let Some(standing) = self.settled(context).await? {
            if standing.valid {
                return Ok(self.made(format!("{} is there and usable", self.order.build.name)));
            }
            engine.unmake_index(&self.order.build, &self.maker, patience).await?;
            told.push("an invalid index that an interrupted build had left was dropped first".to_owned());
        }
        let began = Instant::now();
        let mut control = context.control.clone();
        let built = tokio::select! {
            built = engine.make_index(&self.order.build, &self.maker, patience) => built,
            // The server may go on; whoever comes next asks it.
            () = control.stopped() => return Err(StepError::Interrupted),
        };
        if let Err(error) = built {
            self.tidy_up(patience).await;
            return Err(error.into());
        }
        match self.standing().await? {
            Some(standing) if standing.valid && self.is_ours(&standing) => {}
            _ => {
                return Err(StepError::retry(
                    format!("{}: {} was built but is not usable", self.store.id(), self.order.build.name),
                    "retry: it is dropped and built again",
                ));
            }
        }
        told.insert(0, format!("built in {:.1} s", began.elapsed().as_secs_f64()));
        if let Some(ms) = queue.lock_timeout_ms {
            told.push(format!("lock time-out {} s", ms.div_ceil(1_000)));
        }
        if queue.at.is_some() {
            told.push(format!("{} sessions used the table when it began", queue.users));
        }
        Ok(self.made(told.join("; ")))
    }

    async fn undo(&self, _context: &StepContext, made: &[String]) -> Result<String, StepError> {
        let Some(standing) = self.standing().await? else {
            return Ok("there is no such index".to_owned());
        };
        // Without notes, what the journal does not know to be made is only ours while its columns fit; `is_ours` asks that.
        let ours =
            self.is_ours(&standing) || (!made.is_empty() && standing.maker == Maker::Untold && standing.on_table);
        if !ours {
            return Ok(format!("{} was not made by this step, left alone", self.order.build.name));
        }
        let queue = lock_queue::read(&self.store, &self.order.build.table).await;
        let patience = queue.lock_timeout_ms.map(Duration::from_millis);
        self.engine()?.unmake_index(&self.order.build, &self.maker, patience).await?;
        Ok(format!("{} removed", self.order.build.name))
    }
}
