//! Answers with samples of values: which of them counts, and what is said when they disagree.

use super::builder::{Store, With, counter, failing, table};
use crate::advice::dialect::Dialect;
use crate::advice::indexes::candidates::{Question, candidates, questions};
use crate::advice::indexes::judge::{Answer, judge};
use crate::advice::indexes::workload::Workload;
use crate::model::finding::{Finding, Severity};
use crate::model::what_if::{ParameterRole, Sample, SamplePlan, WhatIf};

/// A statement on a table of a million rows, with the rows that each execution has.
fn store(text: &str, rows_each: u64) -> Store {
    let line = counter(text, 1_000, 5_000.0).with(|line| line.rows = Some(1_000 * rows_each));
    Store::new(Dialect::Postgres)
        .table(table("public.orders", &[("id", 1e6), ("state", 400.0), ("at", 9e5), ("note", 10.0)]))
        .with(|store| store.statements.push(line))
}

fn asked(store: &Store) -> Vec<Question> {
    let spots = store.spots();
    let inspection = store.inspection(&spots);
    questions(&candidates(&inspection, &Workload::of(&inspection)), 100)
}

/// Findings when the samples leave these shares of the rows and cost so much with the index, of 20,000.
fn judged(store: &Store, samples: [(f64, f64); 3]) -> Vec<Finding> {
    let spots = store.spots();
    let inspection = store.inspection(&spots);
    let workload = Workload::of(&inspection);
    let candidates = candidates(&inspection, &workload);
    let plan = |(sample, (share, after)): (Sample, (f64, f64))| {
        let used = if after < 20_000.0 { vec![0] } else { Vec::new() };
        SamplePlan { sample, share, before: 20_000.0, after, used }
    };
    let samples: Vec<SamplePlan> = Sample::ALL.into_iter().zip(samples).map(plan).collect();
    let answers = questions(&candidates, 100).into_iter().map(|question| {
        // Without values the planner sees a gain.
        let answer = WhatIf { before: 20_000.0, after: 50.0, used: vec![0], samples: samples.clone() };
        Answer { candidate: question.candidate, fingerprint: question.fingerprint, answer: Ok(answer) }
    });
    judge(&inspection, &workload, &candidates, &answers.collect::<Vec<_>>())
}

const SKEWED: [(f64, f64); 3] = [(0.97, 20_000.0), (0.97, 20_000.0), (0.000_1, 10.0)];

#[test]
fn a_gain_for_rare_values_alone_is_advised_only_where_they_are_asked_for() {
    let found = judged(&store("select note from orders where state = $1", 90), SKEWED);
    assert_eq!(failing(&found), ["IX-NEW public.orders (state)"]);
    let finding = &found[0];
    assert!(finding.sentence.ends_with("for rare values only"), "{}", finding.sentence);
    assert_eq!(finding.severity, Severity::Low);
    let told = |words: &str| finding.why_not.iter().any(|why| why.contains(words));
    assert!(told("for the most common value (97 % of the rows) nothing is gained"), "{:?}", finding.why_not);
    assert!(finding.evidence.iter().any(|line| line.contains("its executions have 0.009 %")), "{:?}", finding.evidence);
    // The common value is what is asked for.
    assert!(judged(&store("select note from orders where state = $1", 960_000), SKEWED).is_empty());
    // A sum has one row whatever it is asked for: nothing shows that it is a rare value.
    assert!(judged(&store("select sum(note) from orders where state = $1", 1), SKEWED).is_empty());
    assert!(judged(&store("select distinct note from orders where state = $1", 3), SKEWED).is_empty());
}

#[test]
fn the_middle_decides_where_nothing_is_counted() {
    let samples = [(0.3, 15_000.0), (0.001, 300.0), (0.000_1, 10.0)];
    let found = judged(&store("select sum(note) from orders where state = $1", 1), samples);
    assert_eq!((failing(&found).len(), found[0].severity), (1, Severity::Medium));
    assert!(found[0].why_not.iter().any(|why| why.contains("most common value (30 % of the rows)")));
    assert!(!found[0].sentence.contains("only"));
    let all = judged(&store("select sum(note) from orders where state = $1", 1), [(0.01, 900.0); 3]);
    assert!(all[0].why_not.iter().all(|why| !why.contains("nothing is gained")), "{:?}", all[0].why_not);
    let none = [(0.3, 15_000.0), (0.3, 15_000.0), (0.000_1, 10.0)];
    assert!(judged(&store("select sum(note) from orders where state = $1", 1), none).is_empty());
}

#[test]
fn a_smaller_copy_of_most_rows_is_no_gain() {
    // An index-only scan of half of the table looks cheap as long as nobody writes.
    let halves = [(0.5, 4_000.0); 3];
    assert!(judged(&store("select count(*) from orders where state = $1", 1), halves).is_empty());
    let first = "select note from orders where state = $1 order by at limit 10";
    assert_eq!(judged(&store(first, 10), halves).len(), 1, "the first ten of them are another matter");
}

#[test]
fn a_range_is_as_wide_as_what_its_executions_had() {
    let widths = |text: &str, rows| asked(&store(text, rows))[0].parameters.widths;
    let narrow = widths("select note from orders where at between $1 and $2", 1_000);
    assert!((narrow[1] - 0.001).abs() < 1e-9 && narrow[0] > narrow[1] && narrow[1] > narrow[2], "{narrow:?}");
    let wide = widths("select note from orders where at > $1", 900_000);
    assert!((wide[1] - 0.9).abs() < 1e-9 && wide[0] <= 1.0, "{wide:?}");
    // An equality beside it takes its share first: 1 of 400.
    let both = widths("select note from orders where state = $1 and at > $2", 250);
    assert!((both[1] - 0.1).abs() < 1e-9, "{both:?}");
    assert_eq!(widths("select count(*) from orders where at > $1", 1), [0.9, 0.3, 0.01]);
    assert_eq!(widths("select count(*) from orders where at >= $1 and at < $2", 1), [0.3, 0.05, 0.005]);
    let store = |rows| store("select note from orders where at > $1", rows);
    let of = |width: f64, after| [((width * 3.0).min(1.0), after), (width, after), (width / 3.0, after)];
    assert!(judged(&store(900_000), of(0.9, 9_000.0)).is_empty(), "nine tenths of the table");
    assert_eq!(failing(&judged(&store(1_000), of(0.001, 900.0))), ["IX-NEW public.orders (at)"]);
}

#[test]
fn parameters_are_known_by_the_columns_that_they_are_compared_with() {
    let text = "select o.note from orders o where o.state = $1 and o.at >= $2::int4 and $3 > o.at and o.id = any($4) \
                and o.note in ($5, $6) order by o.at limit $7 offset $8";
    let question = &asked(&store(text, 7))[0];
    let places: Vec<(u32, &str, ParameterRole)> =
        question.parameters.places.iter().map(|p| (p.parameter, p.column.as_str(), p.role)).collect();
    use ParameterRole::{Equal, High, List, Low};
    let expected = [
        (1, "state", Equal),
        (2, "at", Low),
        (3, "at", High),
        (4, "id", List),
        // Lists are shortened before they are parsed: one value stands for all.
        (5, "note", Equal),
    ];
    assert_eq!(places, expected);
    assert_eq!((question.parameters.limits.as_slice(), question.parameters.limit), ([7].as_slice(), 7));
    assert!(question.parameters.places.iter().all(|place| place.table == "public.orders"));
}
