use super::*;
use crate::model::observation::Observation;
use chrono::{DateTime, Utc};

fn view(findings: Vec<Finding>) -> ByStore<Audit> {
    let at = DateTime::<Utc>::UNIX_EPOCH;
    let mut reading = StoreReading::default();
    reading.take(Ok(Observation::whole(Audit { findings, read_at: Some(at), changes: Vec::new() }, at)), at);
    ByStore::from([(StoreId::from("legacy"), reading)])
}

fn finding(rule: &str, severity: Severity, verdict: Verdict) -> Finding {
    let mut finding = Finding::new(rule, severity, &StoreId::from("legacy"), "orders", "it is so");
    finding.verdict = verdict;
    finding
}

fn rules(state: &FindingsState, view: &ByStore<Audit>) -> Vec<String> {
    let rows = state.rows(Some(view));
    let rule = |row| match row {
        FindingRow::Finding(finding, _) => finding.rule.clone(),
        FindingRow::Store(store, _) => store.to_string(),
    };
    (0..rows.len()).filter_map(|at| rows.get(at)).map(rule).collect()
}

#[test]
fn what_holds_is_left_out_until_it_is_asked_for() {
    let hidden = Verdict::NotCheckable { why: "no right".into() };
    let view = view(vec![
        finding("PG-01", Severity::Critical, Verdict::Pass),
        finding("PG-02", Severity::Low, Verdict::Fail),
        finding("PG-03", Severity::Critical, hidden),
        finding("PG-04", Severity::High, Verdict::Fail),
    ]);
    let mut state = FindingsState::access();
    state.take_in(Some(&view));
    assert_eq!(rules(&state, &view), ["PG-04", "PG-02", "PG-03"]);
    state.toggle_all();
    assert_eq!(rules(&state, &view), ["PG-04", "PG-02", "PG-03", "PG-01"]);
    state.set_filter(Filter::new("least:high verdict:fail"));
    assert_eq!(rules(&state, &view), ["PG-04"]);
    assert_eq!((state.whole().failed(), state.whole().holds), (2, 1));
}

#[test]
fn only_what_was_looked_at_and_holds_is_clean() {
    let holds = || finding("PG-01", Severity::Critical, Verdict::Pass);
    let sum = |findings| {
        let mut state = FindingsState::access();
        state.take_in(Some(&view(findings)));
        state.whole()
    };
    assert!(sum(vec![holds()]).is_clean());
    let hidden = Verdict::NotCheckable { why: "no right".into() };
    assert!(!sum(vec![holds(), finding("PG-20", Severity::Info, hidden)]).is_clean());
    assert!(!StoreSum::default().is_clean(), "what was never read is not clean");
}

#[test]
fn the_choice_stays_with_its_finding_when_the_list_changes() {
    let one = || finding("PG-02", Severity::Low, Verdict::Fail);
    let before = view(vec![finding("PG-01", Severity::High, Verdict::Fail), one()]);
    let mut state = FindingsState::access();
    state.take_in(Some(&before));
    state.go(Motion::Bottom, Some(&before));
    let after = view(vec![
        one(),
        finding("PG-09", Severity::High, Verdict::Fail),
        finding("PG-03", Severity::High, Verdict::Fail),
    ]);
    state.take_in(Some(&after));
    assert_eq!(state.selected(&state.rows(Some(&after))), Some(2));
    let gone = view(vec![finding("PG-09", Severity::High, Verdict::Fail)]);
    state.take_in(Some(&gone));
    assert_eq!(state.selected(&state.rows(Some(&gone))), None);
    assert!(state.target(Some(&gone)).is_none());
}
