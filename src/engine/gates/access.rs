//! `access = "no critical"`: no finding of the access audit at that severity or above, on any store of the phase's pipelines.

use crate::engine::gates::tally::{Tally, is_answered_for};
use crate::model::access::declared::Waiver;
use crate::model::finding::{Audit, Severity, Verdict};
use crate::model::gate::GateReading;
use crate::model::ids::StoreId;
use crate::model::observation::StoreReading;
use chrono::{DateTime, TimeDelta, Utc};

/// An audit older than this says nothing about now.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// A store with its audit.
pub struct Audited {
    /// Store.
    pub store: StoreId,
    /// The engine has accounts: without them nobody can have a right too many.
    pub has_accounts: bool,
    /// Its audit.
    pub reading: StoreReading<Audit>,
}

/// Reads the gate. A rule that could not be looked at is unknown unless somebody answers for it; one that fails and is waived is not red.
pub fn read(stores: &[Audited], least: Severity, waivers: &[Waiver], now: DateTime<Utc>) -> GateReading {
    let mut tally = Tally::default();
    let (mut rules, mut waived) = (0, 0);
    for Audited { store, has_accounts, reading } in stores {
        if let Some(why) = &reading.absent {
            if *has_accounts {
                tally.unknown(format!("who may do what on {store} cannot be read: {why}"));
            }
            continue;
        }
        let Some(read) = tally.fresh(store, "the access audit", reading, LONGEST, now) else { continue };
        for finding in read.value.findings.iter().filter(|finding| finding.severity >= least) {
            rules += 1;
            let (rule, severity) = (&finding.rule, finding.severity.word());
            match &finding.verdict {
                Verdict::Fail => tally.red(format!("{severity} {rule} on {store}: {}", finding.sentence)),
                Verdict::NotCheckable { .. } if is_answered_for(finding, waivers, now.date_naive()) => waived += 1,
                Verdict::NotCheckable { why } => {
                    tally.unknown(format!("{severity} {rule} on {store} could not be looked at: {why}"));
                }
                Verdict::Waived { .. } => waived += 1,
                Verdict::Pass | Verdict::NotApplicable { .. } => {}
            }
        }
    }
    let green = format!("no finding of {} or above in {rules} checks, {waived} waived", least.word());
    tally.close("access", green, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Finding;
    use crate::model::gate::GateState;
    use crate::model::observation::Observation;

    fn finding(severity: Severity, verdict: Verdict) -> Finding {
        let mut finding =
            Finding::new("PG-12", severity, &"legacy".into(), "f()", "everybody may run f() as a superuser");
        finding.verdict = verdict;
        finding
    }

    fn audited(findings: Vec<Finding>, age: TimeDelta, now: DateTime<Utc>) -> Audited {
        let mut reading = StoreReading::default();
        reading.take(Ok(Observation::whole(Audit { findings, read_at: None, changes: Vec::new() }, now - age)), now);
        Audited { store: "legacy".into(), has_accounts: true, reading }
    }

    fn gate(findings: Vec<Finding>, least: Severity) -> GateReading {
        let now = Utc::now();
        read(&[audited(findings, TimeDelta::minutes(3), now)], least, &[], now)
    }

    fn hidden() -> Verdict {
        Verdict::NotCheckable { why: "no right to read pg_proc".to_owned() }
    }

    #[test]
    fn only_what_is_bad_enough_and_fails_is_red() {
        let red = gate(vec![finding(Severity::Critical, Verdict::Fail)], Severity::Critical);
        assert_eq!(red.state, GateState::Red);
        assert!(red.evidence.contains("critical PG-12 on legacy: everybody may run"), "{}", red.evidence);
        assert_eq!(gate(vec![finding(Severity::High, Verdict::Fail)], Severity::Critical).state, GateState::Green);
        assert_eq!(gate(vec![finding(Severity::High, Verdict::Fail)], Severity::High).state, GateState::Red);
        let waived = Verdict::Waived { who: "mina".to_owned(), until: Utc::now().date_naive(), why: String::new() };
        let green = gate(vec![finding(Severity::Critical, waived)], Severity::Critical);
        assert_eq!(
            (green.state, green.evidence.as_str()),
            (GateState::Green, "no finding of critical or above in 1 checks, 1 waived")
        );
    }

    #[test]
    fn what_could_not_be_looked_at_is_never_green_unless_somebody_answers_for_it() {
        let now = Utc::now();
        let unknown = gate(vec![finding(Severity::Critical, hidden())], Severity::Critical);
        assert_eq!(unknown.state, GateState::Unknown);
        assert!(unknown.evidence.contains("no right to read pg_proc"));
        let mut waiver = Waiver {
            rule: "PG-12".to_owned(),
            store: "legacy".into(),
            subject: "f()".to_owned(),
            who: "mina".to_owned(),
            until: now.date_naive(),
            why: String::new(),
        };
        let stores = [audited(vec![finding(Severity::Critical, hidden())], TimeDelta::zero(), now)];
        assert_eq!(read(&stores, Severity::Critical, std::slice::from_ref(&waiver), now).state, GateState::Green);
        waiver.until = now.date_naive() - TimeDelta::days(1);
        assert_eq!(read(&stores, Severity::Critical, &[waiver], now).state, GateState::Unknown);
    }

    #[test]
    fn an_old_audit_and_one_that_was_never_made_are_unknown() {
        let now = Utc::now();
        let old = [audited(Vec::new(), TimeDelta::minutes(61), now)];
        assert_eq!(read(&old, Severity::Critical, &[], now).state, GateState::Unknown);
        let never = [Audited { store: "legacy".into(), has_accounts: true, reading: StoreReading::default() }];
        assert_eq!(read(&never, Severity::Critical, &[], now).state, GateState::Unknown);
    }

    #[test]
    fn an_engine_without_accounts_has_nothing_to_audit_and_one_that_hides_them_is_unknown() {
        let now = Utc::now();
        let without = |has_accounts| {
            let mut reading = StoreReading::default();
            reading.lacks("it has no access to show".to_owned(), now);
            read(&[Audited { store: "shop".into(), has_accounts, reading }], Severity::Critical, &[], now).state
        };
        assert_eq!((without(false), without(true)), (GateState::Green, GateState::Unknown));
    }
}
