//! Checks as they are found.

use crate::model::check::{Check, Verdict};
use crate::model::ids::StoreId;
use crate::stores::sanitise::clean;

/// Collects the checks of one store.
pub struct Findings {
    store: StoreId,
    checks: Vec<Check>,
}

impl Findings {
    /// None yet.
    pub fn of(store: &StoreId) -> Self {
        Self { store: store.clone(), checks: Vec::new() }
    }

    /// All of them, in the order in which they were asked.
    pub fn into_checks(self) -> Vec<Check> {
        self.checks
    }

    /// The condition holds.
    pub fn pass(&mut self, id: &str, subject: &str, evidence: impl Into<String>) {
        self.add(id, subject, Verdict::Pass, evidence.into(), String::new());
    }

    /// Worth knowing.
    pub fn warn(&mut self, id: &str, subject: &str, evidence: impl Into<String>, fix: impl Into<String>) {
        self.add(id, subject, Verdict::Warn, evidence.into(), fix.into());
    }

    /// The condition does not hold.
    pub fn fail(&mut self, id: &str, subject: &str, evidence: impl Into<String>, fix: impl Into<String>) {
        self.add(id, subject, Verdict::Fail, evidence.into(), fix.into());
    }

    /// It could not be found out.
    pub fn unknown(&mut self, id: &str, subject: &str, why: impl Into<String>, fix: impl Into<String>) {
        self.add(id, subject, Verdict::NotCheckable, why.into(), fix.into());
    }

    /// Passes or fails by a condition, with one evidence for both.
    pub fn require(
        &mut self,
        holds: bool,
        id: &str,
        subject: &str,
        evidence: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if holds {
            self.pass(id, subject, evidence);
        } else {
            self.fail(id, subject, evidence, fix);
        }
    }

    /// Names from the server are in all of these, so all are cleaned.
    fn add(&mut self, id: &str, subject: &str, verdict: Verdict, evidence: String, fix: String) {
        self.checks.push(Check {
            id: id.to_owned(),
            store: Some(self.store.clone()),
            subject: clean(subject),
            verdict,
            evidence: clean(&evidence),
            fix: clean(&fix),
        });
    }
}
