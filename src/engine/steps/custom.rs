//! The profile's own steps: a statement, a command, an HTTP call.

use crate::config::profile::CustomStep;
use crate::config::secret;
use crate::engine::route::{call, run_command};
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::StepId;
use crate::model::plan::PlannedStep;
use crate::stores::StoreRef;
use async_trait::async_trait;

/// A step of the profile.
pub struct ProfileStep {
    /// As declared.
    pub step: CustomStep,
    /// The store of an SQL step.
    pub store: Option<StoreRef>,
}

impl ProfileStep {
    fn name(&self) -> &str {
        match &self.step {
            CustomStep::Sql { name, .. } | CustomStep::Command { name, .. } | CustomStep::Http { name, .. } => name,
        }
    }

    async fn sql(&self, statement: &str) -> Result<(), StepError> {
        match &self.store {
            Some(store) => Ok(store.schema().execute(statement).await?),
            None => Err(StepError::mend(format!("step {}: its store is not open", self.name()), "mend the profile")),
        }
    }
}

#[async_trait]
impl Step for ProfileStep {
    fn planned(&self) -> PlannedStep {
        let (does, undo) = match &self.step {
            CustomStep::Sql { statement, undo, .. } => (statement.clone(), undo.clone()),
            CustomStep::Command { argv, undo, .. } => (argv.join(" "), undo.join(" ")),
            CustomStep::Http { url, method, undo_url, .. } => (
                format!("{method} {}", secret::origin(url)),
                undo_url.as_ref().map_or_else(String::new, |undo| format!("{method} {}", secret::origin(undo))),
            ),
        };
        PlannedStep {
            id: StepId(format!("own/{}", self.name())),
            title: format!("The profile's step {}", self.name()),
            does: vec![does],
            undo: if undo.is_empty() { Vec::new() } else { vec![undo] },
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, _context: &StepContext) -> Result<Outcome, StepError> {
        match &self.step {
            CustomStep::Sql { statement, .. } => self.sql(statement).await.map(|()| Outcome::seen("statement done")),
            CustomStep::Command { argv, timeout, .. } => {
                run_command(argv, &[], *timeout).await.map(|()| Outcome::seen("exit code 0"))
            }
            CustomStep::Http { url, method, timeout, .. } => call(url, method, String::new(), *timeout)
                .await
                .map(|status| Outcome::seen(format!("HTTP status {status}"))),
        }
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        match &self.step {
            CustomStep::Sql { undo, .. } if !undo.is_empty() => self.sql(undo).await?,
            CustomStep::Command { undo, timeout, .. } if !undo.is_empty() => run_command(undo, &[], *timeout).await?,
            CustomStep::Http { undo_url: Some(undo_url), method, timeout, .. } => {
                call(undo_url, method, String::new(), *timeout).await?;
            }
            CustomStep::Sql { .. } | CustomStep::Command { .. } | CustomStep::Http { .. } => {
                return Ok("nothing to take back".to_owned());
            }
        }
        Ok("taken back".to_owned())
    }
}
