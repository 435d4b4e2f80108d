//! `indexes = "none missing"`: no index of the source that the target lacks, and no foreign key there without one.

use crate::advice::indexes::{carried_over, foreign_key};
use crate::engine::gates::tally::{Tally, is_answered_for};
use crate::model::access::declared::Waiver;
use crate::model::finding::{Audit, Severity, Verdict};
use crate::model::gate::GateReading;
use crate::model::ids::StoreId;
use crate::model::observation::StoreReading;
use chrono::{DateTime, TimeDelta, Utc};

/// Advice older than this says nothing about now.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// The rules that it is about.
const RULES: [&str; 2] = [carried_over::RULE, foreign_key::RULE];

/// A store with the advice on its indexes.
pub type Advised = (StoreId, StoreReading<Audit>);

/// Reads the gate over the targets; without the sources nobody knows what is missing. What is only good to know (severity info) does not block.
pub fn read(sources: &[Advised], targets: &[Advised], waivers: &[Waiver], now: DateTime<Utc>) -> GateReading {
    let mut tally = Tally::default();
    let mut waived = 0;
    for (store, reading) in sources {
        match &reading.absent {
            Some(why) => tally.unknown(format!("the indexes of {store} cannot be read: {why}")),
            None => {
                tally.fresh(store, "the reading of the indexes", reading, LONGEST, now);
            }
        }
    }
    for (store, reading) in targets {
        if let Some(why) = &reading.absent {
            tally.unknown(format!("the indexes of {store} cannot be read: {why}"));
            continue;
        }
        let Some(read) = tally.fresh(store, "the index advice", reading, LONGEST, now) else { continue };
        let about = read.value.findings.iter().filter(|finding| RULES.contains(&finding.rule.as_str()));
        for finding in about {
            let is_open = match &finding.verdict {
                Verdict::Fail => finding.severity > Severity::Info,
                Verdict::NotCheckable { .. } => true,
                Verdict::Waived { .. } | Verdict::Pass | Verdict::NotApplicable { .. } => false,
            };
            match &finding.verdict {
                _ if !is_open => {}
                _ if is_answered_for(finding, waivers, now.date_naive()) => waived += 1,
                Verdict::NotCheckable { why } => tally.unknown(format!("{}: {why}", finding.sentence)),
                _ => tally.red(format!("{} on {store}: {}", finding.rule, finding.sentence)),
            }
        }
    }
    let names: Vec<&str> = targets.iter().map(|(store, _)| store.as_str()).collect();
    tally.close("indexes", format!("no index is missing on {}, {waived} waived", names.join(", ")), now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Finding;
    use crate::model::gate::GateState;
    use crate::model::observation::Observation;

    fn empty(now: DateTime<Utc>) -> StoreReading<Audit> {
        let mut reading = StoreReading::default();
        reading.take(Ok(Observation::whole(Audit::default(), now)), now);
        reading
    }

    fn gate(rule: &str, severity: Severity, verdict: Verdict, waivers: &[Waiver]) -> GateReading {
        let now = Utc::now();
        let mut finding =
            Finding::new(rule, severity, &"orders-db".into(), "public.lines (order_id)", "an index is missing");
        finding.verdict = verdict;
        let mut reading = StoreReading::default();
        let audit = Audit { findings: vec![finding], read_at: None, changes: Vec::new() };
        reading.take(Ok(Observation::whole(audit, now)), now);
        read(&[("legacy".into(), empty(now))], &[("orders-db".into(), reading)], waivers, now)
    }

    #[test]
    fn a_lost_index_is_red_and_other_advice_is_not() {
        assert_eq!(gate("IX-LOST", Severity::Medium, Verdict::Fail, &[]).state, GateState::Red);
        assert_eq!(gate("IX-FK", Severity::Low, Verdict::Fail, &[]).state, GateState::Red);
        assert_eq!(gate("IX-FK", Severity::Info, Verdict::Fail, &[]).state, GateState::Green);
        assert_eq!(gate("IX-NEW", Severity::High, Verdict::Fail, &[]).state, GateState::Green);
    }

    #[test]
    fn what_cannot_be_translated_is_unknown_until_somebody_answers_for_it() {
        let hidden = || Verdict::NotCheckable { why: "it is over an expression".to_owned() };
        assert_eq!(gate("IX-LOST", Severity::Info, hidden(), &[]).state, GateState::Unknown);
        let waiver = Waiver {
            rule: "IX-LOST".to_owned(),
            store: "orders-db".into(),
            subject: "public.lines (order_id)".to_owned(),
            who: "mina".to_owned(),
            until: Utc::now().date_naive(),
            why: String::new(),
        };
        assert_eq!(gate("IX-LOST", Severity::Info, hidden(), &[waiver]).state, GateState::Green);
    }

    #[test]
    fn a_side_that_shows_no_indexes_is_unknown() {
        let now = Utc::now();
        let mut reading = StoreReading::default();
        reading.lacks("it has no indexes to show".to_owned(), now);
        let state =
            |source, target| read(&[("legacy".into(), source)], &[("orders-db".into(), target)], &[], now).state;
        assert_eq!(state(empty(now), reading.clone()), GateState::Unknown);
        assert_eq!(state(reading, empty(now)), GateState::Unknown);
        assert_eq!(
            state(StoreReading::default(), empty(now)),
            GateState::Unknown,
            "without the source nobody knows what is missing"
        );
        assert_eq!(state(empty(now), empty(now)), GateState::Green);
    }
}
