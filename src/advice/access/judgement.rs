//! What a rule says.

use crate::model::finding::{Confidence, Severity};
use crate::model::observation::Window;

/// One way in which a rule is broken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// What it is about; names the finding together with rule and store.
    pub subject: String,
    /// What is so.
    pub sentence: String,
    /// One fact a line.
    pub evidence: Vec<String>,
    /// What mends it.
    pub statement: Option<String>,
    /// What takes that back.
    pub undo: Option<String>,
    /// Reasons not to.
    pub why_not: Vec<String>,
    /// Where it differs from the rule's.
    pub severity: Option<Severity>,
    /// Where it is less than certain.
    pub confidence: Option<Confidence>,
    /// Where the evidence is counted over a time.
    pub window: Option<Window>,
}

impl Failure {
    /// About a subject.
    pub fn new(subject: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { subject: subject.into(), sentence: sentence.into(), ..Self::default() }
    }

    /// With a statement and what takes it back.
    pub fn mended(mut self, statement: impl Into<String>, undo: impl Into<String>) -> Self {
        self.statement = Some(statement.into());
        self.undo = Some(undo.into());
        self
    }

    /// With a statement that nothing takes back.
    pub fn mended_for_good(mut self, statement: impl Into<String>, why: &str) -> Self {
        self.statement = Some(statement.into());
        self.why_not.push(why.to_owned());
        self
    }

    /// With a fact.
    pub fn fact(mut self, fact: impl Into<String>) -> Self {
        self.evidence.push(fact.into());
        self
    }

    /// With a reason not to.
    pub fn but(mut self, why_not: impl Into<String>) -> Self {
        self.why_not.push(why_not.into());
        self
    }
}

/// The outcome of a rule on a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Empty: the rule holds, unless one of the others is set.
    pub failures: Vec<Failure>,
    /// Something could not be looked at.
    pub hidden: Option<String>,
    /// There is nothing to judge.
    pub absent: Option<String>,
}

impl Judgement {
    /// Everything could be looked at.
    pub fn of(failures: Vec<Failure>) -> Self {
        Self { failures, ..Self::default() }
    }

    /// It could not be looked at.
    pub fn hidden(why: impl Into<String>) -> Self {
        Self { hidden: Some(why.into()), ..Self::default() }
    }

    /// There is nothing to judge.
    pub fn absent(why: impl Into<String>) -> Self {
        Self { absent: Some(why.into()), ..Self::default() }
    }
}

impl FromIterator<Failure> for Judgement {
    fn from_iter<T: IntoIterator<Item = Failure>>(failures: T) -> Self {
        Self::of(failures.into_iter().collect())
    }
}
