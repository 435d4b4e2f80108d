//! Comparisons of a pipeline's tables: asked for, how far, how they ended.

use crate::model::ids::Operator;
use crate::model::reason::Reason;
use crate::model::verification::{DriftCounts, TablePass, TableVerification};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Facts about comparing one pipeline that go to the journal. The results of each table are rows of their own (`verified`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "comparison_event", rename_all = "snake_case")]
pub enum ComparisonEvent {
    /// An operator asked for it, outside a phase.
    Started {
        /// Source tables; all when empty.
        tables: Vec<String>,
        /// Differing rows are written over and compared again.
        repair: bool,
        /// Who.
        by: Operator,
    },
    /// A large table is compared up to here: written from time to time, and when a pass is held.
    Reached {
        /// How far.
        pass: TablePass,
    },
    /// Every table in scope has its result.
    Ended {
        /// Tables compared.
        tables: u64,
        /// Rows compared on the serving side.
        rows: u64,
        /// What differs, after the repair if there was one.
        drift: DriftCounts,
    },
    /// It ended without a result for every table.
    Failed {
        /// Why, and what to do next.
        reason: Reason,
    },
}

/// A comparison that an operator asked for and that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedComparison {
    /// Source tables; all when empty.
    pub tables: Vec<String>,
    /// Differing rows are written over and compared again.
    pub repair: bool,
    /// Who.
    pub by: Operator,
    /// When.
    pub at: DateTime<Utc>,
}

/// Why the last comparison that was asked for has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedComparison {
    /// Why, and what to do next.
    pub reason: Reason,
    /// When.
    pub at: DateTime<Utc>,
}

/// A pipeline's comparisons as the journal tells them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// The one that was asked for and has not ended.
    pub asked: Option<AskedComparison>,
    /// How far the pass over the table in work has come; also that of a verify phase.
    pub pass: Option<TablePass>,
    /// How the last one failed; `None` once another was asked for.
    pub failed: Option<FailedComparison>,
}

impl ComparisonRecord {
    /// Applies one event.
    pub fn apply(&mut self, event: &ComparisonEvent, at: DateTime<Utc>) {
        match event {
            ComparisonEvent::Started { tables, repair, by } => {
                self.asked = Some(AskedComparison { tables: tables.clone(), repair: *repair, by: by.clone(), at });
                self.failed = None;
            }
            ComparisonEvent::Reached { pass } => self.pass = Some(pass.clone()),
            ComparisonEvent::Ended { .. } => self.asked = None,
            ComparisonEvent::Failed { reason } => {
                self.asked = None;
                self.failed = Some(FailedComparison { reason: reason.clone(), at });
            }
        }
    }

    /// A table has its result: there is nothing left to go on with.
    pub fn close(&mut self, results: &[TableVerification]) {
        if self.pass.as_ref().is_some_and(|pass| results.iter().any(|result| result.table == pass.found.table)) {
            self.pass = None;
        }
    }

    /// The pass with which a comparison that began at `since` may go on in this table.
    pub fn to_resume(&self, table: &str, since: DateTime<Utc>) -> Option<&TablePass> {
        self.pass
            .as_ref()
            .filter(|pass| pass.found.table.to_string() == table && pass.found.began_at.is_some_and(|at| at >= since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::TableName;
    use crate::model::value::Value;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_435_200 + seconds, 0).unwrap()
    }

    fn pass(table: &str, began: i64) -> TablePass {
        let found = TableVerification::begin(TableName::bare(table), at(began));
        TablePass { found, upto: vec![Value::Int(7)], method: "m".to_owned() }
    }

    #[test]
    fn a_pass_goes_on_only_in_the_comparison_that_began_it() {
        let mut record = ComparisonRecord::default();
        record.apply(&ComparisonEvent::Reached { pass: pass("orders", 10) }, at(20));
        assert!(record.to_resume("orders", at(10)).is_some());
        assert!(
            record.to_resume("orders", at(11)).is_none(),
            "a later comparison must not take an older pass for its own"
        );
        assert!(record.to_resume("lines", at(0)).is_none());
        record.close(&[TableVerification::begin(TableName::bare("orders"), at(10))]);
        assert!(record.to_resume("orders", at(0)).is_none());
    }

    #[test]
    fn a_resumed_pass_is_as_old_as_its_beginning() {
        let mut found = pass("orders", 10).found;
        assert_eq!(found.fresh_since(), None);
        found.full_pass_at = Some(at(100));
        assert_eq!(found.fresh_since(), Some(at(100)));
        found.resumed = true;
        assert_eq!(found.fresh_since(), Some(at(10)));
    }

    #[test]
    fn a_key_that_the_journal_would_change_is_not_kept() {
        let mut pass = pass("orders", 0);
        assert!(pass.can_be_kept());
        pass.upto = vec![Value::Float(f64::INFINITY)];
        assert!(!pass.can_be_kept());
    }
}
