//! Runs the rules and applies the waivers.

use super::case::Case;
use super::catalogue::{Judge, RULES, Rule};
use super::judgement::{Failure, Judgement};
use crate::model::access::declared::Waiver;
use crate::model::finding::{Finding, Verdict};
use chrono::NaiveDate;

/// All findings on one store, in shared order. A rule that is not broken has one finding too: whether it holds, could not be looked at,
/// or has nothing to judge.
pub fn audit(case: &Case<'_>, waivers: &[Waiver]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| judged(rule, case)).collect();
    for finding in &mut findings {
        waive(finding, waivers, case.today);
    }
    Finding::sort(&mut findings);
    findings
}

fn judged(rule: &Rule, case: &Case<'_>) -> Vec<Finding> {
    let judgement = match rule.judge {
        Judge::Postgres(judge) => match case.reading.postgres() {
            Some(facts) => judge(case, facts),
            // Another engine has rules of its own: these are no part of its audit.
            None => return Vec::new(),
        },
        Judge::Any(judge) => judge(case),
        Judge::Elsewhere(engines) => Judgement::absent(format!("this rule is about {engines}")),
    };
    let mut findings: Vec<Finding> =
        judgement.failures.into_iter().map(|failure| failed(rule, case, failure)).collect();
    let whole = |verdict| {
        let mut finding = Finding::new(rule.id, rule.severity, case.store, case.store.as_str(), rule.holds);
        finding.cis = rule.cis.map(str::to_owned);
        finding.verdict = verdict;
        finding
    };
    match (judgement.hidden, judgement.absent) {
        (Some(why), _) => findings.push(whole(Verdict::NotCheckable { why })),
        (None, Some(why)) if findings.is_empty() => findings.push(whole(Verdict::NotApplicable { why })),
        (None, _) if findings.is_empty() => findings.push(whole(Verdict::Pass)),
        (None, _) => {}
    }
    findings
}

fn failed(rule: &Rule, case: &Case<'_>, failure: Failure) -> Finding {
    let severity = failure.severity.unwrap_or(rule.severity);
    let mut finding = Finding::new(rule.id, severity, case.store, failure.subject, failure.sentence);
    finding.evidence = failure.evidence;
    finding.statement = failure.statement;
    finding.undo = failure.undo;
    finding.why_not = failure.why_not;
    finding.window = failure.window;
    finding.cis = rule.cis.map(str::to_owned);
    if let Some(confidence) = failure.confidence {
        finding.confidence = confidence;
    }
    finding
}

/// A waiver holds to the end of its last day; after it the finding fails again and says whose waiver ended.
pub fn waive(finding: &mut Finding, waivers: &[Waiver], today: NaiveDate) {
    if finding.verdict != Verdict::Fail {
        return;
    }
    let about = |w: &&Waiver| w.rule == finding.rule && w.store == finding.store && w.subject == finding.subject;
    let Some(waiver) = waivers.iter().filter(about).max_by_key(|waiver| waiver.until) else { return };
    if today > waiver.until {
        finding.evidence.push(format!("the waiver of {} ended on {}", waiver.who, waiver.until));
        return;
    }
    finding.verdict = Verdict::Waived { who: waiver.who.clone(), until: waiver.until, why: waiver.why.clone() };
}
