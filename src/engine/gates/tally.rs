//! Counting together what several stores or pipelines say of one gate.

use crate::model::access::declared::Waiver;
use crate::model::finding::Finding;
use crate::model::gate::{GateReading, GateState};
use crate::model::ids::StoreId;
use crate::model::lag::spoken;
use crate::model::observation::{Observation, StoreReading};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// Sentences that the evidence holds; the others are counted.
const SHOWN: usize = 3;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Tally {
    red: Vec<String>,
    unknown: Vec<String>,
    oldest: Option<DateTime<Utc>>,
}

impl Tally {
    /// The condition does not hold.
    pub fn red(&mut self, why: impl Into<String>) {
        self.red.push(why.into());
    }

    /// It could not be told whether it holds.
    pub fn unknown(&mut self, why: impl Into<String>) {
        self.unknown.push(why.into());
    }

    /// A reading of this time was used.
    pub fn read(&mut self, at: DateTime<Utc>) {
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }

    /// A reading that may be used: not older than `longest`. Otherwise the gate is unknown, and says why.
    pub fn fresh<'a, T>(
        &mut self,
        store: &StoreId,
        what: &str,
        reading: &'a StoreReading<T>,
        longest: TimeDelta,
        now: DateTime<Utc>,
    ) -> Option<&'a Observation<T>> {
        let because = reading.problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"));
        match &reading.latest {
            None => {
                self.unknown(format!("{what} of {store} was not read yet{because}"));
                None
            }
            Some(read) if now - read.at > longest => {
                let (age, longest) = (spoken(now - read.at), spoken(longest));
                self.unknown(format!("{what} of {store} is {age} old, more than {longest}{because}"));
                None
            }
            Some(read) => {
                self.read(read.at);
                Some(read)
            }
        }
    }

    /// The gate as it stands: `green` is its evidence when nothing was found.
    pub fn close(self, id: &str, green: impl Into<String>, now: DateTime<Utc>) -> GateReading {
        let (state, evidence) = match (self.red.is_empty(), self.unknown.is_empty()) {
            (false, _) => (GateState::Red, listed(&self.red)),
            (true, false) => (GateState::Unknown, listed(&self.unknown)),
            (true, true) => (GateState::Green, green.into()),
        };
        GateReading { id: id.to_owned(), state, evidence, at: self.oldest.unwrap_or(now) }
    }
}

fn listed(sentences: &[String]) -> String {
    let mut text = sentences.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if sentences.len() > SHOWN {
        text.push_str(&format!("; and {} more", sentences.len() - SHOWN));
    }
    text
}

/// True when somebody answers for a finding today, whether it fails or cannot be looked at.
pub fn is_answered_for(finding: &Finding, waivers: &[Waiver], today: NaiveDate) -> bool {
    waivers.iter().any(|waiver| {
        (waiver.rule.as_str(), &waiver.store, waiver.subject.as_str()) == finding.name() && today <= waiver.until
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn red_is_told_before_unknown_and_nothing_is_left_out_silently() {
        let now = Utc::now();
        let mut tally = Tally::default();
        tally.unknown("u");
        for why in ["a", "b", "c", "d", "e"] {
            tally.red(why);
        }
        let gate = tally.close("access", "fine", now);
        assert_eq!((gate.state, gate.evidence.as_str()), (GateState::Red, "a; b; c; and 2 more"));
        let mut tally = Tally::default();
        tally.unknown("u");
        assert_eq!(tally.close("access", "fine", now).state, GateState::Unknown);
        assert_eq!(Tally::default().close("access", "fine", now).evidence, "fine");
    }

    #[test]
    fn an_old_reading_is_unknown_with_the_reason_for_its_age() {
        let now = Utc::now();
        let store = StoreId::from("legacy");
        let mut reading = StoreReading::default();
        reading.take(Ok(Observation::whole(1, now - TimeDelta::hours(3))), now);
        reading.take(Err("it is down".to_owned()), now);
        let mut tally = Tally::default();
        assert!(tally.fresh(&store, "the audit", &reading, TimeDelta::hours(1), now).is_none());
        let gate = tally.close("access", "", now);
        assert_eq!(
            (gate.state, gate.evidence.as_str()),
            (GateState::Unknown, "the audit of legacy is 3 h old, more than 60 min: it is down")
        );
        let mut tally = Tally::default();
        assert!(tally.fresh(&store, "the audit", &reading, TimeDelta::hours(4), now).is_some());
        assert_eq!(
            tally.close("access", "", now).at,
            now - TimeDelta::hours(3),
            "the time of the reading, not of the question"
        );
    }
}
