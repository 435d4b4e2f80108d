//! Findings as text, whichever rules they are from.

use crate::model::access::drift::GrantChange;
use crate::model::finding::{Audit, Finding, IndexEffect, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::index_order;
use crate::model::observation::StoreReading;
use crate::report::activity::ReadingState;
use crate::report::moment::stamp;
use crate::report::quantity;
use crate::report::wrap::wrapped;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Which findings are listed.
#[derive(Clone, Debug, Default)]
pub struct FindingFilter {
    /// Also rules that hold, that could not be looked at, and that have nothing to judge.
    pub all: bool,
    /// At least this bad.
    pub least: Option<Severity>,
    /// Only rules whose id begins so, whatever its case: `own`, `PG-08`.
    pub rule: Option<String>,
    /// Only findings in whose subject or sentence this text occurs, whatever its case.
    pub text: Option<String>,
}

impl FindingFilter {
    /// Whether it is listed.
    pub fn lists(&self, finding: &Finding) -> bool {
        let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let is_open = matches!(finding.verdict, Verdict::Fail | Verdict::Waived { .. });
        (self.all || is_open)
            && self.least.is_none_or(|least| finding.severity >= least)
            && self.rule.as_ref().is_none_or(|rule| finding.rule.to_lowercase().starts_with(&rule.to_lowercase()))
            && self.text.as_ref().is_none_or(|part| holds(&finding.subject, part) || holds(&finding.sentence, part))
    }
}

/// The findings of one store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreFindings {
    /// How it was read.
    #[serde(flatten)]
    pub state: ReadingState,
    /// How many findings end in which way, whatever is listed: `fail`, `waived`, `not checkable`, `pass`, `not applicable`.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Those that are listed, in shared order.
    pub findings: Vec<Finding>,
    /// What changed in who may do what since the engine started, oldest first, whatever is listed; of other advice none.
    pub changes: Vec<GrantChange>,
}

impl StoreFindings {
    /// Puts one store's findings together.
    pub fn of(reading: &StoreReading<Audit>, filter: &FindingFilter) -> Self {
        let all = reading.latest.as_ref().map_or(&[][..], |read| read.value.findings.as_slice());
        let mut verdicts = BTreeMap::new();
        for finding in all {
            *verdicts.entry(finding.verdict.word()).or_default() += 1;
        }
        let findings = all.iter().filter(|finding| filter.lists(finding)).cloned().collect();
        let changes = reading.latest.as_ref().map_or_else(Vec::new, |read| read.value.changes.clone());
        Self { state: ReadingState::of(reading), verdicts, findings, changes }
    }

    /// Lines for a person. `nothing`: what is said of a store without any finding.
    pub fn text(&self, id: &StoreId, nothing: &str, now: DateTime<Utc>) -> String {
        let mut text = self.state.text(id, now);
        if self.state.at.is_none() {
            return text;
        }
        let counts: Vec<String> = self.verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let counts = if counts.is_empty() { nothing.to_owned() } else { counts.join(", ") };
        let _ = writeln!(text, "{id}: {counts}");
        for change in &self.changes {
            let sign = if change.appeared { '+' } else { '-' };
            let head = format!("{sign}  rights changed before {}: ", stamp(change.at));
            text.push_str(&wrapped(&head, &format!("{} {}", change.login, change.sentence)));
        }
        for finding in &self.findings {
            told(finding, &mut text);
        }
        text
    }
}

/// A finding in a few lines: what is so, what it stands on, what mends it, what speaks against that. Statements stay on one line, so
/// that they can be copied.
fn told(finding: &Finding, text: &mut String) {
    let head = format!("{} {:<6} {}: ", finding.severity.mark(), finding.rule, finding.verdict.word());
    text.push_str(&wrapped(&head, &finding.sentence));
    match &finding.verdict {
        Verdict::Waived { who, until, why } => {
            text.push_str(&wrapped("     ", &format!("{who} answers for it until {until}: {why}")));
        }
        Verdict::NotCheckable { why } | Verdict::NotApplicable { why } => text.push_str(&wrapped("     ", why)),
        Verdict::Fail | Verdict::Pass => {}
    }
    for fact in &finding.evidence {
        text.push_str(&wrapped("     ", fact));
    }
    if let Some(window) = &finding.window {
        text.push_str(&wrapped("     window: ", &format!("since {} ({})", stamp(window.since), window.proof)));
    }
    if let Some(effect) = &finding.effect {
        told_effect(effect, finding, text);
    }
    let lines = [("mend", &finding.statement), ("undo", &finding.undo)];
    for (word, statement) in lines {
        if let Some(statement) = statement {
            let _ = writeln!(text, "     {word}: {statement}");
        }
    }
    if finding.makes.is_some() && finding.verdict == Verdict::Fail {
        let _ = writeln!(text, "     take: {}", index_order::typed(&finding.rule, &finding.store, &finding.subject));
    }
    for why_not in &finding.why_not {
        text.push_str(&wrapped("     but: ", why_not));
    }
}

fn told_effect(effect: &IndexEffect, finding: &Finding, text: &mut String) {
    let gain = format!("{} ({})", effect.gain, finding.confidence.word());
    let size = effect.bytes.map_or_else(|| "unknown".to_owned(), quantity::bytes);
    for (word, sentence) in
        [("gain: ", &gain), ("writes pay: ", &effect.write_cost), ("size: ", &size), ("locks: ", &effect.locking)]
    {
        if !sentence.is_empty() {
            text.push_str(&wrapped(&format!("     {word}"), sentence));
        }
    }
}
