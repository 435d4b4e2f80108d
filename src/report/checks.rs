//! Pre-flight checks: what `godwit check` prints.

use crate::model::check::{Check, Verdict};
use serde::Serialize;
use std::fmt::Write;

/// The JSON form, schema `godwit.check/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckBoard {
    /// `godwit.check/1`.
    pub schema: &'static str,
    /// Checks that passed.
    pub passed: usize,
    /// Checks with a warning.
    pub warnings: usize,
    /// Checks that failed.
    pub failed: usize,
    /// Checks that could not be made.
    pub not_checkable: usize,
    /// All of them.
    pub checks: Vec<Check>,
}

/// Puts the board together.
pub fn checks(checks: Vec<Check>) -> CheckBoard {
    let count = |verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    CheckBoard {
        schema: "godwit.check/1",
        passed: count(Verdict::Pass),
        warnings: count(Verdict::Warn),
        failed: count(Verdict::Fail),
        not_checkable: count(Verdict::NotCheckable),
        checks,
    }
}

impl CheckBoard {
    /// The text form: one line a check, its fix below it, and a summary.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let store = check.store.as_ref().map_or("profile", |s| s.as_str());
            let subject = if check.subject.is_empty() { String::new() } else { format!(" {}", check.subject) };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:<13} {} {store}{subject}: {}", word(check.verdict), check.id, check.evidence);
            if !check.fix.is_empty() {
                let _ = writeln!(text, "{:<13} fix: {}", "", check.fix);
            }
        }
        let _ = writeln!(
            text,
            "{} checks: {} passed, {} warnings, {} failed, {} not checkable",
            self.checks.len(),
            self.passed,
            self.warnings,
            self.failed,
            self.not_checkable
        );
        text
    }
}

/// The word for screens.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
        Verdict::NotCheckable => "not checkable",
    }
}
