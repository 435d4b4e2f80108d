//! Defects that are planted on a real server, each beside something that looks like it and is sound: found, and nothing else accused.

use godwit::advice::access::audit::audit;
use godwit::advice::access::case::Case;
use godwit::advice::access::catalogue::rules;
use godwit::advice::access::ownership::both_sides::compare;
use godwit::model::access::declared::{DeclaredService, DeclaredTable, StoreMap};
use godwit::model::access::observed::ObservedAccess;
use godwit::model::access::reading::{AccessReading, EngineKind};
use godwit::model::finding::{Audit, Finding, Verdict};
use godwit::model::observation::{ByStore, Observation, StoreReading};
use godwit::report::access::access;
use godwit::report::finding::FindingFilter;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// One defect.
pub struct Plant {
    /// The rule that must find it.
    pub rule: &'static str,
    /// What the finding is about.
    pub subject: &'static str,
    /// Looks like it; no rule may say anything.
    pub decoy: &'static str,
    /// Makes the defect.
    pub plant: &'static str,
    /// Takes both away.
    pub clear: &'static str,
}

/// See [`Plant`].
pub const fn plant(
    rule: &'static str,
    subject: &'static str,
    decoy: &'static str,
    plant: &'static str,
    clear: &'static str,
) -> Plant {
    Plant { rule, subject, decoy, plant, clear }
}

/// What was found of what was planted.
#[derive(Default)]
pub struct Score {
    planted: usize,
    found: usize,
    mended: usize,
    rules: BTreeSet<String>,
    decoys: usize,
    /// Rules that stood beside a decoy, and those that passed on what they had to look at.
    with_decoy: BTreeSet<String>,
    passed: BTreeSet<String>,
    /// Decoys that were accused, statements that mend nothing, and what was left.
    wrong: Vec<String>,
}

impl Score {
    /// A finding is there before anything was planted.
    pub fn sound(&mut self, failing: &[Finding]) {
        assert_eq!(told(failing), Vec::<String>::new(), "the server is sound before anything is planted");
    }

    /// The rules that pass while the server is sound, decoys and all. `is_own`: what this test answers for, where others use the server as well.
    pub fn passing(&mut self, findings: &[Finding], is_own: impl Fn(&Finding) -> bool) {
        let rules: BTreeSet<&String> = findings.iter().map(|f| &f.rule).collect();
        for rule in rules {
            let mut of_rule = findings.iter().filter(|f| f.rule == *rule);
            // A rule that fails on somebody else's objects has looked at its own as well.
            if of_rule.clone().any(|f| matches!(f.verdict, Verdict::Pass | Verdict::Fail))
                && !of_rule.any(|f| f.verdict == Verdict::Fail && is_own(f))
            {
                self.passed.insert(rule.clone());
            }
        }
    }

    /// The decoy alone: nothing may fail.
    pub fn decoy(&mut self, plant: &Plant, failing: &[Finding]) {
        if !plant.decoy.trim().is_empty() && !IDLE.contains(&plant.decoy.trim()) {
            self.decoys += 1;
            self.with_decoy.insert(plant.rule.to_owned());
        }
        if !failing.is_empty() {
            self.wrong.push(format!("{}: the decoy is accused: {:?}", plant.rule, told(failing)));
        }
    }

    /// After planting: the finding, if it is there.
    pub fn planted(&mut self, plant: &Plant, subject: &str, failing: &[Finding]) -> Option<Finding> {
        self.planted += 1;
        self.rules.insert(plant.rule.to_owned());
        let found = failing.iter().find(|f| f.rule == plant.rule && f.subject == subject).cloned();
        match &found {
            Some(_) => self.found += 1,
            None => eprintln!("{} {subject} is not found, only {:?}", plant.rule, told(failing)),
        }
        found
    }

    /// After the finding's own statement.
    pub fn mended(&mut self, plant: &Plant, finding: &Finding, failing: &[Finding]) {
        if failing.iter().any(|f| f.name() == finding.name()) {
            self.wrong.push(format!("{}: {:?} does not mend it", plant.rule, finding.statement));
        } else {
            self.mended += 1;
        }
    }

    /// After its undo.
    pub fn undone(&mut self, plant: &Plant, finding: &Finding, failing: &[Finding]) {
        if !failing.iter().any(|f| f.name() == finding.name()) {
            self.wrong.push(format!("{}: {:?} does not bring it back", plant.rule, finding.undo));
        }
    }

    /// After clearing.
    pub fn cleared(&mut self, plant: &Plant, failing: &[Finding]) {
        if !failing.is_empty() {
            self.wrong.push(format!("{}: left after clearing: {:?}", plant.rule, told(failing)));
        }
    }

    /// What is planted and not proved: a rule that stood beside no decoy may accuse anything, one that never passed may always fail.
    fn lacking(&self) -> Vec<String> {
        let decoys = self.rules.difference(&self.with_decoy).map(|rule| format!("{rule} has no decoy"));
        let passing = self.rules.difference(&self.passed).map(|rule| format!("{rule} passes nowhere"));
        decoys.chain(passing).collect()
    }

    /// Prints the lines, and asserts. Every rule of the engine must have been planted beside a decoy and have passed, or stand in
    /// `elsewhere` with the reason, which says where it is judged.
    pub fn settle(self, engine: &str, kind: EngineKind, elsewhere: &[(&str, &str)]) {
        for (rule, why) in elsewhere {
            println!("access {engine}: {rule} is not planted here: {why}");
        }
        for wrong in &self.wrong {
            println!("access {engine}: {wrong}");
        }
        println!(
            "access {engine}: found {} of {} planted, {} false of {} decoys ({} mended by their own statement)",
            self.found,
            self.planted,
            self.wrong.len(),
            self.decoys,
            self.mended
        );
        println!("access {engine}: {}", places(self.rules.len(), elsewhere));
        let of_engine = rules().filter(|rule| rule.is_of(kind) && rule.absent_on(kind).is_none());
        let missing: Vec<&str> = of_engine
            .map(|rule| rule.id)
            .filter(|id| !self.rules.contains(*id) && !elsewhere.iter().any(|(rule, _)| rule == id))
            .collect();
        assert_eq!(missing, Vec::<&str>::new(), "every rule of the engine is planted or says why not");
        assert_eq!(self.lacking(), Vec::<String>::new());
        assert_eq!((self.found, self.wrong.len()), (self.planted, 0));
    }
}

/// Statements that do nothing: no decoys.
const IDLE: [&str; 3] = ["PING", "DO 1", "SELECT 1"];

/// How many rules were judged on real servers, here and in tests of their own, and how many on a reading that was altered in memory.
pub fn places(planted: usize, elsewhere: &[(&str, &str)]) -> String {
    // The reasons are for people; each ends with where the rule is judged, if it is.
    let (mut real, mut altered, mut nowhere) = (planted, 0, 0);
    for (_, why) in elsewhere {
        match why {
            why if why.ends_with("a test of its own") => real += 1,
            why if why.contains("judged on an altered ") || why.contains("judged on altered ") => altered += 1,
            _ => nowhere += 1,
        }
    }
    format!(
        "{real} rules judged on real servers, {altered} on altered readings or maps, {nowhere} not on this engine or not by one server"
    )
}

/// Rule and subject of each, for messages.
pub fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{} {}", f.rule, f.subject)).collect()
}

/// What fails.
pub fn failing(map: &StoreMap, observed: &ObservedAccess, reading: &AccessReading) -> Vec<Finding> {
    judged(map, observed, reading).into_iter().filter(|f| f.verdict == Verdict::Fail).collect()
}

/// All findings.
pub fn judged(map: &StoreMap, observed: &ObservedAccess, reading: &AccessReading) -> Vec<Finding> {
    let store = "lab".into();
    audit(&Case { store: &store, reading, map, observed, today: today() }, &[])
}

/// The day of all audits here.
pub fn today() -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

/// Subjects of one rule that fail.
pub fn of_rule(map: &StoreMap, reading: &AccessReading, rule: &str) -> Vec<String> {
    subjects(&judged(map, &ObservedAccess::default(), reading), rule)
}

/// Verdict and subject of each finding of one rule.
pub fn of_findings(findings: &[Finding], rule: &str) -> Vec<String> {
    let of_rule = findings.iter().filter(|f| f.rule == rule);
    of_rule.map(|f| format!("{} {}", f.verdict.word(), f.subject)).collect()
}

/// Subjects of one rule that fail.
pub fn subjects(findings: &[Finding], rule: &str) -> Vec<String> {
    let of_rule = findings.iter().filter(|f| f.rule == rule && f.verdict == Verdict::Fail);
    of_rule.map(|f| f.subject.clone()).collect()
}

/// What OWN-25 says of two stores under one map: the source as it showed itself before, and the target as it does now.
pub fn compared(map: &StoreMap, source: &AccessReading, target: &AccessReading) -> Vec<Finding> {
    let (names, observed) = (["source".into(), "lab".into()], ObservedAccess::default());
    let case = |store, reading| Case { store, reading, map, observed: &observed, today: today() };
    compare(&case(&names[0], source), &case(&names[1], target))
}

/// All that `godwit access` prints of an audit: JSON and text, with every finding.
pub fn printed(findings: &[Finding]) -> String {
    let at = chrono::DateTime::UNIX_EPOCH;
    let audit = Audit { findings: findings.to_vec(), read_at: Some(at), changes: Vec::new() };
    let mut reading = StoreReading::default();
    reading.take(Ok(Observation::whole(audit, at)), at);
    let filter = FindingFilter { all: true, ..FindingFilter::default() };
    let report = access(&ByStore::from([("lab".into(), reading)]), &filter);
    format!("{}\n{}", serde_json::to_string(&report).unwrap(), report.text(at))
}

/// Everything that is logged on this thread, at every level, while it lives.
pub struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// From now on.
    pub fn start() -> Self {
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || Writer(writer.clone()))
            .finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// So far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }
}

/// A service with one login.
pub fn service(id: &str, home: &str, account: &str, reads: &[&str]) -> DeclaredService {
    DeclaredService {
        id: id.into(),
        home: home.into(),
        accounts: vec![account.to_owned()],
        allowed_reads: reads.iter().map(|r| (*r).to_owned()).collect(),
        until: None,
    }
}

/// A table of a service.
pub fn table(name: &str, service: &str) -> DeclaredTable {
    DeclaredTable {
        name: name.to_owned(),
        logical: name.rsplit('.').next().unwrap().to_owned(),
        service: service.into(),
        moved_at: None,
        is_expected: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use godwit::model::finding::Severity;

    fn finding(rule: &str, verdict: Verdict) -> Finding {
        let mut finding = Finding::new(rule, Severity::Low, &"lab".into(), "it", "it");
        finding.verdict = verdict;
        finding
    }

    #[test]
    fn a_planted_rule_without_a_decoy_or_a_pass_is_named() {
        let mut score = Score::default();
        for plant in
            [plant("A", "it", "PING", "x", "y"), plant("B", "it", "z", "x", "y"), plant("C", "it", "", "x", "y")]
        {
            score.decoy(&plant, &[]);
            score.planted(&plant, "it", &[finding(plant.rule, Verdict::Fail)]);
        }
        let not_checked = Verdict::NotCheckable { why: String::new() };
        score.passing(&[finding("A", Verdict::Pass), finding("B", not_checked), finding("C", Verdict::Fail)], |_| true);
        assert_eq!(score.lacking(), ["A has no decoy", "C has no decoy", "B passes nowhere", "C passes nowhere"]);
        score.passing(&[finding("C", Verdict::Fail)], |_| false);
        assert!(!score.lacking().contains(&"C passes nowhere".to_owned()), "only somebody else's object fails");
    }

    #[test]
    fn rules_are_counted_by_where_they_are_judged() {
        let elsewhere =
            [("A", "x: a test of its own"), ("B", "x: judged on altered facts"), ("C", "it compares two stores")];
        let told = places(10, &elsewhere);
        assert!(told.starts_with("11 rules judged on real servers, 1 on altered readings or maps, 1 not on"), "{told}");
    }
}
