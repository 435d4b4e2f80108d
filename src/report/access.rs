//! Findings of the access audit of all stores: what `godwit access` prints.

use crate::model::access::drift::GrantChange;
use crate::model::finding::{Audit, Finding, Severity, Verdict};
use crate::model::ids::StoreId;
use crate::model::observation::{ByStore, StoreReading};
use crate::report::activity::ReadingState;
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
    fn lists(&self, finding: &Finding) -> bool {
        let holds = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let is_open = matches!(finding.verdict, Verdict::Fail | Verdict::Waived { .. });
        (self.all || is_open)
            && self.least.is_none_or(|least| finding.severity >= least)
            && self.rule.as_ref().is_none_or(|rule| finding.rule.to_lowercase().starts_with(&rule.to_lowercase()))
            && self.text.as_ref().is_none_or(|part| holds(&finding.subject, part) || holds(&finding.sentence, part))
    }
}

/// The JSON form, schema `godwit.access/1`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessReport {
    /// `godwit.access/1`.
    pub schema: &'static str,
    /// By store.
    pub stores: BTreeMap<StoreId, StoreAccess>,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StoreAccess {
    /// How it was read.
    #[serde(flatten)]
    pub state: ReadingState,
    /// How many findings end in which way, whatever is listed: `fail`, `waived`, `not checkable`, `pass`, `not applicable`.
    pub verdicts: BTreeMap<&'static str, usize>,
    /// Those that are listed, in shared order.
    pub findings: Vec<Finding>,
    /// What changed in who may do what since the engine started, oldest first; whatever is listed.
    pub changes: Vec<GrantChange>,
}

/// Puts the report together.
pub fn access(view: &ByStore<Audit>, filter: &FindingFilter) -> AccessReport {
    let stores = view.iter().map(|(id, reading)| (id.clone(), store(reading, filter))).collect();
    AccessReport { schema: "godwit.access/1", stores }
}

fn store(reading: &StoreReading<Audit>, filter: &FindingFilter) -> StoreAccess {
    let all = reading.latest.as_ref().map_or(&[][..], |read| read.value.findings.as_slice());
    let mut verdicts = BTreeMap::new();
    for finding in all {
        *verdicts.entry(finding.verdict.word()).or_default() += 1;
    }
    let findings = all.iter().filter(|finding| filter.lists(finding)).cloned().collect();
    let changes = reading.latest.as_ref().map_or_else(Vec::new, |read| read.value.changes.clone());
    StoreAccess { state: ReadingState::of(reading), verdicts, findings, changes }
}

impl AccessReport {
    /// Lines for a person.
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let mut text = String::new();
        for (id, store) in &self.stores {
            text.push_str(&store.state.text(id, now));
            if store.verdicts.is_empty() {
                continue;
            }
            let counts: Vec<String> = store.verdicts.iter().map(|(word, count)| format!("{count} {word}")).collect();
            let _ = writeln!(text, "{id}: {}", counts.join(", "));
            for change in &store.changes {
                let sign = if change.appeared { '+' } else { '-' };
                let at = change.at.format("%Y-%m-%d %H:%M:%SZ");
                let _ = writeln!(text, "{sign}  rights changed before {at}: {} {}", change.login, change.sentence);
            }
            for finding in &store.findings {
                told(finding, &mut text);
            }
        }
        text
    }
}

/// A finding in a few lines: what is so, what it stands on, what mends it, what speaks against that.
fn told(finding: &Finding, text: &mut String) {
    let _ = writeln!(
        text,
        "{} {:<6} {}: {}",
        finding.severity.mark(),
        finding.rule,
        finding.verdict.word(),
        finding.sentence
    );
    match &finding.verdict {
        Verdict::Waived { who, until, why } => {
            let _ = writeln!(text, "     {who} answers for it until {until}: {why}");
        }
        Verdict::NotCheckable { why } | Verdict::NotApplicable { why } => {
            let _ = writeln!(text, "     {why}");
        }
        Verdict::Fail | Verdict::Pass => {}
    }
    for fact in &finding.evidence {
        let _ = writeln!(text, "     {fact}");
    }
    let lines = [("mend", &finding.statement), ("undo", &finding.undo)];
    for (word, statement) in lines {
        if let Some(statement) = statement {
            let _ = writeln!(text, "     {word}: {statement}");
        }
    }
    for why_not in &finding.why_not {
        let _ = writeln!(text, "     but: {why_not}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Observation;

    fn view() -> ByStore<Audit> {
        let store = StoreId::from("legacy");
        let mut open =
            Finding::new("PG-08", Severity::Critical, &store, "public.orders", "PUBLIC has SELECT on public.orders");
        open.statement = Some("REVOKE ALL ON public.orders FROM PUBLIC".to_owned());
        open.undo = Some("GRANT SELECT ON public.orders TO PUBLIC".to_owned());
        let mut hidden = Finding::new("PG-20", Severity::High, &store, "legacy", "no password is kept as MD5");
        hidden.verdict = Verdict::NotCheckable { why: "only a superuser reads pg_authid".to_owned() };
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let mut reading = StoreReading::default();
        reading.take(
            Ok(Observation::whole(Audit { findings: vec![open, hidden], read_at: Some(at), changes: Vec::new() }, at)),
            at,
        );
        ByStore::from([(store, reading)])
    }

    #[test]
    fn what_is_open_is_told_with_its_statement() {
        let report = access(&view(), &FindingFilter::default());
        assert_eq!(
            report.text(DateTime::<Utc>::UNIX_EPOCH),
            "legacy: 1 fail, 1 not checkable\n\
             C! PG-08  fail: PUBLIC has SELECT on public.orders\n     \
             mend: REVOKE ALL ON public.orders FROM PUBLIC\n     \
             undo: GRANT SELECT ON public.orders TO PUBLIC\n"
        );
    }

    #[test]
    fn filters_leave_the_counts_whole() {
        let listed = |filter: FindingFilter| {
            let report = access(&view(), &filter);
            let store = report.stores.into_values().next().unwrap();
            assert_eq!(store.verdicts.values().sum::<usize>(), 2);
            store.findings.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
        };
        assert_eq!(listed(FindingFilter { all: true, ..FindingFilter::default() }), ["PG-08", "PG-20"]);
        assert_eq!(
            listed(FindingFilter { all: true, least: Some(Severity::Critical), ..FindingFilter::default() }),
            ["PG-08"]
        );
        assert_eq!(
            listed(FindingFilter { rule: Some("own".to_owned()), ..FindingFilter::default() }),
            Vec::<String>::new()
        );
        assert_eq!(listed(FindingFilter { text: Some("ORDERS".to_owned()), ..FindingFilter::default() }), ["PG-08"]);
    }
}
