//! Assess: what is there, and whether the migration can be carried out. Changes nothing.

use crate::engine::checks;
use crate::engine::steps::step::{Outcome, Step, StepContext, StepError};
use crate::model::check::Verdict;
use crate::model::ids::StepId;
use crate::model::plan::PlannedStep;
use crate::stores::StoreRef;
use async_trait::async_trait;

/// Reads one store's tables.
pub struct InventoryStep {
    /// The store.
    pub store: StoreRef,
}

#[async_trait]
impl Step for InventoryStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: StepId(format!("{}/inventory", self.store.id())),
            title: format!("Read what is in {}", self.store.id()),
            does: vec!["-- reads the catalogue; changes nothing".to_owned()],
            undo: Vec::new(),
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, _context: &StepContext) -> Result<Outcome, StepError> {
        let facts = self.store.probe().facts().await?;
        let tables = self.store.inventory().tables().await?;
        let rows: Option<u64> = tables.iter().map(|t| t.estimated_rows).sum();
        let rows = rows.map_or_else(|| "rows not estimated".to_owned(), |n| format!("about {n} rows (statistics)"));
        Ok(Outcome::seen(format!("{} {}: {} tables, {rows}", self.store.engine(), facts.version, tables.len())))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing was changed".to_owned())
    }
}

/// Runs the named pre-flight checks; one that fails stops the phase.
pub struct ChecksStep;

#[async_trait]
impl Step for ChecksStep {
    fn planned(&self) -> PlannedStep {
        PlannedStep {
            id: StepId::from("checks"),
            title: "Run the named pre-flight checks".to_owned(),
            does: vec!["-- the same as `godwit check`; changes nothing".to_owned()],
            undo: Vec::new(),
            point_of_no_return: false,
        }
    }

    async fn check(&self, _context: &StepContext) -> Result<Option<Outcome>, StepError> {
        Ok(None)
    }

    async fn act(&self, context: &StepContext) -> Result<Outcome, StepError> {
        let checks = checks::run(&context.core.profile, &context.core.stores).await;
        let count = |verdict| checks.iter().filter(|c| c.verdict == verdict).count();
        if let Some(failed) = checks.iter().find(|c| c.verdict == Verdict::Fail) {
            let more = match count(Verdict::Fail) - 1 {
                0 => String::new(),
                n => format!(" (and {n} more: see `godwit check`)"),
            };
            let store = failed.store.as_ref().map(|s| format!("{s}: ")).unwrap_or_default();
            return Err(StepError::mend(
                format!("{store}{} {}: {}{more}", failed.id, failed.subject, failed.evidence),
                failed.fix.clone(),
            ));
        }
        Ok(Outcome::seen(format!(
            "{} passed, {} warnings, {} not checkable, 0 failed",
            count(Verdict::Pass),
            count(Verdict::Warn),
            count(Verdict::NotCheckable)
        )))
    }

    async fn undo(&self, _context: &StepContext, _made: &[String]) -> Result<String, StepError> {
        Ok("nothing was changed".to_owned())
    }
}
