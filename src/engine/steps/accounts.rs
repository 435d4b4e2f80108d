//! Secure: the services' accounts on their stores.

use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::ids::{ServiceId, StepId};
use crate::model::plan::PlannedStep;
use crate::stores::StoreRef;
use async_trait::async_trait;

/// Makes sure that an account exists before rights are given to it. Godwit makes no accounts: passwords are not its business.
pub struct AccountStep {
    /// Service.
    pub service: ServiceId,
    /// Where.
    pub store: StoreRef,
    /// Login.
    pub account: String,
}

#[async_trait]
impl Step for AccountStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: StepId(format!("{}/account {}", self.service, self.account)),
            title: format!("Look whether {} has the account {}", self.store.id(), self.account),
            does: vec!["-- reads only".to_owned()],
            undo: Vec::new(),
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, _context: &StepContext) -> Result<Outcome, StepError> {
        if self.store.access().account_exists(&self.account).await? {
            return Ok(Outcome::seen("the account exists"));
        }
        Err(StepError::mend(
            format!("{} has no account {} for the service {}", self.store.id(), self.account, self.service),
            "make the account with its password, then retry",
        ))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing was changed".to_owned())
    }
}
