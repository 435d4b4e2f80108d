//! `hotspot_regression = 1.5`: no statement takes more than that many times as long on the target as it took on the source.

use crate::engine::gates::tally::Tally;
use crate::model::gate::GateReading;
use crate::model::hotspot::{Comparability, Compared, SidesCompared};
use crate::model::ids::PipelineId;
use crate::model::lag::spoken;
use chrono::{DateTime, TimeDelta, Utc};

/// A comparison whose target interval ended longer ago says nothing about now.
const LONGEST: TimeDelta = TimeDelta::minutes(15);

/// Characters of a statement's name in the evidence.
const NAME_CHARS: usize = 80;

/// Reads the gate. Statements without a verdict (too few executions) count only when no statement has one.
pub fn read(pipelines: &[(PipelineId, Option<SidesCompared>)], limit: f64, now: DateTime<Utc>) -> GateReading {
    let mut tally = Tally::default();
    let mut judged = 0;
    let mut slowest: Option<f64> = None;
    for (pipeline, sides) in pipelines {
        let Some(sides) = sides else {
            tally.unknown(format!("pipeline {pipeline}: the statements of both sides were not read yet"));
            continue;
        };
        let age = now - sides.target_interval.1;
        if age > LONGEST {
            let (age, longest) = (spoken(age), spoken(LONGEST));
            tally.unknown(format!(
                "pipeline {pipeline}: the statements on {} are {age} old, more than {longest}",
                sides.target
            ));
            continue;
        }
        tally.read(sides.target_interval.1);
        let with_verdict: Vec<&Compared> =
            sides.comparison.both.iter().filter(|compared| has_verdict(compared)).collect();
        if with_verdict.is_empty() {
            let on_both = sides.comparison.both.len();
            tally.unknown(format!(
                "pipeline {pipeline}: none of {on_both} statements that ran on both sides ran often enough for a verdict"
            ));
            continue;
        }
        judged += with_verdict.len();
        for compared in with_verdict {
            let Some(ratio) = compared.ratio else { continue };
            slowest = Some(slowest.map_or(ratio, |known| known.max(ratio)));
            if compared.verdict == Comparability::Slower && ratio > limit {
                tally.red(regression(pipeline, compared, ratio, limit));
            }
        }
    }
    let slowest = slowest.map_or_else(String::new, |ratio| format!(", the slowest takes {ratio:.2} times as long"));
    tally.close("hotspot_regression", format!("{judged} statements compared{slowest}, limit {limit}"), now)
}

fn has_verdict(compared: &Compared) -> bool {
    match compared.verdict {
        Comparability::Same | Comparability::Faster | Comparability::Slower => true,
        Comparability::TooFew { .. } | Comparability::NotComparable { .. } => false,
    }
}

fn regression(pipeline: &PipelineId, compared: &Compared, ratio: f64, limit: f64) -> String {
    let name: String = compared.name.chars().take(NAME_CHARS).collect();
    format!(
        "pipeline {pipeline}: {ratio:.2} times as long, limit {limit}: {:.0} µs over {} calls against {:.0} µs over {}: {name}",
        compared.target.mean_us, compared.target.calls, compared.source.mean_us, compared.source.calls
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::gate::GateState;
    use crate::model::hotspot::{ComparedSide, Comparison, Fingerprint};
    use crate::model::statement::StatementSource;

    fn side(mean_us: f64) -> ComparedSide {
        ComparedSide {
            source: StatementSource::PgStatStatements,
            calls: 400,
            calls_per_second: None,
            mean_us,
            deviation_us: None,
            rows_per_call: None,
            errors: None,
            percentiles: None,
        }
    }

    fn compared(ratio: f64, verdict: Comparability) -> Compared {
        Compared {
            name: "select ? from order_lines".to_owned(),
            source_fingerprint: Fingerprint("a".to_owned()),
            target_fingerprint: Fingerprint("a".to_owned()),
            source: side(100.0),
            target: side(100.0 * ratio),
            ratio: Some(ratio),
            interval: None,
            verdict,
        }
    }

    fn gate(both: Vec<Compared>, age: TimeDelta) -> GateReading {
        let now = Utc::now();
        let sides = SidesCompared {
            pipeline: "orders".into(),
            source: "legacy".into(),
            target: "orders-db".into(),
            source_interval: (now - TimeDelta::hours(9), now - TimeDelta::hours(8)),
            target_interval: (now - TimeDelta::hours(1), now - age),
            comparison: Comparison { both, ..Comparison::default() },
        };
        read(&[("orders".into(), Some(sides))], 1.5, now)
    }

    #[test]
    fn a_slower_statement_beyond_the_ratio_is_red() {
        let red =
            gate(vec![compared(1.1, Comparability::Same), compared(2.0, Comparability::Slower)], TimeDelta::zero());
        assert_eq!(red.state, GateState::Red);
        assert!(
            red.evidence.contains("2.00 times as long, limit 1.5: 200 µs over 400 calls against 100 µs"),
            "{}",
            red.evidence
        );
        let within = gate(vec![compared(1.4, Comparability::Slower)], TimeDelta::zero());
        assert_eq!(within.state, GateState::Green);
        assert!(within.evidence.contains("the slowest takes 1.40 times"), "{}", within.evidence);
    }

    #[test]
    fn too_few_calls_are_unknown_only_when_nothing_can_be_compared() {
        let few = || compared(9.0, Comparability::TooFew { needs: 100 });
        assert_eq!(gate(vec![few()], TimeDelta::zero()).state, GateState::Unknown);
        assert_eq!(gate(vec![few(), compared(1.0, Comparability::Same)], TimeDelta::zero()).state, GateState::Green);
        assert_eq!(gate(Vec::new(), TimeDelta::zero()).state, GateState::Unknown);
    }

    #[test]
    fn old_statements_and_a_side_that_was_not_read_are_unknown() {
        assert_eq!(gate(vec![compared(1.0, Comparability::Same)], TimeDelta::minutes(16)).state, GateState::Unknown);
        let never = read(&[("orders".into(), None)], 1.5, Utc::now());
        assert_eq!(never.state, GateState::Unknown);
    }
}
