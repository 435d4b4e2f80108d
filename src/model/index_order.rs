//! Index orders: advice that an operator took, to be built as a step of a phase.
//!
//! Invariant: an order holds the statement as it was when it was taken. What advice says changes with every reading; a plan that was
//! approved, and a step that is found again after a crash, must not.

use crate::model::finding::Finding;
use crate::model::ids::{Operator, StepId, StoreId};
use crate::model::index::IndexPart;
use serde::{Deserialize, Serialize};

/// An index that one statement builds while its table stays in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexBuild {
    /// Its table or collection, as the engine prints it.
    pub table: String,
    /// Its name, without schema and quotes.
    pub name: String,
    /// Key parts in order.
    pub parts: Vec<IndexPart>,
    /// Whether it refuses equal keys.
    pub unique: bool,
    /// The statement that makes it.
    pub statement: String,
    /// The statement that removes it.
    pub undo: String,
}

/// A finding that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexOrder {
    /// Where it is built.
    pub store: StoreId,
    /// Rule of the finding.
    pub rule: String,
    /// Subject of the finding; with `rule` and `store` its name.
    pub subject: String,
    /// What the finding said.
    pub sentence: String,
    /// What is built.
    pub build: IndexBuild,
}

impl IndexOrder {
    /// The name of its finding.
    pub fn name(&self) -> (&str, &StoreId, &str) {
        (&self.rule, &self.store, &self.subject)
    }

    /// The name of its finding as it is typed.
    pub fn typed(&self) -> String {
        typed(&self.rule, &self.store, &self.subject)
    }

    /// The step that builds it.
    pub fn step(&self) -> StepId {
        StepId(format!("{}/index {}.{}", self.store, self.build.table, self.build.name))
    }
}

/// A finding's name as it is typed and written in a profile: `RULE:STORE:SUBJECT`.
pub fn typed(rule: &str, store: &StoreId, subject: &str) -> String {
    format!("{rule}:{store}:{subject}")
}

/// A finding's name as somebody wrote it: the store may be left out where only one store has such a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingName {
    /// Rule id.
    pub rule: String,
    /// Store; `None`: whichever has it.
    pub store: Option<StoreId>,
    /// Subject, exactly.
    pub subject: String,
}

impl FindingName {
    /// The whole name of a finding.
    pub fn of(finding: &Finding) -> Self {
        Self { rule: finding.rule.clone(), store: Some(finding.store.clone()), subject: finding.subject.clone() }
    }

    /// Reads `RULE:STORE:SUBJECT` or `RULE:SUBJECT`; subjects may hold colons, so that `is_store` says whether a word is a store's name.
    ///
    /// # Errors
    /// A sentence with the form that is wanted.
    pub fn parse(text: &str, is_store: impl Fn(&str) -> bool) -> Result<Self, String> {
        let form =
            || format!("`{text}` names no finding: the form is RULE:STORE:SUBJECT, as `godwit indexes` prints it");
        let (rule, rest) = text.split_once(':').ok_or_else(form)?;
        let (store, subject) = match rest.split_once(':') {
            Some((store, subject)) if is_store(store) => (Some(StoreId::from(store)), subject),
            _ => (None, rest),
        };
        if rule.is_empty() || subject.trim().is_empty() {
            return Err(form());
        }
        Ok(Self { rule: rule.to_owned(), store, subject: subject.to_owned() })
    }

    /// True when a finding bears this name.
    pub fn is_of(&self, rule: &str, store: &StoreId, subject: &str) -> bool {
        self.rule == rule && self.subject == subject && self.store.as_ref().is_none_or(|own| own == store)
    }
}

impl std::fmt::Display for FindingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.store {
            Some(store) => f.pad(&typed(&self.rule, store, &self.subject)),
            None => f.pad(&format!("{}:{}", self.rule, self.subject)),
        }
    }
}

/// What an operator decided about advice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "index_event", rename_all = "snake_case")]
pub enum IndexEvent {
    /// The finding was taken: the phase's next plan builds its index.
    Taken {
        /// Which, with its statements.
        order: IndexOrder,
        /// Who decided.
        by: Operator,
    },
    /// The decision was taken back before anything was built.
    Left {
        /// Rule of the finding.
        rule: String,
        /// Where.
        store: StoreId,
        /// Subject of the finding.
        subject: String,
        /// Who decided.
        by: Operator,
    },
}

/// Takes a decision into a phase's orders. A finding that is taken again is taken with its newer statement.
pub fn fold(orders: &mut Vec<IndexOrder>, event: &IndexEvent) {
    match event {
        IndexEvent::Taken { order, .. } => match orders.iter_mut().find(|known| known.name() == order.name()) {
            Some(known) => known.clone_from(order),
            None => orders.push(order.clone()),
        },
        IndexEvent::Left { rule, store, subject, .. } => {
            orders.retain(|known| known.name() != (rule.as_str(), store, subject.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(subject: &str, name: &str) -> IndexOrder {
        IndexOrder {
            store: "orders-db".into(),
            rule: "IX-FK".to_owned(),
            subject: subject.to_owned(),
            sentence: String::new(),
            build: IndexBuild {
                table: "public.lines".to_owned(),
                name: name.to_owned(),
                parts: Vec::new(),
                unique: false,
                statement: String::new(),
                undo: String::new(),
            },
        }
    }

    #[test]
    fn a_name_is_read_with_and_without_its_store() {
        let is_store = |word: &str| word == "orders-db";
        let read = |text: &str| FindingName::parse(text, is_store);
        let whole = read("IX-FK:orders-db:public.lines.fk").unwrap();
        assert_eq!(
            (whole.store.as_ref().map(StoreId::as_str), whole.subject.as_str()),
            (Some("orders-db"), "public.lines.fk")
        );
        assert_eq!(whole.to_string(), "IX-FK:orders-db:public.lines.fk");
        let cast = read("IX-NEW:public.lines (a::text)").unwrap();
        assert_eq!((cast.store, cast.subject.as_str()), (None, "public.lines (a::text)"));
        for bad in ["", "IX-FK", "IX-FK:", ":x", "IX-FK:orders-db:"] {
            assert!(read(bad).unwrap_err().contains("RULE:STORE:SUBJECT"), "{bad}");
        }
    }

    #[test]
    fn a_finding_is_taken_once_and_can_be_left() {
        let by = Operator::from("mina");
        let mut orders = Vec::new();
        fold(&mut orders, &IndexEvent::Taken { order: order("a", "a_idx"), by: by.clone() });
        fold(&mut orders, &IndexEvent::Taken { order: order("b", "b_idx"), by: by.clone() });
        fold(&mut orders, &IndexEvent::Taken { order: order("a", "a_idx2"), by: by.clone() });
        assert_eq!(orders, [order("a", "a_idx2"), order("b", "b_idx")]);
        let (rule, store, subject) = ("IX-FK".to_owned(), StoreId::from("orders-db"), "a".to_owned());
        fold(&mut orders, &IndexEvent::Left { rule, store, subject, by });
        assert_eq!(orders, [order("b", "b_idx")]);
    }
}
