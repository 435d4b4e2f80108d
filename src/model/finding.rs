//! Findings: what the rules of advice say, each with what it stands on and what to do about it.

use crate::model::access::drift::GrantChange;
use crate::model::ids::StoreId;
use crate::model::index_order::IndexBuild;
use crate::model::observation::Window;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Mend it when there is time.
    Low,
    /// Mend it before the cutover.
    Medium,
    /// Mend it soon.
    High,
    /// Data can be lost, changed or read by who must not.
    Critical,
}

impl Severity {
    /// The word on screens and in profiles.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Letter and symbol, so that colour is never alone.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Info => "I ",
            Self::Low => "L.",
            Self::Medium => "M~",
            Self::High => "H^",
            Self::Critical => "C!",
        }
    }
}

/// How a rule ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Verdict {
    /// The rule is broken.
    Fail,
    /// The rule is broken, and somebody answers for it until a day.
    Waived {
        /// Who.
        who: String,
        /// Last day of the waiver.
        until: NaiveDate,
        /// Why.
        why: String,
    },
    /// It could not be looked at. Never the same as a pass.
    NotCheckable {
        /// Why.
        why: String,
    },
    /// The rule holds.
    Pass,
    /// The rule has no object here.
    NotApplicable {
        /// Why.
        why: String,
    },
}

impl Verdict {
    /// The word on screens.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Waived { .. } => "waived",
            Self::NotCheckable { .. } => "not checkable",
            Self::Pass => "pass",
            Self::NotApplicable { .. } => "not applicable",
        }
    }
}

/// How sure an advice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// An estimate without the planner.
    Estimated,
    /// The planner says so.
    Planned,
    /// A fact of the catalogue.
    Certain,
}

impl Confidence {
    /// The word on screens.
    pub fn word(self) -> &'static str {
        match self {
            Self::Estimated => "estimated",
            Self::Planned => "planned",
            Self::Certain => "certain",
        }
    }
}

/// What an index would bring and cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexEffect {
    /// Time saved per second of the window, in microseconds.
    pub saves_us_per_second: Option<f64>,
    /// A sentence about the gain with its numbers.
    pub gain: String,
    /// A sentence about what writes pay, loss of in-place updates included.
    pub write_cost: String,
    /// Size of the index in bytes: real, or estimated for one that does not exist.
    pub bytes: Option<u64>,
    /// What it locks while it is built or dropped, and who would queue.
    pub locking: String,
}

/// One result of one rule about one subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule id, such as `PG-08`, `OWN-02`, `IX-FK`.
    pub rule: String,
    /// How bad a failure of this rule is here.
    pub severity: Severity,
    /// How it ended.
    pub verdict: Verdict,
    /// Where.
    pub store: StoreId,
    /// What it is about: a login, a table, an index, a setting. With `rule` and `store` it names the finding for ever.
    pub subject: String,
    /// What is so, as a sentence.
    pub sentence: String,
    /// What it stands on: numbers and facts, one a line. Never a secret.
    pub evidence: Vec<String>,
    /// Over which time, where the evidence is counted.
    pub window: Option<Window>,
    /// What would mend it, exactly.
    pub statement: Option<String>,
    /// What takes `statement` back.
    pub undo: Option<String>,
    /// Reasons not to do it.
    pub why_not: Vec<String>,
    /// CIS benchmark number, where known.
    pub cis: Option<String>,
    /// How sure it is.
    pub confidence: Confidence,
    /// For index advice.
    pub effect: Option<IndexEffect>,
    /// The index that mends it, where one statement builds it beside the traffic: what an operator may take into a phase's plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub makes: Option<IndexBuild>,
}

impl Finding {
    /// A failing finding that is certain; the rest is set by the rule.
    pub fn new(
        rule: &str,
        severity: Severity,
        store: &StoreId,
        subject: impl Into<String>,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            rule: rule.to_owned(),
            severity,
            verdict: Verdict::Fail,
            store: store.clone(),
            subject: subject.into(),
            sentence: sentence.into(),
            evidence: Vec::new(),
            window: None,
            statement: None,
            undo: None,
            why_not: Vec::new(),
            cis: None,
            confidence: Confidence::Certain,
            effect: None,
            makes: None,
        }
    }

    /// The name under which it is waived, followed and compared: stable over runs.
    pub fn name(&self) -> (&str, &StoreId, &str) {
        (&self.rule, &self.store, &self.subject)
    }

    /// Sorts a list in the order that all screens, commands and reports share; two audits can be compared line by line.
    pub fn sort(findings: &mut [Self]) {
        findings.sort_by(|a, b| {
            let order = |f: &Self| (f.verdict.clone(), Reverse(f.severity));
            order(a).cmp(&order(b)).then_with(|| a.name().cmp(&b.name()))
        });
    }
}

/// All findings of one audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// In shared order.
    pub findings: Vec<Finding>,
    /// When the facts under it were read, oldest first.
    pub read_at: Option<DateTime<Utc>>,
    /// What changed in who may do what since the engine started, oldest first. Empty for other audits than that of access.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<GrantChange>,
}
