//! Runs the rules and applies the waivers.

use super::case::Case;
use super::catalogue::{Judge, Need, Rule, rules};
use super::judgement::{Failure, Judgement};
use crate::model::access::declared::Waiver;
use crate::model::access::reading::EngineFacts;
use crate::model::finding::{Finding, Verdict};
use chrono::NaiveDate;

/// All findings on one store, in shared order. A rule that is not broken has one finding too: whether it holds, could not be looked at,
/// or has nothing to judge.
pub fn audit(case: &Case<'_>, waivers: &[Waiver]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules().flat_map(|rule| judged(rule, case)).collect();
    for finding in &mut findings {
        waive(finding, waivers, case.today);
    }
    Finding::sort(&mut findings);
    findings
}

fn judged(rule: &Rule, case: &Case<'_>) -> Vec<Finding> {
    let kind = case.reading.kind();
    // Another engine has rules of its own: these are no part of its audit.
    if !rule.is_of(kind) {
        return Vec::new();
    }
    let judgement = match rule.absent_on(kind) {
        Some(why) => Judgement::absent(why),
        None => match (rule.judge, &case.reading.engine) {
            (Judge::Postgres(judge), EngineFacts::Postgres(facts)) => judge(case, facts),
            (Judge::Mysql(judge), EngineFacts::Mysql(facts)) => judge(case, facts),
            (Judge::Mongo(judge), EngineFacts::Mongo(facts)) => judge(case, facts),
            (Judge::Redis(judge), EngineFacts::Redis(facts)) => judge(case, facts),
            (Judge::Any(judge), _) => unless_unread(rule, case, judge(case)),
            // Two stores are compared by `ownership::both_sides`, for each pipeline.
            (Judge::BothSides | Judge::Postgres(_) | Judge::Mysql(_) | Judge::Mongo(_) | Judge::Redis(_), _) => {
                return Vec::new();
            }
        },
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

/// What a rule needs and was not read makes it not checkable. What it found all the same stays.
fn unless_unread(rule: &Rule, case: &Case<'_>, mut judgement: Judgement) -> Judgement {
    let unread = &case.reading.unread;
    let why = rule.needs.iter().find_map(|need| match need {
        Need::Rights => unread.rights.clone(),
        Need::Uses => unread.uses.clone(),
        Need::Code => unread.code.clone(),
        Need::Sessions => unread.sessions.clone(),
    });
    if judgement.hidden.is_none() {
        judgement.hidden = why;
    }
    judgement
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
